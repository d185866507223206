// api/last_round.h: what retention did and foresaw last, as alarms and metrics show it.
//
// Threads:   values.
// Errors:    none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/time.h"

namespace lookback::api {

// Figures of the last round of retention that outlive the plan.
struct LastRound {
  bool frozen = false;
  bool below_floor = false;
  bool must_stop = false;
  int64_t overdue_us = 0;
  std::string sentence;
};

// What the last forecast said of what comes first.
struct LastForecast {
  int64_t at_monotonic_us = 0;  // 0: none was made yet.
  TimeUs breaks_us = 0;         // A promise; 0: all are kept.
  TimeUs stops_us = 0;          // Recording, on a volume; 0: not foreseen.
  size_t unmeasured = 0;        // Cameras that it leaves out.
  uint64_t settings = 0;        // A digest of the cameras and policies that it was made of.
  std::string sentence;
};

}  // namespace lookback::api
