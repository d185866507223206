#include "storage/live_segment.h"

#include "media/fragmenter.h"

namespace lookback::storage {
namespace {

constexpr int64_t kMediaTimescale = media::kVideoTimescale;

// Ticks a second of the run's leading track. Video has one value; only audio needs a look.
int64_t LeadingTimescale(const SegmentIndex& segment) {
  const media::FragmentTrack& leading = segment.fragments.front().info.tracks.front();
  if (leading.kind == media::TrackKind::kVideo) return kMediaTimescale;
  const auto tracks = media::ParseInitSection(segment.init);
  if (!tracks || tracks->empty() || tracks->front().timescale == 0) return kMediaTimescale;
  return tracks->front().timescale;
}

// Whole and rest apart, so that a run of years does not overflow.
int64_t To90k(int64_t ticks, int64_t timescale) {
  return ticks / timescale * kMediaTimescale + ticks % timescale * kMediaTimescale / timescale;
}

// What thinning would keep (storage/segment_thin.h). Nothing, where GOPs are open: decoders reckon
// the order of pictures that are no IDR pictures from those before them. Nor where a fragment has
// sync samples behind others, as none of ours has.
uint64_t SyncBytesOf(const SegmentIndex& segment) {
  uint64_t bytes = 0;
  for (const SegmentFragment& fragment : segment.fragments) {
    const media::FragmentTrack* const video = fragment.info.Track(media::TrackKind::kVideo);
    if (video == nullptr) return 0;
    bool leading = true;
    for (const media::SampleInfo& sample : video->samples) {
      const bool sync = sample.sync != media::Sync::kNone;
      if (sample.sync == media::Sync::kOpen || (sync && !leading)) return 0;
      leading = sync;
      if (sync) bytes += sample.size;
    }
    if (bytes == 0) return 0;  // It begins inside a GOP.
  }
  return bytes;
}

}  // namespace

index::Seal SealOf(const SegmentIndex& segment, const Sha256Digest& sha256) {
  index::Seal row;
  const SegmentHeader& header = segment.header;
  row.stream = header.stream;
  row.run = header.run;
  row.epoch = header.epoch;
  row.sequence = header.sequence;
  row.start_us = segment.start_us();
  row.end_us = segment.end_us();
  row.volume = header.volume;
  row.bytes = segment.file_bytes;
  row.fragments = static_cast<uint32_t>(segment.fragments.size());
  for (const SegmentFragment& fragment : segment.fragments) {
    row.lost_packets += fragment.info.lost_packets;
  }
  row.clock_unsynchronised = header.clock == ClockState::kUnsynchronised;
  row.recovered = segment.recovered;
  row.imported = header.imported;
  row.thinned = header.thinned;
  row.sync_bytes = SyncBytesOf(segment);
  if (header.has_camera_offset) row.camera_offset_us = header.camera_offset_us;
  row.sha256 = sha256;
  if (!segment.fragments.empty() && !segment.fragments.front().info.tracks.empty() &&
      !segment.fragments.back().info.tracks.empty()) {
    const int64_t timescale = LeadingTimescale(segment);
    const media::FragmentTrack& first = segment.fragments.front().info.tracks.front();
    const media::FragmentTrack& last = segment.fragments.back().info.tracks.front();
    row.media_start_90k = To90k(first.base_decode_time, timescale);
    row.media_end_90k = To90k(last.base_decode_time + last.duration(), timescale);
  }
  return row;
}

LiveSegment::LiveSegment(SegmentHeader header, Bytes init)
    : key_(storage::KeyOf(header)), end_us_(header.start_us) {
  index_.header = std::move(header);
  index_.init = std::move(init);
}

LiveSegment::LiveSegment(index::Seal row)
    : key_(index::KeyOf(row)),
      end_us_(row.end_us),
      durable_end_us_(row.end_us),
      closed_(true),
      recorded_(true),
      row_(std::move(row)) {}

void LiveSegment::Add(SegmentFragment fragment, uint64_t file_bytes) {
  const std::lock_guard lock(mutex_);
  if (fragment.info.number >= cut_at_) return;
  end_us_ = fragment.info.end_us;
  index_.fragments.push_back(std::move(fragment));
  index_.file_bytes = file_bytes;
  snapshot_.reset();
}

void LiveSegment::CutAt(uint32_t number) {
  const std::lock_guard lock(mutex_);
  cut_at_ = number;
  closed_ = false;
  auto& fragments = index_.fragments;
  while (!fragments.empty() && fragments.back().info.number >= number) fragments.pop_back();
  end_us_ = fragments.empty() ? key_.start_us : fragments.back().info.end_us;
  if (fragments.empty()) durable_end_us_ = end_us_;  // Nothing of it is waited for.
  snapshot_.reset();
}

void LiveSegment::Close(index::Seal row) {
  const std::lock_guard lock(mutex_);
  if (cut_at_ != std::numeric_limits<uint32_t>::max()) return;
  end_us_ = row.end_us;
  row_ = std::move(row);
  closed_ = true;
}

void LiveSegment::Recorded() {
  const std::lock_guard lock(mutex_);
  recorded_ = true;
  index_ = SegmentIndex();
  snapshot_.reset();
}

TimeUs LiveSegment::end_us() const {
  const std::lock_guard lock(mutex_);
  return end_us_;
}

TimeUs LiveSegment::durable_end_us() const {
  const std::lock_guard lock(mutex_);
  return durable_end_us_;
}

void LiveSegment::SetDurable(TimeUs end_us) {
  const std::lock_guard lock(mutex_);
  durable_end_us_ = end_us;
}

index::Seal LiveSegment::RowLocked() const { return closed_ ? row_ : SealOf(index_, {}); }

index::Seal LiveSegment::Row() const {
  const std::lock_guard lock(mutex_);
  return RowLocked();
}

FootageSegment LiveSegment::View() const {
  const std::lock_guard lock(mutex_);
  if (recorded_) return {row_, nullptr};
  if (!snapshot_) snapshot_ = std::make_shared<const SegmentIndex>(index_);
  return {RowLocked(), snapshot_};
}

}  // namespace lookback::storage
