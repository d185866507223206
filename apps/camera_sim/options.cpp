#include "apps/camera_sim/options.h"

#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>

#include "base/ids.h"

namespace lookback::camera_sim {
namespace {

constexpr int kMaxCameras = 1000;
constexpr double kMaxSeconds = 10 * 365.0 * 86'400;

const std::map<std::string, VideoCodec> kVideoCodecs = {
    {"h264", VideoCodec::kH264}, {"h265", VideoCodec::kH265}, {"mjpeg", VideoCodec::kMjpeg}};
const std::map<std::string, std::optional<AudioCodec>> kAudioCodecs = {
    {"none", std::nullopt},      {"aac", AudioCodec::kAac},   {"opus", AudioCodec::kOpus},
    {"pcma", AudioCodec::kPcma}, {"pcmu", AudioCodec::kPcmu}, {"g726", AudioCodec::kG726}};

Result<std::string> ReadPassword(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) {
    return Fail(Code::kNotFound, path + ": no password on its first line");
  }
  return line;
}

void AddOptions(CLI::App& app, Options& o, std::string& password_file) {
  FleetOptions& f = o.fleet;
  app.add_option("--count", f.count, "cameras, named cam1 to camN")
      ->check(CLI::Range(1, kMaxCameras))
      ->capture_default_str();
  app.add_option("--prefix", f.prefix, "what camera names begin with")->capture_default_str();
  app.add_option("--listen", f.listen, "address to listen on")->capture_default_str();
  app.add_option("--port", f.port, "TCP port; 0 picks a free one")
      ->check(CLI::Range(0, 65'535))
      ->capture_default_str();
  app.add_option("--footage", o.footage, "clips to loop, dealt out to the cameras in turn")
      ->required();
  app.add_option("--sub-footage", o.sub_footage,
                 "lighter clips: each camera plays one of them at CAMERA/sub besides");
  app.add_option_function<std::string>(
         "--codec", [&o](const std::string& name) { o.codec = kVideoCodecs.at(name); },
         "refuse footage of another codec than this: h264, h265, mjpeg")
      ->check(CLI::IsMember({"h264", "h265", "mjpeg"}));
  app.add_option("--config-interval", f.config_interval_s,
                 "parameter sets in band: -1 before each IDR, 0 never, N every N seconds at most")
      ->check(CLI::Range(-1, 3600))
      ->capture_default_str();
  app.add_option_function<std::string>(
         "--audio", [&o](const std::string& name) { o.audio = kAudioCodecs.at(name); },
         "a soft tone beside the pictures: none, aac, opus, pcma, pcmu, g726")
      ->check(CLI::IsMember({"none", "aac", "opus", "pcma", "pcmu", "g726"}));
  auto* user = app.add_option("--user", f.user, "user name to ask for");
  auto* password = app.add_option("--password-file", password_file, "its password: a first line");
  user->needs(password);
  password->needs(user);
  app.add_option_function<std::string>(
         "--auth",
         [&f](const std::string& name) {
           f.auth = name == "basic" ? AuthMethod::kBasic : AuthMethod::kDigest;
         },
         "basic or digest (default)")
      ->check(CLI::IsMember({"basic", "digest"}))
      ->needs(user);
  app.add_option_function<std::string>(
         "--transport",
         [&f](const std::string& name) {
           f.transports = name == "tcp"   ? Transports::kTcp
                          : name == "udp" ? Transports::kUdp
                                          : Transports::kAny;
         },
         "how media may be asked for: any (default), tcp, udp; others are answered 461")
      ->check(CLI::IsMember({"any", "tcp", "udp"}));
  app.add_flag("--tls", f.tls, "serve rtsps://, with a self-signed certificate made at the start");
  app.add_flag("--redirect", f.redirects, "answer /moved/CAMERA with 302 to /CAMERA");
  app.add_option("--log", o.log_path, "append every frame to this file, as JSON lines");
  app.add_flag("--log-hashes", f.log_hashes, "log the SHA-256 of each sample, sound too");
  app.add_option("--disconnect-every", f.audience.disconnect_every_s,
                 "drop each client about every so many seconds of play")
      ->check(CLI::Range(0.0, kMaxSeconds));
  app.add_option("--seed", f.audience.seed, "of all that is random")->capture_default_str();
  app.add_option("--seconds", o.seconds, "stop by itself after so long")
      ->check(CLI::Range(0.0, kMaxSeconds));
  app.add_flag("--stop-on-stdin-close", o.stop_on_stdin_close,
               "stop when standard input ends: no camera outlives its test");
}

}  // namespace

Result<std::optional<Options>> ParseOptions(int argc, char** argv) {
  CLI::App app("A fleet of simulated RTSP cameras that play footage in a loop.", "camera_sim");
  Options options;
  std::string password_file;
  AddOptions(app, options, password_file);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    return std::optional<Options>();
  } catch (const CLI::ParseError& error) {
    return Fail(Code::kInvalid, error.what());
  }
  // A sub stream's name has to fit into a mark too.
  const std::string longest = options.fleet.prefix + std::to_string(options.fleet.count);
  LB_TRY(CameraId::Parse(longest + (options.sub_footage.empty() ? "" : "-sub")));
  if (!password_file.empty()) {
    LB_TRY_ASSIGN(password, ReadPassword(password_file));
    options.fleet.password = std::move(password);
  }
  return std::optional<Options>(std::move(options));
}

}  // namespace lookback::camera_sim
