#include "storage/ledger_leaves.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace lookback::storage {
namespace {

static_assert(kLeafBytes == 32);
// More than the records of a ledger file; what leaves claim beyond is not believed.
constexpr uint64_t kMaxStanding = uint64_t{1} << 20;

bool IsLeafOf(ByteSpan leaf, const LedgerRecord& record) {
  const Sha256Digest expected = LeafHash(record);
  return std::equal(leaf.begin(), leaf.end(), expected.begin());
}

}  // namespace

bool IsAbsentLeaf(ByteSpan leaf) {
  return std::all_of(leaf.begin(), leaf.end(), [](uint8_t byte) { return byte == 0; });
}

Result<Bytes> LedgerLeaves::Read(const std::string& directory, uint64_t first, uint64_t end,
                                 FileSystem& files) {
  Bytes leaves(static_cast<size_t>((end - first) * kLeafBytes));
  const auto file = files.Open(JoinPath(directory, kLeavesFile), OpenMode::kRead);
  if (!file && file.code() == Code::kNotFound) return leaves;
  if (!file) return Pass(file.error());
  LB_TRY_ASSIGN(read, (*file)->ReadAt(first * kLeafBytes, leaves));
  // A leaf of which only a part was written is none.
  const size_t whole = read - read % kLeafBytes;
  std::fill(leaves.begin() + static_cast<ptrdiff_t>(whole), leaves.end(), uint8_t{0});
  return leaves;
}

Result<uint64_t> LedgerLeaves::Count(const std::string& directory, FileSystem& files) {
  const auto file = files.Open(JoinPath(directory, kLeavesFile), OpenMode::kRead);
  if (!file && file.code() == Code::kNotFound) return 0;
  if (!file) return Pass(file.error());
  LB_TRY_ASSIGN(size, (*file)->Size());
  return size / kLeafBytes;
}

Result<uint64_t> LedgerLeaves::Standing(const std::string& directory, uint64_t first, uint64_t end,
                                        FileSystem& files) {
  end = std::min(end, first + kMaxStanding);
  if (first >= end) return 0;
  LB_TRY_ASSIGN(file, files.Open(JoinPath(directory, kLeavesFile), OpenMode::kRead));
  Bytes leaves(static_cast<size_t>((end - first) * kLeafBytes));
  LB_TRY_ASSIGN(read, file->ReadAt(first * kLeafBytes, leaves));
  uint64_t standing = 0;
  for (; (standing + 1) * kLeafBytes <= read; ++standing) {
    if (IsAbsentLeaf(ByteSpan(leaves).subspan(standing * kLeafBytes, kLeafBytes))) break;
  }
  return standing;
}

Result<std::unique_ptr<LedgerLeaves>> LedgerLeaves::Open(const std::string& directory,
                                                         const std::vector<LedgerFile>& ledger,
                                                         FileSystem& files) {
  const std::string path = JoinPath(directory, kLeavesFile);
  if (!Exists(files, path)) {
    LB_TRY_ASSIGN(made, files.Open(path, OpenMode::kCreateNew));
    LB_TRY(files.SyncDirectory(directory));
  }
  LB_TRY_ASSIGN(file, files.Open(path, OpenMode::kReadWrite));
  LB_TRY_ASSIGN(size, file->Size());
  std::unique_ptr<LedgerLeaves> leaves(new LedgerLeaves(std::move(file)));
  if (ledger.empty()) {
    LB_TRY(leaves->file_->Truncate(0));
    return leaves;
  }
  // Those of all ledger files but the last were synced when the next was begun.
  const uint64_t from = std::min(size / kLeafBytes, ledger.back().first_number);
  for (const LedgerFile& one : ledger) {
    if (one.end_number > from) LB_TRY(leaves->Repair(one, from, files));
  }
  LB_TRY(leaves->file_->Truncate(ledger.back().end_number * kLeafBytes));
  return leaves;
}

