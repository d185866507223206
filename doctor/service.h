// doctor/service.h: whom the service runs as, which is not whoever looks.
//
// Invariant: a store is the service's own only where its unit says so: by the file of
//            settings, or by the directory that systemd makes for it. Any other belongs to
//            who owns its directory.
// Threads:   any.
// Errors:    none; what cannot be read is no unit.
#pragma once

#include <optional>
#include <string>

#include "doctor/machine.h"

namespace lookback::doctor {

inline constexpr const char* kUnitName = "lookback.service";

// What lookback.service and its drop-ins say (systemd.exec(5)).
struct ServiceUnit {
  std::string user;  // "root" where it names none.
  std::string config;
  std::string data;  // What systemd makes, and gives to that user.
};
std::optional<ServiceUnit> ReadServiceUnit(Machine& machine);

struct Service {
  User user;
  std::string made_data;  // A directory that systemd makes, and gives to the user; empty: none.
  bool guessed = false;   // There is no store yet, and the unit's user is likely to get it.
};
// Of the store in `data` that has its settings in `config`; empty: in none. Where it is not the
// unit's, the user is who owns the data directory, or who looks.
Service ServiceOf(Machine& machine, const std::string& data, const std::string& config);

// Who asks.
User OwnUser(Machine& machine);

}  // namespace lookback::doctor
