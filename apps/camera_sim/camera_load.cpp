// camera_load: hundreds of simulated cameras, lean; see README.md beside it.
//
// Exit codes and standard output as camera_sim's. At the end, standard error has one line: how late
// the latest picture was, and how many clients were cut off for being too slow.

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>

#include "apps/camera_sim/lean_server.h"
#include "base/ids.h"

namespace lookback::camera_sim {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr uint32_t kMaxCameras = 2'000;
constexpr unsigned kMaxSeconds = 7 * 86'400;

struct LoadOptions {
  LeanServer::Options server;
  std::string footage;
  std::string log_path;
  bool packets = false;
  unsigned seconds = 0;
};

int Failed(const std::string& message, int exit_code = kExitFailed) {
  std::cerr << "camera_load: " << message << "\n";
  return exit_code;
}

void AddOptions(CLI::App& app, LoadOptions& o) {
  app.add_option("--count", o.server.count, "cameras, named cam1 to camN")
      ->check(CLI::Range(1u, kMaxCameras))
      ->capture_default_str();
  app.add_option("--prefix", o.server.prefix, "what camera names begin with")
      ->capture_default_str();
  app.add_option("--port", o.server.port, "TCP port on 127.0.0.1; 0 picks a free one")
      ->capture_default_str();
  app.add_option("--footage", o.footage,
                 "the clip that all play: H.264 without B pictures, taken for 25 a second")
      ->required();
  app.add_option("--log", o.log_path, "append every frame to this file, as JSON lines");
  app.add_flag("--packets", o.packets, "a send a packet, as on a network, and not a picture");
  app.add_option("--disconnect-every", o.server.disconnect_every_s,
                 "drop each client about every so many seconds of play")
      ->check(CLI::Range(0.0, double{kMaxSeconds}));
  app.add_option("--seed", o.server.seed, "of all that is random")->capture_default_str();
  app.add_option("--seconds", o.seconds, "stop by itself after so long")
      ->check(CLI::Range(0u, kMaxSeconds));
}

// Readable when it is time to stop. To be called before any thread starts.
int StopDescriptor() {
  sigset_t stops;
  sigemptyset(&stops);
  for (const int number : {SIGINT, SIGTERM, SIGALRM}) sigaddset(&stops, number);
  pthread_sigmask(SIG_BLOCK, &stops, nullptr);
  return signalfd(-1, &stops, SFD_CLOEXEC);
}

void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int Run(LoadOptions options) {
  const int stop = StopDescriptor();
  RaiseDescriptorLimit();
  const auto clip = LoadPacketClip(options.footage);
  if (!clip) return Failed(clip.error().message);
  auto log = FrameLog::Open(options.log_path, [] { kill(getpid(), SIGTERM); });
  if (!log) return Failed(log.error().message);

  options.server.chop = options.packets ? LeanServer::Chop::kPacket : LeanServer::Chop::kPicture;
  const SystemClock clock;
  LeanServer::Counters counters;
  auto server = LeanServer::Listen(*clip, options.server, log->get(), counters, clock);
  if (!server) return Failed(server.error().message);
  std::cout << "listening on rtsp://127.0.0.1:" << (*server)->port() << "/\n";
  for (uint32_t i = 1; i <= options.server.count; ++i) std::cout << (*server)->Url(i) << "\n";
  std::cout.flush();
  alarm(options.seconds);
  (*server)->Run(stop);

  const Status logged = (*log)->Close();
  std::cerr << fmt::format("latest picture {} ms behind its time, {} clients cut off\n",
                           counters.late_us / kUsPerMs, counters.cut_off.load());
  return logged ? 0 : Failed(logged.error().message);
}

}  // namespace
}  // namespace lookback::camera_sim

int main(int argc, char** argv) {
  using namespace lookback::camera_sim;
  CLI::App app("Hundreds of simulated RTSP cameras over TCP, as cheap as a sender can be.",
               "camera_load");
  LoadOptions options;
  AddOptions(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    return 0;
  } catch (const CLI::ParseError& error) {
    return Failed(error.what(), kExitUsage);
  }
  const auto longest = options.server.prefix + std::to_string(options.server.count);
  if (const auto id = lookback::CameraId::Parse(longest); !id) {
    return Failed(id.error().message, kExitUsage);
  }
  return Run(std::move(options));
}
