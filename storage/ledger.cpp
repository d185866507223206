#include "storage/ledger.h"

#include <algorithm>
#include <mutex>

#include "base/log.h"
#include "storage/ledger_file.h"
#include "storage/ledger_format.h"
#include "storage/ledger_leaves.h"

namespace lookback::storage {
struct Ledger::State {
  State(std::string dir, Clock* c, FileSystem& f) : directory(std::move(dir)), clock(c), files(f) {}

  Status Load(const Uuid* expected_store);
  Status LoadAll(const Uuid* expected_store, bool repair);
  Status LoadLast(LedgerFile& last, bool repair);
  Status LoadNone();
  Result<uint64_t> EndOfRecords(LedgerFile& last, const File& file, bool repair);
  void TellLost(const LedgerFile& file, uint64_t offset, uint64_t count) const;
  Status BeginFile();
  Status CheckIsThere() const;
  void ForgetUnsynced();
  std::vector<LedgerFile> Synced() const {
    const std::lock_guard lock(mutex);
    return list;
  }

  const std::string directory;
  Clock* const clock;
  FileSystem& files;
  uint64_t file_bytes = kLedgerFileBytes;
  uint64_t device = 0;  // Of the directory, when it was opened to append.
  Uuid store;

  mutable std::mutex mutex;  // For what Read sees: `list` and `torn`.
  std::vector<LedgerFile> list;
  uint64_t torn = 0;
  uint64_t leaf_count = 0;  // When it was opened.

