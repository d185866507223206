// apps/camera_sim/audience.h: which client watches which camera, and when it is thrown out.
//
// Invariant: a feed's viewers are the sessions in PLAYING state on its media; a client that is to
//            be disconnected stops being a viewer first, and is closed kDrainMs later, so that what
//            the log calls sent has left for the network.
// Threads:   the server's main loop alone.
// Errors:    none.
#pragma once

#include <gst/rtsp-server/rtsp-server.h>

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "apps/camera_sim/camera.h"
#include "apps/camera_sim/frame_log.h"
#include "base/clock.h"

namespace lookback::camera_sim {

// A media's place in the fleet; gst-rtsp-server carries it on the media.
struct MediaContext {
  Camera* camera = nullptr;
  std::shared_ptr<Feed> feed;
};

class Audience {
 public:
  static constexpr unsigned kDrainMs = 300;
  // A closed client is kept so long for what gst-rtsp-server still has in mind for it.
  static constexpr unsigned kLingerMs = 2'000;

  struct Options {
    double disconnect_every_s = 0;  // 0: never.
    uint64_t seed = 1;
  };

  // Everything given outlives the audience. `pool` holds the sessions of every client.
  Audience(Options options, GstRTSPSessionPool* pool, FrameLog& log, const Clock& clock);
  ~Audience();
  Audience(const Audience&) = delete;
  Audience& operator=(const Audience&) = delete;

  // Follows what a new client does.
  void Watch(GstRTSPClient* client);

  static void SetContext(GstRTSPMedia* media, MediaContext context);

 private:
  struct Viewer {
    GstRTSPClient* client;
    std::string session;
    Camera* camera;
    std::shared_ptr<Feed> feed;
    std::string peer;
  };
  struct Timer {  // The pending disconnection of a client.
    Audience* audience;
    GstRTSPClient* client;  // A reference.
  };

  static void OnPlay(GstRTSPClient* client, GstRTSPContext* context, Audience* self);
  static void OnStop(GstRTSPClient* client, GstRTSPContext* context, Audience* self);
  static void OnClosed(GstRTSPClient* client, Audience* self);
  static void OnSessionRemoved(GstRTSPSessionPool* pool, GstRTSPSession* session, Audience* self);
  static gboolean OnDisconnectDue(gpointer timer);
  static gboolean OnDrained(gpointer timer);

  void Arm(GstRTSPClient* client, unsigned delay_ms, GSourceFunc callback);
  void Disarm(GstRTSPClient* client);
  unsigned DisconnectDelayMs();
  void Remove(const std::function<bool(const Viewer&)>& which, const char* event);
  void LogEvent(const char* event, const Viewer& viewer);

  const Options options_;
  GstRTSPSessionPool* const pool_;
  FrameLog& log_;
  const Clock& clock_;
  std::mt19937_64 random_;
  unsigned long session_removed_handler_ = 0;
  std::vector<Viewer> viewers_;
  std::map<GstRTSPClient*, unsigned> timers_;  // GLib source ids.
};

}  // namespace lookback::camera_sim
