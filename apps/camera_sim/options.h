// apps/camera_sim/options.h: the command line of camera_sim.
//
// Threads:   one call at the start.
// Errors:    kInvalid with what is wrong; an empty value when help was printed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apps/camera_sim/fleet.h"
#include "apps/camera_sim/tone.h"

namespace lookback::camera_sim {

struct Options {
  FleetOptions fleet;
  std::vector<std::string> footage;
  std::vector<std::string> sub_footage;  // Of sub streams; empty: there are none.
  std::optional<VideoCodec> codec;       // That the footage must have.
  std::optional<AudioCodec> audio;
  std::string log_path;
  double seconds = 0;  // 0: until a signal.
  bool stop_on_stdin_close = false;
};

Result<std::optional<Options>> ParseOptions(int argc, char** argv);

}  // namespace lookback::camera_sim
