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

}  // namespace

WritingRun::WritingRun(std::shared_ptr<RunCommon> shared, VolumeWriter& writer)
    : common(std::move(shared)), entry(&writer), counter(writer.runs_) {
  ++*counter;
}

WritingRun::~WritingRun() { --*counter; }

VolumeWriter::VolumeWriter(Options options, Volume& volume, RecordQueue& records, Clock& clock,
                           FindOther find_other)
    : options_(std::move(options)),
      volume_(volume),
      records_(records),
      clock_(clock),
      find_other_(std::move(find_other)),
      health_(volume, clock),
      group_(options_.store, volume, records, [this] { return VolumeForCopies(); }) {
  if (options_.trouble) health_.Enter(*options_.trouble);
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

bool VolumeWriter::HasRoom(uint64_t bytes) const {
  if (queue_.size() >= kVolumeQueueItems) return false;
  return queue_.empty() || queued_bytes_ + bytes <= options_.queue_bytes;
}

bool VolumeWriter::Enqueue(const std::shared_ptr<WritingRun>& run,
                           std::shared_ptr<const media::Fragment> fragment, Room room) {
  Item item;
  item.bytes = BytesInMemory(*fragment);
  if (room == Room::kForLast && HasRoom(item.bytes)) room = Room::kWithinLimit;
  if (room == Room::kWithinLimit) {
    if (!HasRoom(item.bytes)) return false;
    queued_bytes_ += item.bytes;
  } else if (room == Room::kForLast && !run->common->stream->TakeLast(item.bytes)) {
    return false;
  }
  item.run = run;
  item.fragment = std::move(fragment);
  item.room = room;
  queue_.push_back(std::move(item));
  ready_.notify_one();
  return true;
}

void VolumeWriter::Uncount(const Item& item) {
  if (!item.fragment) return;
  if (item.room == Room::kWithinLimit) queued_bytes_ -= item.bytes;
  if (item.room == Room::kForLast) item.run->common->stream->ReturnLast(item.bytes);
}

bool VolumeWriter::Push(const std::shared_ptr<WritingRun>& run,
                        std::shared_ptr<const media::Fragment> fragment, Room room) {
  std::shared_ptr<WritingRun> successor;
  {
    const std::lock_guard lock(mutex_);
    if (!abandoned_ || handing_on_) return Enqueue(run, std::move(fragment), room);
    successor = SuccessorFor(*run, fragment->info);
    if (gone_) run->segment.reset();  // Whoever had it in hand is no more.
  }
  return successor && successor->entry->Push(successor, std::move(fragment), room);
}

double VolumeWriter::Backlog() const {
  const std::lock_guard lock(mutex_);
  return std::min(1.0,
                  static_cast<double>(queued_bytes_) / static_cast<double>(options_.queue_bytes));
}

// Ends and barriers are as few as runs and callers, and must not be lost.
void VolumeWriter::End(const std::shared_ptr<WritingRun>& run) {
  Item item;
  item.run = run;
  std::shared_ptr<WritingRun> successor;
  {
    const std::lock_guard lock(mutex_);
    if (!abandoned_ || handing_on_) {
      queue_.push_back(std::move(item));
      return ready_.notify_one();
    }
    successor = run->successor;
  }
  HandOn(item, successor);
}

void VolumeWriter::Barrier() {
  std::promise<void> passed;
  {
    const std::lock_guard lock(mutex_);
    if (abandoned_ && !handing_on_) return;
    Item item;
    item.barrier = &passed;
    queue_.push_back(std::move(item));
    ready_.notify_one();
  }
  passed.get_future().wait();
}

bool VolumeWriter::Pop(Item& item, std::shared_ptr<WritingRun>& successor) {
  std::unique_lock lock(mutex_);
  in_hand_ = Item();
  ready_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
  if (abandoned_ || queue_.empty()) return false;
  item = std::move(queue_.front());
  queue_.pop_front();
  Uncount(item);
  successor = item.run ? item.run->successor : nullptr;
  if (successor) {
    handing_on_ = true;
  } else {
    in_hand_ = item;
  }
  return true;
}

void VolumeWriter::WriterLoop() {
  NameThisThread("volume-write");
  Item item;
  std::shared_ptr<WritingRun> successor;
  while (Pop(item, successor)) {
    writing_.Start(clock_);
    if (item.barrier) {
      item.barrier->set_value();
    } else if (successor) {
      Forward(item, successor);
    } else if (!item.fragment) {
      FinishRun(*item.run);
    } else {
      Take(item);
    }
    item = Item();
    writing_.Stop(clock_);
  }
  EndThread();
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
  lock.unlock();
  EndThread();
}

// The last to leave saves what was synced, of segments that cannot be closed any more.
void VolumeWriter::EndThread() {
  if (threads_.fetch_sub(1) > 1) return;
  if (abandoned_) group_.RepairSome(/*all=*/true);
  gone_ = true;
}

Status VolumeWriter::SyncGroup(bool repair_all) {
  syncing_.Start(clock_);
  const Status synced = group_.Sync();
  syncing_.Stop(clock_);
  if (abandoned_) return synced;
  if (!synced) health_.Enter(synced.error());
  ReplayUnsynced();
  if (synced || repair_all) group_.RepairSome(repair_all);
  health_.Look();
  if (!health_.taking()) (void)health_.Ready();  // Nothing else may ask, when all runs have moved.
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

void VolumeWriter::Take(const Item& item) {
  WritingRun& run = *item.run;
  const media::Fragment& fragment = *item.fragment;
  StreamState& stream = *run.common->stream;
  const bool follows = run.begun && fragment.info.start_us == run.last_end_us &&
                       fragment.info.number == run.last_number + 1;
  const bool inside = (fragment.info.flags & media::kContinuation) != 0;
  if (inside && !follows) {
    stream.ExtendHole(&run, fragment.info, index::GapCause::kUnknown,
                      "pictures that need those lost before them");
    return;
  }
  if (run.segment && run.segment->live()->doubtful()) LeaveSegment(run, health_.trouble());
  if (run.segment && MustCut(run, fragment, follows)) CloseSegment(run);
  if (!run.segment && volume_.draining() && MoveOn(item)) return;
  if (TryToWrite(item) || abandoned_) return;
  if (run.segment) LeaveSegment(run, health_.trouble());
  ReplayUnsynced();
  if (const auto successor = BeginForward(item)) return Forward(item, successor);
  if (abandoned_) return;
  const Error why = health_.trouble();
  stream.ExtendHole(&run, fragment.info, CauseOf(why), why.message);
}

bool VolumeWriter::TryToWrite(const Item& item) {
  WritingRun& run = *item.run;
  for (int i = 0; i < kTriesOfFragment && !abandoned_ && health_.Ready(); ++i) {
    const Status written = Write(run, *item.fragment);
    if (written) {
      RecordHole(*run.common, &run);
      auto kept = find_other_(*this) ? options_.replay->Keep(item.fragment) : nullptr;
      group_.Keep(run.segment->live(), std::move(kept));
      return true;
    }
    LeaveSegment(run, written.error());
    if (abandoned_) return false;
    health_.Enter(written.error());
    // Another volume is better than a probe of this one.
    if (find_other_(*this)) return false;
  }
  return false;
}

Status VolumeWriter::Write(WritingRun& run, const media::Fragment& fragment) {
  const bool first = !run.segment;
  if (first) BeginSegment(run, fragment);
  LB_TRY(run.segment->Append(fragment));
  RunCommon& common = *run.common;
  if (first) common.stream->AddSegment(run.segment->live());
  if (!common.on_record.exchange(true)) {
    index::Run record;
    record.stream = common.info.stream;
    record.run = common.info.run;
    record.start_us = fragment.info.start_us;
    record.epoch = options_.epoch;
    record.clock_unsynchronised = common.info.clock == ClockState::kUnsynchronised;
    record.tracks = common.info.tracks;
    records_.AddRun(std::move(record));
  }
  run.begun = true;
  run.last_end_us = fragment.info.end_us;
  run.last_number = fragment.info.number;
  common.stream->SetRecordedUntil(common.info.run, fragment.info.end_us);
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
  const RunCommon& common = *run.common;
  header.run = common.info.run;
  header.stream = common.info.stream;
  header.epoch = options_.epoch;
  header.sequence = common.stream->NextSequence();
  header.start_us = fragment.info.start_us;
  header.start_monotonic_us = clock_.MonotonicUs();
  header.clock = common.info.clock;
  header.imported = common.info.imported;
  header.has_camera_offset = common.has_camera_offset;
  header.camera_offset_us = common.camera_offset_us;
  run.segment = std::make_unique<SegmentWriter>(volume_, std::move(header), common.info.init,
                                                ReserveFor(run, fragment));
  group_.Begin(run.common, run.segment->live());
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
  RecordHole(*run.common, &run);
}

}  // namespace lookback::storage
