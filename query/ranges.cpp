#include "query/ranges.h"

#include <algorithm>

namespace lookback::query {

std::vector<TimeRange> Merged(std::vector<TimeRange> ranges) {
  std::erase_if(ranges, [](const TimeRange& range) { return range.empty(); });
  std::sort(ranges.begin(), ranges.end(),
            [](const TimeRange& a, const TimeRange& b) { return a.start_us < b.start_us; });
  std::vector<TimeRange> merged;
  for (const TimeRange& range : ranges) {
    if (merged.empty() || range.start_us > merged.back().end_us) {
      merged.push_back(range);
    } else {
      merged.back().end_us = std::max(merged.back().end_us, range.end_us);
    }
  }
  return merged;
}

std::vector<TimeRange> Common(const std::vector<TimeRange>& a, const std::vector<TimeRange>& b) {
  std::vector<TimeRange> common;
  for (auto i = a.begin(), j = b.begin(); i != a.end() && j != b.end();) {
    const TimeRange both = i->Intersect(*j);
    if (!both.empty()) common.push_back(both);
    if (i->end_us < j->end_us) {
      ++i;
    } else {
      ++j;
    }
  }
  return common;
}

}  // namespace lookback::query
