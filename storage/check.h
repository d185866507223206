// storage/check.h: fsck (does disk, ledger and catalog agree?) and rebuild (make the catalog anew).
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
  kVolumeOffline,
  kReappearedFile,  // Deleted on the ledger, but its file is there.
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

Result<FsckReport> Fsck(const std::string& data, FileSystem& files, const OnProgress& progress,
                        FsckDepth depth = FsckDepth::kIndexes);

struct RebuildReport {
  uint64_t records = 0;
  uint64_t segments = 0;
  uint64_t lost_records = 0;  // Damaged on the ledger: what they said is not in the catalog.
};
Result<RebuildReport> Rebuild(const std::string& data, Clock& clock, FileSystem& files,
                              const OnProgress& progress);

}  // namespace lookback::storage
