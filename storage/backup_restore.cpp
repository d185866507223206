#include "storage/backup_restore.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/words.h"
#include "storage/data_directory.h"
#include "storage/layout.h"
#include "storage/ledger.h"
#include "storage/ledger_leaves.h"
#include "storage/merkle_tree.h"
#include "storage/snapshot.h"
#include "storage/store_catalog.h"

namespace lookback::storage {
namespace {

constexpr std::string_view kFolders[] = {"ledger", kSnapshotFolder, kSecretsFolder};

// Newer ones that are not whole, and that nobody would choose knowingly, are put in `passed_over`.
Result<std::string> FindBackup(const std::string& from, FileSystem& files,
                               std::vector<std::string>& passed_over) {
  const std::string path = AbsolutePath(from);
  const auto info = files.Stat(path);
  if (!info && info.code() == Code::kNotFound) return Fail(Code::kNotFound, "there is no " + path);
  if (!info) return Pass(info.error());
  if (Exists(files, JoinPath(path, kBackupManifest)) ||
      Exists(files, JoinPath(path, kBackupFile))) {
    if (!path.ends_with(kUnfinishedBackup)) return path;
    return Fail(Code::kNotFound, path + " is an interrupted backup: name another one");
  }
  LB_TRY_ASSIGN(backups, ListBackups(path, files));
  LB_TRY_ASSIGN(unfinished, ListUnfinishedBackups(path, files));
  for (const std::string& other : unfinished) {
    const auto manifest = files.Stat(JoinPath(other, kBackupManifest));  // Or may it not be seen?
    if (!manifest && manifest.code() != Code::kNotFound) return Pass(manifest.error());
    if (backups.empty() || other > backups.front()) passed_over.push_back(other);
  }
  if (!backups.empty()) return backups.front();
  return Fail(Code::kNotFound,
              path + " is no finished backup, and has none below it" +
                  (passed_over.empty() ? "" : "; unfinished is " + passed_over.front()));
}

class Restore {
 public:
  Restore(const RestoreOptions& options, FileSystem& files, const OnProgress& progress)
      : options_(options), data_(AbsolutePath(options.data)), files_(files), progress_(progress) {}

  Result<RestoreReport> Run();

 private:
  Status Verify();
  Status VerifyFile(const std::string& name);
  Status SettleVolumes();
  Status SettleRoot(StoreFile::KnownVolume& volume);
  Status CheckEmpty();
  Status Clear();
  Status Place();
  Status SettleLedger();
  Status CheckRoot(const Ledger& ledger);
  Status Made(const std::string& path) { return options_.made ? options_.made(path) : Ok(); }
  Status Count(uint64_t bytes) {
    step_.done += bytes;
    if (progress_) progress_(step_);
    return Ok();
  }
  std::string In(std::string_view name) const { return JoinPath(data_, name); }
  bool IsOurs(const std::string& root, const Uuid* id) const;

