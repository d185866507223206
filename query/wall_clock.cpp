#include "query/wall_clock.h"

#include <algorithm>

namespace lookback::query {
namespace {

constexpr int64_t kDaysAWeek = 7;
constexpr int64_t kWeekdayOfDayZero = 3;  // 1970-01-01 was a Thursday.

int64_t FloorDay(int64_t local_us) {
  return local_us / kUsPerDay - (local_us % kUsPerDay < 0 ? 1 : 0);
}

bool IsAsked(const WallClockRule& rule, int64_t day) {
  const int64_t weekday = ((day + kWeekdayOfDayZero) % kDaysAWeek + kDaysAWeek) % kDaysAWeek;
  return (rule.weekdays >> weekday & 1) != 0;
}

// `part`: while the zone's offset stays the same.
void AddWindows(const WallClockRule& rule, TimeRange part, int64_t offset_us,
                std::vector<TimeRange>& windows) {
  const int64_t length_us =
      rule.to_us - rule.from_us + (rule.to_us <= rule.from_us ? kUsPerDay : 0);
  // What began the day before may reach into the first.
  const int64_t last = FloorDay(part.end_us + offset_us);
  for (int64_t day = FloorDay(part.start_us + offset_us) - 1; day <= last; ++day) {
    if (!IsAsked(rule, day)) continue;
    const TimeUs start_us = day * kUsPerDay + rule.from_us - offset_us;
    const TimeRange window = part.Intersect({start_us, start_us + length_us});
    if (window.empty()) continue;
    if (!windows.empty() && windows.back().end_us == window.start_us) {
      windows.back().end_us = window.end_us;
    } else {
      windows.push_back(window);
    }
  }
}

}  // namespace

std::vector<TimeRange> FindWindows(const WallClockRule& rule, TimeRange range,
                                   const TimeZone& zone) {
  std::vector<TimeRange> windows;
  for (TimeUs at_us = range.start_us; at_us < range.end_us;) {
    const TimeZone::Period period = zone.PeriodAt(at_us);
    // Of the last period of all, what reaches further goes on with its offset.
    const TimeUs end_us =
        period.range.end_us > at_us ? std::min(range.end_us, period.range.end_us) : range.end_us;
    AddWindows(rule, {at_us, end_us}, period.offset_seconds * kUsPerSecond, windows);
    at_us = end_us;
  }
  return windows;
}

}  // namespace lookback::query
