// lookback: the daemon and the command line, in one binary (docs/cli.md).

#include <curl/curl.h>

#include "apps/lookback/command.h"

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

int Main(int argc, char** argv) {
  CLI::App app{"Records every camera, day and night, and gives any moment of it back.", "lookback"};
  app.require_subcommand(1);
  app.footer(std::string(kExitCodesHelp));
  SystemClock clock;
  const auto files = MakePosixFileSystem();
  Commands commands(app, *files, clock);
  AddServeCommand(commands);
  AddCameraCommands(commands);
  AddFootageCommands(commands);
  AddMarkerCommands(commands);
  AddRetentionCommands(commands);
  AddStoreCommands(commands);
  AddUserCommands(commands);
  AddVersionCommand(commands);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked_for_help) {
    return app.exit(asked_for_help);
  } catch (const CLI::ParseError& error) {
    Complain(std::string(error.what()) + "; --help after any command says what it takes");
    return kExitUsage;
  }
  curl_global_init(CURL_GLOBAL_DEFAULT);
  const Result<int> done = commands.chosen();
  curl_global_cleanup();
  return done ? *done : Failed(done.error());
}

}  // namespace
}  // namespace lookback::app

int main(int argc, char** argv) {
  try {
    return lookback::app::Main(argc, argv);
  } catch (const std::exception& error) {
    lookback::app::Complain(error.what());
    return lookback::app::kExitUnavailable;
  }
}
