// apps/lookback/coverage.h: a timeline as people read it on a terminal: a bar and a table.
//
// Invariant: of what has happened of a bar's cell, '#' says that footage covers all, '.' that it
//            covers nothing, '?' that some of it cannot be read just now; ' ' says that nothing of
//            the cell has happened yet.
// Threads:   values.
// Errors:    none; spans and gaps without times are left out.
#pragma once

#include <string>
#include <vector>

#include "apps/lookback/output.h"

namespace lookback::app {

inline constexpr size_t kCoverageBarCells = 60;

// `timeline` as in docs/api.md: its `end` is where the future begins. '+': covered in part.
std::string CoverageBar(const Json& timeline, TimeRange range, size_t cells);

// What is covered, missing and not to be read now, and of which part of the range, when some is yet
// to come; then the bar and what its signs mean.
std::string CoverageText(const Json& timeline, TimeRange range, const TimeZone& zone);

// Spans, what of them cannot be read now, and gaps, in the order of time.
Table TimelineTable(const Json& timeline, const TimeZone& zone);

// "network", "disk failed: sdb1"; of an unknown cause what is known: "before the first recording".
std::string CauseText(const Json& gap);

// Which files footage came from that was not recorded here, a line each; empty when all of it was.
std::string ImportLines(const Json& answer, const TimeZone& zone);

// A gap's start, end, duration and cause.
std::vector<std::string> GapRow(const Json& gap, const TimeZone& zone, const std::string& indent);

}  // namespace lookback::app
