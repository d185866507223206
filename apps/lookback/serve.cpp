// `lookback serve`: the daemon. Standard output has one line, "listening on http://HOST:PORT" (or
// https), once requests are answered. SIGTERM and SIGINT stop it cleanly; a second one at once.

#include <fmt/format.h>
#include <pthread.h>
#include <sys/resource.h>

#include <charconv>
#include <csignal>
#include <future>
#include <thread>

#include "api/access.h"
#include "api/service.h"
#include "api/webhook.h"
#include "apps/lookback/command.h"
#include "apps/lookback/service_manager.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/worker_pool.h"
#include "net/http_server.h"
#include "net/loop.h"
#include "net/tls_certificate.h"
#include "recorder/recorder.h"
#include "storage/data_directory.h"
#include "storage/held_copies.h"
#include "storage/purger.h"
#include "storage/scrubber.h"
#include "storage/self_check.h"
#include "storage/snapshotter.h"
#include "storage/store.h"

namespace lookback::app {
namespace {

// What running transfers get to finish when the daemon is asked to stop: well within the 10 s after
// which containers are killed, for the store has to be sealed as well.
constexpr int64_t kStopGraceS = 5;
constexpr int64_t kGiveBackMemoryEveryUs = 60 * kUsPerSecond;

struct ServeOptions {
  std::string data;
  std::vector<std::string> volumes;
  std::string listen = "127.0.0.1:8686";
  std::string tls_certificate;
  std::string tls_key;
  int64_t stop_grace_s = kStopGraceS;
  std::string token_file;
  bool new_admin_token = false;
  std::string udp_ports;
  std::string webhook;
  std::string webhook_secret_file;
  uint64_t max_import_gib = api::kMaxImportBytes >> 30;
  size_t max_container_cameras = recorder::Recorder::Options{}.max_container_cameras;
  int64_t scrub_interval_days = storage::kScrubIntervalUs / kUsPerDay;
  uint64_t scrub_mib = storage::kScrubBytesPerSecond >> 20;
};

storage::Scrubber::Options ScrubOptionsOf(const ServeOptions& options) {
  return {options.scrub_interval_days * kUsPerDay, options.scrub_mib << 20};
}

Result<net::HttpServer::Options> ParseListen(const std::string& text) {
  net::HttpServer::Options options;
  const size_t colon = text.rfind(':');
  const std::string port = colon == std::string::npos ? "" : text.substr(colon + 1);
  options.host = text.substr(0, colon == std::string::npos ? 0 : colon);
  const bool bracketed =
      options.host.size() > 2 && options.host.front() == '[' && options.host.back() == ']';
  if (bracketed) options.host = options.host.substr(1, options.host.size() - 2);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), options.port);
  const bool good_host =
      !options.host.empty() && (bracketed || options.host.find(':') == std::string::npos);
  if (!good_host || port.empty() || error != std::errc() || end != port.data() + port.size()) {
    return Fail(Code::kInvalid,
                fmt::format("--listen \"{}\" is not HOST:PORT, such as 127.0.0.1:8686 or "
                            "[::1]:8686, with a port of 0 (any free one) to 65535",
                            text));
  }
  return options;
}

bool IsLoopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

Result<std::shared_ptr<net::TlsCertificate>> OpenCertificate(const ServeOptions& options,
                                                             const std::string& host, Clock& clock,
                                                             FileSystem& files) {
  if (options.tls_certificate.empty()) {
    if (!IsLoopback(host)) {
      LogWarning("serve", fmt::format("{} can be reached by others, and without TLS whoever is on "
                                      "the way reads tokens and footage: give --tls-certificate "
                                      "and --tls-key, or listen on 127.0.0.1 behind a proxy",
                                      options.listen));
    }
    return std::shared_ptr<net::TlsCertificate>();
  }
  return net::TlsCertificate::Open(files, clock, {options.tls_certificate, options.tls_key});
}

