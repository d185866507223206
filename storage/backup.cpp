#include "storage/backup.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/words.h"
#include "storage/backup_place.h"
#include "storage/data_directory.h"
#include "storage/ledger_leaves.h"
#include "storage/merkle_tree.h"
#include "storage/snapshot.h"

namespace lookback::storage {
namespace {

constexpr int kTries = 3;
constexpr uint64_t kMaxStoreFileBytes = 1 << 20;
constexpr uint64_t kMaxSecretBytes = 64 << 20;

// One try: everything but the name under which it counts.
class BackupRun {
 public:
  BackupRun(const BackupOptions& options, std::string partial, FileSystem& files,
            const OnProgress& progress)
      : options_(options), partial_(std::move(partial)), files_(files), progress_(progress) {}

  Status Take(const StoreFile& before, TimeUs now_us);
  BackupReport& report() { return report_; }

 private:
  Status TakeLedger(const Uuid& store);
  Status TakeFinished(const Ledger& ledger, const LedgerFile& file, const Uuid& store);
  Status TakeSnapshot();
  Status TakeSecrets();
  Status TakeStoreFile();
  Status Seal();
  Status Put(const std::string& from, uint64_t bytes, const std::string& name);
  Status Write(const std::string& name, const std::string& text);
  Status Count(uint64_t bytes);
  void NoteDamage(const std::string& path, uint64_t records);
  std::string In(std::string_view name) const { return JoinPath(partial_, name); }
  std::string Source(std::string_view name) const { return JoinPath(options_.data, name); }

