// storage/backup.h: a copy of what of a store cannot be made anew (ledger, secrets, store.json),
// and of the newest good snapshot, which makes a restore quick. Footage is not in it.
//
// It is taken from the files of the data directory, whether the store runs or not, without its lock
// and without a word to it. What makes that right:
//   - Of the ledger it holds the first N records, all of which the store had synced: N is what the
//     file of leaf hashes has, since a leaf is written after its record's sync, or what a later
//     record says was synced before it, whichever is more. So a power cut of the source takes
//     nothing that the backup has, the source goes on with the same records, and a restored ledger
//     is a prefix of every copy on the volumes or they of it: a start brings it to their end.
//   - Secrets are copied after N is known: they are as new as the ledger or newer. Each file of
//     them, store.json and a snapshot are replaced by a rename, so what was opened is whole.
//   - A start of the store in between (epoch and mark in store.json tell) may have mended, replaced
//     or set apart files: then all of it begins again. Who runs `rebuild` or `fsck --repair`
//     meanwhile has to take another one.
//   - A finished file of the ledger never changes but by mending. It stands once for all backups,
//     and is not copied again while each of its records has the leaf hash that the store keeps.
//     What of a ledger is damaged stands in the backup itself, as it is.
//
// Invariant: a backup appears under its name only when it is whole and synced
//            (storage/backup_files.h). The data directory is only read.
// Threads:   the caller's; it takes long and tells `progress`.
// Errors:    kInvalid: a place that no backup belongs in. kNotFound: no store, or no such place: it
//            is not made, for its disk may not be mounted. kUnavailable: another backup runs there.
//            kDiskFull, kDiskFailed: nothing half-made is left but *.partial after a crash, which
//            the next backup removes.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "storage/backup_place.h"
#include "storage/check.h"
#include "storage/ledger.h"

namespace lookback::storage {

// Where backup and store share a disk, so much of it stays free for the store.
inline constexpr double kBackupFreeShare = 0.05;

struct BackupOptions {
  std::string data;
  std::string into;     // A directory that is there.
  std::string program;  // Its version, for the record.
  size_t keep = 0;      // Backups that stay, this one among them; 0: all.
  OnWarning warn = {};  // Told at once: a failure later does not undo what it says.
};

struct BackupReport {
  std::string path;
  BackupInfo info;
  uint64_t files = 0;
  uint64_t bytes = 0;         // Of all of them.
  uint64_t copied_bytes = 0;  // The rest stood there already.
  std::vector<std::string> removed;
};
Result<BackupReport> MakeBackup(const BackupOptions& options, Clock& clock, FileSystem& files,
                                const OnProgress& progress = {});

// How far a ledger file holds the records up to `end` as `source` knows them by their leaf hashes.
struct LedgerExtent {
  uint64_t bytes = 0;  // Up to the last whole record.
  uint64_t lost = 0;   // Records that are damaged, gone, or others.
  bool header = false;
  bool whole() const { return header && lost == 0; }
};
Result<LedgerExtent> ExtentOf(const std::string& path, uint64_t first, uint64_t end,
                              const Ledger& source, const Uuid& store, FileSystem& files);
// How many records the store is known to have synced.
Result<uint64_t> SyncedRecords(const std::string& directory, const Ledger& ledger,
                               FileSystem& files);

}  // namespace lookback::storage
