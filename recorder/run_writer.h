// recorder/run_writer.h: from one session's samples to runs in the archive.
//
// A run begins at the first whole sync sample and ends when the session does, when time jumps, when
// parameters change, when pictures stay away, when the wall clock is set, and after 24 hours. What
// is missing between two runs goes on record by the gap keeper. One picture alone whose time is
// wild ends nothing: it is put between its neighbours, and its fragment flagged as damaged.
//
// Invariant: a run's media time begins at 0 with its first picture; its UTC rises. Of a run that
//            goes on with the same clock as the one before it, the start is exactly the end of that
//            one, unless time is missing.
// Threads:   the camera's loop.
// Errors:    an archive that takes no run is asked again kRetryBeginUs later, and the gap says why.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "media/fragmenter.h"
#include "recorder/audio_aligner.h"
#include "recorder/clock_map.h"
#include "recorder/gap_keeper.h"
#include "recorder/picture_times.h"
#include "recorder/rtp_track.h"
#include "recorder/video_config.h"
#include "storage/archive.h"

namespace lookback::recorder {

class RunWriter : public SampleSink {
 public:
  // Longer without a picture, though the connection lives: a gap, not a still picture.
  static constexpr int64_t kMaxPictureGapUs = 5 * kUsPerSecond;
  // A run that goes on with the same clock starts where the one before ended, within this.
  static constexpr int64_t kSeamUs = 100 * kUsPerMs;
  static constexpr int64_t kRetryBeginUs = 2 * kUsPerSecond;

  // `formats`: video, then audio if there is any. The rest must outlive the writer.
  RunWriter(const StreamId& stream, const std::vector<RtpFormat>& formats,
            storage::Archive& archive, GapKeeper& gaps, Clock& clock);
  ~RunWriter() override;  // Ends the run.

  void OnSample(media::Sample sample) override;
  void OnReport(media::TrackKind kind, const TrackReport& report);
  // Sound and pictures are timed by one clock, as in a container: their times are comparable.
  void ShareClock();

  // Looks at the wall clock: it may have been set.
  void Tick();

  // Gives the archive what is held and ends the run. What follows is missing for no reason yet.
  void EndRun();

  // The same when it is known why. What follows is missing because of that.
  void InterruptRun(index::GapCause cause, const std::string& detail);

  bool in_run() const { return run_ != nullptr; }
  // What has come of a picture that a run can begin with, at most; kNothing in a run.
  enum class Met : uint8_t { kNothing, kPicture, kDamagedSync, kSyncWithoutSets, kArchiveRefused };
  Met met() const { return met_; }
  // Monotonic: when the latest picture of the run came; without a run, when the last one ended.
  int64_t idle_since_us() const { return idle_since_us_; }
  // The camera's own times are of no use.
  bool timed_by_arrival() const { return times_.by_arrival(); }
  uint64_t pictures() const { return pictures_; }
  uint64_t damaged_pictures() const { return damaged_pictures_; }
  // The last one that came whole; zero: none yet.
  struct Gop {
    uint32_t pictures = 0;
    int64_t duration_us = 0;
  };
  const Gop& gop() const { return gop_; }
  // As the description, or the SPS of the latest run, declares; 0: not declared.
  double declared_frames_per_second() const { return declared_frames_per_second_; }
  uint64_t dropped_samples() const { return dropped_samples_; }
  const std::string& tracks() const { return tracks_; }
  std::optional<int64_t> camera_offset_us() const { return camera_offset_us_; }

 private:
  struct OpenRun {
    int64_t base = 0;  // RTP time of its first picture.
    int64_t last = 0;  // The latest there was.
    media::TrackConfig video;
    // The present group of pictures, on the way; 0: it is not known to be whole.
    uint32_t gop_pictures = 0;
    int64_t gop_start = 0;
    bool seam = false;  // The next fragment is its first, and goes on from the run before.
    std::unique_ptr<media::Fragmenter> fragmenter;
    std::unique_ptr<storage::Recording> recording;
  };

  void OnPicture(media::Sample sample);
  void PutBetween(media::Sample& wild, int64_t next);
  void TakePicture(media::Sample sample);
  void OnAudio(media::Sample sample);
  bool FollowClock(const media::Sample& sample);
  void RestartTime();
  void BeginRun(const media::Sample& sample);
  void PushPicture(media::Sample sample);
  void CountGop(const media::Sample& sample);
  double DeclaredFrameRate() const;
  TimeUs MapPicture(int64_t ticks);
  void Push(media::Sample sample);
  // What the archive drops is a gap by the archive's own account.
  void Append(media::Fragment fragment, bool last);
  int64_t WallOffset() const { return clock_.NowUs() - clock_.MonotonicUs(); }

  const StreamId stream_;
  storage::Archive& archive_;
  GapKeeper& gaps_;
  Clock& clock_;

  std::optional<media::TrackConfig> audio_;
  VideoConfig video_config_;
  std::optional<media::TrackConfig> video_;  // By what the camera said last.
  PictureTimes times_;
  ClockMap map_;
  std::optional<media::Sample> wild_;  // The latest picture: its time fits nowhere. In a run only.
  std::optional<AudioAligner> aligner_;
  bool shared_clock_ = false;
  int64_t wall_offset_us_;
  bool same_clock_ = false;  // The next run goes on with the clock of the one before.
  std::unique_ptr<OpenRun> run_;

  int64_t idle_since_us_;
  Met met_ = Met::kNothing;
  int64_t retry_begin_us_ = 0;
  uint64_t pictures_ = 0;
  uint64_t damaged_pictures_ = 0;
  Gop gop_;
  const double described_frames_per_second_;
  double declared_frames_per_second_ = 0;
  uint64_t dropped_samples_ = 0;
  std::string tracks_;
  std::optional<int64_t> camera_offset_us_;
};

}  // namespace lookback::recorder
