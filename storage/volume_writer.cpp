#include "storage/volume_writer.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "base/worker_pool.h"
#include "storage/layout.h"

namespace lookback::storage {
namespace {

constexpr int kTriesOfFragment = 2;  // The second one in a new file, after a probe.
// How often the syncer looks at the clock: it may be one that a test moves.
constexpr auto kSyncTick = std::chrono::milliseconds(50);
// Reserved ahead: so many per cent of what is expected.
constexpr uint64_t kReservePercent = 110;
// A fragment's weight in the queue besides its bytes.
constexpr uint64_t kItemBytes = 512;

}  // namespace

VolumeWriter::VolumeWriter(const Options& options, Volume& volume, RecordQueue& records,
                           Clock& clock, FindOther find_other)
    : options_(options),
      volume_(volume),
      records_(records),
      clock_(clock),
      find_other_(std::move(find_other)),
      health_(volume, clock),
      group_(options.store, volume, records, [this] { return VolumeForCopies(); }) {
  writer_ = std::thread([this] { WriterLoop(); });
  // From now on, however late the thread gets to run.
  const int64_t first_us = clock_.MonotonicUs() + options_.sync_interval_us;
  syncer_ = std::thread([this, first_us] { SyncLoop(first_us); });
}

VolumeWriter::~VolumeWriter() { Stop(); }

Volume* VolumeWriter::VolumeForCopies() {
  if (VolumeWriter* const other = find_other_(*this)) return &other->volume();
  return health_.Ready() ? &volume_ : nullptr;
}

bool VolumeWriter::Push(const std::shared_ptr<WritingRun>& run, media::Fragment& fragment) {
  uint64_t bytes = kItemBytes;
  for (const Bytes& part : fragment.parts) bytes += part.size();
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= kVolumeQueueItems) return false;
    if (!queue_.empty() && queued_bytes_ + bytes > options_.queue_bytes) return false;
    queue_.push_back({run, std::move(fragment), /*end=*/false, bytes, /*barrier=*/nullptr});
    queued_bytes_ += bytes;
  }
  ready_.notify_one();
  return true;
}

// Ends and barriers are as few as runs and callers, and must not be lost.
void VolumeWriter::PushAlways(Item item) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(item));
  }
  ready_.notify_one();
}

void VolumeWriter::End(const std::shared_ptr<WritingRun>& run) {
  PushAlways({run, {}, /*end=*/true, 0, nullptr});
}

void VolumeWriter::Barrier() {
  std::promise<void> passed;
  PushAlways({nullptr, {}, false, 0, &passed});
  passed.get_future().wait();
}

bool VolumeWriter::Pop(Item& item) {
  std::unique_lock lock(mutex_);
  ready_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
  if (queue_.empty()) return false;
  item = std::move(queue_.front());
  queue_.pop_front();
  queued_bytes_ -= item.bytes;
  return true;
}

void VolumeWriter::WriterLoop() {
  NameThisThread("volume-write");
  Item item;
  while (Pop(item)) {
    if (!item.run) {
      item.barrier->set_value();
    } else if (item.run->moved_to && item.run->moved_to != this) {
      Forward(item);
    } else if (item.end) {
      FinishRun(*item.run);
    } else {
      Take(item);
    }
    item = Item();
  }
}

void VolumeWriter::SyncLoop(int64_t next_us) {
  NameThisThread("volume-sync");
  std::unique_lock lock(mutex_);
  while (!sync_stopping_) {
    wake_sync_.wait_for(lock, kSyncTick);
    if (sync_stopping_ || clock_.MonotonicUs() < next_us) continue;
    lock.unlock();
    (void)SyncGroup(/*repair_all=*/false);  // It told the log, and the health.
    next_us = clock_.MonotonicUs() + options_.sync_interval_us;
    lock.lock();
  }
}

Status VolumeWriter::SyncGroup(bool repair_all) {
  const Status synced = group_.Sync();
  if (!synced) health_.Enter(synced.error());
  if (synced || repair_all) group_.RepairSome(repair_all);
  health_.Look();
  records_.Flush();
  return synced;
}

void VolumeWriter::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    sync_stopping_ = true;
  }
  ready_.notify_all();
  wake_sync_.notify_all();
  if (writer_.joinable()) writer_.join();
  if (syncer_.joinable()) syncer_.join();
}

// The run moved to another volume: what still comes here goes there, in order.
void VolumeWriter::Forward(Item& item) {
  WritingRun& run = *item.run;
  const void* const who = &run.moved_to;
  if (item.end) {
    if (auto hole = run.stream->TakeHole(who)) records_.AddGap(run.stream, *hole);
    run.moved_to->End(item.run);
    return;
  }
  const media::FragmentInfo info = item.fragment.info;
  const bool inside = (info.flags & media::kContinuation) != 0;
  if ((run.dropping_moved && inside) || !run.moved_to->Push(item.run, item.fragment)) {
    run.dropping_moved = true;
    run.stream->ExtendHole(who, info, index::GapCause::kDiskTooSlow,
                           run.moved_to->volume().root() + " could not keep up");
    return;
  }
  run.dropping_moved = false;
  if (auto hole = run.stream->TakeHole(who)) records_.AddGap(run.stream, *hole);
}

