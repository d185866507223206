#include "recorder/run_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/log.h"
#include "media/h264.h"

namespace lookback::recorder {
namespace {

using index::GapCause;
using media::Sample;
using media::Sync;
using media::TrackKind;

constexpr int64_t kGuessedFrameRate = 25;  // For a last picture whose time is wild.

std::string Describe(const media::TrackConfig& video,
                     const std::optional<media::TrackConfig>& audio) {
  std::string text = fmt::format("{} {}x{}", media::CodecString(video), video.width, video.height);
  if (audio) text += ", " + media::CodecString(*audio);
  return text;
}

}  // namespace

RunWriter::RunWriter(const StreamId& stream, const std::vector<RtpFormat>& formats,
                     storage::Archive& archive, GapKeeper& gaps, Clock& clock)
    : stream_(stream),
      archive_(archive),
      gaps_(gaps),
      clock_(clock),
      video_config_(formats.front().codec),
      times_(media::kVideoTimescale),
      map_(media::kVideoTimescale),
      wall_offset_us_(WallOffset()),
      idle_since_us_(clock.MonotonicUs()),
      described_frames_per_second_(formats.front().frames_per_second) {
  map_.SetWallOffset(wall_offset_us_);
  for (const RtpFormat& format : formats) {
    if (format.kind == TrackKind::kAudio) {
      audio_ = format.config;
      aligner_.emplace(media::kVideoTimescale, format.config.timescale);
      continue;
    }
    video_config_.AddFrom(format.config);
    video_ = video_config_.Config();
  }
}

RunWriter::~RunWriter() { EndRun(); }

void RunWriter::OnSample(Sample sample) {
  if (sample.track == TrackKind::kAudio) return OnAudio(std::move(sample));
  OnPicture(std::move(sample));
}

void RunWriter::OnPicture(Sample sample) {
  ++pictures_;
  if (sample.damaged) ++damaged_pictures_;
  sample.pts = times_.Place(sample.pts, sample.received_us);
  if (times_.changed()) {
    InterruptRun(GapCause::kCameraFault, times_.by_arrival()
                                             ? "the camera's timestamps stand still or run back"
                                             : "the camera's timestamps are right again");
    RestartTime();
  }
  if (!run_) return TakePicture(std::move(sample));
  const bool fits = map_.Fits(sample.pts, sample.received_us);
  if (!wild_) {
    if (fits) return TakePicture(std::move(sample));
    // Whether time jumped or one picture is wild, the next one tells.
    wild_ = std::move(sample);
    return;
  }
  Sample wild = *std::exchange(wild_, std::nullopt);
  if (fits) {
    PutBetween(wild, sample.pts);
    times_.GoOnFrom(sample.pts);
  }
  TakePicture(std::move(wild));
  TakePicture(std::move(sample));
}

void RunWriter::PutBetween(Sample& wild, int64_t next) {
  wild.pts = next > run_->last ? run_->last + (next - run_->last) / 2 : run_->last + 1;
  if (!wild.damaged) ++damaged_pictures_;
  wild.damaged = true;
}

void RunWriter::TakePicture(Sample sample) {
  if (!FollowClock(sample)) return;
  const bool sets_in_band = video_config_.AddFrom(sample.data);
  const bool sync = sample.sync != Sync::kNone;
  if (sync && video_config_.changed()) {
    video_ = video_config_.Config();
    if (run_ && (!video_ || *video_ != run_->video)) {
      InterruptRun(GapCause::kStreamChange, "the camera changed its parameters");
      same_clock_ = true;
    }
  }
  if (run_ && sync &&
      TicksToUs(sample.pts - run_->base, media::kVideoTimescale) >= storage::kMaxRunUs) {
    InterruptRun(GapCause::kStreamChange, "a run ends after a day");
    same_clock_ = true;
  }
  if (!run_) {
    Met met = sync ? Met::kDamagedSync : Met::kPicture;
    if (sync && !sample.damaged) {
      BeginRun(sample);
      met = video_ ? Met::kArchiveRefused : Met::kSyncWithoutSets;
    }
    if (!run_) {
      met_ = std::max(met_, met);
      ++dropped_samples_;
      return;
    }
  }
  if (sync && !sets_in_band) {
    sample.data = WithParameterSets(run_->video, std::move(sample.data));
  }
  PushPicture(std::move(sample));
}

void RunWriter::PushPicture(Sample sample) {
  idle_since_us_ = clock_.MonotonicUs();
  run_->last = std::max(run_->last, sample.pts);
  CountGop(sample);
  sample.pts -= run_->base;
  Push(std::move(sample));
}

void RunWriter::CountGop(const Sample& sample) {
  uint32_t& pictures = run_->gop_pictures;
  if (sample.sync != Sync::kNone) {
    if (pictures > 0) {
      gop_ = {pictures, TicksToUs(sample.pts - run_->gop_start, media::kVideoTimescale)};
    }
    run_->gop_start = sample.pts;
    pictures = 1;
  } else if (pictures > 0) {
    ++pictures;
  }
  if (sample.damaged) pictures = 0;
}

double RunWriter::DeclaredFrameRate() const {
  if (described_frames_per_second_ > 0) return described_frames_per_second_;
  if (video_->codec != media::Codec::kH264 || video_->sps.empty()) return 0;
  const auto sps = media::ParseH264Sps(video_->sps.front());
  return sps ? sps->frame_rate_hint : 0;
}

// False when the sample has no place: its time cannot be followed.
bool RunWriter::FollowClock(const Sample& sample) {
  if (run_) {
    const int64_t silent_us = TicksToUs(sample.pts - run_->last, media::kVideoTimescale);
    const bool jumped = !map_.Observe(sample.pts, sample.received_us);
    if (!jumped && silent_us <= kMaxPictureGapUs && !map_.Diverged()) return true;
    if (!jumped && silent_us > kMaxPictureGapUs) {
      InterruptRun(GapCause::kCameraFault,
                   fmt::format("no picture for {} s", silent_us / kUsPerSecond));
      return true;
    }
    InterruptRun(GapCause::kStreamChange, "the camera's timestamps jumped");
  } else if (map_.Observe(sample.pts, sample.received_us)) {
    return true;
  }
  RestartTime();
  times_.JumpedTo(sample.pts, sample.received_us);
  return map_.Observe(sample.pts, sample.received_us);
}

// What was learnt of the camera's time means nothing any more.
void RunWriter::RestartTime() {
  map_ = ClockMap(media::kVideoTimescale);
  map_.SetWallOffset(wall_offset_us_);
  same_clock_ = false;
  if (aligner_) aligner_->ForgetVideo();
  if (shared_clock_) ShareClock();
}

void RunWriter::BeginRun(const Sample& sample) {
  const int64_t now_us = clock_.MonotonicUs();
  if (!video_ || now_us < retry_begin_us_) return;
  std::vector<media::TrackConfig> configs{*video_};
  if (audio_) configs.push_back(*audio_);
  tracks_ = Describe(*video_, audio_);
  declared_frames_per_second_ = DeclaredFrameRate();
  storage::RunInfo info;
  info.stream = stream_;
  info.run = Uuid::TimeOrdered(clock_.NowUs());
  info.init = media::BuildInitSection(configs);
  info.tracks = tracks_;
  info.clock = clock_.Synchronised() ? storage::ClockState::kSynchronised
                                     : storage::ClockState::kUnsynchronised;
  info.camera_offset_us = camera_offset_us_;
  auto recording = archive_.Begin(std::move(info));
  if (!recording) {
    retry_begin_us_ = now_us + kRetryBeginUs;
    gaps_.Interrupt(GapCause::kDiskFailed, recording.message());
    return;
  }
  met_ = Met::kNothing;
  run_ = std::make_unique<OpenRun>();
  run_->base = run_->last = sample.pts;
  run_->video = *video_;
  run_->seam = same_clock_;
  run_->recording = std::move(*recording);
  run_->fragmenter = std::make_unique<media::Fragmenter>(
      std::move(configs), [this](int64_t ticks) { return MapPicture(ticks); });
  if (!same_clock_) map_.Unanchor();
  same_clock_ = false;
  if (aligner_) aligner_->BeginRun(sample.pts);
}

TimeUs RunWriter::MapPicture(int64_t ticks) {
  const TimeUs utc_us = map_.Map(run_->base + ticks);
  const bool at_seam = std::exchange(run_->seam, false);
  const TimeUs end_us = gaps_.footage_end_us();
  return at_seam && std::abs(utc_us - end_us) <= kSeamUs ? end_us : utc_us;
}

void RunWriter::OnAudio(Sample sample) {
  if (!run_ || !aligner_) {
    ++dropped_samples_;
    return;
  }
  sample.pts = aligner_->Place(sample.pts, sample.received_us, map_.envelope());
  if (sample.pts < 0) {
    ++dropped_samples_;
    return;
  }
  Push(std::move(sample));
}

void RunWriter::OnReport(TrackKind kind, const TrackReport& report) {
  if (kind == TrackKind::kAudio) {
    if (aligner_) aligner_->SetAudioReport(report);
    return;
  }
  if (times_.by_arrival()) return;  // It speaks of a time that is not used.
  if (aligner_) aligner_->SetVideoReport(report);
  if (map_.envelope().empty()) return;
  camera_offset_us_ = report.camera_utc_us - map_.Peek(report.time);
  if (run_) run_->recording->SetCameraOffset(*camera_offset_us_);
}

void RunWriter::ShareClock() {
  shared_clock_ = true;
  if (!aligner_) return;
  // What a camera with sender reports would say: 0 of the one is at the same instant
  // as 0 of the other.
  aligner_->SetVideoReport({});
  aligner_->SetAudioReport({});
}

void RunWriter::Push(Sample sample) {
  auto fragment = run_->fragmenter->Push(std::move(sample));
  if (!fragment) {
    ++dropped_samples_;
    return;
  }
  if (*fragment) Append(std::move(**fragment), /*last=*/false);
}

void RunWriter::Append(media::Fragment fragment, bool last) {
  const TimeRange range{fragment.info.start_us, fragment.info.end_us};
  storage::Recording& recording = *run_->recording;
  (void)(last ? recording.AppendLast(std::move(fragment)) : recording.Append(std::move(fragment)));
  gaps_.Footage(range);
}

void RunWriter::EndRun() {
  if (!run_) return;
  if (wild_) {
    Sample wild = *std::exchange(wild_, std::nullopt);
    PutBetween(wild, run_->last + 2 * media::kVideoTimescale / kGuessedFrameRate);
    PushPicture(std::move(wild));
  }
  while (auto fragment = run_->fragmenter->Flush()) {
    Append(std::move(*fragment), /*last=*/true);
  }
  run_.reset();
  idle_since_us_ = clock_.MonotonicUs();
  met_ = Met::kNothing;
}

void RunWriter::InterruptRun(GapCause cause, const std::string& detail) {
  EndRun();
  gaps_.Interrupt(cause, detail);
  LogInfo("recorder", fmt::format("{}: new run: {}", stream_.text(), detail));
}

void RunWriter::Tick() {
  const int64_t offset_us = WallOffset();
  const int64_t step_us = offset_us - wall_offset_us_;
  if (std::abs(step_us) > ClockMap::kJumpUs) {
    if (run_) {
      InterruptRun(GapCause::kClockStep, fmt::format("the server's clock was set {} by {}",
                                                     step_us > 0 ? "forward" : "back",
                                                     FormatDuration(std::abs(step_us))));
    }
    map_.Unanchor();
    same_clock_ = false;
  }
  wall_offset_us_ = offset_us;
  map_.SetWallOffset(offset_us);
}

}  // namespace lookback::recorder
