// apps/camera_sim/feed.h: where a camera's access units go while somebody watches.
//
// Threads:   Push* on the pacer's thread.
// Errors:    false: not taken, and what follows is useless until the next sync sample.
#pragma once

#include "base/bytes.h"

namespace lookback::camera_sim {

struct TimedBytes {
  ByteSpan bytes;
  // Running time of the camera, from its start; RTP timestamps follow from pts_ns.
  int64_t pts_ns = 0;
  int64_t dts_ns = 0;
  bool sync = false;
};

class Feed {
 public:
  virtual ~Feed() = default;
  virtual bool PushVideo(const TimedBytes& unit) = 0;
  virtual bool PushAudio(const TimedBytes& frame) = 0;
};

}  // namespace lookback::camera_sim
