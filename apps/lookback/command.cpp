#include "apps/lookback/command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>

namespace lookback::app {
namespace {

constexpr uint64_t kMaxPasswordFileBytes = 4'096;

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Result<std::string> FindToken(const ClientOptions& options, FileSystem& files) {
  if (!options.token_file.empty()) {
    auto token = ReadTokenFile(files, options.token_file);
    if (!token) return Pass(token.error(), "--token-file");
    return token;
  }
  if (std::string token = Environment("LOOKBACK_TOKEN"); !token.empty()) return token;
  const auto data = DefaultDataDirectory();
  if (!data) return std::string();
  const std::string path = DefaultTokenFile(*data);
  // Without a token the server says what it wants, and the client what to do.
  return Exists(files, path) ? ReadTokenFile(files, path) : std::string();
}

}  // namespace

Result<std::unique_ptr<Client>> Client::Open(const ClientOptions& options, FileSystem& files) {
  std::string server = options.server;
  if (server.empty()) server = Environment("LOOKBACK_SERVER");
  if (server.empty()) server = kDefaultServer;
  LB_TRY_ASSIGN(token, FindToken(options, files));
  LB_TRY_ASSIGN(api, ApiClient::Open(server, token));
  return std::unique_ptr<Client>(new Client(std::move(api), options));
}

Result<TimeZone> Client::Zone() {
  if (zone_) return *zone_;
  std::string name = zone_name_;
  if (name.empty()) {
    LB_TRY_ASSIGN(status, api_->Get("/api/v1/status"));
    name = TextOf(status, "time_zone");
  }
  auto zone = TimeZone::Find(name);
  if (!zone && zone_name_.empty())
    return Pass(zone.error(), "the store's zone (--tz names another)");
  if (!zone) return Pass(zone.error(), "--tz");
  zone_ = *zone;
  return zone;
}

CLI::App* Commands::Group(const std::string& name, const std::string& description) {
  return app.add_subcommand(name, description);
}

CLI::App* Commands::Add(CLI::App* parent, const std::string& name, const std::string& description,
                        Action action) {
  CLI::App* command = parent->add_subcommand(name, description);
  command->callback([this, action = std::move(action)] { chosen = action; });
  return command;
}

CLI::App* Commands::AddClient(CLI::App* parent, const std::string& name,
                              const std::string& description, ClientAction action) {
  CLI::App* command =
      Add(parent, name, description, [this, action = std::move(action)]() -> Result<int> {
        LB_TRY_ASSIGN(opened, Client::Open(client, files));
        return action(*opened);
      });
  constexpr const char* kGroup = "Server";
  command->add_option("--server", client.server, "URL (LOOKBACK_SERVER; http://127.0.0.1:8686)")
      ->group(kGroup);
  command
      ->add_option("--token-file", client.token_file,
                   "file with a token (LOOKBACK_TOKEN; the default store's admin)")
      ->group(kGroup);
  command->add_option("--tz", client.zone, "IANA time zone (the store's)")->group(kGroup);
  command->add_flag("--json", client.json, "one JSON document on standard output");
  return command;
}

void AddRangeOptions(CLI::App* command, WrittenRange& range, bool required) {
  command
      ->add_option("--start", range.start, "RFC 3339 with offset; beside --date a local HH:MM[:SS]")
      ->required(required);
  command->add_option("--end", range.end, "the same; earlier than --start is the next day")
      ->required(required);
  command->add_option("--date", range.date, "YYYY-MM-DD in the store's zone, or that of --tz");
}

void AddDayOptions(CLI::App* command, WrittenRange& range) {
  CLI::Option* const from =
      command->add_option("--from", range.from, "YYYY-MM-DD, in place of --start: from that day,")
          ->excludes("--start")
          ->excludes("--end");
  CLI::Option* const to =
      command->add_option("--to", range.to, "YYYY-MM-DD: up to the end of that one");
  from->needs(to);
  to->needs(from);
}

Result<std::string> DefaultDataDirectory() {
  if (const std::string state = Environment("STATE_DIRECTORY"); state.rfind('/', 0) == 0) {
    return state.substr(0, state.find(':'));
  }
  if (const std::string home = Environment("XDG_DATA_HOME"); home.rfind('/', 0) == 0) {
    return JoinPath(home, "lookback");
  }
  if (const std::string home = Environment("HOME"); !home.empty()) {
    return JoinPath(home, ".local/share/lookback");
  }
  return Fail(Code::kInvalid, "neither XDG_DATA_HOME nor HOME is set; name the store by --data");
}

Result<bool> Confirmed(bool yes) {
  if (yes) return true;
  if (isatty(STDIN_FILENO) == 0) {
    return Fail(Code::kInvalid, "nothing is done without --yes where nobody can be asked");
  }
  std::cerr << "Do that? [y/N] " << std::flush;
  std::string line;
  return std::getline(std::cin, line) && (line == "y" || line == "yes");
}

Result<std::string> ReadPassword(FileSystem& files, const std::string& path) {
  return ReadSecret(files, path, "--password-file");
}

Result<std::string> ReadSecret(FileSystem& files, const std::string& path,
                               const std::string& option) {
  auto bytes = ReadFile(files, path, kMaxPasswordFileBytes);
  if (!bytes) return Pass(bytes.error(), option);
  const std::string_view text = AsText(*bytes);
  return std::string(text.substr(0, text.find_first_of("\r\n")));
}

std::string DefaultTokenFile(const std::string& data) {
  return JoinPath(data, "secrets/admin-token");
}

}  // namespace lookback::app
