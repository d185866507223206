#include "storage/archive.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/log.h"
#include "base/worker_pool.h"
#include "media/fragmenter.h"
#include "storage/layout.h"
#include "storage/record_queue.h"
#include "storage/recording.h"
#include "storage/segment_files.h"
#include "storage/volume_writer.h"

namespace lookback::storage {
namespace {

// How often volumes are looked at: the clock may be one that a test moves.
constexpr auto kWatchTick = std::chrono::milliseconds(100);

index::SegmentKey KeyOfView(const FootageSegment& segment) { return index::KeyOf(segment.row); }

bool ByStart(const FootageSegment& a, const FootageSegment& b) {
  return KeyOfView(a) < KeyOfView(b);
}

double Share(const VolumeWriter& writer) {
  return static_cast<double>(writer.health().free_bytes()) / static_cast<double>(writer.runs() + 1);
}

class ArchiveImpl : public Archive {
 public:
  ArchiveImpl(const Options& options, std::vector<Volume*> volumes, Journal& journal,
              const index::Catalog& catalog, Clock& clock)
      : catalog_(catalog), clock_(clock), records_(std::make_shared<RecordQueue>(journal)) {
    writing_.store = options.store;
    writing_.epoch = options.epoch;
    writing_.sync_interval_us = options.sync_interval_us;
    writing_.queue_bytes = options.queue_bytes;
    writing_.replay = std::make_shared<ReplayBudget>(options.replay_bytes);
    for (Volume* volume : volumes) Use(*volume);
    for (Used& used : InUse()) LookAt(used);
    watch_ = std::thread([this] { Watch(); });
  }
  ~ArchiveImpl() override { (void)Stop(); }

  Result<std::unique_ptr<Recording>> Begin(RunInfo info) override;
  void RecordGap(index::Gap gap) override;
  void SetOpenGap(const StreamId& stream, std::optional<index::Gap> gap) override;
  StreamStatus StatusOf(const StreamId& stream) override;
  double Backlog() const override;
  std::vector<VolumeLoad> Loads() const override;
  void Use(Volume& volume) override;
  std::vector<VolumeTrouble> Troubles() const override;
  Status Drain() override;
  Status Stop() override;

  Result<std::vector<FootageSegment>> Segments(const StreamId& stream, TimeRange range) override;
  Result<std::vector<index::Gap>> Gaps(const StreamId& stream, TimeRange range) override;
  Result<std::vector<FootageHour>> Hours(const StreamId& stream, TimeRange range) override;
  Result<std::shared_ptr<const SegmentIndex>> Index(const FootageSegment& segment) override;
  Result<std::unique_ptr<File>> Open(const FootageSegment& segment, size_t nth) override {
    return segment_files_.Open(segment.row, nth);
  }
  std::optional<std::string> AwayOn(const FootageSegment& segment) override {
    return segment_files_.AwayOn(segment.row);
  }
  bool HasFileAway(const index::SegmentKey& segment) override {
    return segment_files_.HasAway(segment);
  }
  bool HasOtherFile(const Damage& damage) override { return segment_files_.HasOther(damage); }

 private:
  // A volume, and who writes to it once it is there.
  struct Used {
    std::atomic<Volume*> volume{nullptr};
    std::atomic<VolumeWriter*> writer{nullptr};
  };
  // They are only ever added to, so whoever walks over them needs no lock.
  std::span<Used> InUse() { return {used_.data(), used_count_}; }
  std::span<const Used> InUse() const { return {used_.data(), used_count_}; }
  // Of those that were not removed.
  std::vector<VolumeWriter*> Writers() const;

  VolumeWriter* MakeWriter(Volume& volume, std::optional<Error> trouble);
  void Watch();
  void LookAt(Used& used);
  VolumeWriter* Best(const VolumeWriter* besides) const;
  VolumeWriter* ForNewRun();
  std::shared_ptr<StreamState> Find(const StreamId& stream) const;
  std::shared_ptr<StreamState> FindOrMake(const StreamId& stream);
  Status CheckKnown(const StreamId& stream);
  Volume* FindVolume(const Uuid& id) const;

  const index::Catalog& catalog_;
  Clock& clock_;
  const SegmentFiles segment_files_{[this](const Uuid& id) { return FindVolume(id); }, catalog_,
                                    damage()};
  const std::shared_ptr<RecordQueue> records_;
  VolumeWriter::Options writing_;
  std::array<Used, kMaxVolumes> used_;
  std::atomic<size_t> used_count_{0};
  std::mutex use_mutex_;  // Of who adds to them.
  // Those that were given up too: runs still lead through them.
  std::vector<std::unique_ptr<VolumeWriter>> writers_;

