#include "storage/ledger.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <mutex>

#include "base/log.h"
#include "storage/ledger_format.h"

namespace lookback::storage {
namespace {

constexpr std::string_view kSuffix = ".lkl";
constexpr std::string_view kLeavesFile = "leaves";
constexpr size_t kLeafBytes = 32;
// What Read takes from a file at once: at least one largest record.
constexpr size_t kReadBytes = 4 << 20;
static_assert(kReadBytes > kMaxLedgerPayload + kLedgerRecordOverhead);

std::string FileName(uint64_t first_number) {
  char name[24];
  std::snprintf(name, sizeof name, "%016" PRIx64, first_number);
  return std::string(name) + std::string(kSuffix);
}

bool ParseFileName(std::string_view name, uint64_t& first_number) {
  if (!name.ends_with(kSuffix)) return false;
  Bytes raw;
  if (!HexDecode(name.substr(0, name.size() - kSuffix.size()), raw) || raw.size() != 8) {
    return false;
  }
  first_number = ByteReader(raw).U64();
  return true;
}

// A ledger file as far as it is known to be good.
struct LedgerFile {
  std::string path;
  uint64_t first_number = 0;
  uint64_t end_number = 0;  // Behind its last synced record.
  uint64_t good_bytes = 0;  // Of them, header included.
};

// Walks the records of one file from an offset. After Next() said no, problem() is empty at a clean
// end.
class FileWalker {
 public:
  FileWalker(const File& file, uint64_t offset, uint64_t limit)
      : file_(file), offset_(offset), limit_(limit) {}

  Result<bool> Next(LedgerRecord& record) {
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

  // Behind the last record that Next() gave.
  uint64_t offset() const { return offset_ + position_; }

 private:
  ByteSpan Window() const { return ByteSpan(buffer_).subspan(position_); }

  Status Fill() {
    offset_ += position_;
    position_ = 0;
    buffer_.resize(static_cast<size_t>(std::min<uint64_t>(kReadBytes, limit_ - offset_)));
    LB_TRY_ASSIGN(read, file_.ReadAt(offset_, buffer_));
    at_end_ = read < kReadBytes;
    buffer_.resize(read);
    return Ok();
  }

  const File& file_;
  uint64_t offset_;
  const uint64_t limit_;
  size_t position_ = 0;
  Bytes buffer_;
  bool at_end_ = false;
};

// Whether record `number`, which is damaged, had been synced: a whole record behind it says so.
// Then it is rot. A power cut may take any part of what was not synced, so good records behind
// prove nothing by themselves.
bool WasSynced(uint64_t number, ByteSpan behind) {
  for (size_t at = 0; at + kLedgerRecordOverhead <= behind.size(); ++at) {
    const auto record = ParseLedgerRecord(behind.subspan(at));
    if (record && record->number > number && record->number - record->unsynced > number) {
      return true;
    }
  }
  return false;
}

}  // namespace

struct Ledger::State {
  State(std::string dir, Clock* c, FileSystem& f) : directory(std::move(dir)), clock(c), files(f) {}

  Status Load(const Uuid* expected_store);
  Status LoadLast(LedgerFile& last, bool repair);
  Status RepairLeaves();
  Status BeginFile();
  Result<std::unique_ptr<File>> OpenLeaves(OpenMode mode) {
    return files.Open(JoinPath(directory, kLeavesFile), mode);
  }

  const std::string directory;
  Clock* const clock;
  FileSystem& files;
  Uuid store;

  mutable std::mutex mutex;  // For what Read sees: `list` and `torn`.
  std::vector<LedgerFile> list;
  uint64_t torn = 0;

