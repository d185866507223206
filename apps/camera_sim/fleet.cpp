#include "apps/camera_sim/fleet.h"

#include <gst/gst.h>
#include <gst/rtsp-server/rtsp-server.h>

#include <nlohmann/json.hpp>

#include "apps/camera_sim/certificate.h"
#include "apps/camera_sim/gst_feed.h"
#include "apps/camera_sim/pacer.h"

namespace lookback::camera_sim {
namespace {

constexpr int kLogVersion = 1;
constexpr unsigned kSessionCleanupSeconds = 2;
constexpr const char* kViewerRole = "viewer";
constexpr std::string_view kMovedPrefix = "/moved/";
constexpr const char* kSubSuffix = "/sub";
// Frames of the cameras of a fleet are spread over this time, as those of real ones are.
constexpr int64_t kPhaseSpreadUs = 40'000;
// The first frame is captured this long after the start, when every camera stands.
constexpr int64_t kStartDelayUs = 20'000;

// Runs the default main loop's sources for `duration_ms`.
void RunLoopFor(unsigned duration_ms) {
  GMainLoop* loop = g_main_loop_new(nullptr, FALSE);
  g_timeout_add(
      duration_ms,
      [](gpointer data) -> gboolean {
        g_main_loop_quit(static_cast<GMainLoop*>(data));
        return G_SOURCE_REMOVE;
      },
      loop);
  g_main_loop_run(loop);
  g_main_loop_unref(loop);
}

// What a factory needs to make feeds: one a camera.
struct Maker {
  Camera* camera;
  const Clock* clock;
};

void OnUnprepared(GstRTSPMedia*, gpointer data) {
  const auto& context = *static_cast<MediaContext*>(data);
  context.camera->Detach(context.feed.get());
}

void OnMediaConfigure(GstRTSPMediaFactory*, GstRTSPMedia* media, gpointer data) {
  const auto& maker = *static_cast<Maker*>(data);
  const MediaContext context{maker.camera, GstFeed::Create(media, *maker.camera, *maker.clock)};
  maker.camera->Attach(context.feed);
  Audience::SetContext(media, context);
  g_signal_connect_data(
      media, "unprepared", G_CALLBACK(&OnUnprepared), new MediaContext(context),
      [](gpointer copy, GClosure*) { delete static_cast<MediaContext*>(copy); }, GConnectFlags{});
}

// What media of a factory is asked for by: gst-rtsp-server answers 461 to the rest.
GstRTSPLowerTrans ProtocolsOf(Transports transports) {
  switch (transports) {
    case Transports::kTcp:
      return GST_RTSP_LOWER_TRANS_TCP;
    case Transports::kUdp:
      return GST_RTSP_LOWER_TRANS_UDP;
    case Transports::kAny:
      break;
  }
  return static_cast<GstRTSPLowerTrans>(GST_RTSP_LOWER_TRANS_TCP | GST_RTSP_LOWER_TRANS_UDP);
}

bool NeedsAuth(const FleetOptions& options) { return !options.user.empty() || options.tls; }

GstRTSPAuth* NewAuth(const FleetOptions& options, GTlsCertificate* certificate) {
  GstRTSPAuth* auth = gst_rtsp_auth_new();
  if (certificate != nullptr) gst_rtsp_auth_set_tls_certificate(auth, certificate);
  GstRTSPToken* token =
      gst_rtsp_token_new(GST_RTSP_TOKEN_MEDIA_FACTORY_ROLE, G_TYPE_STRING, kViewerRole, nullptr);
  if (options.user.empty()) {
    gst_rtsp_auth_set_default_token(auth, token);
  } else if (options.auth == AuthMethod::kBasic) {
    gst_rtsp_auth_set_supported_methods(auth, GST_RTSP_AUTH_BASIC);
    char* basic = gst_rtsp_auth_make_basic(options.user.c_str(), options.password.c_str());
    gst_rtsp_auth_add_basic(auth, basic, token);
    g_free(basic);
  } else {
    gst_rtsp_auth_set_supported_methods(auth, GST_RTSP_AUTH_DIGEST);
    gst_rtsp_auth_add_digest(auth, options.user.c_str(), options.password.c_str(), token);
  }
  gst_rtsp_token_unref(token);
  return auth;
}

}  // namespace

// Owns the GObjects, so that fleet.h names none.
class Fleet::Server {
 public:
  Server(const FleetOptions& options, FrameLog& log, const Clock& clock)
      : options_(options),
        clock_(clock),
        server_(gst_rtsp_server_new()),
        pool_(gst_rtsp_session_pool_new()),
        audience_(options.audience, pool_, log, clock) {
    gst_rtsp_server_set_session_pool(server_, pool_);
    gst_rtsp_server_set_address(server_, options.listen.c_str());
    gst_rtsp_server_set_service(server_, std::to_string(options.port).c_str());
    // Clients are served by the main loop itself: one thread owns them and the audience.
    GstRTSPThreadPool* threads = gst_rtsp_thread_pool_new();
    gst_rtsp_thread_pool_set_max_threads(threads, 0);
    gst_rtsp_server_set_thread_pool(server_, threads);
    g_object_unref(threads);
    g_signal_connect(server_, "client-connected", G_CALLBACK(&Server::OnClient), this);
  }

