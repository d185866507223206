// `lookback serve`: the daemon. Standard output has one line, "listening on http://HOST:PORT" (or
// https), once requests are answered. SIGTERM and SIGINT stop it cleanly, a second one at once;
// SIGHUP reads its file anew, and without one stops it too.

#include <fmt/format.h>
#include <pthread.h>
#include <sys/resource.h>

#include <csignal>
#include <optional>

#include "api/access.h"
#include "apps/lookback/admin_token.h"
#include "apps/lookback/command.h"
#include "apps/lookback/daemon.h"
#include "apps/lookback/service_manager.h"
#include "apps/lookback/settings_check.h"
#include "apps/lookback/settings_file.h"
#include "apps/lookback/store_place.h"
#include "base/log.h"
#include "storage/data_directory.h"

namespace lookback::app {
namespace {

struct ServeAsked {
  std::string file;  // "": none.
  Settings line;     // As the command line has them; which of these it has is CLI11's to say.
  bool check = false;
  bool print_config = false;
  bool json = false;
  bool new_admin_token = false;

  bool starts_nothing() const { return print_config || check || new_admin_token; }
};

// The signals that end the daemon or tell it to read its file, taken off every thread
// and waited for on main's.
class Signals {
 public:
  explicit Signals(bool has_file) {
    // Whoever lets it outlive a terminal (nohup) wants no end by SIGHUP.
    const bool hangup_ignored = std::signal(SIGHUP, SIG_DFL) == SIG_IGN && !has_file;
    if (hangup_ignored) std::signal(SIGHUP, SIG_IGN);
    // A shell without job control starts what it puts behind itself with SIGINT ignored.
    std::signal(SIGTERM, SIG_DFL);
    std::signal(SIGINT, SIG_DFL);
    std::signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set_);
    for (const int number : {SIGTERM, SIGINT}) sigaddset(&set_, number);
    // One that is ignored would be told all the same, once it is waited for.
    if (!hangup_ignored) sigaddset(&set_, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);  // Threads that start later inherit it.
  }
  // Runs `meanwhile` each time that none came for so long.
  int Await(int64_t every_us, const std::function<void()>& meanwhile) const {
    const timespec wait{every_us / kUsPerSecond, every_us % kUsPerSecond * 1'000};
    int number = -1;
    while (number < 0) {
      number = sigtimedwait(&set_, nullptr, &wait);
      if (number < 0 && errno == EAGAIN) meanwhile();
    }
    return number;
  }
  // From here on the next one ends the process at once, but for a hangup.
  void Release() {
    sigdelset(&set_, SIGHUP);
    pthread_sigmask(SIG_UNBLOCK, &set_, nullptr);
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

int ListenFailed(const Error& error) {
  Complain(error.message);
  return kExitAddressInUse;
}

std::string UrlHost(const std::string& host) {
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

void TellVolumes(storage::Store& store) {
  for (const storage::Volume* volume : store.volumes()) {
    if (volume->state() == storage::VolumeState::kOnline) continue;
    LogWarning(
        "serve",
        fmt::format("volume {} is {}: {}; its footage cannot be seen until it is back",
                    volume->root(), storage::VolumeStateName(volume->state()), volume->why()));
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

std::string Unquoted(const std::string& text) { return text.substr(1, text.size() - 2); }

// What the file says, and over it the command line. `on_line`: whether that has a setting.
class Configuration {
 public:
  using OnLine = std::function<bool(const Setting&)>;
  using Tell = std::function<void(const std::string& line)>;

  // nullopt: its faults were told.
  static Result<std::optional<Configuration>> Read(const ServeAsked& asked, const OnLine& on_line,
                                                   FileSystem& files, const Tell& tell) {
    Configuration read(asked.file);
    if (!asked.file.empty()) {
      LB_TRY_ASSIGN(file, ReadSettingsFile(files, asked.file));
      read.file_ = std::move(file);
    }
    Settings& settings = read.file_.settings;
    for (const Setting& setting : AllSettings()) {
      if (!on_line(setting)) continue;
      read.file_.positions.erase(setting.key());
      read.on_line_.insert(setting.key());
      std::visit([&](auto member) { settings.*member = asked.line.*member; }, setting.value);
    }
    if (!read.IsInOrder(tell)) return std::optional<Configuration>();
    read.asked_ = settings;
    if (settings.data.empty()) {
      LB_TRY_ASSIGN(data, DefaultDataDirectory());
      settings.data = data;
    }
    read.UseData(settings.data);
    return std::optional(std::move(read));
  }

  void UseData(const std::string& data) {
    Settings& settings = file_.settings;
    settings.data = storage::AbsolutePath(data);
    if (asked_.token_file.empty()) settings.token_file = DefaultTokenFile(settings.data);
  }

  const Settings& settings() const { return file_.settings; }
  // Without what follows from the rest.
  const Settings& asked() const { return asked_; }

  // Complains of what this machine has against it; with what a start would end. Notes are kept for
  // who shows it.
  int TellProblemsHere(const std::vector<MachineProblem>& problems) {
    int code = kExitOk;
    for (const MachineProblem& each : problems) {
      if (each.note) {
        notes_.push_back(each.problem);
        continue;
      }
      Complain(LineOf(each.problem));
      if (code == kExitOk) code = each.exit;
    }
    return code;
  }

  Json AsJson() const {
    Json list = Json::array();
    for (const Setting& setting : AllSettings()) {
      Json one = {{"key", setting.key()}, {"from", FromOf(setting)}, {"reloads", setting.reloads}};
      std::visit([&](auto member) { one["value"] = settings().*member; }, setting.value);
      if (setting.secret) one["value"] = Unquoted(ShownValue(setting, settings()));
      const auto at = file_.positions.find(setting.key());
      if (at != file_.positions.end()) one["line"] = at->second.line;
      list.push_back(std::move(one));
    }
    Json notes = Json::array();
    for (const SettingProblem& note : notes_) {
      notes.push_back({{"key", note.setting->key()}, {"text", note.text}});
      const auto at = file_.PositionOf(note);
      if (at) notes.back().update({{"line", at->line}, {"column", at->column}});
    }
    return {{"settings", std::move(list)}, {"notes", std::move(notes)}};
  }

  std::string Text() const {
    Table table({"SETTING", "VALUE", "FROM"});
    for (const Setting& setting : AllSettings()) {
      const auto at = file_.positions.find(setting.key());
      table.Add({setting.key(), Printable(ShownValue(setting, settings())),
                 at == file_.positions.end() ? FromOf(setting)
                                             : fmt::format("line {}", at->second.line)});
    }
    std::string text = table.Text();
    for (const SettingProblem& note : notes_) text += "Note: " + LineOf(note) + "\n";
    return text + (path_.empty() ? "" : fmt::format("{} is in order.\n", path_));
  }

 private:
  explicit Configuration(std::string path) : path_(std::move(path)) {}

  std::string FromOf(const Setting& setting) const {
    if (on_line_.contains(setting.key())) return std::string(setting.option);
    return file_.positions.contains(setting.key()) ? "file" : "default";
  }

  static FileFault FaultOf(const SettingProblem& problem, FilePosition at) {
    return {at, fmt::format("{}: {}", problem.setting->key(), problem.text)};
  }

  std::string LineOf(const SettingProblem& problem) const {
    const auto at = file_.PositionOf(problem);
    return at ? FaultLine(path_, FaultOf(problem, *at))
              : fmt::format("{}: {}", problem.setting->option, Printable(problem.text));
  }

  bool IsInOrder(const Tell& tell) {
    bool in_order = true;
    for (const SettingProblem& problem : Problems(file_.settings)) {
      if (const auto at = file_.PositionOf(problem)) {
        file_.faults.push_back(FaultOf(problem, *at));
      } else {
        tell(LineOf(problem));
        in_order = false;
      }
    }
    SortFaults(file_.faults);
    for (const FileFault& fault : file_.faults) tell(FaultLine(path_, fault));
    return in_order && file_.faults.empty();
  }

  std::string path_;
  SettingsFile file_;
  Settings asked_;
  std::set<std::string> on_line_;
  std::vector<SettingProblem> notes_;
};

using ReadAgain = std::function<Result<std::optional<Configuration>>(const Configuration::Tell&)>;

// SIGHUP. What is wrong leaves everything as it was.
void Reload(Daemon& daemon, const std::string& file, const ReadAgain& read) {
  LogInfo("serve", fmt::format("SIGHUP: reading {}", file));
  const auto again = read([](const std::string& line) { LogError("serve", line); });
  const Status used = !again   ? Status(tl::unexpected<Error>(again.error()))
                      : *again ? daemon.Use((*again)->settings())
                               : Fail(Code::kInvalid, "it has faults, which are told above");
  if (used) {
    LogInfo("serve", fmt::format("{} is in use", file));
  } else {
    LogError("serve",
             fmt::format("{} is not taken, and all stays as it was: {}", file, used.message()));
  }
}

// Root, who only asks, asks for the user that the service has.
int TellProblemsHere(const ServeAsked& asked, Configuration& configuration, FileSystem& files) {
  const Settings& settings = configuration.settings();
  const auto machine = doctor::MakeThisMachine();
  const std::string config = asked.file.empty() ? "" : storage::AbsolutePath(asked.file);
  const doctor::Service service = asked.check && machine->UserId() == 0
                                      ? doctor::ServiceOf(*machine, settings.data, config)
                                      : doctor::Service{doctor::OwnUser(*machine), "", false};
  // As STATE_DIRECTORY will say it.
  if (configuration.asked().data.empty() && !service.made_data.empty()) {
    configuration.UseData(service.made_data);
  }
  return configuration.TellProblemsHere(ProblemsHere(settings, service, *machine, files));
}

Result<int> Serve(const ServeAsked& asked, const ReadAgain& read, Clock& clock, FileSystem& files) {
  // First of all: one that comes while this starts is for when it has.
  std::optional<Signals> signals;
  if (!asked.starts_nothing()) signals.emplace(!asked.file.empty());
  LB_TRY_ASSIGN(configuration, read(Complain));
  if (!configuration) return kExitUsage;
  const Settings& settings = configuration->settings();
  if (asked.print_config) {
    PrintText(SettingsFileText(configuration->asked()));
    return kExitOk;
  }
  if (asked.new_admin_token) return WriteAdminToken(settings, clock, files);
  const int here = TellProblemsHere(asked, *configuration, files);
  if (here != kExitOk && !asked.check) return here;
  LB_TRY_ASSIGN(resources, Daemon::ReadResources(settings, clock, files));
  if (here != kExitOk) return here;
  if (asked.check) {
    if (asked.json) PrintJson(configuration->AsJson());
    if (!asked.json) PrintText(configuration->Text());
    return kExitOk;
  }
  LB_TRY_ASSIGN(manager, ServiceManager::FromEnvironment());
  RaiseDescriptorLimit();

  // The daemon goes before the store that it uses.
  std::unique_ptr<storage::Store> store;
  {
    Daemon daemon(clock, files);
    const Status listening = daemon.Listen(resources.listen);
    if (!listening) return ListenFailed(listening.error());
    auto opened = storage::Store::Open({settings.data, settings.volumes}, clock, files);
    if (!opened) return StoreFailed(opened.error(), settings.data);
    store = std::move(*opened);
    TellVolumes(*store);
    LB_TRY_ASSIGN(first, api::EnsureAdmin(*store, clock, files, settings.token_file));
    LB_TRY(daemon.Start(*store, settings, resources));
    TellLogin(first, settings.token_file);
    PrintText(fmt::format("listening on {}://{}:{}\n",
                          resources.listen.certificate ? "https" : "http",
                          UrlHost(resources.listen.host), daemon.port()));
    manager.Ready();
    Heartbeat heartbeat([&daemon](const auto& alive) { return daemon.AskForLife(alive); });
    const auto beat = [&] {
      if (heartbeat.Beat()) manager.Alive();
    };
    int number = 0;
    while (true) {
      number = signals->Await(manager.alive_every_us(), beat);
      if (number != SIGHUP || asked.file.empty()) break;
      Reload(daemon, asked.file, read);
      beat();
    }
    signals->Release();
    manager.Stopping();
    LogInfo("serve", fmt::format("SIG{}: stopping; another SIGTERM or SIGINT ends at once",
                                 sigabbrev_np(number)));
  }
  store->Close();
  LogInfo("serve", "stopped");
  return kExitOk;
}

void AddSettingOptions(CLI::App& serve, Settings& line) {
  for (const Setting& setting : AllSettings()) {
    std::string help(setting.meaning);
    if (!setting.when_unset.empty()) help += fmt::format(" ({})", setting.when_unset);
    CLI::Option* const option = std::visit(
        [&](auto member) {
          return serve.add_option(std::string(setting.option), line.*member, help);
        },
        setting.value);
    if (std::holds_alternative<std::vector<std::string> Settings::*>(setting.value)) {
      option->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    } else if (setting.when_unset.empty()) {
      option->capture_default_str();
    }
    if (setting.name == "data") option->check(NamesDirectory());
    if (std::holds_alternative<int64_t Settings::*>(setting.value)) {
      option->check(CLI::Range(setting.min, setting.max));
    }
  }
}

}  // namespace

void AddServeCommand(Commands& commands) {
  auto asked = std::make_shared<ServeAsked>();
  CLI::App* const serve =
      commands.Add(&commands.app, "serve", "Record, and answer on HTTP, until SIGTERM or Ctrl-C.",
                   [&commands, asked]() -> Result<int> {
                     const CLI::App* const line = commands.app.get_subcommand("serve");
                     const auto on_line = [line](const Setting& setting) {
                       return line->count(std::string(setting.option)) > 0;
                     };
                     const auto read = [&](const Configuration::Tell& tell) {
                       return Configuration::Read(*asked, on_line, commands.files, tell);
                     };
                     return Serve(*asked, read, commands.clock, commands.files);
                   });
  serve->add_option("--config", asked->file,
                    "a file with any of these settings, lookback.toml(5); what is given here goes "
                    "before what it says, and SIGHUP has it read anew");
  AddSettingOptions(*serve, asked->line);
  serve->add_flag("--new-admin-token", asked->new_admin_token,
                  "start nothing: write a new token of admin into the token file, in place of "
                  "those that admin had, where all are lost");
  CLI::Option* const check = serve->add_flag(
      "--check", asked->check,
      "start nothing: say whether these settings are in order, and where each comes from");
  serve->add_flag("--json", asked->json, "what --check says as one JSON document")->needs(check);
  serve->add_flag("--print-config", asked->print_config,
                  "start nothing: print a file that has these settings");
}

}  // namespace lookback::app