  // The appending thread's own.
  std::unique_ptr<File> current;  // The last of `list`, or nullptr: the next Append begins one.
  std::unique_ptr<File> leaves;
  uint64_t written_number = 0;  // Behind the last record appended, synced or not.
  uint64_t written_bytes = 0;   // In the current file.
};

Status Ledger::State::Load(const Uuid* expected_store) {
  LB_TRY_ASSIGN(entries, files.List(directory));
  for (const DirEntry& entry : entries) {
    LedgerFile file;
    if (entry.is_directory || !ParseFileName(entry.name, file.first_number)) continue;
    file.path = JoinPath(directory, entry.name);
    file.end_number = file.first_number;
    LB_TRY_ASSIGN(opened, files.Open(file.path, OpenMode::kRead));
    LB_TRY_ASSIGN(size, opened->Size());
    Bytes head(kLedgerHeaderBytes);
    LB_TRY_ASSIGN(read, opened->ReadAt(0, head));
    const auto header = ParseLedgerHeader(ByteSpan(head).first(read));
    if (!header || header->first_number != file.first_number) {
      // A file torn before its header was synced holds nothing yet.
      if (size <= kLedgerHeaderBytes) continue;
      return Fail(Code::kCorrupt, "ledger file " + file.path + " has a damaged header");
    }
    if (header->version > kLedgerFormatVersion) {
      return Fail(Code::kUnsupported, "ledger file " + file.path + " is of a newer format");
    }
    if (expected_store && header->store != *expected_store) {
      return Fail(Code::kInvalid,
                  "ledger file " + file.path + " is of another store, " + header->store.text());
    }
    store = header->store;
    file.good_bytes = size;
    list.push_back(std::move(file));
  }
  // A file begun again under the same or an earlier number replaces what the one before could not
  // sync.
  for (size_t i = 0; i + 1 < list.size(); ++i) list[i].end_number = list[i + 1].first_number;
  return Ok();
}

// Finds where the last file's records end, and cuts off what is torn behind them.
Status Ledger::State::LoadLast(LedgerFile& last, bool repair) {
  LB_TRY_ASSIGN(file, files.Open(last.path, repair ? OpenMode::kReadWrite : OpenMode::kRead));
  FileWalker walker(*file, kLedgerHeaderBytes, last.good_bytes);
  last.end_number = last.first_number;
  LedgerRecord record;
  while (true) {
    LB_TRY_ASSIGN(more, walker.Next(record));
    if (!more) break;
    if (record.number != last.end_number) {
      return Fail(Code::kCorrupt, "ledger file " + last.path + " has record " +
                                      std::to_string(record.number) + " where " +
                                      std::to_string(last.end_number) + " belongs");
    }
    ++last.end_number;
  }
  torn = last.good_bytes - walker.offset();
  if (torn > 0) {
    Bytes rest(static_cast<size_t>(std::min<uint64_t>(torn, kReadBytes)));
    LB_TRY_ASSIGN(read, file->ReadAt(walker.offset(), rest));
    if (WasSynced(last.end_number, ByteSpan(rest).first(read))) {
      return Fail(Code::kCorrupt, "ledger file " + last.path + " is damaged at offset " +
                                      std::to_string(walker.offset()) +
                                      ", in a record that was synced; nothing was cut");
    }
    if (repair) {
      LogWarning("ledger", last.path + ": cut off " + std::to_string(torn) +
                               " bytes that were torn by a stop without warning");
      LB_TRY(file->Truncate(walker.offset()));
      LB_TRY(file->Sync());
    }
  }
  last.good_bytes = walker.offset();
  if (repair) {
    current = std::move(file);
    written_bytes = last.good_bytes;
    written_number = last.end_number;
  }
  return Ok();
}

// Leaf hashes follow from the records: what a power cut took of them is made again.
Status Ledger::State::RepairLeaves() {
  const std::string path = JoinPath(directory, kLeavesFile);
  if (!Exists(files, path)) {
    LB_TRY_ASSIGN(made, OpenLeaves(OpenMode::kCreateNew));
    LB_TRY(files.SyncDirectory(directory));
  }
  LB_TRY_ASSIGN(opened, OpenLeaves(OpenMode::kReadWrite));
  leaves = std::move(opened);
  LB_TRY_ASSIGN(size, leaves->Size());
  uint64_t have = std::min<uint64_t>(size / kLeafBytes, written_number);
  for (const LedgerFile& file : list) {
    if (file.end_number <= have) continue;
    LB_TRY_ASSIGN(opened_file, files.Open(file.path, OpenMode::kRead));
    FileWalker walker(*opened_file, kLedgerHeaderBytes, file.good_bytes);
    LedgerRecord record;
    Bytes missing;
    while (true) {
      LB_TRY_ASSIGN(more, walker.Next(record));
      if (!more || record.number >= file.end_number) break;
      if (record.number >= have) ByteWriter(missing).Raw(LeafHash(record));
    }
    const ByteSpan part(missing);
    LB_TRY(leaves->WriteAt(have * kLeafBytes, std::span(&part, 1)));
    have = file.end_number;
  }
  return leaves->Truncate(written_number * kLeafBytes);
}

Status Ledger::State::BeginFile() {
  current.reset();
  const uint64_t first = written_number;
  LedgerFile file;
  file.path = JoinPath(directory, FileName(first));
  file.first_number = file.end_number = first;
  // What a failed attempt under this number left holds no synced record.
  if (Exists(files, file.path)) LB_TRY(files.Remove(file.path));
  LB_TRY_ASSIGN(made, files.Open(file.path, OpenMode::kCreateNew));
  const Bytes header = EncodeLedgerHeader({kLedgerFormatVersion, store, first});
  const ByteSpan part(header);
  LB_TRY(made->WriteAt(0, std::span(&part, 1)));
  LB_TRY(made->Sync());
  LB_TRY(files.SyncDirectory(directory));
  file.good_bytes = header.size();
  written_bytes = header.size();
  current = std::move(made);
  const std::lock_guard lock(mutex);
  std::erase_if(list, [&](const LedgerFile& old) { return old.first_number == first; });
  list.push_back(std::move(file));
  return Ok();
}

Ledger::Ledger(std::unique_ptr<State> state) : state_(std::move(state)) {}
Ledger::~Ledger() = default;

Result<std::unique_ptr<Ledger>> Ledger::Open(const std::string& directory, const Uuid& store,
                                             Clock& clock, FileSystem& files) {
  LB_TRY(files.MakeDirectories(directory));
  auto state = std::make_unique<State>(directory, &clock, files);
  LB_TRY(state->Load(&store));
  state->store = store;
  if (!state->list.empty()) LB_TRY(state->LoadLast(state->list.back(), true));
  LB_TRY(state->RepairLeaves());
  return std::unique_ptr<Ledger>(new Ledger(std::move(state)));
}

Result<std::unique_ptr<Ledger>> Ledger::OpenReadOnly(const std::string& directory,
                                                     FileSystem& files) {
  auto state = std::make_unique<State>(directory, nullptr, files);
  LB_TRY(state->Load(nullptr));
  if (!state->list.empty()) LB_TRY(state->LoadLast(state->list.back(), false));
  return std::unique_ptr<Ledger>(new Ledger(std::move(state)));
}

Result<std::vector<index::NumberedRecord>> Ledger::Append(
    const std::vector<index::Record>& records) {
  State& s = *state_;
  LB_CHECK(s.clock != nullptr);
  if (!s.current || s.written_bytes >= kLedgerFileBytes) LB_TRY(s.BeginFile());
  const uint64_t synced = size();
  std::vector<index::NumberedRecord> numbered;
  Bytes bytes, leaf_bytes;
  for (const index::Record& record : records) {
    LB_TRY(index::CheckRecord(record));
    const Bytes payload = index::EncodeRecord(record);
    if (payload.size() > kMaxLedgerPayload) {
      return Fail(Code::kInvalid, "a ledger record has " + std::to_string(payload.size()) +
                                      " bytes, more than " + std::to_string(kMaxLedgerPayload));
    }
    LedgerRecord raw;
    raw.kind = index::KindOf(record);
    raw.number = s.written_number + numbered.size();
    raw.unsynced = static_cast<uint32_t>(raw.number - synced);
    raw.time_us = s.clock->NowUs();
    RandomBytes(raw.salt);
    raw.payload = payload;
    AppendLedgerRecord(bytes, raw);
    ByteWriter(leaf_bytes).Raw(LeafHash(raw));
    numbered.push_back({raw.number, raw.time_us, record});
  }
  const ByteSpan part(bytes), leaf_part(leaf_bytes);
  Status written = s.current->WriteAt(s.written_bytes, std::span(&part, 1));
  if (written) {
    written = s.leaves->WriteAt(s.written_number * kLeafBytes, std::span(&leaf_part, 1));
  }
  if (!written) {
    s.current.reset();
    s.written_number = size();
    return Pass(written.error(), "the ledger");
  }
  s.written_bytes += bytes.size();
  s.written_number += records.size();
  return numbered;
}

Status Ledger::Sync() {
  State& s = *state_;
  if (!s.current) return Ok();
  const Status synced = s.current->Sync();
  if (!synced) {
    // The kernel may have dropped the pages: what the file holds behind the last sync is unknown.
    s.current.reset();
    s.written_number = size();
    return Pass(synced.error(), "the ledger");
  }
  const std::lock_guard lock(s.mutex);
  s.list.back().end_number = s.written_number;
  s.list.back().good_bytes = s.written_bytes;
  return Ok();
}

uint64_t Ledger::size() const {
  const std::lock_guard lock(state_->mutex);
  return state_->list.empty() ? 0 : state_->list.back().end_number;
}

uint64_t Ledger::bytes() const {
  const std::lock_guard lock(state_->mutex);
  uint64_t bytes = 0;
  for (const LedgerFile& file : state_->list) bytes += file.good_bytes;
  return bytes;
}

uint64_t Ledger::torn_bytes() const { return state_->torn; }

Status Ledger::Read(uint64_t first,
                    const std::function<bool(const index::NumberedRecord&)>& visit) const {
  std::vector<LedgerFile> list;
  {
    const std::lock_guard lock(state_->mutex);
    list = state_->list;
  }
  uint64_t expected = list.empty() ? 0 : list.front().first_number;
  for (const LedgerFile& file : list) {
    if (file.first_number != expected) {
      return Fail(Code::kCorrupt, "the ledger has no file with record " + std::to_string(expected));
    }
    expected = file.end_number;
    if (file.end_number <= first) continue;
    LB_TRY_ASSIGN(opened, state_->files.Open(file.path, OpenMode::kRead));
    FileWalker walker(*opened, kLedgerHeaderBytes, file.good_bytes);
    for (uint64_t number = file.first_number; number < file.end_number; ++number) {
      LedgerRecord raw;
      LB_TRY_ASSIGN(more, walker.Next(raw));
      if (!more || raw.number != number) {
        return Fail(Code::kCorrupt, "ledger file " + file.path + " is damaged at offset " +
                                        std::to_string(walker.offset()) + ", at record " +
                                        std::to_string(number));
      }
      if (number < first) continue;
      auto record = index::DecodeRecord(raw.kind, raw.payload);
      if (!record && record.code() == Code::kUnsupported) continue;
      if (!record) return Pass(record.error(), "ledger record " + std::to_string(number));
      if (!visit({number, raw.time_us, *std::move(record)})) return Ok();
    }
  }
  return Ok();
}

}  // namespace lookback::storage
