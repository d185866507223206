#include "storage/archive.h"

#include <algorithm>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <utility>

#include "base/log.h"
#include "media/fragmenter.h"
#include "storage/layout.h"
#include "storage/record_queue.h"
#include "storage/segment_reader.h"
#include "storage/volume_writer.h"

namespace lookback::storage {
namespace {

constexpr int kDrainPasses = 2;  // A run may move once, and then stands in a second queue.

index::SegmentKey KeyOfView(const FootageSegment& segment) { return index::KeyOf(segment.row); }

bool ByStart(const FootageSegment& a, const FootageSegment& b) {
  return KeyOfView(a) < KeyOfView(b);
}

// Ends a run at the door: nothing of it is taken any more.
void EndRun(const std::shared_ptr<WritingRun>& run, RecordQueue& records) {
  const std::lock_guard lock(run->mutex);
  if (std::exchange(run->ended, true)) return;
  if (auto hole = run->stream->TakeHole(&run->dropping)) records.AddGap(run->stream, *hole);
  run->entry->End(run);
  run->stream->RunEnds();
}

class RecordingImpl : public Recording {
 public:
  RecordingImpl(std::shared_ptr<WritingRun> run, std::shared_ptr<RecordQueue> records)
      : run_(std::move(run)), records_(std::move(records)) {}
  ~RecordingImpl() override { EndRun(run_, *records_); }

  Status Append(media::Fragment fragment) override {
    const std::lock_guard lock(run_->mutex);
    if (run_->ended) return Fail(Code::kUnavailable, "the archive stopped");
    const media::FragmentInfo info = InfoOf(fragment);
    const bool inside = (info.flags & media::kContinuation) != 0;
    if ((run_->dropping && inside) || !run_->entry->Push(run_, fragment)) {
      run_->dropping = true;
      const std::string& root = run_->entry->volume().root();
      run_->stream->ExtendHole(&run_->dropping, info, index::GapCause::kDiskTooSlow,
                               root + " could not keep up");
      return Fail(Code::kUnavailable, "the queue of volume " + root + " is full; " +
                                          run_->info.stream.text() + " loses a GOP");
    }
    if (std::exchange(run_->dropping, false)) {
      if (auto hole = run_->stream->TakeHole(&run_->dropping)) {
        records_->AddGap(run_->stream, *hole);
        records_->Flush();
      }
    }
    return Ok();
  }

  void SetCameraOffset(int64_t offset_us) override {
    run_->camera_offset_us = offset_us;
    run_->has_camera_offset = true;
  }

  TimeUs written_until_us() const override { return run_->stream->recorded_until_us(); }

 private:
  // What a hole needs of a fragment, without its sample tables.
  static media::FragmentInfo InfoOf(const media::Fragment& fragment) {
    media::FragmentInfo info;
    info.flags = fragment.info.flags;
    info.start_us = fragment.info.start_us;
    info.end_us = fragment.info.end_us;
    return info;
  }

  const std::shared_ptr<WritingRun> run_;
  const std::shared_ptr<RecordQueue> records_;
};

class ArchiveImpl : public Archive {
 public:
  ArchiveImpl(const Options& options, std::vector<Volume*> volumes, Journal& journal,
              const index::Catalog& catalog, Clock& clock)
      : catalog_(catalog),
        clock_(clock),
        volumes_(std::move(volumes)),
        records_(std::make_shared<RecordQueue>(journal)) {
    const VolumeWriter::Options writing{options.store, options.epoch, options.sync_interval_us,
                                        options.queue_bytes};
    const auto find_other = [this](const VolumeWriter& failed) { return Best(&failed); };
    // A volume that is offline now stays so until the next start.
    for (Volume* volume : volumes_) {
      if (volume->state() == VolumeState::kOffline) continue;
      writers_.push_back(
          std::make_unique<VolumeWriter>(writing, *volume, *records_, clock, find_other));
    }
    ready_ = true;
  }
  ~ArchiveImpl() override { Stop(); }

  Result<std::unique_ptr<Recording>> Begin(RunInfo info) override;
  void RecordGap(index::Gap gap) override;
  void SetOpenGap(const StreamId& stream, std::optional<index::Gap> gap) override;
  StreamStatus StatusOf(const StreamId& stream) override;
  std::vector<VolumeTrouble> Troubles() const override;
  Status Drain() override;
  void Stop() override;

  Result<std::vector<FootageSegment>> Segments(const StreamId& stream, TimeRange range) override;
  Result<std::vector<index::Gap>> Gaps(const StreamId& stream, TimeRange range) override;
  Result<std::shared_ptr<const SegmentIndex>> Index(const FootageSegment& segment) override;
  Result<std::unique_ptr<File>> Open(const FootageSegment& segment) override;

 private:
  VolumeWriter* Best(const VolumeWriter* besides);
  VolumeWriter* ForNewRun();
  std::shared_ptr<StreamState> Find(const StreamId& stream) const;
  std::shared_ptr<StreamState> FindOrMake(const StreamId& stream);
  Status CheckKnown(const StreamId& stream);

