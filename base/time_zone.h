// base/time_zone.h: local times of an IANA zone, on the nights when an hour is missing or doubled.
//
// Invariant: a local time maps to none (skipped), one or two (repeated) instants, and we never
//            choose silently.
// Threads:   values; any.
// Errors:    kInvalid for an unknown zone, date or time of day.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace lookback {

class TimeZone {
 public:
  // "Asia/Shanghai", "UTC". Needs the system's tz database (package tzdata).
  static Result<TimeZone> Find(std::string_view name);
  // The environment's (TZ), else the machine's own zone; UTC when there is neither.
  static TimeZone Local();

  const std::string& name() const { return name_; }

  // Seconds east of UTC at that instant.
  int OffsetSeconds(TimeUs time_us) const;

  // The offset at that instant, and the range around it that has no other, within what a store
  // accepts as an instant. The next one may have the same.
  struct Period {
    int offset_seconds = 0;
    TimeRange range;
  };
  Period PeriodAt(TimeUs time_us) const;

  // FormatTimeWithOffset at this zone's offset.
  std::string Format(TimeUs time_us) const;

  // The instants that a clock on the wall showed as "2026-05-04" "22:00[:00]"; in order.
  Result<std::vector<TimeUs>> Resolve(std::string_view date, std::string_view time_of_day) const;

 private:
  explicit TimeZone(std::string name, const void* zone) : name_(std::move(name)), zone_(zone) {}

  std::string name_;
  const void* zone_;  // date::time_zone, which lives as long as the process.
};

}  // namespace lookback
