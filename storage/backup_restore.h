// storage/backup_restore.h: puts a backup (storage/backup.h) in the place of a data directory that
// was lost. The next start brings its ledger to the end that the copies on the volumes know.
//
// Everything is held against the manifest before anything is made, and again as it is
// copied. Leaf hashes are made from the records, and their root has to be the one that
// the backup was taken with.
//
// The copies on the volumes are what went on: where one of them disagrees with the backup's ledger
// and none agrees, the ledger is not put in place, and the start takes theirs.
//
// Invariant: until the last step, a rename, what stands in the data directory is no store: it has
//            no store.json, and a start refuses it. Doing it again then begins anew.
// Threads:   the caller's; it takes long and tells `progress`.
// Errors:    kCorrupt names the file of the backup that is damaged. kUnsupported: a later format.
//            kConflict: the data directory holds something. kInvalid: a volume of another store.
//            kUnavailable: another process has the directory. Those of the disk.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "storage/backup_files.h"
#include "storage/backup_place.h"
#include "storage/check.h"

namespace lookback::storage {

struct RestoreOptions {
  std::string from;                  // A backup, or the directory of several: the newest of them.
  std::string data;                  // Not there, or empty but for volumes of the store.
  std::vector<std::string> volumes;  // Roots: where volumes are mounted now.
  // Called for each file and directory that was made: to give it to its owner. May be empty.
  std::function<Status(const std::string&)> made;
  OnWarning warn = {};  // Of newer backups that are unfinished: told before anything is made.
};

struct RestoreReport {
  struct VolumePlace {
    std::string root;
    Uuid id;
    bool there = false;
  };
  std::string backup;
  BackupInfo info;
  uint64_t files = 0;
  uint64_t bytes = 0;
  std::vector<VolumePlace> volumes;
  bool ledger_left_out = false;  // The copies on the volumes disagree with it.
  std::vector<std::string> notes;
};
Result<RestoreReport> RestoreBackup(const RestoreOptions& options, FileSystem& files,
                                    const OnProgress& progress = {});

}  // namespace lookback::storage
