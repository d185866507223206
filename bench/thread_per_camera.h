// bench/thread_per_camera.h: the usual recorder: one thread a camera, libavformat in and out.
//
// Invariant: each camera's stream is copied into MP4 files of a minute.
// Threads:   as many as cameras; it returns when all have ended.
// Errors:    asserts (LB_CHECK).
#pragma once

#include <string>
#include <vector>

namespace lookback::bench {

// Until `stop` can be read.
void RunThreadPerCamera(const std::vector<std::string>& urls, const std::string& directory,
                        int stop);

}  // namespace lookback::bench
