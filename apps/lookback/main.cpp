// lookback: the daemon and the command line, in one binary (docs/cli.md).

#include <curl/curl.h>

#include <exception>

#include "apps/lookback/command.h"

int main(int argc, char** argv) {
  using namespace lookback;
  try {
    curl_global_init(CURL_GLOBAL_DEFAULT);
    SystemClock clock;
    const auto files = MakePosixFileSystem();
    const int exit_code = app::RunCommandLine(argc, argv, clock, *files);
    curl_global_cleanup();
    return exit_code;
  } catch (const std::exception& error) {
    app::Complain(error.what());
    return app::kExitUnavailable;
  }
}