void VolumeWriter::Take(Item& item) {
  WritingRun& run = *item.run;
  const media::Fragment& fragment = item.fragment;
  const bool follows = run.begun && fragment.info.start_us == run.last_end_us &&
                       fragment.info.number == run.last_number + 1;
  const bool inside = (fragment.info.flags & media::kContinuation) != 0;
  if (inside && !follows) {
    run.stream->ExtendHole(&run, fragment.info, index::GapCause::kUnknown,
                           "pictures that need those lost before them");
    return;
  }
  if (run.segment && run.segment->live()->doubtful()) LeaveSegment(run, health_.trouble());
  if (run.segment && MustCut(run, fragment, follows)) CloseSegment(run);

  for (int i = 0; i < kTriesOfFragment && health_.Ready(); ++i) {
    const Status written = Write(run, fragment);
    if (written) {
      if (auto hole = run.stream->TakeHole(&run)) records_.AddGap(run.stream, *hole);
      return;
    }
    LeaveSegment(run, written.error());
    health_.Enter(written.error());
    // Another volume is better than a probe of this one.
    if (run.entry == this && find_other_(*this)) break;
  }
  if (run.segment) LeaveSegment(run, health_.trouble());
  VolumeWriter* const other = run.entry == this ? find_other_(*this) : nullptr;
  if (other) {
    LogWarning("archive", run.info.stream.text() + " goes on in " + other->volume().root());
    run.stream->SetVolume(other->volume().root());
    run.moved_to = other;
    Forward(item);
    return;
  }
  const Error why = health_.trouble();
  run.stream->ExtendHole(&run, fragment.info, CauseOf(why), why.message);
}

Status VolumeWriter::Write(WritingRun& run, const media::Fragment& fragment) {
  const bool first = !run.segment;
  if (first) BeginSegment(run, fragment);
  LB_TRY(run.segment->Append(fragment));
  if (first) run.stream->AddSegment(run.segment->live());
  if (!run.begun) {
    index::Run record;
    record.stream = run.info.stream;
    record.run = run.info.run;
    record.start_us = fragment.info.start_us;
    record.epoch = options_.epoch;
    record.clock_unsynchronised = run.info.clock == ClockState::kUnsynchronised;
    record.tracks = run.info.tracks;
    records_.AddRun(std::move(record));
  }
  run.begun = true;
  run.last_end_us = fragment.info.end_us;
  run.last_number = fragment.info.number;
  run.stream->SetRecordedUntil(fragment.info.end_us);
  return Ok();
}

bool VolumeWriter::MustCut(const WritingRun& run, const media::Fragment& fragment,
                           bool follows) const {
  const SegmentWriter& segment = *run.segment;
  const media::FragmentInfo& info = fragment.info;
  if (!follows) return true;  // A hole, or a clock that was set.
  if (info.end_us - segment.start_us() > kMaxSegmentUs) return true;
  if (!segment.HasRoomFor(fragment)) return true;
  const bool inside = (info.flags & media::kContinuation) != 0;
  return !inside && info.start_us - segment.start_us() >= kNominalSegmentUs;
}

void VolumeWriter::BeginSegment(WritingRun& run, const media::Fragment& fragment) {
  SegmentHeader header;
  header.store = options_.store;
  header.volume = volume_.id();
  header.run = run.info.run;
  header.stream = run.info.stream;
  header.epoch = options_.epoch;
  header.sequence = run.stream->NextSequence();
  header.start_us = fragment.info.start_us;
  header.start_monotonic_us = clock_.MonotonicUs();
  header.clock = run.info.clock;
  header.imported = run.info.imported;
  header.has_camera_offset = run.has_camera_offset;
  header.camera_offset_us = run.camera_offset_us;
  run.segment = std::make_unique<SegmentWriter>(volume_, std::move(header), run.info.init,
                                                ReserveFor(run, fragment));
  group_.Begin(run.stream, run.segment->live());
}

// As long as the last segment of the run, or as the first fragment lets expect; nothing where the
// disk is too small for every open segment to reserve as much.
uint64_t VolumeWriter::ReserveFor(const WritingRun& run, const media::Fragment& fragment) const {
  uint64_t expected = run.last_segment_bytes;
  const int64_t duration_us = fragment.info.end_us - fragment.info.start_us;
  if (expected == 0 && duration_us > 0) {
    expected = fragment.info.length * uint64_t{kNominalSegmentUs} / uint64_t(duration_us);
  }
  expected = std::min(expected * kReservePercent / 100, kMaxSegmentBytes);
  const uint64_t segments = group_.open() + 1;
  return health_.free_bytes() / 2 < expected * segments ? 0 : expected;
}

void VolumeWriter::CloseSegment(WritingRun& run) {
  if (run.segment->live()->doubtful()) return LeaveSegment(run, health_.trouble());
  const Status closed = run.segment->Close();
  if (!closed) {
    health_.Enter(closed.error());
    return LeaveSegment(run, closed.error());
  }
  run.last_segment_bytes = run.segment->bytes();
  group_.Close(run.segment->live());
  run.segment.reset();
}

void VolumeWriter::LeaveSegment(WritingRun& run, const Error& why) {
  if (!run.segment) return;
  const bool nothing = run.segment->empty();
  const std::shared_ptr<LiveSegment> live = run.segment->live();
  run.segment.reset();  // Closes the file.
  if (nothing) {
    group_.Forget(live);
  } else {
    group_.LeaveToRepair(live, why);
  }
}

void VolumeWriter::FinishRun(WritingRun& run) {
  if (run.segment) CloseSegment(run);
  if (auto hole = run.stream->TakeHole(&run)) records_.AddGap(run.stream, *hole);
}

}  // namespace lookback::storage
