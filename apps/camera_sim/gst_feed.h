// apps/camera_sim/gst_feed.h: hands a camera's frames to one gst-rtsp-server media.
//
// The media's pipeline runs on the system clock with the camera's running time, so that RTP
// timestamps and RTCP sender reports follow from the frames' own times. Nothing is pushed before a
// client plays: a GAP event, not a frame, lets the pipeline preroll.
//
// Invariant: at most kMaxQueuedBytes wait between camera and payloader.
// Threads:   Create() on the server's thread, Push*() on the pacer's.
// Errors:    Push*() is false when the queue is full or the pipeline is going away.
#pragma once

#include <gst/app/gstappsrc.h>
#include <gst/rtsp-server/rtsp-server.h>

#include <memory>
#include <string>

#include "apps/camera_sim/camera.h"
#include "apps/camera_sim/feed.h"
#include "base/clock.h"

namespace lookback::camera_sim {

// The pipeline of a camera's media, in gst-launch syntax, with sources that Create() finds by name.
std::string LaunchLine(const Camera& camera);

class GstFeed : public Feed {
 public:
  static constexpr uint64_t kMaxQueuedBytes = uint64_t{8} << 20;

  // `media` was made from LaunchLine() and is not prepared yet.
  static std::shared_ptr<GstFeed> Create(GstRTSPMedia* media, const Camera& camera,
                                         const Clock& clock);
  ~GstFeed() override;

  bool PushVideo(const TimedBytes& unit) override { return Push(video_, unit); }
  bool PushAudio(const TimedBytes& frame) override { return Push(audio_, frame); }

 private:
  GstFeed(GstAppSrc* video, GstAppSrc* audio) : video_(video), audio_(audio) {}
  static bool Push(GstAppSrc* source, const TimedBytes& unit);

  GstAppSrc* const video_;
  GstAppSrc* const audio_;  // Null without audio.
};

}  // namespace lookback::camera_sim
