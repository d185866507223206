// bench/rtsp_load.h: the lean simulator (apps/camera_sim/lean_server.h) as a process of its own, so
// that what receives can be measured without it.
//
// Invariant: the process ends with its owner.
// Threads:   one thread owns it. Start it before others: it forks.
// Errors:    asserts (LB_CHECK): a benchmark without its load has no figures.
#pragma once

#include <sys/types.h>

#include <string>

#include "apps/camera_sim/lean_server.h"

namespace lookback::bench {

using Chop = camera_sim::LeanServer::Chop;
using LoadCounters = camera_sim::LeanServer::Counters;

class RtspLoad {
 public:
  static constexpr uint32_t kCameras = 10'000;  // As many as anyone asks for.

  // `clip`: a file of H.264 without B pictures.
  RtspLoad(const std::string& clip, Chop chop);
  ~RtspLoad();  // Ends the server.
  RtspLoad(const RtspLoad&) = delete;
  RtspLoad& operator=(const RtspLoad&) = delete;

  std::string Url(int camera) const;  // From 0.
  uint16_t port() const { return port_; }
  LoadCounters& counters() const { return *counters_; }
  double bits_per_second() const { return bits_per_second_; }

 private:
  LoadCounters* counters_ = nullptr;
  uint16_t port_ = 0;
  pid_t server_ = -1;
  double bits_per_second_ = 0;
};

}  // namespace lookback::bench
