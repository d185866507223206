#include "apps/lookback/daemon.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>

#include "apps/lookback/command.h"
#include "apps/lookback/output.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/version.h"
#include "base/worker_pool.h"
#include "storage/data_directory.h"
#include "storage/volume.h"

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
  store_ = &store;
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
  // What the next start would stumble over is no file to go on with.
  if (!tls_stays) LB_TRY(OpenCertificate(asked, clock_, files_));
  if (has_tls && tls_stays) LB_TRY(certificate_->Use({asked.tls_certificate, asked.tls_key}));
  for (const Setting& setting : AllSettings()) {
    const std::string before = WrittenValue(setting, settings_);
    const std::string after = WrittenValue(setting, asked);
    if (before == after) continue;
    if (setting.value == Setting::Value(&Settings::volumes)) {
      TellVolumes(asked);
      continue;
    }
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

// What is in force is the store's: commands add volumes and remove them, and a start adds
// those of the settings.
void Daemon::TellVolumes(const Settings& asked) const {
  Settings now, next;
  for (const storage::Volume* volume : store_->volumes()) now.volumes.push_back(volume->root());
  next = now;
  // Those that a person removed a start leaves alone.
  const auto file = storage::ReadStoreFile(files_, JoinPath(settings_.data, storage::kStoreFile));
  const auto has = [](const std::vector<std::string>& list, const std::string& root) {
    return std::find(list.begin(), list.end(), root) != list.end();
  };
  for (const std::string& written : asked.volumes) {
    const std::string root = storage::AbsolutePath(written);
    if (!has(now.volumes, root) && !(file && has(file->removed, root))) {
      next.volumes.push_back(root);
    }
  }
  const auto all = AllSettings();
  const auto volumes = std::find_if(all.begin(), all.end(), [](const Setting& setting) {
    return setting.value == Setting::Value(&Settings::volumes);
  });
  if (next.volumes != now.volumes) {
    LogWarning("serve", fmt::format("volumes stays {} until the next start, which makes it {}; "
                                    "`lookback volume add` takes one at once",
                                    ShownValue(*volumes, now), ShownValue(*volumes, next)));
  }
  for (const std::string& root : now.volumes) {
    const auto names = [&root](const std::string& written) {
      return storage::AbsolutePath(written) == root;
    };
    const bool was = std::any_of(settings_.volumes.begin(), settings_.volumes.end(), names);
    if (!was || std::any_of(asked.volumes.begin(), asked.volumes.end(), names)) continue;
    LogWarning("serve", fmt::format("{} stays a volume, though the settings name it no more: "
                                    "`lookback volume remove` takes it away",
                                    root));
  }
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
