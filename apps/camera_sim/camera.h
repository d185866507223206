// apps/camera_sim/camera.h: one camera: its clock, its frame counter, and who watches it.
//
// A camera captures by the clock from its start to its end, watched or not: frame numbers rise by
// one from 1, and the media timeline goes on over the loop of the footage. A feed is handed frames
// while it has viewers, from the next sync sample on.
//
// Invariant: a frame is logged as sent to n clients exactly if feeds with n viewers took it.
// Threads:   NextDueUs() and Deliver() on the pacer's thread; the rest on any.
// Errors:    a feed that refuses a frame is resumed at the next sync sample.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "apps/camera_sim/feed.h"
#include "apps/camera_sim/footage.h"
#include "apps/camera_sim/frame_log.h"
#include "apps/camera_sim/sei.h"
#include "apps/camera_sim/tone.h"
#include "base/clock.h"

namespace lookback::camera_sim {

// How often parameter sets go in band: before each sync sample, never, or at most every n seconds.
inline constexpr int kConfigEverySync = -1;
inline constexpr int kConfigNever = 0;

struct CameraOptions {
  std::string id = {};
  double start_fraction = 0;  // Where in the clip it starts, moved on to a sync sample.
  int64_t start_mono_us = 0;  // When it captures its first frame, by Clock::MonotonicUs().
  int config_interval_s = kConfigEverySync;
  bool log_hashes = false;
};

class Camera {
 public:
  // Running time of the first frame. It leaves room for B-frames, whose presentation is moved back
  // by the footage's reorder distance so that no frame is sent before its time.
  static constexpr int64_t kFirstFrameNs = 1'000'000'000;

  Camera(CameraOptions options, std::shared_ptr<const Footage> footage,
         std::shared_ptr<const AudioTrack> audio, FrameLog& log);

  const std::string& id() const { return options_.id; }
  const Footage& footage() const { return *footage_; }
  const AudioTrack* audio() const { return audio_.get(); }

  // The instant of Clock::MonotonicUs() at which running time is 0.
  int64_t running_time_zero_us() const { return options_.start_mono_us - kFirstFrameNs / 1000; }

  // When Deliver() is to be called next, by Clock::MonotonicUs().
  int64_t NextDueUs() const;

  // Captures, sends and logs the next frame (or sends the next piece of audio).
  void Deliver(const Clock& clock);

  void Attach(std::shared_ptr<Feed> feed);
  void Detach(const Feed* feed);
  void AddViewer(const Feed* feed);
  void RemoveViewer(const Feed* feed);

 private:
  struct Outlet {
    std::shared_ptr<Feed> feed;
    int viewers = 0;
    bool started = false;  // Has had its sync sample since somebody watches.
  };

  int64_t VideoDueUs() const;
  int64_t AudioDueUs() const;
  int64_t VideoTime90k() const;
  void DeliverVideo(const Clock& clock);
  void DeliverAudio();
  Bytes Assemble(const AccessUnit& unit, int64_t dts_90k, const Mark& mark);
  int Send(const TimedBytes& unit);
  bool ParameterSetsDue(const AccessUnit& unit, int64_t time_90k);
  Outlet* Find(const Feed* feed);

  const CameraOptions options_;
  const std::shared_ptr<const Footage> footage_;
  const std::shared_ptr<const AudioTrack> audio_;
  FrameLog& log_;

  // The pacer's own.
  const size_t first_unit_;
  size_t unit_;
  int64_t loops_ = 0;
  uint64_t frame_ = 0;
  uint64_t audio_frame_ = 0;
  std::optional<int64_t> parameter_sets_sent_90k_;

  std::mutex mutex_;
  std::vector<Outlet> outlets_;
};

}  // namespace lookback::camera_sim
