// tests/query/camera_clip.h: encoded pictures and sound to record in a test, made by the `ffmpeg`
// command, and the hashes of the pictures as it decodes them.
//
// Invariant: the same arguments give the same samples within one machine.
// Threads:   one.
// Errors:    a failure ends the process: a test cannot go on.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "media/fragmenter.h"
#include "media/sample.h"
#include "tests/query/player.h"
#include "tests/support/temp_dir.h"

namespace lookback::test {

struct CameraClip {
  std::vector<media::TrackConfig> tracks;
  std::vector<media::Sample> samples;  // Both tracks, by time.
  std::vector<Picture> pictures;       // All, in order of presentation; pts from 0.
  std::vector<Packet> sound;           // Each sample; pts from 0.

  int64_t frame_us() const { return pictures.at(1).pts_us - pictures.at(0).pts_us; }
};

// `arguments` stand between `ffmpeg` and the output file: inputs, then codecs.
CameraClip MakeCameraClip(const std::string& arguments);

// The run of the clip's samples, from `start_us`, with media time as it is; `slew_ppm` makes the
// wall clock run faster than the media.
std::vector<media::Fragment> Fragments(const CameraClip& clip, TimeUs start_us,
                                       int64_t slew_ppm = 0);

// Standard output and error of a shell command, and its exit code.
struct CommandResult {
  int exit_code = -1;
  std::string output;
};
CommandResult RunCommand(const std::string& command);

}  // namespace lookback::test