  const BackupOptions& options_;
  const std::string partial_;
  FileSystem& files_;
  const OnProgress& progress_;
  BackupReport report_;
  BackupManifest manifest_;
  SharedNames names_;
  CheckProgress step_;
  uint64_t unlooked_ = kBackupSyncBytes;  // Bytes since free space was looked at.
};

// Told of every piece; where both share a disk, the store's needs come first.
Status BackupRun::Count(uint64_t bytes) {
  step_.done += bytes;
  if (progress_) progress_(step_);
  unlooked_ += bytes;
  if (unlooked_ < kBackupSyncBytes) return Ok();
  unlooked_ = 0;
  LB_TRY_ASSIGN(here, files_.Stat(options_.data));
  LB_TRY_ASSIGN(there, files_.Stat(partial_));
  if (here.device != there.device) return Ok();
  LB_TRY_ASSIGN(space, files_.FreeSpace(partial_));
  if (static_cast<double>(space.free_bytes) >=
      static_cast<double>(space.total_bytes) * kBackupFreeShare) {
    return Ok();
  }
  return Fail(Code::kDiskFull, options_.into +
                                   " is on the disk of the data directory, which has too little "
                                   "room: the last 5 % are for ledger and catalog");
}

Status BackupRun::Put(const std::string& from, uint64_t bytes, const std::string& name) {
  LB_TRY_ASSIGN(digest, CopyFile(from, bytes, In(name), OpenMode::kSecret, files_,
                                 [this](uint64_t count) { return Count(count); }));
  manifest_[name] = digest;
  report_.bytes += bytes;
  report_.copied_bytes += bytes;
  return Ok();
}

Status BackupRun::Write(const std::string& name, const std::string& text) {
  LB_TRY(WriteFileDurably(files_, In(name), AsBytes(text), OpenMode::kSecret));
  manifest_[name] = HexEncode(Sha256(AsBytes(text)));
  report_.bytes += text.size();
  report_.copied_bytes += text.size();
  return Ok();
}

void BackupRun::NoteDamage(const std::string& path, uint64_t records) {
  report_.info.damaged_records += records;
  report_.info.notes.push_back(lookback::Count(records, "record") + " of " + path +
                               (records == 1 ? " is" : " are") +
                               " damaged, and here as well; `lookback fsck` tells more");
}

// One that stands among the shared files already is digested, and copied only where it is
// not what the store has.
Status BackupRun::TakeFinished(const Ledger& ledger, const LedgerFile& file, const Uuid& store) {
  const std::string name = LedgerFileName(file.first_number);
  const std::string shared = JoinPath(JoinPath(options_.into, "ledger"), name);
  const std::string listed = std::string(kSharedLedger) + name;
  const auto there = files_.Stat(shared);
  std::string found;  // Its digest.
  if (there) {
    LB_TRY_ASSIGN(known,
                  ExtentOf(shared, file.first_number, file.end_number, ledger, store, files_));
    const bool good = known.whole() && known.bytes == there->size;
    LB_TRY_ASSIGN(digest, DigestFile(shared, files_, [this, good](uint64_t count) {
                    return good ? Count(count) : Ok();
                  }));
    found = digest;
    if (good) {
      names_.Tell(listed, shared, found, found, options_.warn);
      manifest_[listed] = digest;
      report_.bytes += known.bytes;
      return Ok();
    }
  }
  LB_TRY_ASSIGN(extent,
                ExtentOf(file.path, file.first_number, file.end_number, ledger, store, files_));
  // What an earlier backup names stays as it is, though the ledger is another one by now.
  if (!extent.whole() || (there && names_.Has(listed, found))) {
    if (!extent.whole()) NoteDamage(file.path, extent.lost);
    names_.Tell(listed, shared, found, found, options_.warn);
    return Put(file.path, extent.bytes, "ledger/" + name);
  }
  const std::string fresh = shared + ".new";
  LB_TRY_ASSIGN(digest, CopyFile(file.path, extent.bytes, fresh, OpenMode::kSecret, files_,
                                 [this](uint64_t count) { return Count(count); }));
  LB_TRY(files_.Rename(fresh, shared));
  names_.Tell(listed, shared, found, digest, options_.warn);
  manifest_[listed] = digest;
  report_.bytes += extent.bytes;
  report_.copied_bytes += extent.bytes;
  return Ok();
}

Status BackupRun::TakeLedger(const Uuid& store) {
  step_ = {"ledger", 0, 0};
  const std::string directory = Source("ledger");
  LB_TRY_ASSIGN(ledger, Ledger::OpenReadOnly(directory, files_, &store));
  LB_TRY_ASSIGN(records, SyncedRecords(directory, *ledger, files_));
  report_.info.records = records;
  const auto list = ledger->Files();
  for (const LedgerFile& file : list) step_.total += file.good_bytes;
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i].first_number >= records) break;
    // A file that was begun again under a number of the one before leaves nothing of that one.
    if (list[i].end_number <= list[i].first_number) continue;
    if (i + 1 < list.size() && list[i].end_number <= records) {
      LB_TRY(TakeFinished(*ledger, list[i], store));
      continue;
    }
    const uint64_t end = std::min(records, list[i].end_number);
    LB_TRY_ASSIGN(extent,
                  ExtentOf(list[i].path, list[i].first_number, end, *ledger, store, files_));
    if (!extent.whole()) NoteDamage(list[i].path, extent.lost);
    LB_TRY(Put(list[i].path, extent.bytes, "ledger/" + LedgerFileName(list[i].first_number)));
  }
  step_ = {"hash tree", 0, records};
  MerkleTree tree([&, &ledger = ledger](uint64_t first, uint64_t end) {
    step_.done = end;
    if (progress_) progress_(step_);
    return ledger->Leaves(first, end);
  });
  const auto root = tree.Root(records);
  if (root) {
    report_.info.root = *root;
  } else {
    report_.info.notes.push_back("there is no root of the ledger: " + root.message());
  }
  return Ok();
}

// The newest that is whole, and of no more records than the backup has. One may be removed
// for a newer one meanwhile.
Status BackupRun::TakeSnapshot() {
  LB_TRY_ASSIGN(list, ListSnapshots(Source(kSnapshotFolder), files_));
  for (const SnapshotFile& snapshot : list) {
    if (snapshot.records > report_.info.records) continue;
    const std::string file = snapshot.path.substr(snapshot.path.rfind('/') + 1);
    const std::string name = std::string(kSnapshotFolder) + "/" + file;
    const auto size = files_.Stat(snapshot.path);
    if (!size) continue;
    step_ = {"snapshot", 0, size->size};
    const BackupReport before = report_;
    const Status copied = Put(snapshot.path, size->size, name);
    if (!copied && copied.code() != Code::kNotFound) return copied;
    if (!copied) continue;
    const auto whole = ReadSnapshot(In(name), files_, [](const auto&) { return Ok(); });
    if (whole && whole->header.store == report_.info.store) {
      report_.info.snapshot = file;
      return Ok();
    }
    report_ = before;
    manifest_.erase(name);
    LB_TRY(files_.Remove(In(name)));
    report_.info.notes.push_back("the snapshot " + snapshot.path + " is left out: " +
                                 (whole ? "it is of another store" : whole.message()));
  }
  return Ok();
}

