#include "apps/camera_sim/audience.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

namespace lookback::camera_sim {
namespace {

constexpr const char* kContextKey = "lookback-media-context";
// An interval is drawn between half and one and a half of what was asked.
constexpr double kLeastJitter = 0.5;
constexpr double kMostJitter = 1.5;

MediaContext* ContextOf(GstRTSPMedia* media) {
  return static_cast<MediaContext*>(g_object_get_data(G_OBJECT(media), kContextKey));
}

void DeleteContext(gpointer context) { delete static_cast<MediaContext*>(context); }

std::string PeerOf(GstRTSPClient* client) {
  GstRTSPConnection* connection = gst_rtsp_client_get_connection(client);
  GSocket* socket = gst_rtsp_connection_get_read_socket(connection);
  GSocketAddress* address = socket ? g_socket_get_remote_address(socket, nullptr) : nullptr;
  if (address == nullptr) return gst_rtsp_connection_get_ip(connection);
  char* text = g_socket_connectable_to_string(G_SOCKET_CONNECTABLE(address));
  std::string peer = text;
  g_free(text);
  g_object_unref(address);
  return peer;
}

}  // namespace

Audience::Audience(Options options, GstRTSPSessionPool* pool, FrameLog& log, const Clock& clock)
    : options_(options), pool_(pool), log_(log), clock_(clock), random_(options.seed) {
  session_removed_handler_ =
      g_signal_connect(pool_, "session-removed", G_CALLBACK(&Audience::OnSessionRemoved), this);
}

Audience::~Audience() {
  g_signal_handler_disconnect(pool_, session_removed_handler_);
  while (!timers_.empty()) Disarm(timers_.begin()->first);
}

void Audience::Watch(GstRTSPClient* client) {
  // When a send fails, gst-rtsp-server (1.22) closes the client from an idle callback that holds no
  // reference. OnClosed gives this one back when that must have run.
  g_object_ref(client);
  g_signal_connect(client, "play-request", G_CALLBACK(&Audience::OnPlay), this);
  g_signal_connect(client, "pause-request", G_CALLBACK(&Audience::OnStop), this);
  g_signal_connect(client, "teardown-request", G_CALLBACK(&Audience::OnStop), this);
  g_signal_connect(client, "closed", G_CALLBACK(&Audience::OnClosed), this);
}

void Audience::SetContext(GstRTSPMedia* media, MediaContext context) {
  g_object_set_data_full(G_OBJECT(media), kContextKey, new MediaContext(std::move(context)),
                         &DeleteContext);
}

void Audience::OnPlay(GstRTSPClient* client, GstRTSPContext* context, Audience* self) {
  const MediaContext* media = ContextOf(context->media);
  Viewer viewer{client, gst_rtsp_session_get_sessionid(context->session), media->camera,
                media->feed, PeerOf(client)};
  const bool known =
      std::any_of(self->viewers_.begin(), self->viewers_.end(), [&viewer](const Viewer& other) {
        return other.session == viewer.session && other.feed == viewer.feed;
      });
  if (known) return;
  viewer.camera->AddViewer(viewer.feed.get());
  self->LogEvent("play", viewer);
  self->viewers_.push_back(std::move(viewer));
  if (self->options_.disconnect_every_s > 0 && !self->timers_.contains(client)) {
    self->Arm(client, self->DisconnectDelayMs(), &Audience::OnDisconnectDue);
  }
}

void Audience::OnStop(GstRTSPClient*, GstRTSPContext* context, Audience* self) {
  if (context->session == nullptr) return;
  const std::string session = gst_rtsp_session_get_sessionid(context->session);
  self->Remove([&session](const Viewer& viewer) { return viewer.session == session; }, "stop");
}

void Audience::OnClosed(GstRTSPClient* client, Audience* self) {
  g_timeout_add_full(
      G_PRIORITY_LOW, kLingerMs, [](gpointer) -> gboolean { return G_SOURCE_REMOVE; }, client,
      g_object_unref);
  self->Disarm(client);
  std::set<std::string> sessions;
  for (const Viewer& viewer : self->viewers_) {
    if (viewer.client == client) sessions.insert(viewer.session);
  }
  self->Remove([client](const Viewer& viewer) { return viewer.client == client; }, "stop");
  // A session over UDP would outlive its connection and go on sending uncounted.
  for (const std::string& id : sessions) {
    GstRTSPSession* session = gst_rtsp_session_pool_find(self->pool_, id.c_str());
    if (session == nullptr) continue;
    gst_rtsp_session_pool_remove(self->pool_, session);
    g_object_unref(session);
  }
}

void Audience::OnSessionRemoved(GstRTSPSessionPool*, GstRTSPSession* session, Audience* self) {
  const std::string id = gst_rtsp_session_get_sessionid(session);
  self->Remove([&id](const Viewer& viewer) { return viewer.session == id; }, "stop");
}

gboolean Audience::OnDisconnectDue(gpointer data) {
  const Timer timer = *static_cast<Timer*>(data);
  Audience& self = *timer.audience;
  self.Remove([&timer](const Viewer& viewer) { return viewer.client == timer.client; },
              "disconnect");
  self.timers_.erase(timer.client);
  self.Arm(timer.client, kDrainMs, &Audience::OnDrained);
  return G_SOURCE_REMOVE;
}

gboolean Audience::OnDrained(gpointer data) {
  const Timer& timer = *static_cast<Timer*>(data);
  timer.audience->timers_.erase(timer.client);
  gst_rtsp_client_close(timer.client);
  return G_SOURCE_REMOVE;
}

void Audience::Arm(GstRTSPClient* client, unsigned delay_ms, GSourceFunc callback) {
  g_object_ref(client);
  timers_[client] = g_timeout_add_full(G_PRIORITY_DEFAULT, delay_ms, callback,
                                       new Timer{this, client}, [](gpointer data) {
                                         auto* timer = static_cast<Timer*>(data);
                                         g_object_unref(timer->client);
                                         delete timer;
                                       });
}

void Audience::Disarm(GstRTSPClient* client) {
  const auto found = timers_.find(client);
  if (found == timers_.end()) return;
  const unsigned source = found->second;
  timers_.erase(found);
  g_source_remove(source);
}

unsigned Audience::DisconnectDelayMs() {
  std::uniform_real_distribution<double> jitter(kLeastJitter, kMostJitter);
  return static_cast<unsigned>(options_.disconnect_every_s * jitter(random_) * 1000);
}

void Audience::Remove(const std::function<bool(const Viewer&)>& which, const char* event) {
  std::erase_if(viewers_, [&](const Viewer& viewer) {
    if (!which(viewer)) return false;
    viewer.camera->RemoveViewer(viewer.feed.get());
    LogEvent(event, viewer);
    return true;
  });
}

void Audience::LogEvent(const char* event, const Viewer& viewer) {
  nlohmann::ordered_json line;
  line["event"] = event;
  line["camera"] = viewer.camera->id();
  line["client"] = viewer.peer;
  line["at_us"] = clock_.NowUs();
  log_.AppendLine(line.dump());
}

}  // namespace lookback::camera_sim