  const RestoreOptions& options_;
  const std::string data_;
  FileSystem& files_;
  const OnProgress& progress_;
  RestoreReport report_;
  BackupManifest manifest_;
  StoreFile store_;
  CheckProgress step_;
};

bool Restore::IsOurs(const std::string& root, const Uuid* id) const {
  const auto there = ReadVolumeFile(files_, JoinPath(root, kVolumeFile));
  return there && there->store == store_.store && (id == nullptr || there->volume == *id);
}

Status Restore::Verify() {
  step_ = {"verified", 0, 0};
  for (const auto& [name, digest] : manifest_) {
    const auto info = files_.Stat(JoinPath(report_.backup, name));
    if (info) step_.total += info->size;
  }
  report_.bytes = step_.total;
  report_.files = manifest_.size();
  for (const auto& [name, digest] : manifest_) LB_TRY(VerifyFile(name));
  return Ok();
}

Status Restore::VerifyFile(const std::string& name) {
  const std::string path = AbsolutePath(JoinPath(report_.backup, name));
  const auto found =
      DigestFile(path, files_, [this](uint64_t count) { return this->Count(count); });
  if (!found && found.code() != Code::kNotFound) return Pass(found.error());
  if (found && *found == manifest_.at(name)) return Ok();
  return Fail(Code::kCorrupt,
              path + (found ? " is damaged: it has not the SHA-256" : " is gone, but stands") +
                  " in " + std::string(kBackupManifest) +
                  "; nothing was restored: name another backup, or bring the file back");
}

// A volume below the data directory has its path from there in store.json.
Status Restore::SettleRoot(StoreFile::KnownVolume& volume) {
  const std::string inside = report_.backup + "/";
  if (!volume.root.starts_with(inside)) return Ok();
  const std::string from_data = volume.root.substr(inside.size());
  const std::string old = JoinPath(report_.info.data, from_data);
  volume.root = !IsOurs(In(from_data), &volume.id) && IsOurs(old, &volume.id) ? old : In(from_data);
  return Ok();
}

Status Restore::SettleVolumes() {
  LB_TRY_ASSIGN(file, ReadStoreFile(files_, JoinPath(report_.backup, kStoreFile)));
  store_ = std::move(file);
  if (store_.store != report_.info.store) {
    return Fail(Code::kCorrupt, report_.backup + ": store.json and backup.json are of two stores");
  }
  store_.last_use = {};  // Whatever came after the backup, it knows nothing of.
  for (StoreFile::KnownVolume& volume : store_.volumes) LB_TRY(SettleRoot(volume));
  for (const std::string& asked : options_.volumes) {
    const std::string root = AbsolutePath(asked);
    LB_TRY_ASSIGN(identity, ReadVolumeFile(files_, JoinPath(root, kVolumeFile)));
    if (identity.store != store_.store) {
      return Fail(Code::kInvalid, root + " is a volume of store " + identity.store.text() +
                                      "; the backup is of store " + store_.store.text());
    }
    const auto known = std::find_if(
        store_.volumes.begin(), store_.volumes.end(),
        [&identity = identity](const auto& volume) { return volume.id == identity.volume; });
    if (known == store_.volumes.end()) {
      store_.volumes.push_back({root, identity.volume});  // Added after the backup.
    } else {
      known->root = root;
    }
    std::erase(store_.removed, root);
  }
  for (const StoreFile::KnownVolume& volume : store_.volumes) {
    const bool there = IsOurs(volume.root, &volume.id);
    report_.volumes.push_back({volume.root, volume.id, there});
  }
  return Ok();
}

// Volumes of the store may be below it.
Status Restore::CheckEmpty() {
  const auto entries = files_.List(data_);
  if (!entries && entries.code() == Code::kNotFound) return Ok();
  if (!entries) return Pass(entries.error());
  const bool begun = Exists(files_, In(kWaitingStoreFile)) && !Exists(files_, In(kStoreFile));
  for (const DirEntry& entry : *entries) {
    const std::string path = In(entry.name);
    if (entry.name == kLockFile || entry.name == "lost+found") continue;
    // The very first step of an earlier try.
    if (entry.name == std::string(kWaitingStoreFile) + ".new") continue;
    if (entry.is_directory && IsOurs(path, nullptr)) continue;
    if (begun) continue;  // Of an earlier try.
    if (entry.name == kSecretsFolder && entry.is_directory) {
      LB_TRY_ASSIGN(secrets, files_.List(path));
      if (secrets.empty()) continue;
    }
    return Fail(Code::kConflict, data_ + " is not empty (it holds \"" + entry.name +
                                     "\"): a restore needs a directory that is empty or not there");
  }
  return Ok();
}

Status Restore::Clear() {
  for (const std::string_view folder : kFolders) LB_TRY(RemoveFlat(files_, In(folder)));
  return Ok();
}

Status Restore::Place() {
  LB_TRY(WriteStoreFile(files_, In(kWaitingStoreFile), store_));
  LB_TRY(Clear());
  for (const std::string_view folder : kFolders) {
    LB_TRY(files_.MakeDirectories(In(folder), folder == kSecretsFolder ? 0700 : 0750));
  }
  step_ = {"restored", 0, step_.total};
  for (const auto& [name, digest] : manifest_) {
    if (name == kBackupFile || name == kStoreFile) continue;
    const std::string from = JoinPath(report_.backup, name);
    const std::string to = In(name.starts_with("../") ? name.substr(3) : name);
    const bool secret = name.starts_with(kSecretsFolder);
    LB_TRY_ASSIGN(info, files_.Stat(from));
    LB_TRY_ASSIGN(copied,
                  CopyFile(from, info.size, to, secret ? OpenMode::kSecret : OpenMode::kCreateNew,
                           files_, [this](uint64_t count) { return this->Count(count); }));
    if (copied != digest) return Fail(Code::kCorrupt, from + " was changed while it was restored");
  }
  return Ok();
}

Status Restore::CheckRoot(const Ledger& ledger) {
  if (!report_.info.root || report_.info.damaged_records > 0) return Ok();
  MerkleTree tree([&ledger](uint64_t first, uint64_t end) { return ledger.Leaves(first, end); });
  if (ledger.size() == report_.info.records) {
    LB_TRY_ASSIGN(root, tree.Root(report_.info.records));
    if (root == *report_.info.root) return Ok();
  }
  return Fail(Code::kCorrupt,
              report_.backup + ": its ledger is not the one that backup.json has the root of");
}

// A divergence goes on to the end, since each record is salted: the last one that both have tells.
Status Restore::SettleLedger() {
  const std::string directory = In("ledger");
  LB_TRY_ASSIGN(ledger, Ledger::OpenReadOnly(directory, files_, &store_.store));
  LB_TRY_ASSIGN(leaves, LedgerLeaves::Open(directory, ledger->Files(), files_));
  leaves->Sync();
  leaves.reset();
  LB_TRY(CheckRoot(*ledger));
  std::string other;
  bool agreed = false;
  for (const RestoreReport::VolumePlace& volume : report_.volumes) {
    if (!volume.there) continue;
    const std::string path = LedgerCopyPath(volume.root);
    const auto copy = Ledger::OpenReadOnly(path, files_, &store_.store);
    const uint64_t end = copy ? std::min((*copy)->size(), ledger->size()) : 0;
    if (end == 0) continue;
    LB_TRY_ASSIGN(mine, ledger->Leaves(end - 1, end));
    LB_TRY_ASSIGN(theirs, (*copy)->Leaves(end - 1, end));
    if (IsAbsentLeaf(mine) || IsAbsentLeaf(theirs)) continue;
    if (mine == theirs) {
      agreed = true;
    } else {
      other = path;
    }
  }
  report_.ledger_left_out = !other.empty() && !agreed;
  if (!report_.ledger_left_out) return Ok();
  report_.notes.push_back("the copy of the ledger in " + other +
                          " has other records than the backup: the store went on from an earlier "
                          "one, and the start takes what the volumes have");
  ledger.reset();
  LB_TRY(RemoveFlat(files_, directory));
  return files_.MakeDirectories(directory);
}

Result<RestoreReport> Restore::Run() {
  std::vector<std::string> passed_over;
  LB_TRY_ASSIGN(backup, FindBackup(options_.from, files_, passed_over));
  report_.backup = std::move(backup);
  LB_TRY_ASSIGN(info, ReadBackupInfo(report_.backup, files_));
  report_.info = std::move(info);
  for (const std::string& newer : passed_over) {
    if (!options_.warn) break;
    options_.warn(
        fmt::format("{} is taken, of {}: {}, begun at {}, is newer, but unfinished, and is "
                    "passed over",
                    report_.backup, FormatSecond(report_.info.taken_us), newer,
                    FormatSecond(BackupTime(newer))));
  }
  LB_TRY_ASSIGN(manifest, ReadBackupManifest(report_.backup, files_));
  manifest_ = std::move(manifest);
  LB_TRY(VerifyFile(std::string(kStoreFile)));  // It is read before the others are.
  LB_TRY(SettleVolumes());
  LB_TRY(CheckEmpty());
  LB_TRY(Verify());

  LB_TRY(files_.MakeDirectories(data_));
  LB_TRY(files_.SyncDirectory(std::filesystem::path(data_).parent_path().string()));
  LB_TRY_ASSIGN(lock, files_.Lock(In(kLockFile)));
  LB_TRY(CheckEmpty());
  LB_TRY(Place());
  LB_TRY(SettleLedger());
  for (const std::string_view folder : kFolders) {
    LB_TRY_ASSIGN(entries, files_.List(In(folder)));
    for (const DirEntry& entry : entries) LB_TRY(Made(JoinPath(In(folder), entry.name)));
    LB_TRY(Made(In(folder)));
    LB_TRY(files_.SyncDirectory(In(folder)));
  }
  LB_TRY(Made(In(kLockFile)));
  LB_TRY(Made(In(kWaitingStoreFile)));
  LB_TRY(files_.SyncDirectory(data_));
  LB_TRY(files_.Rename(In(kWaitingStoreFile), In(kStoreFile)));
  LB_TRY(files_.SyncDirectory(data_));
  return std::move(report_);
}

}  // namespace

Result<RestoreReport> RestoreBackup(const RestoreOptions& options, FileSystem& files,
                                    const OnProgress& progress) {
  return Restore(options, files, progress).Run();
}

}  // namespace lookback::storage
