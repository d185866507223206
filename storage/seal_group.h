// storage/seal_group.h: the segments of one volume that are not sealed yet, and the group sync that
// gets them there.
//
// Invariant: a segment's SEAL goes to the record queue, and its durable end moves, only after a
//            Volume::Sync() that began when what they speak of had been written, and succeeded.
//            After one that failed, every segment in here is in doubt: none of them is written to
//            again. What was kept of it in memory is handed out to be written elsewhere; what is
//            good of the rest is copied to a new file (repair.h).
// Threads:   Begin, Keep, Forget, Close and LeaveToRepair on the volume's writer;
//            Sync and RepairSome on any, one at a time; GiveUp and TakeUnsynced on any,
//            while a Sync hangs too.
// Errors:    Sync returns the volume's. A repair that fails is tried again with the next group;
//            after kMaxRepairTries (unless the disk is full) the file is left to the next start; of
//            a volume that failed it waits until that is back.
#pragma once

#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <vector>

#include "storage/record_queue.h"
#include "storage/repair.h"
#include "storage/volume.h"
#include "storage/writing_run.h"

namespace lookback::storage {

inline constexpr int kMaxRepairTries = 3;
inline constexpr size_t kRepairsPerGroup = 8;  // Each reads a file; the sync must not wait long.

class SealGroup {
 public:
  // `rescue` names the volume that takes copies just now; nullptr when none does.
  SealGroup(const Uuid& store, Volume& volume, RecordQueue& records,
            std::function<Volume*()> rescue)
      : store_(store), volume_(volume), records_(records), rescue_(std::move(rescue)) {}

  // Before the first write of a segment.
  void Begin(std::shared_ptr<RunCommon> run, std::shared_ptr<LiveSegment> segment);
  // `fragment`, the next one, is in its file; it is kept until a sync covers it. nullptr: there
  // was no memory to keep it. What was kept of the segment before is let go then, since what is
  // handed out must have no hole.
  void Keep(const std::shared_ptr<LiveSegment>& segment,
            std::shared_ptr<const media::Fragment> fragment);
  // Its first write failed: there is nothing of it.
  void Forget(const std::shared_ptr<LiveSegment>& segment);
  // It has its LKEN.
  void Close(const std::shared_ptr<LiveSegment>& segment);
  // It ended without one, by `why`.
  void LeaveToRepair(const std::shared_ptr<LiveSegment>& segment, const Error& why);

  Status Sync();
  // With `all`, however long it takes.
  void RepairSome(bool all);

  // The volume does not answer: every segment in here has to be repaired, once it does.
  void GiveUp(const Error& why);
  // Fragments of one segment in doubt, in order, that no sync covered. The segment ends before them
  // from now on.
  struct Unsynced {
    std::shared_ptr<RunCommon> run;
    std::vector<std::shared_ptr<const media::Fragment>> fragments;
  };
  std::vector<Unsynced> TakeUnsynced();

  size_t open() const;

 private:
  enum class Stage : uint8_t { kGrowing, kClosed, kSuspect };
  static constexpr uint32_t kNothingTaken = std::numeric_limits<uint32_t>::max();
  struct Entry {
    std::shared_ptr<RunCommon> run;
    std::shared_ptr<LiveSegment> segment;
    std::deque<std::shared_ptr<const media::Fragment>> unsynced;
    Stage stage = Stage::kGrowing;
    Error why;                            // Of a suspect.
    uint32_t taken_from = kNothingTaken;  // The first fragment that was handed out.
    int tries = 0;
  };

  Entry* Find(const std::shared_ptr<LiveSegment>& segment);
  bool Repair(Entry& entry);
  Result<Repaired> RepairOrRescue(const Entry& entry);
  static bool InDoubt(const Entry& entry);
  void DoubtEverything(const Error& why);

  const Uuid store_;
  Volume& volume_;
  RecordQueue& records_;
  const std::function<Volume*()> rescue_;
  std::mutex group_mutex_;  // One group at a time.
  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
};

}  // namespace lookback::storage
