// base/time.h: instants and ranges of time, and their one text form.
//
// Invariant: time is microseconds of UTC since 1970-01-01, and ranges are half-open: [start, end).
// Threads:   values.
// Errors:    kInvalid, with a sentence that says what was read and what is allowed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace lookback {

using TimeUs = int64_t;

inline constexpr int64_t kUsPerMs = 1'000;
inline constexpr int64_t kUsPerSecond = 1'000'000;
inline constexpr int64_t kUsPerMinute = 60 * kUsPerSecond;
inline constexpr int64_t kUsPerHour = 60 * kUsPerMinute;
inline constexpr int64_t kUsPerDay = 24 * kUsPerHour;

// What a store accepts as an instant: 1970 up to, not including, the year 2200.
inline constexpr TimeUs kTimeMinUs = 0;
inline constexpr TimeUs kTimeMaxUs = 7'258'118'400 * kUsPerSecond;

struct TimeRange {
  TimeUs start_us = 0;
  TimeUs end_us = 0;

  int64_t duration_us() const { return end_us - start_us; }
  bool empty() const { return end_us <= start_us; }
  bool Contains(TimeUs t) const { return start_us <= t && t < end_us; }
  // Of an empty one: when it lies inside the other.
  bool Overlaps(const TimeRange& o) const { return start_us < o.end_us && o.start_us < end_us; }
  // The common part; empty() when there is none.
  TimeRange Intersect(const TimeRange& other) const;

  friend bool operator==(const TimeRange&, const TimeRange&) = default;
};
inline constexpr TimeRange kAllTime{kTimeMinUs, kTimeMaxUs};

// "2026-05-04T22:00:00.123456Z"; the fraction is left out when it is zero.
std::string FormatTime(TimeUs time_us);

// The same in a zone's local time, "2026-05-05T06:00:00+08:00".
std::string FormatTimeWithOffset(TimeUs time_us, int offset_seconds);

// RFC 3339 §5.6 with a mandatory offset ("Z" or "+08:00"), at most nine fractional digits, of which
// six count. A time without offset is refused, and the message says why.
Result<TimeUs> ParseTime(std::string_view text);

// "1 h 02 min 03 s", for people.
std::string FormatDuration(int64_t duration_us);

// "20260504": the day of UTC, as it names folders.
std::string FormatDay(TimeUs time_us);

}  // namespace lookback
