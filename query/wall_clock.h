// query/wall_clock.h: the instants at which a clock on the wall shows what was asked for: "every
// Friday, 22:00 to 05:00", in the time of a zone.
//
// Invariant: an instant belongs to the answer exactly when it lies in the range and that clock
//            shows a time of day from the first on and before the last, on such a day.
//            So of an hour that the clocks show twice both are in, apart where they are; of one
//            that they skip nothing is.
// Threads:   any.
// Errors:    none.
#pragma once

#include <cstdint>
#include <vector>

#include "base/time.h"
#include "base/time_zone.h"

namespace lookback::query {

inline constexpr uint8_t kEveryDay = 0x7f;

struct WallClockRule {
  // Of the day, on that clock. An end before the start is of the next day.
  int64_t from_us = 0;
  int64_t to_us = kUsPerDay;
  // Bit 0 is Monday. Of a time that goes past midnight it is the day on which it begins.
  uint8_t weekdays = kEveryDay;

  bool always() const { return from_us == 0 && to_us == kUsPerDay && weekdays == kEveryDay; }
};

// By start; none touches another.
std::vector<TimeRange> FindWindows(const WallClockRule& rule, TimeRange range,
                                   const TimeZone& zone);

}  // namespace lookback::query
