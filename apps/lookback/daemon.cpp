#include "apps/lookback/daemon.h"

#include <fmt/format.h>

#include <future>

#include "apps/lookback/command.h"
#include "apps/lookback/output.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/version.h"
#include "base/worker_pool.h"

namespace lookback::app {
namespace {

constexpr int64_t kGiveBackMemoryEveryUs = 60 * kUsPerSecond;

bool IsLoopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

Result<std::shared_ptr<net::TlsCertificate>> OpenCertificate(const Settings& settings, Clock& clock,
                                                             FileSystem& files) {
  if (settings.tls_certificate.empty()) return std::shared_ptr<net::TlsCertificate>();
  return net::TlsCertificate::Open(files, clock, {settings.tls_certificate, settings.tls_key});
}

Result<api::Webhook::Options> WebhookOf(const Settings& settings, FileSystem& files) {
  api::Webhook::Options webhook{settings.webhook, ""};
  if (settings.webhook_secret_file.empty()) return webhook;
  LB_TRY_ASSIGN(secret, ReadSecret(files, settings.webhook_secret_file, "--webhook-secret-file"));
  if (secret.empty()) {
    return Fail(Code::kInvalid, settings.webhook_secret_file +
                                    ": its first line is empty, where a secret has to be");
  }
  webhook.secret = std::move(secret);
  return webhook;
}

storage::Scrubber::Options ScrubbingOf(const Settings& settings) {
  return {settings.scrub_interval_days * kUsPerDay,
          static_cast<uint64_t>(settings.scrub_mib_per_second) << 20};
}

uint64_t MaxImportBytesOf(const Settings& settings) {
  return static_cast<uint64_t>(settings.max_import_gib) << 30;
}

}  // namespace

Result<Daemon::Resources> Daemon::ReadResources(const Settings& settings, Clock& clock,
                                                FileSystem& files) {
  Resources resources;
  LB_TRY_ASSIGN(listen, ParseListen(settings.listen));
  LB_TRY_ASSIGN(certificate, OpenCertificate(settings, clock, files));
  if (!certificate && !IsLoopback(listen.host)) {
    LogWarning("serve", fmt::format("{} can be reached by others, and without TLS whoever is on "
                                    "the way reads tokens and footage: give --tls-certificate "
                                    "and --tls-key, or listen on 127.0.0.1 behind a proxy",
                                    settings.listen));
  }
  listen.certificate = std::move(certificate);
  listen.clock = &clock;
  resources.listen = std::move(listen);
  LB_TRY_ASSIGN(udp_ports, ParseUdpPorts(settings.udp_ports));
  resources.recording.udp_ports = udp_ports;
  resources.recording.max_container_cameras = static_cast<size_t>(settings.max_container_cameras);
  LB_TRY_ASSIGN(webhook, WebhookOf(settings, files));
  resources.webhook = std::move(webhook);
  return resources;
}

Status Daemon::Listen(const net::HttpServer::Options& listen) {
  LB_TRY_ASSIGN(server,
                net::HttpServer::Start(loop_, listen, [this](const net::HttpRequest& request) {
                  return service_->Handle(request);
                }));
  server_ = std::move(server);
  certificate_ = listen.certificate;
  return Ok();
}

Status Daemon::Start(storage::Store& store, const Settings& settings, const Resources& resources) {
  settings_ = settings;
  LB_TRY_ASSIGN(webhook, api::Webhook::Open(resources.webhook, clock_));
  webhook_ = std::move(webhook);
  webhook_->Start();
  // Before anybody asks: it knows what is damaged.
  scrubber_ = storage::Scrubber::Open(store, clock_, files_, ScrubbingOf(settings));
  recorder::Recorder::Options recording = resources.recording;
  recording.downtime = recorder::DowntimeOf(store.last_use(), std::string(Version()));
  recorder_ = recorder::Recorder::Start(recording, store.archive(), clock_);
  LB_TRY_ASSIGN(service, api::Service::Start({store, *recorder_, clock_, files_, webhook_.get(),
                                              MaxImportBytesOf(settings), certificate_.get()}));
  service_ = std::move(service);
  purger_ = storage::Purger::Start(store, clock_, [this](const storage::RetentionRound& round) {
    service_->OnRetentionRound(round);
  });
  service_->SetPurger(purger_.get());
  scrubber_->StartThreads();
  service_->SetScrubber(scrubber_.get());
  snapshotter_ = storage::Snapshotter::Open(store, clock_, files_);
  snapshotter_->StartThread();
  service_->SetSnapshotter(snapshotter_.get());
  self_check_ = storage::SelfCheck::Open(store, clock_, files_);
  self_check_->StartThread();
  service_->SetSelfCheck(self_check_.get());
  held_copies_ = storage::HeldCopies::Open(store, clock_);
  held_copies_->StartThread();
  service_->SetHeldCopies(held_copies_.get());
  service_->StartLooking();
  loop_thread_ = std::thread([this] {
    NameThisThread("http-loop");
    LowerThisThread();
    net::Timer upkeep(loop_);
    upkeep.Every(kGiveBackMemoryEveryUs, GiveBackFreeMemory);
    loop_.Run();
  });
  return Ok();
}

Status Daemon::Use(const Settings& asked) {
  LB_TRY_ASSIGN(webhook, WebhookOf(asked, files_));
  Settings next = settings_;
  const bool has_tls = certificate_ != nullptr;
  const bool tls_stays = has_tls == !asked.tls_certificate.empty();
  if (has_tls && tls_stays) LB_TRY(certificate_->Use({asked.tls_certificate, asked.tls_key}));
  for (const Setting& setting : AllSettings()) {
    const std::string before = WrittenValue(setting, settings_);
    const std::string after = WrittenValue(setting, asked);
    if (before == after) continue;
    const std::string was = ShownValue(setting, settings_);
    const std::string is = ShownValue(setting, asked);
    const bool of_tls = setting.value == Setting::Value(&Settings::tls_certificate) ||
                        setting.value == Setting::Value(&Settings::tls_key);
    if (setting.reloads && (tls_stays || !of_tls)) {
      LogInfo("serve", fmt::format("{} is {} now, and was {}", setting.key(), is, was));
      std::visit([&](auto member) { next.*member = asked.*member; }, setting.value);
    } else {
      LogWarning("serve", fmt::format("{} stays {} until the next start, which makes it {}",
                                      setting.key(), was, is));
    }
  }
  webhook_->Use(std::move(webhook));
  scrubber_->Use(ScrubbingOf(next));
  service_->SetMaxImportBytes(MaxImportBytesOf(next));
  settings_ = std::move(next);
  return Ok();
}

size_t Daemon::AskForLife(const std::function<void()>& alive) {
  return recorder_->AtNextTick(alive) + (loop_.Post(alive) ? 1 : 0);
}

void Daemon::Stop() {
  if (loop_thread_.joinable()) {
    std::promise<void> stopped;
    loop_.Post([this, &stopped] {
      server_->Stop(settings_.stop_grace_s * kUsPerSecond, [&stopped] { stopped.set_value(); });
    });
    stopped.get_future().wait();
    loop_.Stop();
    loop_thread_.join();
  }
  server_.reset();
  if (recorder_) recorder_->Stop();
  if (service_) {
    service_->SetPurger(nullptr);
    service_->SetScrubber(nullptr);
    service_->SetSnapshotter(nullptr);
    service_->SetSelfCheck(nullptr);
    service_->SetHeldCopies(nullptr);
  }
  purger_.reset();
  scrubber_.reset();
  snapshotter_.reset();
  self_check_.reset();
  held_copies_.reset();
  service_.reset();
  webhook_.reset();
  recorder_.reset();
}

}  // namespace lookback::app