Status BackupRun::TakeSecrets() {
  step_ = {"secrets", 0, 0};
  const std::string directory = Source(kSecretsFolder);
  const auto entries = files_.List(directory);
  if (!entries && entries.code() == Code::kNotFound) {
    report_.info.notes.push_back("the store has no " + directory +
                                 ": no tokens and no passwords of cameras are in this backup");
    return Ok();
  }
  if (!entries) return Pass(entries.error());
  for (const DirEntry& entry : *entries) {
    const std::string name = std::string(kSecretsFolder) + "/" + entry.name;
    if (entry.is_directory || entry.name.ends_with(".new")) continue;
    const std::string path = JoinPath(directory, entry.name);
    const auto info = files_.Stat(path);
    if (!IsBackupFile(name) || !info || !info->is_regular) {
      report_.info.notes.push_back(path + " is left out: it is no plain file");
      continue;
    }
    // At once, since the next moment it may be another file.
    const auto bytes = ReadFile(files_, path, kMaxSecretBytes, OpenMode::kReadNoLink);
    if (!bytes && bytes.code() == Code::kNotFound) continue;
    if (!bytes && bytes.error().system_error == ELOOP) {
      report_.info.notes.push_back(path + " is left out: it is a symbolic link");
      continue;
    }
    if (!bytes) return Pass(bytes.error());
    LB_TRY(Write(name, std::string(AsText(*bytes))));
  }
  return Ok();
}

Status BackupRun::TakeStoreFile() {
  LB_TRY_ASSIGN(bytes, ReadFile(files_, Source(kStoreFile), kMaxStoreFileBytes));
  LB_TRY(Write(std::string(kStoreFile), std::string(AsText(bytes))));
  LB_TRY_ASSIGN(file, ReadStoreFile(files_, Source(kStoreFile)));
  for (const auto& volume : file.volumes) report_.info.volumes.push_back({volume.root, volume.id});
  return Ok();
}

Status BackupRun::Seal() {
  LB_TRY(Write(std::string(kBackupFile), BackupInfoText(report_.info)));
  for (const std::string_view folder :
       {std::string_view("ledger"), kSecretsFolder, kSnapshotFolder}) {
    LB_TRY(files_.SyncDirectory(In(folder)));
  }
  LB_TRY(files_.SyncDirectory(JoinPath(options_.into, "ledger")));
  LB_TRY(WriteFileDurably(files_, In(kBackupManifest), AsBytes(ManifestText(manifest_)),
                          OpenMode::kSecret));
  report_.files = manifest_.size() + 1;
  return Ok();
}

Status BackupRun::Take(const StoreFile& before, TimeUs now_us) {
  report_.info.store = before.store;
  report_.info.taken_us = now_us;
  report_.info.program = options_.program;
  report_.info.data = options_.data;
  for (const std::string_view folder :
       {std::string_view("ledger"), kSecretsFolder, kSnapshotFolder}) {
    LB_TRY(files_.MakeDirectories(In(folder), 0700));
  }
  LB_TRY(files_.MakeDirectories(JoinPath(options_.into, "ledger"), 0700));
  LB_TRY(names_.Read(options_.into, files_, options_.warn));
  LB_TRY(TakeLedger(before.store));
  LB_TRY(TakeSnapshot());
  LB_TRY(TakeSecrets());
  LB_TRY(TakeStoreFile());
  return Seal();
}

}  // namespace

Result<uint64_t> SyncedRecords(const std::string& directory, const Ledger& ledger,
                               FileSystem& files) {
  LB_TRY_ASSIGN(leaves, LedgerLeaves::Count(directory, files));
  // Whatever the file of leaves says of records that are not there.
  uint64_t synced = std::min(leaves, ledger.size());
  LB_TRY(ledger.ReadRaw(synced, [&synced](const LedgerRecord& record) {
    if (record.unsynced <= record.number) {
      synced = std::max(synced, record.number - record.unsynced);
    }
    return true;
  }));
  return synced;
}

