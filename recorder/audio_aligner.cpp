#include "recorder/audio_aligner.h"

#include <cstdlib>

namespace lookback::recorder {

void AudioAligner::BeginRun(int64_t video_base) {
  video_base_ = video_base;
  shift_.reset();
}

int64_t AudioAligner::Place(int64_t audio_time, int64_t received_us, const DelayEnvelope& video) {
  const int64_t step_us = TicksToUs(audio_time - last_audio_time_, audio_timescale_);
  if (!audio_.empty() && std::abs(step_us) > ClockMap::kJumpUs) {
    audio_ = DelayEnvelope();
    audio_report_.reset();
  }
  last_audio_time_ = audio_time;
  audio_.Add(received_us - TicksToUs(audio_time, audio_timescale_), received_us);

  const int64_t desired = Desired(audio_time, video);
  const int64_t error = shift_ ? desired - (audio_time + *shift_) : 0;
  if (!shift_ || std::abs(TicksToUs(error, audio_timescale_)) > kRealignUs) {
    shift_ = desired - audio_time;
  }
  return audio_time + *shift_;
}

int64_t AudioAligner::Desired(int64_t audio_time, const DelayEnvelope& video) const {
  const int64_t seen_us = TicksToUs(audio_time, audio_timescale_) + audio_.least_us() -
                          TicksToUs(video_base_, video_timescale_) - video.least_us();
  int64_t chosen_us = seen_us;
  if (video_report_ && audio_report_) {
    const int64_t told_us = audio_report_->camera_utc_us +
                            TicksToUs(audio_time - audio_report_->time, audio_timescale_) -
                            video_report_->camera_utc_us -
                            TicksToUs(video_base_ - video_report_->time, video_timescale_);
    if (std::abs(told_us - seen_us) <= kMaxReportErrorUs) chosen_us = told_us;
  }
  return UsToTicks(chosen_us, audio_timescale_);
}

}  // namespace lookback::recorder