  mutable std::shared_mutex mutex_;  // Of what follows.
  std::unordered_map<StreamId, std::shared_ptr<StreamState>> streams_;
  std::vector<std::weak_ptr<WritingRun>> runs_;
  bool stopped_ = false;

  std::mutex watch_mutex_;
  std::condition_variable watch_wakes_;
  bool watch_stops_ = false;
  std::thread watch_;  // Alone makes writers, once the archive has started.
};

VolumeWriter* ArchiveImpl::MakeWriter(Volume& volume, std::optional<Error> trouble) {
  VolumeWriter::Options options = writing_;
  options.trouble = std::move(trouble);
  const auto find_other = [this](const VolumeWriter& failed) { return Best(&failed); };
  writers_.push_back(
      std::make_unique<VolumeWriter>(std::move(options), volume, *records_, clock_, find_other));
  return writers_.back().get();
}

void ArchiveImpl::Watch() {
  NameThisThread("volume-watch");
  std::unique_lock lock(watch_mutex_);
  while (!watch_stops_) {
    watch_wakes_.wait_for(lock, kWatchTick);
    for (Used& used : InUse()) LookAt(used);
  }
}

void ArchiveImpl::Use(Volume& volume) {
  {
    const std::lock_guard lock(use_mutex_);
    LB_CHECK(used_count_ < kMaxVolumes);
    used_[used_count_].volume = &volume;
    ++used_count_;
  }
  watch_wakes_.notify_all();
}

// A volume that does not answer is given up while another one takes footage, and taken up again
// when its calls have come back and a probe succeeds. The writer of one that was removed stays as
// it is: runs may lead through it to other volumes.
void ArchiveImpl::LookAt(Used& used) {
  Volume& volume = *used.volume;
  VolumeWriter* const writer = used.writer;
  const VolumeState state = volume.state();
  if (state == VolumeState::kRemoved) return;
  if (!writer) {
    if (state != VolumeState::kOffline) used.writer = MakeWriter(volume, std::nullopt);
  } else if (writer->gone()) {
    used.writer = MakeWriter(volume, writer->health().trouble());
  } else if (!writer->abandoned() && writer->hung() && Best(writer)) {
    writer->Abandon({Code::kDiskFailed, volume.root() + " does not answer"});
  }
}

// Of those that take footage, the one with most space for each of its runs and one more:
// so runs are spread over equal volumes evenly, and over unequal ones as their space is. A draining
// one is better than none.
VolumeWriter* ArchiveImpl::Best(const VolumeWriter* besides) const {
  VolumeWriter* best = nullptr;
  for (const Used& used : InUse()) {
    VolumeWriter* const writer = used.writer;
    if (!writer || writer == besides || writer->abandoned() || !writer->health().taking() ||
        writer->slow() || writer->volume().state() == VolumeState::kRemoved) {
      continue;
    }
    const bool draining = writer->volume().draining();
    const bool best_drains = best && best->volume().draining();
    if (best && draining && !best_drains) continue;
    if (!best || (best_drains && !draining) || Share(*writer) > Share(*best)) best = writer;
  }
  return best;
}

// One in trouble is better than none: it drops with a cause, and probes.
VolumeWriter* ArchiveImpl::ForNewRun() {
  if (VolumeWriter* best = Best(nullptr)) return best;
  const auto writers = Writers();
  const auto stays = std::find_if(writers.begin(), writers.end(),
                                  [](const auto* writer) { return !writer->volume().draining(); });
  if (stays != writers.end()) return *stays;
  return writers.empty() ? nullptr : writers.front();
}

std::vector<VolumeWriter*> ArchiveImpl::Writers() const {
  std::vector<VolumeWriter*> writers;
  for (const Used& used : InUse()) {
    VolumeWriter* const writer = used.writer;
    if (writer && writer->volume().state() != VolumeState::kRemoved) writers.push_back(writer);
  }
  return writers;
}

std::shared_ptr<StreamState> ArchiveImpl::Find(const StreamId& stream) const {
  const std::shared_lock lock(mutex_);
  const auto found = streams_.find(stream);
  return found == streams_.end() ? nullptr : found->second;
}

std::shared_ptr<StreamState> ArchiveImpl::FindOrMake(const StreamId& stream) {
  if (auto state = Find(stream)) return state;
  // Outside of the lock: it reads.
  const auto last = catalog_.LastSegment(stream);
  const TimeUs last_end_us = last && *last ? (*last)->end_us : 0;
  const std::unique_lock lock(mutex_);
  auto& state = streams_[stream];
  if (!state) state = std::make_shared<StreamState>(stream, last_end_us);
  return state;
}

Result<std::unique_ptr<Recording>> ArchiveImpl::Begin(RunInfo info) {
  const auto tracks = media::ParseInitSection(info.init);
  if (!tracks) return Pass(tracks.error(), "a run of " + info.stream.text());
  VolumeWriter* const writer = ForNewRun();
  if (!writer) {
    return Fail(Code::kUnavailable, "no volume is online; " + info.stream.text() + " has to wait");
  }
  const auto run = std::make_shared<WritingRun>(std::make_shared<RunCommon>(), *writer);
  RunCommon& common = *run->common;
  common.stream = FindOrMake(info.stream);
  if (info.imported) common.stream = std::make_shared<StreamState>(common.stream);
  if (info.camera_offset_us) {
    common.camera_offset_us = *info.camera_offset_us;
    common.has_camera_offset = true;
  }
  common.info = std::move(info);
  {
    const std::unique_lock lock(mutex_);
    if (stopped_) return Fail(Code::kUnavailable, "the archive stopped");
    std::erase_if(runs_, [](const std::weak_ptr<WritingRun>& old) { return old.expired(); });
    runs_.push_back(run);
    common.stream->RunBegins(writer->volume().root());
  }
  return MakeRecording(run, records_);
}

void ArchiveImpl::RecordGap(index::Gap gap) {
  if (gap.range.empty()) return;
  const auto stream = FindOrMake(gap.stream);
  records_->AddGap(stream, std::move(gap));
  records_->Flush();
}

void ArchiveImpl::SetOpenGap(const StreamId& stream, std::optional<index::Gap> gap) {
  FindOrMake(stream)->SetOpenGap(std::move(gap));
}

StreamStatus ArchiveImpl::StatusOf(const StreamId& stream) {
  const auto state = FindOrMake(stream);
  StreamStatus status;
  status.stream = stream;
  status.recording = state->recording();
  // Both grow beside this, and a sync may be quicker to tell than the write that it covers.
  TimeUs durable_us = state->DurableUntil();
  status.recorded_until_us = state->recorded_until_us();
  if (!status.recording && state->Segments().empty()) {
    // Nothing is on its way; what imports brought is in the catalog alone.
    const auto last = catalog_.LastSegment(stream);
    if (last && *last && (*last)->end_us > status.recorded_until_us) {
      status.recorded_until_us = durable_us = (*last)->end_us;
    }
  }
  status.durable_until_us = std::min(durable_us, status.recorded_until_us);
  status.dropped_fragments = state->dropped_fragments();
  status.dropping = state->dropping();
  status.volume = state->volume();
  return status;
}

double ArchiveImpl::Backlog() const {
  double most = 0;
  for (const VolumeWriter* writer : Writers()) most = std::max(most, writer->Backlog());
  return most;
}

std::vector<VolumeLoad> ArchiveImpl::Loads() const {
  std::vector<VolumeLoad> loads;
  for (const VolumeWriter* writer : Writers()) loads.push_back(writer->Load());
  return loads;
}

std::vector<VolumeTrouble> ArchiveImpl::Troubles() const {
  std::vector<VolumeTrouble> troubles;
  for (const VolumeWriter* writer : Writers()) {
    if (!writer->health().taking()) {
      troubles.push_back({writer->volume().root(), writer->health().trouble()});
    } else if (writer->slow()) {
      troubles.push_back({writer->volume().root(),
                          {Code::kUnavailable, "a write or sync takes longer than " +
                                                   std::to_string(kSlowCallUs / kUsPerSecond) +
                                                   " s; other volumes take what is new"}});
    }
  }
  return troubles;
}

Status ArchiveImpl::Drain() {
  Status first = Ok();
  // What one volume cannot take goes to the next one.
  for (size_t pass = 0; pass < used_count_; ++pass) {
    for (size_t hop = 0; hop < used_count_; ++hop) {
      // Of those that were removed too: runs still lead through them.
      for (const Used& used : InUse()) {
        if (VolumeWriter* const writer = used.writer) writer->Barrier();
      }
    }
    bool moved = false;
    for (VolumeWriter* writer : Writers()) {
      const Status synced = writer->SyncGroup(/*repair_all=*/true);
      moved = moved || !writer->health().taking();
      if (!synced && first) first = synced;
    }
    if (!moved) break;
  }
  const Status recorded = records_->FlushAndWait();
  return first ? recorded : first;
}

Status ArchiveImpl::Stop() {
  std::vector<std::weak_ptr<WritingRun>> runs;
  {
    const std::unique_lock lock(mutex_);
    if (std::exchange(stopped_, true)) return Ok();
    runs.swap(runs_);
  }
  for (const auto& weak : runs)
    if (const auto run = weak.lock()) EndRun(run, *records_);
  {
    const std::lock_guard lock(watch_mutex_);
    watch_stops_ = true;
  }
  watch_wakes_.notify_all();
  watch_.join();
  const Status drained = Drain();
  if (!drained) LogError("archive", "not all is on record: " + drained.message());
  for (const auto& writer : writers_) writer->Stop();
  return drained;
}

Status ArchiveImpl::CheckKnown(const StreamId& stream) {
  if (Find(stream)) return Ok();
  LB_TRY_ASSIGN(last, catalog_.LastSegment(stream));
  if (last) return Ok();
  LB_TRY_ASSIGN(camera, catalog_.FindCamera(stream.camera));
  if (camera) return Ok();
  return Fail(Code::kNotFound, "there is no camera \"" + stream.camera.text() + "\"");
}

Result<std::vector<FootageSegment>> ArchiveImpl::Segments(const StreamId& stream, TimeRange range) {
  // What is live first, the catalog second: stream_state.h says why.
  std::vector<FootageSegment> segments;
  if (const auto state = Find(stream)) {
    for (const auto& live : state->Segments()) {
      if (!TimeRange{live->key().start_us, live->end_us()}.Overlaps(range)) continue;
      FootageSegment view = live->View();
      if (view.row.fragments > 0) segments.push_back(std::move(view));
    }
  }
  LB_TRY_ASSIGN(rows, catalog_.Segments(stream, range));
  if (rows.empty() && segments.empty()) LB_TRY(CheckKnown(stream));
  std::erase_if(segments, [&rows](const FootageSegment& segment) {
    return std::any_of(rows.begin(), rows.end(), [&](const index::Seal& row) {
      return index::KeyOf(row) == index::KeyOf(segment.row);
    });
  });
  segments.reserve(segments.size() + rows.size());
  for (index::Seal& row : rows) segments.push_back({std::move(row), nullptr});
  std::sort(segments.begin(), segments.end(), ByStart);
  return segments;
}

Result<std::vector<index::Gap>> ArchiveImpl::Gaps(const StreamId& stream, TimeRange range) {
  std::vector<index::Gap> gaps;
  if (const auto state = Find(stream)) gaps = state->Gaps(range, clock_.NowUs());
  LB_TRY_ASSIGN(rows, catalog_.Gaps(stream, range));
  if (rows.empty() && gaps.empty()) LB_TRY(CheckKnown(stream));
  for (index::Gap& row : rows) {
    std::erase_if(gaps, [&row](const index::Gap& gap) {
      return gap.range == row.range && gap.cause == row.cause;
    });
    gaps.push_back(std::move(row));
  }
  std::sort(gaps.begin(), gaps.end(), [](const index::Gap& a, const index::Gap& b) {
    return std::pair(a.range.start_us, a.range.end_us) <
           std::pair(b.range.start_us, b.range.end_us);
  });
  return gaps;
}

Result<std::vector<FootageHour>> ArchiveImpl::Hours(const StreamId& stream, TimeRange range) {
  std::vector<TimeRange> live;  // First, as above.
  if (const auto state = Find(stream)) {
    for (const auto& segment : state->Segments()) {
      live.push_back({segment->key().start_us, segment->end_us()});
    }
  }
  std::vector<FootageHour> kept;
  LB_TRY(catalog_.VisitHours(stream, range, [&](TimeUs start_us, const index::FootageTotals& of) {
    kept.push_back({start_us, of});
    return true;
  }));
  if (kept.empty() && live.empty()) LB_TRY(CheckKnown(stream));
  return RecountHours(stream, range, live, std::move(kept));
}

Result<std::shared_ptr<const SegmentIndex>> ArchiveImpl::Index(const FootageSegment& segment) {
  if (segment.open) return segment.open;
  return segment_files_.Index(segment.row);
}

Volume* ArchiveImpl::FindVolume(const Uuid& id) const {
  for (const Used& used : InUse()) {
    Volume* const volume = used.volume;
    if (volume->id() == id && volume->state() != VolumeState::kRemoved) return volume;
  }
  return nullptr;
}

}  // namespace

Result<std::unique_ptr<Archive>> Archive::Start(const Options& options,
                                                std::vector<Volume*> volumes, Journal& journal,
                                                const index::Catalog& catalog, Clock& clock) {
  if (options.sync_interval_us <= 0 || options.queue_bytes == 0) {
    return Fail(Code::kInvalid, "an archive needs a sync interval and a queue");
  }
  if (volumes.size() > kMaxVolumes) {
    return Fail(Code::kInvalid, "a store has at most " + std::to_string(kMaxVolumes) + " volumes");
  }
  return std::unique_ptr<Archive>(
      new ArchiveImpl(options, std::move(volumes), journal, catalog, clock));
}

}  // namespace lookback::storage
