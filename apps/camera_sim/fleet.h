// apps/camera_sim/fleet.h: the cameras of one process behind one RTSP server.
//
// Each stream of a camera is one shared media, so that all its clients see the same frames.
// The server's objects live on the GLib main loop of the thread that calls Start() and Stop();
// it has to be run between.
//
// Invariant: cameras capture from Start() to Stop(), watched or not.
// Threads:   Start() and Stop() on the main loop's thread; the pacer's and GStreamer's are inside.
// Errors:    kUnavailable when the address cannot be bound, kInvalid for what options say.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/camera_sim/audience.h"
#include "apps/camera_sim/camera.h"
#include "apps/camera_sim/frame_log.h"
#include "base/clock.h"

namespace lookback::camera_sim {

enum class AuthMethod { kBasic, kDigest };
enum class Transports { kAny, kTcp, kUdp };

struct FleetOptions {
  int count = 4;
  std::string prefix = "cam";
  std::string listen = "127.0.0.1";
  int port = 8554;   // 0: any free one.
  std::string user;  // Empty: no credentials asked.
  std::string password;
  AuthMethod auth = AuthMethod::kDigest;
  Transports transports = Transports::kAny;  // Others are answered 461.
  bool tls = false;                          // With a certificate made at the start.
  bool redirects = false;                    // /moved/cam1 is answered 302, and leads to /cam1.
  int config_interval_s = kConfigEverySync;
  bool log_hashes = false;
  Audience::Options audience;
};

using FootageList = std::vector<std::shared_ptr<const Footage>>;

class Fleet {
 public:
  // Camera i plays footage i modulo their number, and at its name with "/sub" behind it, where
  // there is sub footage, one of that. `log` and `clock` outlive the fleet.
  static Result<std::unique_ptr<Fleet>> Start(const FleetOptions& options,
                                              const FootageList& footage,
                                              const FootageList& sub_footage,
                                              const std::shared_ptr<const AudioTrack>& audio,
                                              FrameLog& log, const Clock& clock);
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  // "rtsp://HOST:PORT/", and the same with each camera's path.
  std::string BaseUrl() const;
  std::vector<std::string> CameraUrls() const;

  // Ends capturing, lets what was sent drain, closes every client.
  void Stop();

 private:
  class Server;

  Fleet(FleetOptions options, FrameLog& log, const Clock& clock);
  // One stream of each camera.
  void AddStreams(const std::string& suffix, const FootageList& footage,
                  const std::shared_ptr<const AudioTrack>& audio, int64_t start_us);

  const FleetOptions options_;
  FrameLog& log_;
  const Clock& clock_;
  std::vector<std::unique_ptr<Camera>> cameras_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<class Pacer> pacer_;
};

}  // namespace lookback::camera_sim
