// apps/lookback/calendar.h: how much there is of many cameras, as people read it on a terminal: a
// line a camera and month of days, or a camera and day of hours.
//
// Invariant: of a cell '#' says that footage covers all, '~' the same, but thinned in part or all,
//            '+' that it covers a part, '.' that it covers nothing; ' ' that the cell was not asked
//            for or has not happened yet.
// Threads:   values.
// Errors:    none; what an answer lacks is nothing.
#pragma once

#include <string>

#include "apps/lookback/output.h"

namespace lookback::app {

// `summary` as in docs/api.md; days and hours are those of `zone`, for which it was asked.
std::string CalendarText(const Json& summary, const TimeZone& zone);

}  // namespace lookback::app
