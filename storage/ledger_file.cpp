#include "storage/ledger_file.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

namespace lookback::storage {
namespace {

constexpr std::string_view kLedgerSuffix = ".lkl";
// What is taken from a file at once.
constexpr size_t kLedgerReadBytes = 4 << 20;
constexpr size_t kMaxRecordBytes = kMaxLedgerPayload + kLedgerRecordOverhead;
static_assert(kLedgerReadBytes > kMaxRecordBytes);
// Behind damage a record is looked for among so many numbers: a file has far fewer.
constexpr uint64_t kMaxNumbersOfFile = uint64_t{1} << 32;

}  // namespace

std::string LedgerFileName(uint64_t first_number) {
  char name[24];
  std::snprintf(name, sizeof name, "%016" PRIx64, first_number);
  return std::string(name) + std::string(kLedgerSuffix);
}

bool ParseLedgerFileName(std::string_view name, uint64_t& first_number) {
  if (!name.ends_with(kLedgerSuffix)) return false;
  Bytes raw;
  if (!HexDecode(name.substr(0, name.size() - kLedgerSuffix.size()), raw) || raw.size() != 8) {
    return false;
  }
  first_number = ByteReader(raw).U64();
  return true;
}

Result<bool> LedgerWalker::Next(LedgerRecord& record) {
  auto parsed = ParseLedgerRecord(Window());
  if (!parsed && !at_end_) {
    LB_TRY(Fill());
    parsed = ParseLedgerRecord(Window());
  }
  if (!parsed) return false;
  record = *parsed;
  position_ += record.bytes();
  return true;
}

Result<bool> LedgerWalker::NextAround(uint64_t at_least, LedgerRecord& record) {
  while (true) {
    LB_TRY_ASSIGN(whole, Next(record));
    if (whole && record.number >= at_least) return true;
    if (whole) continue;
    LB_TRY_ASSIGN(found, Resync(at_least));
    if (!found) return false;
  }
}

// Moves byte by byte to where a whole record of such a number begins.
Result<bool> LedgerWalker::Resync(uint64_t at_least) {
  for (++position_;; ++position_) {
    if (position_ >= buffer_.size() || Window().size() < kLedgerRecordOverhead) {
      if (at_end_) return false;
      LB_TRY(Fill());
      if (Window().size() < kLedgerRecordOverhead) return false;
    }
    // The numbers first: hashing what merely looks like a length would take for ever.
    ByteReader reader(Window());
    const uint32_t length = reader.U32();
    reader.Skip(8);  // Kind, version, flags, unsynced.
    const uint64_t number = reader.U64();
    if (length > kMaxLedgerPayload || number < at_least || number - at_least > kMaxNumbersOfFile) {
      continue;
    }
    if (!at_end_ && Window().size() < kLedgerRecordOverhead + length) LB_TRY(Fill());
    if (ParseLedgerRecord(Window())) return true;
  }
}

Status LedgerWalker::Fill() {
  offset_ = std::min(offset_ + position_, limit_);
  position_ = 0;
  buffer_.resize(static_cast<size_t>(std::min<uint64_t>(kLedgerReadBytes, limit_ - offset_)));
  LB_TRY_ASSIGN(read, file_.ReadAt(offset_, buffer_));
  at_end_ = read < kLedgerReadBytes;
  buffer_.resize(read);
  return Ok();
}

tl::unexpected<Error> Damaged(const LedgerFile& file, uint64_t offset, uint64_t number) {
  return Fail(Code::kCorrupt, "ledger file " + file.path + " is damaged at offset " +
                                  std::to_string(offset) + ", at record " + std::to_string(number));
}

Result<bool> WasSynced(uint64_t number, const File& file, uint64_t offset, uint64_t end) {
  Bytes window;
  // Windows overlap by one largest record, so that none is cut in two.
  for (; offset < end; offset += kLedgerReadBytes - kMaxRecordBytes) {
    window.resize(static_cast<size_t>(std::min<uint64_t>(kLedgerReadBytes, end - offset)));
    LB_TRY_ASSIGN(read, file.ReadAt(offset, window));
    if (ProvesSynced(number, ByteSpan(window).first(read))) return true;
  }
  return false;
}

}  // namespace lookback::storage
