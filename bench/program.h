// bench/program.h: what the benchmarks that are plain programs share.
//
// Threads:   one.
// Errors:    Must() tells what failed and ends the program.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace lookback::bench {

inline void Must(const Status& status) {
  if (status) return;
  fmt::print(stderr, "{}\n", status.error().message);
  std::exit(1);
}
template <typename T>
T Must(Result<T> result) {
  if (!result.has_value()) Must(Status(Pass(result.error())));
  return std::move(*result);
}

// "--name=value", each of which has to be in `options`; false after telling of one that is not.
using Options = std::map<std::string, std::function<void(const std::string& value)>>;
inline bool ParseOptions(int argc, char** argv, const Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const size_t equals = std::min(argument.find('='), argument.size());
    const auto option = options.find(argument.substr(0, equals));
    if (option == options.end() || equals == argument.size()) {
      fmt::print(stderr, "{}: not an option\n", argument);
      return false;
    }
    option->second(argument.substr(equals + 1));
  }
  return true;
}

// A new directory, which goes with all that is in it.
class WorkDirectory {
 public:
  WorkDirectory(const std::string& above, std::string_view name)
      : path_(fmt::format("{}/lookback-bench-{}-XXXXXX", above, name)) {
    if (mkdtemp(path_.data()) == nullptr) {
      Must(Status(Fail(Code::kDiskFailed, "no directory can be made in " + above)));
    }
  }
  ~WorkDirectory() { std::filesystem::remove_all(path_); }
  WorkDirectory(const WorkDirectory&) = delete;
  WorkDirectory& operator=(const WorkDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace lookback::bench