// "20000-20999"; empty: any.
Result<net::PortRange> ParseUdpPorts(const std::string& text) {
  net::PortRange range;
  if (text.empty()) return range;
  const char* end = text.data() + text.size();
  const auto [dash, first] = std::from_chars(text.data(), end, range.first);
  const bool has_dash = first == std::errc() && dash != end && *dash == '-';
  const auto [rest, last] = std::from_chars(has_dash ? dash + 1 : end, end, range.last);
  // A camera takes an even port and the next one.
  const int first_even = range.first + range.first % 2;
  if (has_dash && last == std::errc() && rest == end && range.first > 0 &&
      first_even < range.last) {
    return range;
  }
  return Fail(
      Code::kInvalid,
      fmt::format("--udp-ports \"{}\" is not FIRST-LAST, such as 20000-20999, with room for "
                  "an even port and the next",
                  text));
}

// The signals that end the daemon, taken off every thread and waited for on main's.
class StopSignals {
 public:
  StopSignals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGTERM);
    sigaddset(&set_, SIGINT);
    // A shell without job control starts what it puts behind itself with SIGINT ignored.
    std::signal(SIGTERM, SIG_DFL);
    std::signal(SIGINT, SIG_DFL);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);  // Threads that start later inherit it.
    std::signal(SIGPIPE, SIG_IGN);
  }
  // Runs `meanwhile` each time that none came for so long. From its return on the next signal ends
  // the process at once.
  int Await(int64_t every_us, const std::function<void()>& meanwhile) {
    const timespec wait{every_us / kUsPerSecond, every_us % kUsPerSecond * 1'000};
    int number = -1;
    while (number < 0) {
      number = sigtimedwait(&set_, nullptr, &wait);
      if (number < 0 && errno == EAGAIN) meanwhile();
    }
    pthread_sigmask(SIG_UNBLOCK, &set_, nullptr);
    return number;
  }

 private:
  sigset_t set_;
};

// Each open segment and each connection holds a descriptor; the usual soft limit is 1,024.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int StoreFailed(const Error& error) {
  Complain(error.message);
  return error.code == Code::kInvalid ? kExitOtherStore : ExitCodeOf(error);
}

int ListenFailed(const Error& error) {
  Complain(error.message);
  return error.code == Code::kUnavailable ? int{kExitAddressInUse} : ExitCodeOf(error);
}