  // The appending thread's own.
  std::unique_ptr<File> current;  // The last of `list`, or nullptr: the next Append begins one.
  std::unique_ptr<LedgerLeaves> leaves;
  uint64_t written_number = 0;  // Behind the last record appended, synced or not.
  uint64_t written_bytes = 0;   // In the current file.
};

Status Ledger::State::Load(const Uuid* expected_store) {
  LB_TRY_ASSIGN(entries, files.List(directory));
  for (const DirEntry& entry : entries) {
    LedgerFile file;
    if (entry.is_directory || !ParseLedgerFileName(entry.name, file.first_number)) continue;
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
      // Its name says what it holds, and each record speaks for itself.
      LogError("ledger", file.path + " has a damaged header; its records are read all the same");
      file.good_bytes = size;
      list.push_back(std::move(file));
      continue;
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
  LB_TRY_ASSIGN(end, EndOfRecords(last, *file, repair));
  torn = last.good_bytes - end;
  LB_TRY_ASSIGN(lost, LedgerLeaves::Standing(directory, last.end_number, leaf_count, files));
  if (lost > 0) {
    // Leaves are written after the sync, so this is no tear: records go on in another file.
    TellLost(last, end, lost);
    last.end_number += lost;
    torn = 0;
    written_number = last.end_number;
    return Ok();
  }
  last.good_bytes = end;
  if (!repair) return Ok();
  if (torn > 0) {
    LogWarning("ledger", last.path + ": cut off " + std::to_string(torn) +
                             " bytes that were torn by a stop without warning");
    LB_TRY(file->Truncate(end));
  }
  // What the last process appended may be in the kernel's memory only, and counts from here on.
  LB_TRY(file->Sync());
  current = std::move(file);
  written_bytes = last.good_bytes;
  written_number = last.end_number;
  return Ok();
}

// The offset behind the last whole record that follows from those before, rot apart; counts them.
Result<uint64_t> Ledger::State::EndOfRecords(LedgerFile& last, const File& file, bool repair) {
  LedgerWalker walker(file, kLedgerHeaderBytes, last.good_bytes);
  LedgerRecord record;
  last.end_number = last.first_number;
  while (true) {
    LB_TRY_ASSIGN(more, walker.Next(record));
    if (!more) {
      const uint64_t offset = walker.offset();
      LB_TRY_ASSIGN(rot, WasSynced(last.end_number, file, offset, last.good_bytes));
      if (!rot) return offset;
      LB_TRY_ASSIGN(found, walker.NextAround(last.end_number, record));
      if (!found) return offset;
      TellLost(last, offset, record.number - last.end_number);
      last.end_number = record.number;
    }
    if (record.number != last.end_number) {
      return Fail(Code::kCorrupt, "ledger file " + last.path + " has record " +
                                      std::to_string(record.number) + " where " +
                                      std::to_string(last.end_number) + " belongs");
    }
    if (repair && !index::IsKnownKind(record.kind)) {
      return Fail(Code::kUnsupported, "ledger file " + last.path + " has record " +
                                          std::to_string(record.number) +
                                          " of a kind that only a later version knows");
    }
    ++last.end_number;
  }
}

void Ledger::State::TellLost(const LedgerFile& file, uint64_t offset, uint64_t count) const {
  LogError("ledger", file.path + " is damaged at offset " + std::to_string(offset) + ": " +
                         std::to_string(count) + " synced record(s) from number " +
                         std::to_string(file.end_number) +
                         " are lost; nothing was cut, see lookback fsck");
}

// Without a file, leaves tell of what there was.
Status Ledger::State::LoadNone() {
  LB_TRY_ASSIGN(lost, LedgerLeaves::Standing(directory, 0, leaf_count, files));
  if (lost == 0) return Ok();
  LedgerFile file;
  file.path = JoinPath(directory, LedgerFileName(0));
  file.good_bytes = kLedgerHeaderBytes;
  TellLost(file, 0, lost);
  file.end_number = written_number = lost;
  list.push_back(std::move(file));
  return Ok();
}

// What Open and OpenReadOnly share. The leaves are counted first: beside a running store they are
// behind its records.
Status Ledger::State::LoadAll(const Uuid* expected_store, bool repair) {
  LB_TRY_ASSIGN(count, LedgerLeaves::Count(directory, files));
  leaf_count = count;
  LB_TRY(Load(expected_store));
  return list.empty() ? LoadNone() : LoadLast(list.back(), repair);
}

// After a failure, nothing behind the last sync counts, and the file is not trusted again. It is
// cut so that the failed group does not come back at the next start; where that fails too, the
// file that the next Append begins takes its place.
void Ledger::State::ForgetUnsynced() {
  const LedgerFile& last = list.back();
  (void)current->Truncate(last.good_bytes);
  current.reset();
  written_number = last.end_number;
  leaves->Forget();
}

// Where the directory was moved or its disk unmounted, an open file goes on taking
// what no start will find.
Status Ledger::State::CheckIsThere() const {
  const std::string& path = list.back().path;
  const auto there = files.Stat(path);
  if (there && there->device == device) return Ok();
  return Fail(Code::kDiskFailed, path + " is gone from under the server: " +
                                     (there ? "another file system is there" : there.message()));
}

Status Ledger::State::BeginFile() {
  const auto there = files.Stat(directory);
  if (!there || there->device != device) {
    return Fail(Code::kDiskFailed, directory + " is gone: " +
                                       (there ? "another file system is there" : there.message()));
  }
  current.reset();
  leaves->Sync();
  const uint64_t first = written_number;
  LedgerFile file;
  file.path = JoinPath(directory, LedgerFileName(first));
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
                                             Clock& clock, FileSystem& files, uint64_t file_bytes) {
  LB_TRY(files.MakeDirectories(directory));
  auto state = std::make_unique<State>(directory, &clock, files);
  state->file_bytes = file_bytes;
  LB_TRY(state->LoadAll(&store, /*repair=*/true));
  state->store = store;
  LB_TRY_ASSIGN(info, files.Stat(directory));
  state->device = info.device;
  LB_TRY_ASSIGN(leaves, LedgerLeaves::Open(directory, state->list, files));
  state->leaves = std::move(leaves);
  return std::unique_ptr<Ledger>(new Ledger(std::move(state)));
}

Result<std::unique_ptr<Ledger>> Ledger::OpenReadOnly(const std::string& directory,
                                                     FileSystem& files, const Uuid* store) {
  auto state = std::make_unique<State>(directory, nullptr, files);
  LB_TRY(state->LoadAll(store, /*repair=*/false));
  return std::unique_ptr<Ledger>(new Ledger(std::move(state)));
}

Result<std::vector<index::NumberedRecord>> Ledger::Append(
    const std::vector<index::Record>& records) {
  State& s = *state_;
  LB_CHECK(s.clock != nullptr);
  const uint64_t synced = size();
  // One Sync is one file's: a full one is left only when all of it is synced.
  const bool full = s.written_bytes >= s.file_bytes && s.written_number == synced;
  if (!s.current || full) LB_TRY(s.BeginFile());
  std::vector<index::NumberedRecord> numbered;
  Bytes bytes, leaves;
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
    ByteWriter(leaves).Raw(LeafHash(raw));
    numbered.push_back({raw.number, raw.time_us, record});
  }
  const ByteSpan part(bytes);
  const Status written = s.current->WriteAt(s.written_bytes, std::span(&part, 1));
  if (!written) {
    s.ForgetUnsynced();
    return Pass(written.error(), "the ledger");
  }
  s.written_bytes += bytes.size();
  s.written_number += records.size();
  s.leaves->Add(leaves);
  return numbered;
}

Status Ledger::Sync() {
  State& s = *state_;
  if (!s.current) return Ok();
  Status synced = s.current->Sync();
  if (synced) synced = s.CheckIsThere();
  if (!synced) {
    // The kernel may have dropped the pages: what the file holds behind the last sync is unknown.
    s.ForgetUnsynced();
    return Pass(synced.error(), "the ledger");
  }
  s.leaves->Write(s.written_number);
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

std::vector<LedgerFile> Ledger::Files() const { return state_->Synced(); }

Result<uint64_t> Ledger::Read(
    uint64_t first, const std::function<bool(const index::NumberedRecord&)>& visit) const {
  Status decoded = Ok();
  LB_TRY_ASSIGN(lost, ReadRaw(first, [&](const LedgerRecord& raw) {
                  auto record = index::DecodeRecord(raw.kind, raw.payload);
                  if (!record && record.code() == Code::kUnsupported) return true;
                  if (!record) {
                    decoded = Pass(record.error(), "ledger record " + std::to_string(raw.number));
                    return false;
                  }
                  return visit({raw.number, raw.time_us, *std::move(record)});
                }));
  LB_TRY(decoded);
  return lost;
}

Result<uint64_t> Ledger::ReadRaw(uint64_t first,
                                 const std::function<bool(const LedgerRecord&)>& visit) const {
  uint64_t next = first, lost = 0;
  const std::vector<LedgerFile> list = state_->Synced();
  for (const LedgerFile& file : list) {
    if (file.end_number <= next) continue;
    const auto opened = state_->files.Open(file.path, OpenMode::kRead);
    if (!opened && opened.code() != Code::kNotFound) return Pass(opened.error());
    if (!opened) continue;
    LedgerWalker walker(**opened, kLedgerHeaderBytes, file.good_bytes);
    while (next < file.end_number) {
      LedgerRecord raw;
      LB_TRY_ASSIGN(more, walker.NextAround(next, raw));
      if (!more || raw.number >= file.end_number) break;
      lost += raw.number - next;
      next = raw.number + 1;
      if (!visit(raw)) return lost;
    }
  }
  return list.empty() || list.back().end_number < next ? lost
                                                       : lost + list.back().end_number - next;
}

Result<Bytes> Ledger::Leaves(uint64_t first, uint64_t end) const {
  LB_TRY_ASSIGN(leaves, LedgerLeaves::Read(state_->directory, first, end, state_->files));
  const auto leaf_at = [&, first = first](uint64_t number) {
    return std::span(leaves).subspan(static_cast<size_t>(number - first) * kLeafBytes, kLeafBytes);
  };
  uint64_t absent = first;
  while (absent < end && !IsAbsentLeaf(leaf_at(absent))) ++absent;
  if (absent == end) return leaves;
  LB_TRY(ReadRaw(absent, [&](const LedgerRecord& record) {
    if (record.number >= end) return false;
    if (const auto leaf = leaf_at(record.number); IsAbsentLeaf(leaf)) {
      const Sha256Digest made = LeafHash(record);
      std::copy(made.begin(), made.end(), leaf.begin());
    }
    return record.number + 1 < end;
  }));
  return leaves;
}

Status Ledger::Verify() const {
  return LedgerLeaves::Verify(state_->directory, state_->Synced(), state_->files);
}

}  // namespace lookback::storage