Result<LedgerExtent> ExtentOf(const std::string& path, uint64_t first, uint64_t end,
                              const Ledger& source, const Uuid& store, FileSystem& files) {
  LB_TRY_ASSIGN(file, files.Open(path, OpenMode::kRead));
  LB_TRY_ASSIGN(size, file->Size());
  LedgerExtent extent;
  Bytes head(kLedgerHeaderBytes);
  LB_TRY_ASSIGN(read, file->ReadAt(0, head));
  const auto header = ParseLedgerHeader(ByteSpan(head).first(read));
  if (header && header->store != store) {
    return Fail(Code::kInvalid, path + " is of another store, " + header->store.text());
  }
  extent.header = header && header->first_number == first;
  extent.bytes = read;
  LedgerWalker walker(*file, kLedgerHeaderBytes, size);
  LedgerRecord record;
  Bytes leaves;
  uint64_t leaves_from = first, leaves_end = first, next = first;
  while (next < end) {
    LB_TRY_ASSIGN(more, walker.NextAround(next, record));
    if (!more || record.number >= end) break;
    extent.lost += record.number - next;
    if (record.number >= leaves_end) {
      leaves_from = record.number;
      leaves_end = std::min(end, record.number + kLeavesAtOnce);
      LB_TRY_ASSIGN(known, source.Leaves(leaves_from, leaves_end));
      leaves = std::move(known);
    }
    const Sha256Digest leaf = LeafHash(record);
    const auto kept = ByteSpan(leaves).subspan(
        static_cast<size_t>(record.number - leaves_from) * kLeafBytes, kLeafBytes);
    if (!std::equal(kept.begin(), kept.end(), leaf.begin())) ++extent.lost;
    next = record.number + 1;
    extent.bytes = walker.offset();
  }
  extent.lost += end - next;
  file->ForgetCached();
  return extent;
}

Result<BackupReport> MakeBackup(const BackupOptions& asked, Clock& clock, FileSystem& files,
                                const OnProgress& progress) {
  BackupOptions options = asked;
  options.data = AbsolutePath(asked.data);
  options.into = AbsolutePath(asked.into);
  LB_TRY_ASSIGN(first, ReadStore(options.data, files));
  LB_TRY(CheckPlace(options.into, options.data, first, files, options.warn));
  auto lock = files.Lock(JoinPath(options.into, kLockFile));
  if (!lock) return Pass(lock.error(), "one backup at a time");
  LB_TRY(CheckNoOther(options.into, first.store, files));

  const TimeUs now_us = clock.NowUs();
  const std::string path = FreeName(files, JoinPath(options.into, BackupName(now_us)));
  const std::string partial = path + std::string(kUnfinishedBackup);
  for (int left = kTries - 1;; --left) {
    LB_TRY(RemoveUnfinishedBackups(options.into, files));
    LB_TRY_ASSIGN(before, ReadStore(options.data, files));
    BackupRun run(options, partial, files, progress);
    const Status taken = run.Take(before, now_us);
    const auto after = ReadStoreFile(files, JoinPath(options.data, kStoreFile));
    // A start raises the epoch when it begins, and the mark when it has mended what there was.
    const bool started =
        after && (after->epoch != before.epoch || after->marked_epoch != before.marked_epoch ||
                  after->ledger_mark != before.ledger_mark);
    if (taken && !started && after) {
      LB_TRY(files.Rename(partial, path));
      LB_TRY(files.SyncDirectory(options.into));
      BackupReport report = std::move(run.report());
      report.path = path;
      LB_TRY_ASSIGN(backups, ListBackups(options.into, files));
      for (size_t i = options.keep; options.keep > 0 && i < backups.size(); ++i) {
        if (backups[i] == path) continue;  // The clock was set back.
        LB_TRY(RemoveBackup(backups[i], files));
        report.removed.push_back(backups[i]);
      }
      return report;
    }
    (void)RemoveUnfinishedBackups(options.into, files);
    if (started && left > 0) continue;
    if (!taken) return Pass(taken.error());
    if (!after) return Pass(after.error());
    return Fail(Code::kUnavailable, "the store was started again and again while it was copied");
  }
}

}  // namespace lookback::storage
