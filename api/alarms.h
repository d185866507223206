// api/alarms.h: what a person who runs the store should do something about, now.
//
// Invariant: computed anew from the parts' states each time; nothing to reset.
// Threads:   any.
// Errors:    what cannot be asked is itself an alarm.
#pragma once

#include <string>
#include <vector>

#include "api/context.h"

namespace lookback::api {

inline constexpr int64_t kCameraDownUs = 30 * kUsPerSecond;

struct Alarm {
  std::string kind;     // "volume-offline"; docs/api.md lists them.
  std::string subject;  // A camera's id, a volume's root, or empty.
  std::string sentence;
};

std::vector<Alarm> CurrentAlarms(Context& context);

}  // namespace lookback::api
