// apps/lookback/fleet_file.h: reads a file of cameras, groups and policies (docs/cli.md, "apply")
// into the body of POST /api/v1/fleet, and knows where in the file each setting stands.
//
// Invariant: nothing unknown passes; every fault of the file is found, not the first alone (but
//            what is no TOML is read no further than its first fault).
// Threads:   values.
// Errors:    kNotFound and the like for the file itself; what is wrong in it is in `faults`.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "apps/lookback/output.h"
#include "apps/lookback/toml_file.h"
#include "base/file_system.h"

namespace lookback::app {

inline constexpr uint64_t kMaxFleetFileBytes = 1 << 20;  // What the server takes.

struct FleetFile {
  Json body = {{"cameras", Json::array()}};
  std::vector<FileFault> faults;
  bool whole = true;  // It was read to its end, and the rest of it is in `body`.

  // Of a setting, or, where that is not said, of its table. `place`: of a camera, from 0; of a
  // group by PlaceOfGroup(); -1 is the default policy.
  FilePosition PositionOf(int place, const std::string& field) const;
  static int PlaceOfGroup(int64_t group);
  std::map<std::pair<int, std::string>, FilePosition> positions;  // "" is the table's.
};

// Passwords are read from where the file says: itself, files beside it, the environment.
Result<FleetFile> ReadFleetFile(FileSystem& files, const std::string& path);

}  // namespace lookback::app
