// apps/lookback/times.h: the range that a person means, by instants with offset or by local times.
//
// Invariant: a local time that no clock on the wall showed, or that it showed twice, is never
//            guessed at.
// Threads:   values.
// Errors:    kInvalid, with what may be written instead: both readings of a repeated time.
#pragma once

#include <string>
#include <string_view>

#include "base/time.h"
#include "base/time_zone.h"

namespace lookback::app {

// As written after --date, --start and --end, or after --from and --to; what is not given is empty.
struct WrittenRange {
  std::string date;
  std::string start;
  std::string end;
  std::string from = {};  // Days, up to the end of the last one.
  std::string to = {};
};

// Whether it says both ends, which can be told before the zone is known.
Status CheckGiven(const WrittenRange& written);

// Each of start and end may be RFC 3339 with offset; beside a date also "22:00[:00]" of that day in
// `zone`. A local end that is earlier in the day than the start is of the next day; "24:00" is the
// end of the day.
Result<TimeRange> ResolveRange(const WrittenRange& written, const TimeZone& zone);

// One instant by the same rules, as written after `option`.
Result<TimeUs> ResolveTime(std::string_view option, const std::string& text,
                           const std::string& date, const TimeZone& zone);

}  // namespace lookback::app
