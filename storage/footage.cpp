#include "storage/footage.h"

#include <algorithm>
#include <set>

namespace lookback::storage {

Result<std::vector<FootageHour>> Footage::Hours(const StreamId& stream, TimeRange range) {
  std::vector<FootageHour> hours;
  if (range.empty()) return hours;
  index::DayCounter counter([&](const StreamId&, int64_t day, const index::DayTotals& totals) {
    for (size_t place = 0; place < totals.size(); ++place) {
      const int64_t hour = day * index::kHoursADay + static_cast<int64_t>(place);
      const TimeRange whole = index::RangeOfHour(hour);
      if (totals[place].segments > 0 && whole.Overlaps(range)) {
        hours.push_back({whole.start_us, totals[place]});
      }
    }
    return Ok();
  });
  const TimeRange whole{index::RangeOfHour(index::HourOf(range.start_us)).start_us,
                        index::RangeOfHour(index::HourOf(range.end_us - 1)).end_us};
  LB_TRY_ASSIGN(segments, Segments(stream, whole));
  for (const FootageSegment& segment : segments) LB_TRY(counter.Add(segment.row));
  LB_TRY(counter.Finish());
  return hours;
}

Result<std::vector<FootageHour>> Footage::RecountHours(const StreamId& stream, TimeRange range,
                                                       const std::vector<TimeRange>& live,
                                                       std::vector<FootageHour> kept) {
  std::set<int64_t> touched;
  for (const TimeRange& one : live) {
    const TimeRange part = one.Intersect(range);
    if (part.empty()) continue;
    for (int64_t hour = index::HourOf(part.start_us); hour <= index::HourOf(part.end_us - 1);
         ++hour) {
      touched.insert(hour);
    }
  }
  for (const int64_t hour : touched) {
    const TimeRange whole = index::RangeOfHour(hour);
    LB_TRY_ASSIGN(counted, Footage::Hours(stream, whole));
    auto place = std::lower_bound(
        kept.begin(), kept.end(), whole.start_us,
        [](const FootageHour& one, TimeUs start_us) { return one.start_us < start_us; });
    if (place != kept.end() && place->start_us == whole.start_us) place = kept.erase(place);
    kept.insert(place, counted.begin(), counted.end());
  }
  return kept;
}

}  // namespace lookback::storage
