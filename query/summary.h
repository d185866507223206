// query/summary.h: how much there is of a stream in each step of a long range: a year by
// days, a month by hours.
//
// Invariant: covered and thinned time are what the timeline of each step would say, but for
//            holes below kSmallestGapUs, which count as covered only where an hour lacks no
//            more than one of them. Bytes of a segment that reaches over the end of a step are
//            told by its share of time.
// Threads:   any.
// Errors:    of storage/footage.h.
#pragma once

#include <vector>

#include "base/time_zone.h"
#include "storage/footage.h"

namespace lookback::query {

// Hours and days as clocks of the zone show them: a day begins with the first instant of a later
// date than any before, so days have 23 and 25 hours where clocks are changed.
enum class Step : uint8_t { kHour, kDay };

// They follow one another, and cover the range; the first and the last are cut to it.
std::vector<TimeRange> FindSteps(Step step, TimeRange range, const TimeZone& zone);

struct StepSummary {
  int64_t covered_us = 0;
  int64_t thinned_us = 0;  // Of that, what is left of pictures are the sync samples.
  uint64_t bytes = 0;      // On disk, without copies.
};

// One for each of `steps`, which follow one another. Told by the hours that the archive
// keeps; segments are read only of hours that a step cuts and that are covered in part,
// and of those with damage.
Result<std::vector<StepSummary>> Summarise(storage::Footage& footage, const StreamId& stream,
                                           const std::vector<TimeRange>& steps);

}  // namespace lookback::query
