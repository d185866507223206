// apps/lookback/command.h: what the subcommands share: how they are declared, and how those that
// ask a server find it, its token and its time zone.
//
// Invariant: parsing the line runs nothing; it chooses the one action that main then runs.
// Threads:   main's.
// Errors:    an action's error becomes one sentence and an exit code (apps/lookback/output.h).
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "apps/lookback/api_client.h"
#include "apps/lookback/times.h"
#include "base/clock.h"
#include "base/file_system.h"
#include "base/time_zone.h"

namespace lookback::app {

struct ClientOptions {
  std::string server;
  std::string token_file;
  std::string zone;
  bool json = false;
};

// A server, as the options and the environment name it.
class Client {
 public:
  // The token: of --token-file, else LOOKBACK_TOKEN, else of the default store's first start.
  static Result<std::unique_ptr<Client>> Open(const ClientOptions& options, FileSystem& files);

  ApiClient& api() { return *api_; }
  bool json() const { return json_; }
  // --tz, else the store's, which the server knows.
  Result<TimeZone> Zone();

 private:
  Client(std::unique_ptr<ApiClient> api, const ClientOptions& options)
      : api_(std::move(api)), json_(options.json), zone_name_(options.zone) {}

  const std::unique_ptr<ApiClient> api_;
  const bool json_;
  const std::string zone_name_;
  std::optional<TimeZone> zone_;
};

using Action = std::function<Result<int>()>;  // The exit code.
using ClientAction = std::function<Result<int>(Client&)>;

struct Commands {
  Commands(CLI::App& the_app, FileSystem& the_files, Clock& the_clock)
      : app(the_app), files(the_files), clock(the_clock) {}

  CLI::App& app;
  FileSystem& files;
  Clock& clock;
  ClientOptions client;
  Action chosen;

  // A group such as `camera`, of which one subcommand is to be named.
  CLI::App* Group(const std::string& name, const std::string& description);
  CLI::App* Add(CLI::App* parent, const std::string& name, const std::string& description,
                Action action);
  // The same with --server, --token-file, --tz and --json.
  CLI::App* AddClient(CLI::App* parent, const std::string& name, const std::string& description,
                      ClientAction action);
};

// --start, --end and --date.
void AddRangeOptions(CLI::App* command, WrittenRange& range, bool required);
// --from and --to besides, for a command that does not require those.
void AddDayOptions(CLI::App* command, WrittenRange& range);

// STATE_DIRECTORY where a service manager says it (systemd.exec(5)), else $XDG_DATA_HOME/lookback
// or ~/.local/share/lookback.
Result<std::string> DefaultDataDirectory();
std::string DefaultTokenFile(const std::string& data);

// For --password-file: the first line of it, so that an editor's line end is no part of it.
Result<std::string> ReadPassword(FileSystem& files, const std::string& path);
// The same of any secret; `option` is what errors name.
Result<std::string> ReadSecret(FileSystem& files, const std::string& path,
                               const std::string& option);

// Whether a person agrees to what was shown. `yes`: nobody is asked. kInvalid where nobody can be.
Result<bool> Confirmed(bool yes);

// The events of an answer as a table.
std::string EventsText(const Json& events, const TimeZone& zone);

// Parses the line and runs what it says; the exit code.
int RunCommandLine(int argc, const char* const* argv, Clock& clock, FileSystem& files);

void AddServeCommand(Commands& commands);
void AddCameraCommands(Commands& commands);
void AddUpkeepCommands(Commands& commands, CLI::App* camera_group);
void AddProbeCommand(Commands& commands, CLI::App* camera_group);
void AddApplyCommand(Commands& commands);
void AddEventCommands(Commands& commands);
void AddFootageCommands(Commands& commands);
void AddSearchCommand(Commands& commands);
void AddExportCommand(Commands& commands);
void AddImportCommand(Commands& commands);
void AddMarkerCommands(Commands& commands);
void AddRetentionCommands(Commands& commands);
void AddForecastCommand(Commands& commands, CLI::App* retention_group);
void AddLedgerCommands(Commands& commands);
void AddStoreCommands(Commands& commands);
void AddBackupCommands(Commands& commands);
void AddVolumeCommands(Commands& commands);
void AddScrubCommand(Commands& commands);
void AddCheckCommand(Commands& commands);
void AddDoctorCommand(Commands& commands);
void AddSnapshotCommand(Commands& commands);
void AddUserCommands(Commands& commands);
void AddStatusCommand(Commands& commands);
void AddManualCommands(Commands& commands);

}  // namespace lookback::app
