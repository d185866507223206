// The whole command line: which commands there are, and how one is parsed and run.

#include <fmt/format.h>

#include <algorithm>

#include "apps/lookback/command.h"
#include "apps/lookback/usage.h"
#include "base/version.h"

namespace lookback::app {
namespace {

void AddVersionCommand(Commands& commands) {
  commands
      .Add(&commands.app, "version", "Print the version.",
           [&commands]() -> Result<int> {
             if (commands.client.json) {
               PrintJson({{"version", Version()}});
             } else {
               PrintText(fmt::format("lookback {}\n", Version()));
             }
             return kExitOk;
           })
      ->add_flag("--json", commands.client.json, "one JSON document on standard output");
}

void AddAll(Commands& commands) {
  AddServeCommand(commands);
  AddCameraCommands(commands);
  AddApplyCommand(commands);
  AddFootageCommands(commands);
  AddSearchCommand(commands);
  AddExportCommand(commands);
  AddMarkerCommands(commands);
  AddRetentionCommands(commands);
  AddStatusCommand(commands);
  AddDoctorCommand(commands);
  AddEventCommands(commands);
  AddImportCommand(commands);
  AddLedgerCommands(commands);
  AddStoreCommands(commands);
  AddBackupCommands(commands);
  AddVolumeCommands(commands);
  AddScrubCommand(commands);
  AddCheckCommand(commands);
  AddSnapshotCommand(commands);
  AddUserCommands(commands);
  AddManualCommands(commands);
  AddVersionCommand(commands);
}

}  // namespace

int RunCommandLine(int argc, const char* const* argv, Clock& clock, FileSystem& files) {
  CLI::App app{"Records every camera, day and night, and gives any moment of it back.", "lookback"};
  app.set_version_flag("--version", fmt::format("lookback {}", Version()), "print the version");
  app.footer(std::string(kExitCodesHelp));
  Commands commands(app, files, clock);
  AddAll(commands);
  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  // `lookback help clip`, as other programs have it.
  if (!words.empty() && words.front() == "help") {
    words.erase(words.begin());
    if (NamesCommand(app, words)) words.emplace_back("--help");
  }
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::Success& asked_for_help) {
    return app.exit(asked_for_help);
  } catch (const CLI::ParseError& error) {
    Complain(UsageSentence(app, error, words));
    return kExitUsage;
  }
  if (!commands.chosen) {
    Complain(WhichCommand(app));
    return kExitUsage;
  }
  const Result<int> done = commands.chosen();
  return done ? *done : Failed(done.error());
}

}  // namespace lookback::app
