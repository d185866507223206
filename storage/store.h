// storage/store.h: the whole of a store, opened, recovered and closed in the right order.
//
// Invariant: one process at a time (lock on <data>/lock); the epoch in store.json is raised and
//            synced before the first write of a start.
// Threads:   Open and Close on one thread; the parts say for themselves.
// Errors:    kUnavailable: another process has it. kUnsupported: its format is newer than this
//            build. kInvalid: the directory is another thing. kDiskFull, kDiskFailed. All name the
//            path.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/version.h"
#include "index/catalog.h"
#include "storage/archive.h"
#include "storage/journal.h"
#include "storage/ledger.h"
#include "storage/ledger_copies.h"
#include "storage/merkle_tree.h"
#include "storage/picture_cache.h"
#include "storage/volume.h"
#include "storage/volume_file.h"

namespace lookback::storage {

inline constexpr uint32_t kStoreFormatVersion = 2;  // 2: segments may be thinned.
// How long Open() may work on torn segments before recording begins; the rest goes on behind it.
inline constexpr int64_t kRecoveryBudgetUs = 3 * kUsPerSecond;
// How long who places a hold waits for its second copy, and a deletion for that of its volume.
inline constexpr int64_t kHoldCopyWaitUs = 5 * kUsPerSecond;
inline constexpr int64_t kDeleteCopyWaitUs = kUsPerSecond;

struct StoreOptions {
  std::string data;                  // The data directory.
  std::vector<std::string> volumes;  // Empty: those known already, or <data>/volume at first.
  int64_t sync_interval_us = kSyncIntervalUs;
  int64_t commit_wait_us = Journal::kCommitWaitUs;
  // False: nothing will be recorded, and store.json goes on saying how the last use ended.
  bool recording = true;
  bool copy_ledger = true;  // To the volumes; tests of other things leave it out.
  uint64_t ledger_file_bytes = kLedgerFileBytes;  // Small ones in tests.
  std::string version = std::string(Version());   // What a Close() says of itself.
};

// What a start found and did, for the log and for `lookback status`.
struct RecoveryReport {
  uint64_t recovered_segments = 0;  // Torn or unsealed, now sealed.
  uint64_t adopted_segments = 0;    // Whole, but not on the ledger.
  uint64_t quarantined_files = 0;
  uint64_t missing_segments = 0;
  uint64_t ledger_torn_bytes = 0;
  uint64_t ledger_mended_records = 0;  // From its copies.
  bool catalog_rebuilt = false;
  bool finished = false;           // The part that goes on behind recording is done too.
  std::vector<std::string> notes;  // One sentence each.
};

// What a volume has on record: segments of its own, and copies of others'.
struct VolumeContents {
  uint64_t segments = 0;
  uint64_t bytes = 0;
  uint64_t held_segments = 0;  // Those of them that a hold in force touches.
  uint64_t held_bytes = 0;
  TimeUs counted_us = 0;  // When: the whole catalog is read for it. 0: not yet.
};

struct VolumeAdded {
  Uuid id;
  std::string warning;  // For people; empty: all is as it should be.
};

class Store {
 public:
  // `clock` and `files` must outlive the store.
  static Result<std::unique_ptr<Store>> Open(const StoreOptions& options, Clock& clock,
                                             FileSystem& files);
  virtual ~Store() = default;  // Closes.

  virtual const Uuid& id() const = 0;
  virtual uint32_t epoch() const = 0;
  virtual const std::string& data() const = 0;
  virtual const LastUse& last_use() const = 0;  // Before this one.
  // As far as it is; WaitForRecovery() for all of it.
  virtual RecoveryReport recovery() const = 0;
  virtual void WaitForRecovery() = 0;

