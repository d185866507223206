// storage/volume_set.h: the volumes of a store, and how they are added, drained, removed and taken
// back while it runs.
//
// Which volumes there are stands in store.json, which is replaced whole: so each change is one
// step, and a crash leaves it done or not done.
//   - Add: volume.json is written on the volume, then store.json names it, then it is used. A crash
//     between leaves a volume of ours that no store.json names; adding it again takes it.
//   - Drain: store.json says so, then placement does.
//   - Remove: no file is made on the volume any more, then it is looked at: not a file of a segment
//     is left, and no row of the catalog names it. Then store.json does not name it, and says that
//     a start which is told to use it leaves it alone.
//   - A volume that was offline and is there again is taken back without a change of store.json.
//
// Invariant: a Volume lives until the set is gone, whatever becomes of it: who has a pointer may
//            use it until the store is closed, and is told kUnavailable by one that was removed. A
//            volume that has footage on record is removed only when a person says that it is lost;
//            its segments are MISSING on the ledger before, or in the place of a copy.
// Threads:   Open, Start and Stop on one, and nothing beside Stop; the rest on any. Changes take
//            turns; a thread of its own looks for volumes that return, and counts what each holds.
// Errors:    kInvalid, kNotFound, kConflict, kUnavailable, and those of the disks: store.json is as
//            it was. The act may be on record all the same; and of a volume that was being removed
//            as lost a part may be settled: removing it again goes on from there. A stop gives up a
//            removal that still looks or declares (kUnavailable).
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "storage/data_directory.h"
#include "storage/store.h"
#include "storage/volume.h"

namespace lookback::storage {

class Recovery;

inline constexpr int64_t kVolumeLookUs = 2 * kUsPerSecond;
// Counting reads the whole catalog, so it rests so many times as long as it took.
inline constexpr int64_t kCountIntervalUs = kUsPerMinute;
inline constexpr int64_t kCountRests = 20;

class VolumeSet {
 public:
  VolumeSet(std::string data, Clock& clock, FileSystem& files)
      : data_(std::move(data)), clock_(clock), files_(files) {}
  ~VolumeSet() { Stop(); }

  // Opens the volumes that `file` knows and those of `roots`, and names them in it.
  Status Open(const std::vector<std::string>& roots, StoreFile& file, DataDirectory& directory);

  // What a volume that comes or goes is told to. All must outlive Stop().
  struct Parts {
    Archive& archive;
    LedgerCopies* copies = nullptr;  // nullptr: none are kept.
    Recovery& recovery;
    const index::Catalog& catalog;
    Journal& journal;
    const Ledger& ledger;
    std::mutex& delete_mutex;  // The one that DeleteSegment holds.
  };
  void Start(const Parts& parts);
  void Stop();  // Changes are refused from now on.

  std::vector<Volume*> All() const;    // Without those that were removed.
  Volume* Find(const Uuid& id) const;  // nullptr: there is none.
  VolumeContents ContentsOf(const Uuid& id) const;

  // As storage/store.h has them.
  Result<VolumeAdded> Add(const std::string& root, std::optional<index::Act> act);
  Status SetDraining(const Uuid& id, bool draining, std::optional<index::Act> act);
  Status Remove(const Uuid& id, bool lost, std::optional<index::Act> act);
  void Look();

 private:
  Result<Volume*> Known(const Uuid& id) const;  // Under `change_`, as what follows.
  Status CheckRunning() const;
  Status CheckGoesOn() const;
  Status CheckPlace(const std::string& root) const;
  std::string SharesDiskWith(const std::string& root) const;
  Status PutOnRecord(std::optional<index::Act> act);
  bool AnotherTakes(const Volume& volume) const;
  Status CheckHoldsNothing(Volume& volume) const;
  Status CheckAnotherCopy(const Volume& volume) const;
  Status DeclareLost(const Volume& volume);
  Status CommitLost(const Volume& volume, const std::vector<index::SegmentKey>& group);
  Status VisitRowsOf(const Volume& volume,
                     const std::function<bool(const index::Seal&)>& visit) const;
  void Begin(Volume& volume);

  void FreezeWhereLedgersDisagree();
  void Count();
  void Work();

  const std::string data_;
  Clock& clock_;
  FileSystem& files_;
  DataDirectory* directory_ = nullptr;

  std::mutex change_;             // One change at a time.
  std::unique_ptr<Parts> parts_;  // From Start to Stop.
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Volume>> volumes_;
  std::map<Uuid, VolumeContents> contents_;

  std::mutex look_mutex_;          // Of who looks.
  std::vector<Volume*> returned_;  // Whose copy of the ledger was not seen to agree yet.
  int64_t next_count_us_ = 0;

  std::mutex wake_mutex_;
  std::condition_variable wake_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace lookback::storage