std::string UrlHost(const std::string& host) {
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

// The parts of the daemon, in the order of their start; they stop in the order of Stop().
class Daemon {
 public:
  Daemon(Clock& clock, FileSystem& files, int64_t stop_grace_us)
      : clock_(clock), files_(files), stop_grace_us_(stop_grace_us) {}
  ~Daemon() { Stop(); }

  // Takes the address, so that a start that cannot have it changes no store. Whoever connects
  // waits until Start().
  Status Listen(const net::HttpServer::Options& listen) {
    LB_TRY_ASSIGN(server,
                  net::HttpServer::Start(loop_, listen, [this](const net::HttpRequest& request) {
                    return service_->Handle(request);
                  }));
    server_ = std::move(server);
    return Ok();
  }

  // Records in `store`, which must outlive the daemon, and answers.
  // Alarms are told to `webhook`, if there is one.
  Status Start(storage::Store& store, const recorder::Recorder::Options& recording,
               const storage::Scrubber::Options& scrub, std::unique_ptr<api::Webhook> webhook,
               uint64_t max_import_bytes, const net::TlsCertificate* certificate) {
    webhook_ = std::move(webhook);
    if (webhook_) webhook_->Start();
    // Before anybody asks: it knows what is damaged.
    scrubber_ = storage::Scrubber::Open(store, clock_, files_, scrub);
    recorder_ = recorder::Recorder::Start(recording, store.archive(), clock_);
    LB_TRY_ASSIGN(service, api::Service::Start({store, *recorder_, clock_, files_, webhook_.get(),
                                                max_import_bytes, certificate}));
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

  uint16_t port() const { return server_->port(); }

  // Asks the threads that record and answer for a sign of life; returns how many will give one.
  // Disks are not asked: those that hang are looked after without a restart, which mends none.
  size_t AskForLife(const std::function<void()>& alive) {
    return recorder_->AtNextTick(alive) + (loop_.Post(alive) ? 1 : 0);
  }

  // Refuse requests, end the cameras, end deletion: what is left is the store's to seal.
  void Stop() {
    if (loop_thread_.joinable()) {
      std::promise<void> stopped;
      loop_.Post(
          [this, &stopped] { server_->Stop(stop_grace_us_, [&stopped] { stopped.set_value(); }); });
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

 private:
  Clock& clock_;
  FileSystem& files_;
  const int64_t stop_grace_us_;
  net::Loop loop_;
  std::unique_ptr<recorder::Recorder> recorder_;
  std::unique_ptr<api::Webhook> webhook_;
  std::unique_ptr<api::Service> service_;
  std::unique_ptr<storage::Purger> purger_;
  std::unique_ptr<storage::Scrubber> scrubber_;
  std::unique_ptr<storage::Snapshotter> snapshotter_;
  std::unique_ptr<storage::SelfCheck> self_check_;
  std::unique_ptr<storage::HeldCopies> held_copies_;
  std::unique_ptr<net::HttpServer> server_;
  std::thread loop_thread_;
};

void TellVolumes(storage::Store& store) {
  for (const storage::Volume* volume : store.volumes()) {
    if (volume->state() == storage::VolumeState::kOnline) continue;
    LogWarning("serve", fmt::format("volume {} is {}; its footage cannot be seen until it is back",
                                    volume->root(), storage::VolumeStateName(volume->state())));
  }
}

void TellLogin(bool first_start, const std::string& token_file) {
  if (first_start) {
    LogInfo("serve", fmt::format("the token of user {} is in {}; clients take it by --token-file",
                                 api::kAdminName, token_file));
  } else {
    LogInfo("serve",
            "clients log in with a token, by --token-file or LOOKBACK_TOKEN; the first "
            "start wrote one, and `lookback user token` makes more");
  }
}

Result<std::unique_ptr<api::Webhook>> OpenWebhook(const ServeOptions& options, Clock& clock,
                                                  FileSystem& files) {
  if (options.webhook.empty()) return std::unique_ptr<api::Webhook>();
  api::Webhook::Options webhook{options.webhook, ""};
  if (!options.webhook_secret_file.empty()) {
    LB_TRY_ASSIGN(secret, ReadSecret(files, options.webhook_secret_file, "--webhook-secret-file"));
    if (secret.empty()) {
      return Fail(Code::kInvalid, "--webhook-secret-file: its first line is empty");
    }
    webhook.secret = secret;
  }
  return api::Webhook::Open(webhook, clock);
}

Result<int> Serve(const ServeOptions& asked, Clock& clock, FileSystem& files) {
  ServeOptions options = asked;
  LB_TRY_ASSIGN(listen, ParseListen(options.listen));
  recorder::Recorder::Options recording;
  LB_TRY_ASSIGN(udp_ports, ParseUdpPorts(options.udp_ports));
  recording.udp_ports = udp_ports;
  recording.max_container_cameras = options.max_container_cameras;
  LB_TRY_ASSIGN(webhook, OpenWebhook(options, clock, files));
  LB_TRY_ASSIGN(certificate, OpenCertificate(options, listen.host, clock, files));
  listen.certificate = std::move(certificate);
  listen.clock = &clock;
  if (options.data.empty()) {
    LB_TRY_ASSIGN(data, DefaultDataDirectory());
    options.data = data;
  }
  options.data = storage::AbsolutePath(options.data);
  if (options.token_file.empty()) options.token_file = DefaultTokenFile(options.data);
  LB_TRY_ASSIGN(manager, ServiceManager::FromEnvironment());
  StopSignals signals;
  RaiseDescriptorLimit();

  // The daemon goes before the store that it uses.
  std::unique_ptr<storage::Store> store;
  {
    Daemon daemon(clock, files, options.stop_grace_s * kUsPerSecond);
    if (const Status status = daemon.Listen(listen); !status) return ListenFailed(status.error());
    auto opened = storage::Store::Open({options.data, options.volumes}, clock, files);
    if (!opened) return StoreFailed(opened.error());
    store = std::move(*opened);
    TellVolumes(*store);
    LB_TRY_ASSIGN(
        first, api::EnsureAdmin(*store, clock, files, options.token_file, options.new_admin_token));
    LB_TRY(daemon.Start(*store, recording, ScrubOptionsOf(options), std::move(webhook),
                        options.max_import_gib << 30, listen.certificate.get()));
    TellLogin(first, options.token_file);
    PrintText(fmt::format("listening on {}://{}:{}\n", listen.certificate ? "https" : "http",
                          UrlHost(listen.host), daemon.port()));
    manager.Ready();
    Heartbeat heartbeat([&daemon](const auto& alive) { return daemon.AskForLife(alive); });
    const int number = signals.Await(manager.alive_every_us(), [&] {
      if (heartbeat.Beat()) manager.Alive();
    });
    manager.Stopping();
    LogInfo("serve", fmt::format("{}: stopping; once more ends at once",
                                 number == SIGINT ? "SIGINT" : "SIGTERM"));
  }
  store->Close();
  LogInfo("serve", "stopped; everything is sealed");
  return kExitOk;
}

}  // namespace

void AddServeCommand(Commands& commands) {
  auto options = std::make_shared<ServeOptions>();
  CLI::App* serve =
      commands.Add(&commands.app, "serve", "Record, and answer on HTTP, until SIGTERM or Ctrl-C.",
                   [&commands, options]() -> Result<int> {
                     return Serve(*options, commands.clock, commands.files);
                   });
  serve->add_option("--data", options->data,
                    "the store ($XDG_DATA_HOME/lookback or ~/.local/share/lookback)");
  serve
      ->add_option("--volume", options->volumes,
                   "directory for footage, again for each (those known, at first DATA/volume)")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  serve->add_option("--listen", options->listen, "HOST:PORT; port 0 takes any free one")
      ->capture_default_str();
  CLI::Option* certificate =
      serve->add_option("--tls-certificate", options->tls_certificate,
                        "PEM file of the certificate and its chain: answers by https alone");
  CLI::Option* key =
      serve->add_option("--tls-key", options->tls_key, "PEM file of its key, without a password");
  certificate->needs(key);
  key->needs(certificate);
  serve
      ->add_option("--stop-grace", options->stop_grace_s,
                   "seconds that running downloads get to finish at a stop")
      ->check(CLI::Range(0, 3600))
      ->capture_default_str();
  serve->add_option("--token-file", options->token_file,
                    "where the first start writes an admin's token (DATA/secrets/admin-token)");
  serve->add_flag("--new-admin-token", options->new_admin_token,
                  "write a new token of admin there, in place of those that admin had: where all "
                  "are lost");
  serve->add_option("--udp-ports", options->udp_ports,
                    "FIRST-LAST: where cameras send RTP over UDP to (any free ones)");
  CLI::Option* webhook =
      serve->add_option("--webhook", options->webhook, "URL that is told of alarms, by POST");
  serve
      ->add_option("--webhook-secret-file", options->webhook_secret_file,
                   "a file whose first line signs what is sent")
      ->needs(webhook);
  serve
      ->add_option("--max-container-cameras", options->max_container_cameras,
                   "streams of cameras over rtmp, http or https, which take a thread each")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str();
  serve
      ->add_option("--max-import-gib", options->max_import_gib,
                   "the largest file that import takes")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  serve
      ->add_option("--scrub-interval-days", options->scrub_interval_days,
                   "every byte is held against its checksum once in so many days (0: never)")
      ->check(CLI::Range(0, 3650))
      ->capture_default_str();
  serve
      ->add_option("--scrub-rate", options->scrub_mib,
                   "MiB a second that this reads of each volume at most")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
}

}  // namespace lookback::app
