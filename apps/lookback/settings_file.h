// apps/lookback/settings_file.h: the file that `lookback serve --config` reads (lookback.toml(5)),
// and how one is written.
//
// Invariant: nothing unknown passes; every fault of the file is found, not the first alone (but
//            what is no TOML is read no further than its first fault).
// Threads:   values.
// Errors:    kNotFound and the like for the file itself; what is wrong in it is in `faults`, but
//            for what Problems() says of its values, which may need what the command line adds.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "apps/lookback/settings.h"
#include "apps/lookback/toml_file.h"
#include "base/file_system.h"

namespace lookback::app {

inline constexpr uint64_t kMaxSettingsFileBytes = 256 << 10;

struct SettingsFile {
  Settings settings;                                          // Defaults for what it does not say.
  std::map<std::string, FilePosition> positions;              // Of what it says, by Setting::key().
  std::map<std::string, std::vector<FilePosition>> elements;  // The same, of what is in its lists.
  std::vector<FileFault> faults;

  // Where what the problem is about stands; nullopt: not in the file.
  std::optional<FilePosition> PositionOf(const SettingProblem& problem) const;
};

// Paths in it are relative to where it is; in what is returned they are not, but for what begins
// with "~", which is Problems()' to tell.
Result<SettingsFile> ReadSettingsFile(FileSystem& files, const std::string& path);

// A file that has these: what is as by default stands in it as a comment.
std::string SettingsFileText(const Settings& settings);

}  // namespace lookback::app
