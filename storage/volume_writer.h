// storage/volume_writer.h: one volume's queue and its two threads: one writes, one syncs.
//
// Invariant: a run's fragments are written in the order in which they were pushed, each once, whole
//            or not at all; a segment holds no hole.
// Threads:   Push, End, Barrier, SyncGroup and Stop on any; a Run's last part belongs to the writer
//            of the volume that it is on.
// Errors:    Push says false when the queue is full. A run whose volume fails moves to another one,
//            once; with none, its fragments are dropped, with a gap, until a probe succeeds.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "storage/archive.h"
#include "storage/seal_group.h"
#include "storage/segment_writer.h"
#include "storage/volume_health.h"

namespace lookback::storage {

class VolumeWriter;

// A run on its way to disk.
struct WritingRun {
  RunInfo info;
  std::shared_ptr<StreamState> stream;
  VolumeWriter* entry = nullptr;  // Takes its fragments, and passes them on if the run moved.

  // Ingest's.
  std::mutex mutex;
  bool ended = false;
  bool dropping = false;  // Until the next fragment that a decoder can start at.
  std::atomic<bool> has_camera_offset{false};
  std::atomic<int64_t> camera_offset_us{0};

  // The entry's writer's.
  VolumeWriter* moved_to = nullptr;
  bool dropping_moved = false;

  // The writer's that it is on.
  std::unique_ptr<SegmentWriter> segment;
  bool begun = false;  // Something of it is in a file; the next three are of what came last.
  TimeUs last_end_us = 0;
  uint32_t last_number = 0;
  uint64_t last_segment_bytes = 0;
};

class VolumeWriter {
 public:
  struct Options {
    Uuid store;
    uint32_t epoch = 0;
    int64_t sync_interval_us = kSyncIntervalUs;
    uint64_t queue_bytes = kVolumeQueueBytes;
  };
  // Another volume that takes recordings, or nullptr.
  using FindOther = std::function<VolumeWriter*(const VolumeWriter&)>;

  // All must outlive the writer.
  VolumeWriter(const Options& options, Volume& volume, RecordQueue& records, Clock& clock,
               FindOther find_other);
  ~VolumeWriter();  // Stops.

  Volume& volume() const { return volume_; }
  const VolumeHealth& health() const { return health_; }

  // False when the queue is full; `fragment` is then untouched.
  bool Push(const std::shared_ptr<WritingRun>& run, media::Fragment& fragment);
  void End(const std::shared_ptr<WritingRun>& run);
  // Waits until everything that was pushed before has been written, dropped or passed on.
  void Barrier();
  // One group, now; with `repair_all`, what must be repaired first is.
  Status SyncGroup(bool repair_all);
  // Writes what is queued, then stops both threads. Nothing is pushed any more.
  void Stop();

 private:
  struct Item {
    std::shared_ptr<WritingRun> run;  // nullptr: a barrier.
    media::Fragment fragment;
    bool end = false;
    uint64_t bytes = 0;
    std::promise<void>* barrier = nullptr;
  };

  Volume* VolumeForCopies();
  void PushAlways(Item item);
  bool Pop(Item& item);
  void WriterLoop();
  void SyncLoop(int64_t next_us);

  // The writer's thread.
  void Forward(Item& item);
  void Take(Item& item);
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

  std::mutex mutex_;  // Of the queue.
  std::condition_variable ready_;
  std::deque<Item> queue_;
  uint64_t queued_bytes_ = 0;
  bool stopping_ = false;

  std::condition_variable wake_sync_;
  bool sync_stopping_ = false;
  std::thread writer_;
  std::thread syncer_;
};

}  // namespace lookback::storage
