// storage/local_volume.h: a volume that is a directory of this machine.
//
// Invariant: what a write returned from is in the dirty set before the write returns, so a Sync()
//            that begins later covers it. Names below the root are made, removed and opened to
//            be changed only after the root was seen to be ours: a bare mount point and another
//            volume in its place get nothing, and lose nothing.
// Threads:   any. Sync() calls follow one another; the rest runs beside them.
// Errors:    of storage/volume.h.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <string>
#include <vector>

#include "storage/volume.h"

namespace lookback::storage {

class LocalVolume : public Volume {
 public:
  LocalVolume(std::string root, const Uuid& store, const Uuid& id, FileSystem& files);
  // Known, but not there: every call on its files says `why`.
  static std::unique_ptr<LocalVolume> Offline(std::string root, const Uuid& store, const Uuid& id,
                                              std::string why, FileSystem& files);

  const Uuid& id() const override { return id_; }
  const std::string& root() const override { return root_; }
  VolumeState state() const override { return state_; }
  std::string why() const override;
  void SetFailed(const std::string& why) override;
  void RefuseNew(bool refuse) override;
  void SetRemoved() override;
  // Finds out whether the root is a mount of its own, which has a quicker sync.
  Status Attach();

  Result<std::unique_ptr<File>> Create(const index::SegmentKey& key) override;
  Result<std::unique_ptr<File>> Open(const index::SegmentKey& key) override;
  Result<std::unique_ptr<File>> OpenToRepair(const index::SegmentKey& key) override;
  Status Remove(const index::SegmentKey& key) override;
  Status Quarantine(const index::SegmentKey& key) override;

  Status Sync() override;
  Status Probe() override;
  Status Return() override;
  Result<Space> FreeSpace() override;
  Result<std::string> LedgerDirectory() override;

  Result<std::vector<Day>> Days() override;
  Result<std::vector<Found>> FilesOf(const Day& day) override;
  Status VisitFiles(const std::function<bool(const Found&)>& visit,
                    const std::function<bool(const Day&)>& wants) override;

 private:
  class TrackedFile;

  std::string PathOf(std::string_view relative) const;
  // The entries of v1/`path` that `accept` takes; the others go to `strays`.
  Result<std::vector<std::string>> Folders(const std::string& path,
                                           const std::function<bool(const std::string&)>& accept,
                                           std::vector<Found>& strays) const;
  Result<std::vector<Day>> ListDays(std::vector<Found>& strays) const;
  Status CheckPresent() const;
  Status CheckIdentity() const;
  Status CheckNamesUs() const;
  Status ProbeByWriting();
  Status EnsureDirectory(const StreamId& stream, const std::string& directory);
  void NoteWritten(const std::shared_ptr<File>& file);
  void NoteDirectory(const std::string& directory);
  // The directory and those above it, up to the root: where a new file's name stands.
  Status SyncDirectories(const std::string& directory);

  const std::string root_;
  const Uuid store_;
  const Uuid id_;
  FileSystem& files_;
  std::atomic<VolumeState> state_{VolumeState::kOnline};
  std::atomic<bool> ledger_directory_synced_{false};  // Its name, and that of the one above.

  std::shared_mutex creating_;       // Shared by each Create().
  bool refuses_ = false;             // Under that.
  std::mutex sync_mutex_;            // Held through a Sync().
  std::unique_ptr<File> own_mount_;  // Under that: the root, opened, when it is a mount of its own.
  mutable std::mutex mutex_;
  std::string why_;                       // Not online.
  std::map<StreamId, std::string> made_;  // The last day's directory, known to exist.
  std::map<const File*, std::shared_ptr<File>> dirty_files_;
  std::set<std::string> dirty_directories_;
};

}  // namespace lookback::storage
