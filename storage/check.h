// storage/check.h: fsck (do disk, ledger and catalog agree?), its repair, and rebuild (make the
// catalog anew).
//
// Invariant: Fsck changes nothing but the pid in <data>/lock, and works beside a running store; a
//            stopped one cannot start before it ends. Rebuild needs the store closed; it deletes
//            nothing but the catalog, and leaves deletion frozen until the policies are confirmed.
// Threads:   the caller's; both may take long and tell `progress`.
// Errors:    findings are not errors; an error means that the check itself could not be made.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "index/records.h"

namespace lookback::storage {

enum class FindingKind : uint8_t {
  kTruncatedFile,  // Sealed with more bytes than the file has.
  kDamagedFile,    // It does not parse, or contradicts its digests or its SEAL.
  kMissingFile,    // On the ledger, not deleted, not on its volume. No fault once it is on record.
  kStrayFile,      // On a volume, but no segment of this store.
  kUnsealedFile,   // A segment that the next start will recover; no fault beside a running store.
  kMissingRow,     // On the ledger, not in the catalog.
  kForeignRow,     // In the catalog, not on the ledger.
  kLedgerDamage,
  kLedgerCopyDamage,  // A volume's copy has damaged records, or others than the ledger.
  kLedgerCopyBehind,  // It lacks the newest; no fault.
  kVolumeOffline,
  kReappearedFile,  // Deleted or thinned on the ledger, but its file of before is there.
};
std::string_view FindingKindName(FindingKind kind);  // "truncated-file"

struct Finding {
  FindingKind kind = FindingKind::kMissingFile;
  bool fault = true;   // False: for information.
  std::string path;    // Of the file, where one is concerned.
  std::string camera;  // "" when none.
  TimeRange range;
  std::string
      sentence;  // "gate/main 22:00:01 to 22:01:01: the file has 1,024 bytes, sealed with …"
};

struct FsckReport {
  std::vector<Finding> findings;
  uint64_t segments = 0;
  uint64_t ledger_records = 0;
  bool clean() const;  // No finding is a fault.
};

struct CheckProgress {
  std::string step;  // "ledger", "catalog", "files"
  uint64_t done = 0;
  uint64_t total = 0;
};
using OnProgress = std::function<void(const CheckProgress&)>;

enum class FsckDepth : uint8_t {
  kIndexes,  // Two small reads a file: its head and its LKEN.
  kBytes,    // Every byte of every file, against its own digests and the SHA-256 of its seal.
};

// What was ever sealed is held in memory, a quarter of a kilobyte each, for a share of all cameras
// at a time: a larger ledger is read once for each share.
inline constexpr uint64_t kFsckSegments = 4'000'000;

struct FsckOptions {
  FsckDepth depth = FsckDepth::kIndexes;
  uint64_t max_segments = kFsckSegments;  // Of a share, if cameras are alike.
  bool in_store = false;                  // The caller is the process that has the store open.
  // Asked before each file, and now and then between; it may wait. An error ends the check with it.
  std::function<Status()> go_on = [] { return Ok(); };
};
Result<FsckReport> Fsck(const std::string& data, FileSystem& files, const OnProgress& progress,
                        const FsckOptions& options = {});

// Makes good what Fsck() finds, as far as something whole is there to make it from: the ledger
// and its copies from one another, the catalog from the ledger, segments without a seal by what a
// start does. Nothing is deleted but the catalog, where it was wrong, and files that a policy had
// deleted. A sentence for each thing done. Needs the store closed.
Result<std::vector<std::string>> RepairStore(const std::string& data, Clock& clock,
                                             FileSystem& files, const OnProgress& progress);

struct RebuildReport {
  uint64_t records = 0;            // Read from the ledger.
  uint64_t segments = 0;           // That the catalog has.
  uint64_t lost_records = 0;       // Damaged on the ledger: what they said is not in the catalog.
  uint64_t snapshot_records = 0;   // That needed no reading, since
  std::string snapshot;            // this file has what they come to; empty: none was used.
  std::vector<std::string> notes;  // Why newer snapshots, or all, were not.
};
// From the newest good snapshot (storage/snapshot.h) and the ledger's records after it;
// what the ledger lacks is taken from its copies before. `volumes`: those of a store
// whose store.json is lost.
Result<RebuildReport> Rebuild(const std::string& data, Clock& clock, FileSystem& files,
                              const OnProgress& progress,
                              const std::vector<std::string>& volumes = {});

struct FromFilesReport {
  uint64_t segments = 0;    // On record now.
  uint64_t bytes = 0;       // Of them; all were read.
  uint64_t copies = 0;      // Second files of them.
  uint64_t cameras = 0;     // Made of their names alone: switched off, without a URL.
  uint64_t damaged = 0;     // Of the segments: some of their bytes are not those that were written.
  uint64_t unfinished = 0;  // Files without a good end: the next start sees to them.
  uint64_t left = 0;        // Files that are no segment of this store, or could not be read.
  std::string snapshot;     // What people put on record is from here; empty: it is not known.
  TimeUs snapshot_us = 0;
  uint64_t holds = 0;                  // From there.
  std::vector<std::string> set_apart;  // Ledgers, and what followed from them, under new names.
  std::vector<std::string> notes;  // Of files and volumes: one sentence each, the first thousand.
};
struct FromFilesOptions {
  std::string data;
  std::vector<std::string> volumes;  // As for Rebuild().
  bool set_ledger_apart = false;     // Also where a ledger, or a copy, has records: else kConflict.
};
// A new ledger, and the catalog of it, from the segment files alone, each of which is read to its
// end. Nothing is removed, and no segment file is changed.
Result<FromFilesReport> RebuildFromFiles(const FromFilesOptions& options, Clock& clock,
                                         FileSystem& files, const OnProgress& progress);

}  // namespace lookback::storage
