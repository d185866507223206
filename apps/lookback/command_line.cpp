// The whole command line: which commands there are, and how one is parsed and run.

#include <algorithm>
#include <functional>

#include "apps/lookback/command.h"
#include "apps/lookback/suggestion.h"

namespace lookback::app {
namespace {

void AddVersionCommand(Commands& commands) {
  commands
      .Add(&commands.app, "version", "Print the version.",
           [&commands]() -> Result<int> {
             if (commands.client.json) {
               PrintJson({{"version", LOOKBACK_VERSION}});
             } else {
               PrintText("lookback " LOOKBACK_VERSION "\n");
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
  AddMarkerCommands(commands);
  AddRetentionCommands(commands);
  AddStatusCommand(commands);
  AddEventCommands(commands);
  AddImportCommand(commands);
  AddLedgerCommands(commands);
  AddStoreCommands(commands);
  AddVolumeCommands(commands);
  AddScrubCommand(commands);
  AddSnapshotCommand(commands);
  AddUserCommands(commands);
  AddManualCommands(commands);
  AddVersionCommand(commands);
}

// For the first word that is no command or option where it stands: what it may have been meant to be.
std::string Suggestion(const CLI::App& app, int argc, const char* const* argv) {
  const CLI::App* group = &app;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const std::vector<const CLI::App*> below =
        group->get_subcommands(std::function<bool(const CLI::App*)>());
    const auto chosen = std::find_if(below.begin(), below.end(), [&](const CLI::App* command) {
      return command->get_name() == word;
    });
    if (chosen != below.end()) {
      group = *chosen;
      continue;
    }
    std::vector<std::string> known;
    if (word.rfind("--", 0) == 0) {
      for (const CLI::Option* option : group->get_options()) {
        for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
      }
    } else {
      for (const CLI::App* command : below) known.push_back(command->get_name());
    }
    const std::string typed = word.substr(0, word.find('='));
    const std::string nearest = Nearest(typed, known);
    if (!nearest.empty() && nearest != typed) return "; did you mean " + nearest + "?";
  }
  return {};
}

}  // namespace

int RunCommandLine(int argc, const char* const* argv, Clock& clock, FileSystem& files) {
  CLI::App app{"Records every camera, day and night, and gives any moment of it back.", "lookback"};
  app.set_version_flag("--version", "lookback " LOOKBACK_VERSION, "print the version");
  app.footer(std::string(kExitCodesHelp));
  Commands commands(app, files, clock);
  AddAll(commands);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked_for_help) {
    return app.exit(asked_for_help);
  } catch (const CLI::ParseError& error) {
    Complain(std::string(error.what()) + Suggestion(app, argc, argv) +
             "; --help after any command says what it takes");
    return kExitUsage;
  }
  if (!commands.chosen) {
    Complain("which command? `lookback --help` lists them, and so does --help after a group");
    return kExitUsage;
  }
  const Result<int> done = commands.chosen();
  return done ? *done : Failed(done.error());
}

}  // namespace lookback::app
