// apps/lookback/coverage.h: a timeline as people read it on a terminal: a bar and a table.
//
// Invariant: a cell of the bar is '#' only if footage covers all of it, and '.' only if none does.
// Threads:   values.
// Errors:    none; spans and gaps without times are left out.
#pragma once

#include <string>
#include <vector>

#include "apps/lookback/output.h"

namespace lookback::app {

inline constexpr size_t kCoverageBarCells = 60;

// `timeline` as in docs/api.md. '+': covered in part.
std::string CoverageBar(const Json& timeline, TimeRange range, size_t cells);

// Spans and gaps in the order of time.
Table TimelineTable(const Json& timeline, const TimeZone& zone);

// A gap's start, end, duration and cause.
std::vector<std::string> GapRow(const Json& gap, const TimeZone& zone, const std::string& indent);

}  // namespace lookback::app