  const index::Catalog& catalog_;
  Clock& clock_;
  const std::vector<Volume*> volumes_;
  const std::shared_ptr<RecordQueue> records_;
  std::atomic<bool> ready_{false};  // All writers are there.
  std::vector<std::unique_ptr<VolumeWriter>> writers_;

  mutable std::shared_mutex mutex_;  // Of what follows.
  std::unordered_map<StreamId, std::shared_ptr<StreamState>> streams_;
  std::vector<std::weak_ptr<WritingRun>> runs_;
  bool stopped_ = false;
};

// Of those that take footage, the one with most space.
VolumeWriter* ArchiveImpl::Best(const VolumeWriter* besides) {
  VolumeWriter* best = nullptr;
  if (!ready_) return best;
  for (const auto& writer : writers_) {
    if (writer.get() == besides || !writer->health().taking()) continue;
    if (!best || writer->health().free_bytes() > best->health().free_bytes()) best = writer.get();
  }
  return best;
}

// One in trouble is better than none: it drops with a cause, and probes.
VolumeWriter* ArchiveImpl::ForNewRun() {
  if (VolumeWriter* best = Best(nullptr)) return best;
  return writers_.empty() ? nullptr : writers_.front().get();
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
  auto run = std::make_shared<WritingRun>();
  run->stream = FindOrMake(info.stream);
  if (info.imported) run->stream = std::make_shared<StreamState>(run->stream);
  if (info.camera_offset_us) {
    run->camera_offset_us = *info.camera_offset_us;
    run->has_camera_offset = true;
  }
  run->info = std::move(info);
  run->entry = writer;
  {
    const std::unique_lock lock(mutex_);
    if (stopped_) return Fail(Code::kUnavailable, "the archive stopped");
    std::erase_if(runs_, [](const std::weak_ptr<WritingRun>& old) { return old.expired(); });
    runs_.push_back(run);
    run->stream->RunBegins(writer->volume().root());
  }
  return std::unique_ptr<Recording>(new RecordingImpl(std::move(run), records_));
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

std::vector<VolumeTrouble> ArchiveImpl::Troubles() const {
  std::vector<VolumeTrouble> troubles;
  for (const auto& writer : writers_) {
    if (writer->health().taking()) continue;
    troubles.push_back({writer->volume().root(), writer->health().trouble()});
  }
  return troubles;
}

Status ArchiveImpl::Drain() {
  Status first = Ok();
  for (int pass = 0; pass < kDrainPasses; ++pass) {
    for (const auto& writer : writers_) writer->Barrier();
  }
  for (const auto& writer : writers_) {
    const Status synced = writer->SyncGroup(/*repair_all=*/true);
    if (!synced && first) first = synced;
  }
  const Status recorded = records_->FlushAndWait();
  return first ? recorded : first;
}

void ArchiveImpl::Stop() {
  std::vector<std::weak_ptr<WritingRun>> runs;
  {
    const std::unique_lock lock(mutex_);
    if (std::exchange(stopped_, true)) return;
    runs.swap(runs_);
  }
  for (const auto& weak : runs) {
    if (const auto run = weak.lock()) EndRun(run, *records_);
  }
  const Status drained = Drain();
  if (!drained) LogError("archive", "not all is on record: " + drained.message());
  for (const auto& writer : writers_) writer->Stop();
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

Result<std::shared_ptr<const SegmentIndex>> ArchiveImpl::Index(const FootageSegment& segment) {
  if (segment.open) return segment.open;
  LB_TRY_ASSIGN(file, Open(segment));
  LB_TRY_ASSIGN(index, ReadClosedSegment(*file));
  const SegmentHeader& header = index.header;
  if (header.stream != segment.row.stream || header.start_us != segment.row.start_us ||
      header.epoch != segment.row.epoch || header.sequence != segment.row.sequence) {
    return Fail(Code::kCorrupt, SegmentPath(index::KeyOf(segment.row)) +
                                    " holds another segment, of " + header.stream.text());
  }
  return std::make_shared<const SegmentIndex>(std::move(index));
}

Result<std::unique_ptr<File>> ArchiveImpl::Open(const FootageSegment& segment) {
  for (Volume* volume : volumes_) {
    if (volume->id() == segment.row.volume) return volume->Open(index::KeyOf(segment.row));
  }
  return Fail(Code::kUnavailable, "volume " + segment.row.volume.text() + " is not attached");
}

}  // namespace

Result<std::unique_ptr<Archive>> Archive::Start(const Options& options,
                                                std::vector<Volume*> volumes, Journal& journal,
                                                const index::Catalog& catalog, Clock& clock) {
  if (options.sync_interval_us <= 0 || options.queue_bytes == 0) {
    return Fail(Code::kInvalid, "an archive needs a sync interval and a queue");
  }
  return std::unique_ptr<Archive>(
      new ArchiveImpl(options, std::move(volumes), journal, catalog, clock));
}

}  // namespace lookback::storage
