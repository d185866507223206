// storage/volume_writer.h: one volume's queue and its two threads: one writes, one syncs.
//
// When a write or sync fails, or does not come back, runs go on in another volume: what no sync
// covered is written there again from memory, then what waits in the queue, then what comes. When
// the volume is being drained, they do so with their next segment, and nothing is written twice.
//
// Invariant: a run's fragments are written in the order in which they were pushed, each once (but
//            for those written again), whole or not at all; a segment holds no hole.
// Threads:   Push, End, Barrier, SyncGroup, Abandon and Stop on any; a WritingRun's last part
//            belongs to the writer of the volume that it is on.
// Locks:     no writer's lock is held while another writer is called, for runs lead in rings (A, B,
//            A). One thread at a time passes on what waits; who pushes meanwhile queues behind it.
// Errors:    Push says false when the queue is full. A run whose volume fails moves to another one;
//            with none, its fragments are dropped, with a gap, until a probe succeeds.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "storage/archive.h"
#include "storage/replay_budget.h"
#include "storage/seal_group.h"
#include "storage/segment_writer.h"
#include "storage/stopwatch.h"
#include "storage/volume_health.h"
#include "storage/writing_run.h"

namespace lookback::storage {

// A write that takes so long will not come back in time, nor will a sync, which has more to do.
// Well below what the queue holds.
inline constexpr int64_t kHungWriteUs = 8 * kUsPerSecond;
inline constexpr int64_t kHungSyncUs = 15 * kUsPerSecond;
// And this long is reason to tell somebody, and to begin new runs elsewhere.
inline constexpr int64_t kSlowCallUs = 4 * kUsPerSecond;

class VolumeWriter {
 public:
  struct Options {
    Uuid store;
    uint32_t epoch = 0;
    int64_t sync_interval_us = kSyncIntervalUs;
    uint64_t queue_bytes = kVolumeQueueBytes;
    std::shared_ptr<ReplayBudget> replay;
    std::optional<Error> trouble;  // The volume has to be probed before anything is written.
  };
  // Another volume that takes recordings, or nullptr.
  using FindOther = std::function<VolumeWriter*(const VolumeWriter&)>;

  // All must outlive the writer.
  VolumeWriter(Options options, Volume& volume, RecordQueue& records, Clock& clock,
               FindOther find_other);
  ~VolumeWriter();  // Stops.

  Volume& volume() const { return volume_; }
  const VolumeHealth& health() const { return health_; }

  enum class Room : uint8_t {
    kWithinLimit,
    kForLast,   // Beyond the queue's limit too, within that of the stream.
    kForMoved,  // Beyond any limit: it was in memory already, as another volume failed.
  };
  // False when the queue is full.
  bool Push(const std::shared_ptr<WritingRun>& run, std::shared_ptr<const media::Fragment> fragment,
            Room room);
  void End(const std::shared_ptr<WritingRun>& run);
  double Backlog() const;  // How full the queue is, 0 to 1.
  // Waits until everything that was pushed before has been written, dropped or passed on.
  void Barrier();
  // One group, now; with `repair_all`, what must be repaired first is.
  Status SyncGroup(bool repair_all);
  // Writes what is queued, then stops both threads. Nothing is pushed any more.
  void Stop();

  // Runs that it is the entry of: what comes to be written here, for whoever places the next one.
  int64_t runs() const { return *runs_; }

  // How long the write or sync that is under way has been; 0: none is.
  int64_t writing_us() const { return writing_.Elapsed(clock_); }
  int64_t syncing_us() const { return syncing_.Elapsed(clock_); }
  VolumeLoad Load() const {
    return {volume_.root(), Backlog(), writing_.totals(), syncing_.totals()};
  }
  bool slow() const { return std::max(writing_us(), syncing_us()) > kSlowCallUs; }
  bool hung() const { return writing_us() > kHungWriteUs || syncing_us() > kHungSyncUs; }
  // For good, while another volume takes recordings: its runs go on there, by way of this object,
  // which has to stay. Its threads end when their calls come back; gone() tells.
  void Abandon(const Error& why);
  bool abandoned() const { return abandoned_; }
  bool gone() const { return gone_; }

 private:
  friend struct WritingRun;  // Counts itself.
  struct Item {
    std::shared_ptr<WritingRun> run;                  // nullptr: a barrier.
    std::shared_ptr<const media::Fragment> fragment;  // nullptr: the run's end.
    uint64_t bytes = 0;
    Room room = Room::kWithinLimit;  // What it was taken by.
    std::promise<void>* barrier = nullptr;
  };

  // With the queue's lock held:
  bool HasRoom(uint64_t bytes) const;
  bool Enqueue(const std::shared_ptr<WritingRun>& run,
               std::shared_ptr<const media::Fragment> fragment, Room room);
  std::shared_ptr<WritingRun> SuccessorFor(WritingRun& run, const media::FragmentInfo& first);
  void Uncount(const Item& item);
  // Lets go of the lock for each item; until the queue is empty.
  void HandOnQueue(std::unique_lock<std::mutex>& lock);

  static std::shared_ptr<WritingRun> Continue(VolumeWriter& other,
                                              const std::shared_ptr<RunCommon>& run,
                                              const media::FragmentInfo& first);
  Volume* VolumeForCopies();
  void ReplayUnsynced();
  void HandOn(const Item& item, const std::shared_ptr<WritingRun>& successor);
  void RecordHole(const RunCommon& run, const void* who);
  bool Pop(Item& item, std::shared_ptr<WritingRun>& successor);
  void EndThread();
  void WriterLoop();
  void SyncLoop(int64_t next_us);

  // The writer's thread.
  // What has a successor, by Pop or by this one, is passed on with Forward, and never by Abandon.
  std::shared_ptr<WritingRun> BeginForward(const Item& item);
  void Forward(const Item& item, const std::shared_ptr<WritingRun>& successor);
  void PassOn(const Item& item, const std::shared_ptr<WritingRun>& successor);
  void Take(const Item& item);
  bool MoveOn(const Item& item);
  bool TryToWrite(const Item& item);
  Status Write(WritingRun& run, const media::Fragment& fragment);
  bool MustCut(const WritingRun& run, const media::Fragment& fragment, bool follows) const;
  void BeginSegment(WritingRun& run, const media::Fragment& fragment);
  void CloseSegment(WritingRun& run);
  void LeaveSegment(WritingRun& run, const Error& why);
  void FinishRun(WritingRun& run);
  uint64_t ReserveFor(const WritingRun& run, const media::Fragment& fragment) const;

  const Options options_;
  Volume& volume_;
  RecordQueue& records_;
  Clock& clock_;
  const FindOther find_other_;
  VolumeHealth health_;
  SealGroup group_;

  mutable std::mutex mutex_;  // Of the queue.
  std::condition_variable ready_;
  std::deque<Item> queue_;
  uint64_t queued_bytes_ = 0;
  Item in_hand_;             // Popped to be written, and not done yet.
  bool handing_on_ = false;  // Somebody is passing items on, without the lock.
  std::atomic<bool> abandoned_{false};
  bool stopping_ = false;

  std::condition_variable wake_sync_;
  bool sync_stopping_ = false;
  const std::shared_ptr<std::atomic<int64_t>> runs_ = std::make_shared<std::atomic<int64_t>>(0);
  Stopwatch writing_, syncing_;
  std::atomic<int> threads_{2};
  std::atomic<bool> gone_{false};
  std::thread writer_;
  std::thread syncer_;
};

}  // namespace lookback::storage
