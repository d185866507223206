// recorder/audio_aligner.h: where a run's audio stands on its media timeline.
//
// Audio and video have RTP clocks with unrelated offsets. Sender reports tie both to the camera's
// own clock, to the millisecond; without them, or when they contradict what is seen, the least
// delays of both streams tie them together well enough for lips.
//
// Invariant: within a run audio keeps its own time: the shift changes only when it is off by more
//            than kRealignUs, as when a camera's two clocks drift apart.
// Threads:   values.
// Errors:    none.
#pragma once

#include <cstdint>
#include <optional>

#include "recorder/clock_map.h"
#include "recorder/rtp_track.h"

namespace lookback::recorder {

class AudioAligner {
 public:
  static constexpr int64_t kRealignUs = 200 * kUsPerMs;
  // Reports that differ from what is seen by more than this are not believed.
  static constexpr int64_t kMaxReportErrorUs = 500 * kUsPerMs;

  AudioAligner(uint32_t video_timescale, uint32_t audio_timescale)
      : video_timescale_(video_timescale), audio_timescale_(audio_timescale) {}

  void SetVideoReport(const TrackReport& report) { video_report_ = report; }
  void SetAudioReport(const TrackReport& report) { audio_report_ = report; }

  // A run begins at this RTP time of the video.
  void BeginRun(int64_t video_base);

  // The video's RTP time began anew; its reports so far mean nothing any more.
  void ForgetVideo() { video_report_.reset(); }

  // The time in the run, in audio ticks, of the audio sample that was received now; negative when
  // it lies before the run.
  int64_t Place(int64_t audio_time, int64_t received_us, const DelayEnvelope& video);

 private:
  int64_t Desired(int64_t audio_time, const DelayEnvelope& video) const;

  const uint32_t video_timescale_;
  const uint32_t audio_timescale_;
  std::optional<TrackReport> video_report_;
  std::optional<TrackReport> audio_report_;
  DelayEnvelope audio_;
  int64_t last_audio_time_ = 0;
  int64_t video_base_ = 0;
  std::optional<int64_t> shift_;
};

}  // namespace lookback::recorder