Status LedgerLeaves::Repair(const LedgerFile& ledger, uint64_t from, FileSystem& files) {
  const auto opened = files.Open(ledger.path, OpenMode::kRead);
  if (!opened && opened.code() == Code::kNotFound) return Ok();  // Lost, and told by the ledger.
  if (!opened) return Pass(opened.error());
  LedgerWalker walker(**opened, kLedgerHeaderBytes, ledger.good_bytes);
  const uint64_t first = std::max(from, ledger.first_number);
  Bytes kept(static_cast<size_t>((ledger.end_number - first) * kLeafBytes));
  LB_TRY_ASSIGN(read, file_->ReadAt(first * kLeafBytes, kept));
  // A leaf of which only a part was written is none.
  const size_t whole = read - read % kLeafBytes;
  std::fill(kept.begin() + static_cast<ptrdiff_t>(whole), kept.end(), uint8_t{0});
  bool mended = false;
  LedgerRecord record;
  for (uint64_t next = first; next < ledger.end_number; next = record.number + 1) {
    LB_TRY_ASSIGN(more, walker.NextAround(next, record));
    if (!more || record.number >= ledger.end_number) break;
    const std::span<uint8_t> leaf = std::span(kept).subspan(
        static_cast<size_t>(record.number - first) * kLeafBytes, kLeafBytes);
    if (IsAbsentLeaf(leaf)) {
      const Sha256Digest made = LeafHash(record);
      std::copy(made.begin(), made.end(), leaf.begin());
      mended = true;
    } else if (!IsLeafOf(leaf, record)) {
      LogError("ledger",
               "record " + std::to_string(record.number) +
                   " is another than the one whose leaf hash was kept; see lookback fsck");
    }
  }
  const ByteSpan part(kept);
  return mended ? file_->WriteAt(first * kLeafBytes, std::span(&part, 1)) : Ok();
}

void LedgerLeaves::Write(uint64_t end_number) {
  const Bytes leaves = std::exchange(waiting_, {});
  if (!file_) return;
  const uint64_t first = end_number - leaves.size() / kLeafBytes;
  const ByteSpan part(leaves);
  const Status written = file_->WriteAt(first * kLeafBytes, std::span(&part, 1));
  if (!written) GiveUp(written.error());
}

void LedgerLeaves::Sync() {
  if (!file_) return;
  const Status synced = file_->Sync();
  if (!synced) GiveUp(synced.error());
}

void LedgerLeaves::GiveUp(const Error& error) {
  LogWarning("ledger", "leaf hashes wait for the next start: " + error.message);
  file_.reset();
}

Status LedgerLeaves::Verify(const std::string& directory, const std::vector<LedgerFile>& ledger,
                            FileSystem& files) {
  if (ledger.empty()) return Ok();
  LB_TRY_ASSIGN(kept, files.Open(JoinPath(directory, kLeavesFile), OpenMode::kRead));
  uint64_t expected = 0;
  for (const LedgerFile& file : ledger) {
    LB_TRY_ASSIGN(opened, files.Open(file.path, OpenMode::kRead));
    Bytes head(kLedgerHeaderBytes);
    LB_TRY(opened->ReadAt(0, head));
    if (!ParseLedgerHeader(head)) return Damaged(file, 0, file.first_number);
    if (file.first_number != expected) return Damaged(file, 0, expected);
    expected = file.end_number;
    LedgerWalker walker(*opened, kLedgerHeaderBytes, file.good_bytes);
    Bytes leaves(static_cast<size_t>((file.end_number - file.first_number) * kLeafBytes));
    LB_TRY_ASSIGN(read, kept->ReadAt(file.first_number * kLeafBytes, leaves));
    for (uint64_t number = file.first_number; number < file.end_number; ++number) {
      LedgerRecord record;
      LB_TRY_ASSIGN(more, walker.Next(record));
      if (!more || record.number != number) return Damaged(file, walker.offset(), number);
      const size_t at = static_cast<size_t>(number - file.first_number) * kLeafBytes;
      if (at + kLeafBytes > read) continue;  // Not written yet, beside a running store.
      const ByteSpan leaf = ByteSpan(leaves).subspan(at, kLeafBytes);
      if (IsAbsentLeaf(leaf) || IsLeafOf(leaf, record)) continue;
      return Fail(Code::kCorrupt, "ledger file " + file.path + " has as record " +
                                      std::to_string(number) +
                                      " another than the one whose leaf hash was kept");
    }
  }
  return Ok();
}

}  // namespace lookback::storage
