// query/ranges.h: sets of instants, as ranges by start of which none touches another.
//
// Threads:   values.
// Errors:    none.
#pragma once

#include <vector>

#include "base/time.h"

namespace lookback::query {

// What any of `ranges`, in any order, has; empty ones have nothing.
std::vector<TimeRange> Merged(std::vector<TimeRange> ranges);

// What both have, each of them a set as above.
std::vector<TimeRange> Common(const std::vector<TimeRange>& a, const std::vector<TimeRange>& b);

}  // namespace lookback::query