  ~Server() {
    if (source_ != 0) g_source_remove(source_);
    if (cleanup_ != 0) g_source_remove(cleanup_);
    gst_rtsp_server_client_filter(
        server_, [](GstRTSPServer*, GstRTSPClient*, gpointer) { return GST_RTSP_FILTER_REMOVE; },
        nullptr);
    gst_rtsp_session_pool_filter(
        pool_,
        [](GstRTSPSessionPool*, GstRTSPSession*, gpointer) { return GST_RTSP_FILTER_REMOVE; },
        nullptr);
    RunLoopFor(Audience::kDrainMs);
    g_object_unref(server_);
    gst_rtsp_thread_pool_cleanup();
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // `certificate` is null without TLS.
  void SetAuth(GTlsCertificate* certificate) {
    GstRTSPAuth* auth = NewAuth(options_, certificate);
    gst_rtsp_server_set_auth(server_, auth);
    g_object_unref(auth);
  }

  void Mount(Camera& camera) {
    GstRTSPMediaFactory* factory = gst_rtsp_media_factory_new();
    gst_rtsp_media_factory_set_launch(factory, LaunchLine(camera).c_str());
    gst_rtsp_media_factory_set_shared(factory, TRUE);
    gst_rtsp_media_factory_set_protocols(factory, ProtocolsOf(options_.transports));
    if (NeedsAuth(options_)) {
      gst_rtsp_media_factory_add_role(factory, kViewerRole, GST_RTSP_PERM_MEDIA_FACTORY_ACCESS,
                                      G_TYPE_BOOLEAN, TRUE, GST_RTSP_PERM_MEDIA_FACTORY_CONSTRUCT,
                                      G_TYPE_BOOLEAN, TRUE, nullptr);
    }
    g_signal_connect_data(
        factory, "media-configure", G_CALLBACK(&OnMediaConfigure), new Maker{&camera, &clock_},
        [](gpointer maker, GClosure*) { delete static_cast<Maker*>(maker); }, GConnectFlags{});
    GstRTSPMountPoints* mounts = gst_rtsp_server_get_mount_points(server_);
    gst_rtsp_mount_points_add_factory(mounts, ("/" + camera.id()).c_str(), factory);
    g_object_unref(mounts);
  }

  bool Listen() {
    source_ = gst_rtsp_server_attach(server_, nullptr);
    if (source_ == 0) return false;
    cleanup_ = g_timeout_add_seconds(
        kSessionCleanupSeconds,
        [](gpointer pool) -> gboolean {
          gst_rtsp_session_pool_cleanup(static_cast<GstRTSPSessionPool*>(pool));
          return G_SOURCE_CONTINUE;
        },
        pool_);
    return true;
  }

  int port() const { return gst_rtsp_server_get_bound_port(server_); }

 private:
  static void OnClient(GstRTSPServer*, GstRTSPClient* client, Server* self) {
    self->audience_.Watch(client);
    if (!self->options_.redirects) return;
    g_signal_connect(client, "pre-describe-request", G_CALLBACK(&Server::OnDescribe), nullptr);
    g_signal_connect(client, "send-message", G_CALLBACK(&Server::OnSend), nullptr);
  }

  // gst-rtsp-server sends the status alone; the place is put in when the answer leaves.
  static GstRTSPStatusCode OnDescribe(GstRTSPClient*, GstRTSPContext* context, gpointer) {
    const std::string path = context->uri->abspath;
    return path.starts_with(kMovedPrefix) ? GST_RTSP_STS_MOVE_TEMPORARILY : GST_RTSP_STS_OK;
  }
  static void OnSend(GstRTSPClient*, GstRTSPContext* context, GstRTSPMessage* message, gpointer) {
    if (context == nullptr || context->uri == nullptr ||
        message->type != GST_RTSP_MESSAGE_RESPONSE ||
        message->type_data.response.code != GST_RTSP_STS_MOVE_TEMPORARILY) {
      return;
    }
    char* url = gst_rtsp_url_get_request_uri(context->uri);
    std::string location = url;
    g_free(url);
    const size_t moved = location.find(kMovedPrefix);
    if (moved != std::string::npos) location.erase(moved, kMovedPrefix.size() - 1);
    gst_rtsp_message_add_header(message, GST_RTSP_HDR_LOCATION, location.c_str());
  }

  const FleetOptions options_;
  const Clock& clock_;
  GstRTSPServer* const server_;
  GstRTSPSessionPool* const pool_;
  Audience audience_;
  unsigned source_ = 0;
  unsigned cleanup_ = 0;
};

Fleet::Fleet(FleetOptions options, FrameLog& log, const Clock& clock)
    : options_(std::move(options)), log_(log), clock_(clock) {}

Fleet::~Fleet() { Stop(); }

Result<std::unique_ptr<Fleet>> Fleet::Start(const FleetOptions& options, const FootageList& footage,
                                            const FootageList& sub_footage,
                                            const std::shared_ptr<const AudioTrack>& audio,
                                            FrameLog& log, const Clock& clock) {
  LB_CHECK(!footage.empty());
  std::unique_ptr<Fleet> fleet(new Fleet(options, log, clock));
  fleet->server_ = std::make_unique<Server>(options, log, clock);
  if (options.tls) {
    LB_TRY_ASSIGN(certificate, MakeCertificate(options.listen));
    fleet->server_->SetAuth(certificate);
    g_object_unref(certificate);
  } else if (NeedsAuth(options)) {
    fleet->server_->SetAuth(nullptr);
  }
  const int64_t start_us = clock.MonotonicUs() + kStartDelayUs;
  fleet->AddStreams("", footage, audio, start_us);
  if (!sub_footage.empty()) fleet->AddStreams(kSubSuffix, sub_footage, audio, start_us);
  std::vector<Camera*> cameras;
  nlohmann::ordered_json header = {{"event", "start"},
                                   {"version", kLogVersion},
                                   {"at_us", clock.NowUs()},
                                   {"seed", options.audience.seed}};
  for (const auto& camera : fleet->cameras_) {
    header["cameras"].push_back(camera->id());
    cameras.push_back(camera.get());
  }
  if (!fleet->server_->Listen()) {
    return Fail(Code::kUnavailable, "cannot listen on " + options.listen + ":" +
                                        std::to_string(options.port) + " (is it in use?)");
  }
  log.AppendLine(header.dump());
  fleet->pacer_ = std::make_unique<Pacer>(std::move(cameras), clock);
  return fleet;
}

void Fleet::AddStreams(const std::string& suffix, const FootageList& footage,
                       const std::shared_ptr<const AudioTrack>& audio, int64_t start_us) {
  for (int i = 0; i < options_.count; ++i) {
    CameraOptions camera;
    camera.id = options_.prefix + std::to_string(i + 1) + suffix;
    camera.start_fraction = static_cast<double>(i) / options_.count;
    camera.start_mono_us = start_us + kPhaseSpreadUs * i / options_.count;
    camera.config_interval_s = options_.config_interval_s;
    camera.log_hashes = options_.log_hashes;
    cameras_.push_back(std::make_unique<Camera>(
        std::move(camera), footage[static_cast<size_t>(i) % footage.size()], audio, log_));
    server_->Mount(*cameras_.back());
  }
}

std::string Fleet::BaseUrl() const {
  return (options_.tls ? "rtsps://" : "rtsp://") + options_.listen + ":" +
         std::to_string(server_->port()) + "/";
}

std::vector<std::string> Fleet::CameraUrls() const {
  std::vector<std::string> urls;
  for (int i = 0; i < options_.count; ++i) {
    urls.push_back(BaseUrl() + cameras_[static_cast<size_t>(i)]->id());
  }
  return urls;
}

void Fleet::Stop() {
  if (pacer_) {
    pacer_->Stop();
    RunLoopFor(Audience::kDrainMs);
    log_.AppendLine(R"({"event":"end","at_us":)" + std::to_string(clock_.NowUs()) + "}");
  }
  pacer_.reset();
  server_.reset();
}

}  // namespace lookback::camera_sim
