// camera_sim: a fleet of simulated RTSP cameras; see README.md beside it.
//
// Exit codes: 0 stopped as asked, 1 could not go on, 2 wrong command line. Standard output has
// "listening on rtsp://HOST:PORT/" and then one camera URL a line, once all answer; nothing else.

#include <glib-unix.h>
#include <gst/gst.h>
#include <unistd.h>

#include <csignal>
#include <iostream>

#include "apps/camera_sim/fleet.h"
#include "apps/camera_sim/options.h"

extern "C" {
#include <libavutil/log.h>
}

namespace lookback::camera_sim {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

GMainLoop* main_loop = nullptr;

gboolean Quit(gpointer) {
  g_main_loop_quit(main_loop);
  return G_SOURCE_REMOVE;
}

gboolean OnStdin(int fd, GIOCondition, gpointer) {
  char buffer[256];
  if (::read(fd, buffer, sizeof buffer) > 0) return G_SOURCE_CONTINUE;
  return Quit(nullptr);
}

int Failed(const Error& error, int exit_code = kExitFailed) {
  std::cerr << "camera_sim: " << error.message << "\n";
  return exit_code;
}

Result<std::vector<std::shared_ptr<const Footage>>> LoadAll(
    const std::vector<std::string>& paths, const std::optional<VideoCodec>& codec) {
  std::vector<std::shared_ptr<const Footage>> all;
  for (const std::string& path : paths) {
    LB_TRY_ASSIGN(footage, LoadFootage(path));
    if (codec && *codec != footage.codec) {
      return Fail(Code::kInvalid, path + ": it is of another codec than --codec says");
    }
    all.push_back(std::make_shared<const Footage>(std::move(footage)));
  }
  return all;
}

void InstallStops(const Options& options) {
  g_unix_signal_add(SIGINT, &Quit, nullptr);
  g_unix_signal_add(SIGTERM, &Quit, nullptr);
  if (options.seconds > 0) {
    g_timeout_add(static_cast<unsigned>(options.seconds * 1000), &Quit, nullptr);
  }
  if (options.stop_on_stdin_close) {
    constexpr auto kReadable = static_cast<GIOCondition>(G_IO_IN | G_IO_HUP | G_IO_ERR);
    g_unix_fd_add(STDIN_FILENO, kReadable, &OnStdin, nullptr);
  }
}

int Run(const Options& options) {
  const auto footage = LoadAll(options.footage, options.codec);
  if (!footage) return Failed(footage.error());
  const auto sub_footage = LoadAll(options.sub_footage, options.codec);
  if (!sub_footage) return Failed(sub_footage.error());
  std::shared_ptr<const AudioTrack> audio;
  if (options.audio) {
    auto tone = MakeTone(*options.audio);
    if (!tone) return Failed(tone.error());
    audio = std::make_shared<const AudioTrack>(std::move(*tone));
  }
  auto log = FrameLog::Open(options.log_path, [] { g_main_loop_quit(main_loop); });
  if (!log) return Failed(log.error());

  const SystemClock clock;
  auto fleet = Fleet::Start(options.fleet, *footage, *sub_footage, audio, **log, clock);
  if (!fleet) return Failed(fleet.error());
  InstallStops(options);
  std::cout << "listening on " << (*fleet)->BaseUrl() << "\n";
  for (const std::string& url : (*fleet)->CameraUrls()) std::cout << url << "\n";
  std::cout.flush();

  g_main_loop_run(main_loop);
  (*fleet)->Stop();
  const Status logged = (*log)->Close();
  return logged ? 0 : Failed(logged.error());
}

}  // namespace
}  // namespace lookback::camera_sim

int main(int argc, char** argv) {
  using namespace lookback::camera_sim;
  std::signal(SIGPIPE, SIG_IGN);
  av_log_set_level(AV_LOG_ERROR);
  const auto options = ParseOptions(argc, argv);
  if (!options) return Failed(options.error(), kExitUsage);
  if (!*options) return 0;
  gst_init(nullptr, nullptr);
  main_loop = g_main_loop_new(nullptr, FALSE);
  const int exit_code = Run(**options);
  g_main_loop_unref(main_loop);
  return exit_code;
}
