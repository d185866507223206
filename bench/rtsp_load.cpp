#include "bench/rtsp_load.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace lookback::bench {

using camera_sim::LeanServer;

RtspLoad::RtspLoad(const std::string& path, Chop chop) {
  const auto clip = camera_sim::LoadPacketClip(path);
  LB_CHECK(clip.has_value());
  bits_per_second_ = clip->bytes_per_picture * 8 * kUsPerSecond / LeanServer::kPictureUs;

  void* const shared = mmap(nullptr, sizeof(LoadCounters), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  LB_CHECK(shared != MAP_FAILED);
  counters_ = new (shared) LoadCounters;

  SystemClock clock;
  LeanServer::Options options;
  options.count = kCameras;
  options.chop = chop;
  const auto server = LeanServer::Listen(*clip, options, nullptr, *counters_, clock);
  LB_CHECK(server.has_value());
  port_ = (*server)->port();
  server_ = fork();
  LB_CHECK(server_ >= 0);
  if (server_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    (*server)->Run(-1);
  }
}

RtspLoad::~RtspLoad() {
  kill(server_, SIGKILL);
  waitpid(server_, nullptr, 0);
  munmap(counters_, sizeof(LoadCounters));
}

std::string RtspLoad::Url(int camera) const {
  return "rtsp://127.0.0.1:" + std::to_string(port_) + "/cam" + std::to_string(camera + 1);
}

}  // namespace lookback::bench
