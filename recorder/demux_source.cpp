#include "recorder/demux_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "recorder/clock_map.h"

namespace lookback::recorder {
namespace {

using index::GapCause;
using media::Sample;
using media::TrackKind;

GapCause CauseOf(Code code) {
  return code == Code::kUnavailable ? GapCause::kNetwork : GapCause::kCameraFault;
}

RtpFormat FormatOf(const media::TrackConfig& track) {
  RtpFormat format;
  format.clock_rate = track.timescale;
  format.kind = track.kind;
  format.codec = track.codec;
  format.config = track;
  return format;
}

}  // namespace

DemuxSource::DemuxSource(const Options& options, const IngestContext& context,
                         DemuxThreads& threads, Owner& owner)
    : clock_(context.clock),
      owner_(owner),
      max_bytes_per_second_(options.max_bytes_per_second),
      footage_end_us_(options.footage_end_us),
      scheme_(options.url.substr(0, options.url.find(':'))),
      flood_since_us_(context.clock.MonotonicUs()) {
  auto feed = threads.Start(options.url, options.demuxer, context.clock);
  if (feed) {
    feed_ = std::move(*feed);
  } else {
    End(feed.error());
  }
}

DemuxSource::~DemuxSource() {
  if (feed_) feed_->Stop();
}

void DemuxSource::Fail(GapCause cause, std::string detail) {
  if (!failure_) failure_ = SessionFailure{cause, std::move(detail), false, std::nullopt};
}

void DemuxSource::End(const Error& error) {
  if (failure_) return;
  failure_ =
      SessionFailure{CauseOf(error.code), error.message, error.code == Code::kDenied, std::nullopt};
}

void DemuxSource::Tick() {
  if (failure_ || !feed_) return;
  // Before the samples are taken, so that none comes after the end.
  const std::optional<Error> ended = feed_->ended();
  if (writer_ == nullptr) {
    if (const auto tracks = feed_->TakeTracks()) {
      std::vector<RtpFormat> formats;
      for (const media::TrackConfig& track : *tracks) {
        formats.push_back(FormatOf(track));
        if (track.kind == TrackKind::kAudio) audio_timescale_ = track.timescale;
      }
      writer_ = &owner_.OnTracks(formats);
      writer_->ShareClock();
    }
  }
  if (writer_ != nullptr) {
    std::vector<Sample> samples = feed_->TakeSamples();
    if (in_burst_) {
      TakeBurst(std::move(samples));
      if (ended) PassBurstOn();
    } else {
      for (Sample& sample : samples) writer_->OnSample(std::move(sample));
    }
  }
  if (ended) return End(*ended);
  CheckFlood();
}

void DemuxSource::TakeBurst(std::vector<Sample> samples) {
  for (Sample& sample : samples) {
    const bool paused =
        !burst_.empty() && sample.received_us - burst_.back().received_us >= kBurstPauseUs;
    // One that the first read brought along says nothing yet: opening reads ahead, without pauses.
    if (paused && in_burst_) PassBurstOn();
    if (in_burst_) {
      burst_.push_back(std::move(sample));
    } else {
      writer_->OnSample(std::move(sample));
    }
  }
  const bool late =
      !burst_.empty() && clock_.MonotonicUs() - burst_.front().received_us >= kBurstUs;
  if (in_burst_ && late) PassBurstOn();
}

// Of each track, the last sample came when it was taken, and those before it were taken as much
// earlier as they say.
void DemuxSource::DateBurst() {
  for (const TrackKind kind : {TrackKind::kVideo, TrackKind::kAudio}) {
    const uint32_t timescale =
        kind == TrackKind::kVideo ? media::kVideoTimescale : audio_timescale_;
    const Sample* last = nullptr;
    for (const Sample& sample : burst_) {
      if (sample.track == kind && (last == nullptr || sample.pts > last->pts)) last = &sample;
    }
    if (last == nullptr) continue;
    const int64_t last_pts = last->pts;
    const int64_t last_received_us = last->received_us;
    for (Sample& sample : burst_) {
      if (sample.track != kind) continue;
      const int64_t back_us =
          std::clamp<int64_t>(TicksToUs(last_pts - sample.pts, timescale), 0, kMaxBacklogUs);
      sample.received_us = std::min(sample.received_us, last_received_us - back_us);
    }
  }
}

void DemuxSource::PassBurstOn() {
  in_burst_ = false;
  DateBurst();
  const int64_t wall_us = clock_.NowUs() - clock_.MonotonicUs();
  bool passed = false;
  for (Sample& sample : burst_) {
    const bool sync = sample.track == TrackKind::kVideo && sample.sync != media::Sync::kNone;
    passed = passed || (sync && sample.received_us + wall_us >= footage_end_us_);
    if (passed) writer_->OnSample(std::move(sample));
  }
  burst_ = {};
}

void DemuxSource::CheckFlood() {
  const int64_t now_us = clock_.MonotonicUs();
  if (now_us - flood_since_us_ < kFloodUs) return;
  const uint64_t bytes = feed_->read_bytes() - flood_bytes_;
  const uint64_t most = max_bytes_per_second_ * static_cast<uint64_t>(kFloodUs / kUsPerSecond);
  if (most > 0 && bytes > most) {
    Fail(GapCause::kCameraFault, fmt::format("the camera floods the line: more than {} Mbit/s",
                                             max_bytes_per_second_ * 8 / 1'000'000));
  }
  flood_since_us_ = now_us;
  flood_bytes_ = feed_->read_bytes();
}

SourceCounters DemuxSource::counters() const {
  SourceCounters counters;
  if (!feed_) return counters;
  counters.bytes = feed_->read_bytes();
  counters.dropped_samples = feed_->dropped_samples();
  return counters;
}

}  // namespace lookback::recorder