  virtual Archive& archive() = 0;
  virtual const index::Catalog& catalog() const = 0;
  virtual Journal& journal() = 0;
  virtual const Ledger& ledger() const = 0;
  virtual MerkleTree& ledger_tree() = 0;  // Over it.
  virtual std::vector<LedgerCopyState> ledger_copies() const = 0;
  virtual PictureCache& pictures() = 0;
  // Those there are now, which may be others in a moment. A pointer is good until Close().
  virtual std::vector<Volume*> volumes() = 0;
  virtual VolumeContents ContentsOf(const Uuid& volume) const = 0;

  // Volumes come and go while the store records (storage/volume_set.h says how). Refused, with a
  // reason for people: kInvalid, kNotFound, kConflict, kUnavailable; nothing has changed then.
  // `act`, of the person, is on record before anything changes.
  //
  // A directory that exists, empty or a volume of this store. Footage may go
  // there when this returns.
  virtual Result<VolumeAdded> AddVolume(const std::string& root,
                                        std::optional<index::Act> act = {}) = 0;
  // No new segment goes to a draining volume, as long as another one takes footage;
  // what it has stays until retention takes it. Refused for the last one that takes
  // footage. Survives a restart.
  virtual Status SetDraining(const Uuid& volume, bool draining,
                             std::optional<index::Act> act = {}) = 0;
  // One that is drained and holds nothing any more. Or, with `lost`, one that is offline
  // or failed: what it has is MISSING from then on, held or not; where another volume has a
  // copy, that takes the place.
  virtual Status RemoveVolume(const Uuid& volume, bool lost,
                              std::optional<index::Act> act = {}) = 0;
  // Takes back volumes that were offline and are there again. A thread does so all the time.
  virtual void LookForVolumes() = 0;

  // Puts a marker or hold on record, and with it, in one group, the act of the person who set it.
  // A hold is refused (kConflict) where footage of its range was deleted already, wholly; shares
  // one lock with deletion. kUnavailable while a deletion is not settled, and as Journal::Commit
  // says.
  virtual Status PutMarker(index::Marker marker, std::optional<index::Act> act = {}) = 0;
  // Waits until all that is on the ledger now, and so a hold that was just placed, is synced on
  // a second copy. kUnavailable after kHoldCopyWaitUs: it stands on the ledger alone. Ok at once
  // where no volume is there to hold a copy.
  virtual Status AwaitSecondCopy() = 0;
  // Deletes one segment unless a hold touches it, or policies await confirmation after a rebuild
  // (kDenied): DELETE record, synced, then unlink, its copies too; one on a volume that is offline
  // goes when that returns. kUnavailable when its own volume is offline, when the volume's copy
  // of the ledger lacks what the ledger had at the start, or a hold since; when the catalog, which
  // knows the holds, is behind, or a hold is not settled; also when the record did not come in
  // time: it may come yet, and the next start removes the file then.
  virtual Status DeleteSegment(const index::Seal& segment, const std::string& policy,
                               const std::string& reason) = 0;

  // Puts the file that WriteThinned() made (storage/segment_thin.h), and whose row this is, in the
  // place of the segment's own: THIN record, synced, then what there was before goes, copies too.
  // Refused as DeleteSegment() is, and with kConflict where the segment is another one by now; the
  // new file is removed then. After any other error it may come on record yet, both files stay, and
  // the next start removes the one that is not on record.
  virtual Status ThinSegment(const index::Seal& thinned, const std::string& policy,
                             const std::string& reason) = 0;

  // Puts on record that a copy of a held segment stands on a volume, verified and synced, or that
  // one is gone; who calls makes and removes its file. Shares the lock of holds and deletion.
  // kNotFound: the segment was deleted meanwhile; kDenied: no hold touches it any more;
  // kConflict: what is said to be gone is the segment's own file by now. After another error
  // it may come on record yet.
  virtual Status RecordCopy(const index::Copy& copy) = 0;

  // Seals everything and closes. The parts above are gone then.
  virtual void Close() = 0;
};

}  // namespace lookback::storage
