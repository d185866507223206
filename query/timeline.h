// query/timeline.h: what there is of a stream in a range, and why the rest is missing.
//
// Invariant: spans and gaps together cover [range.start, min(range.end, now)) exactly, without
// overlap
//            among gaps; every gap has a cause (kUnknown only where the store truly has none on
//            record, such as before the camera was added).
// Threads:   any.
// Errors:    of storage/footage.h; kInvalid when start >= end.
#pragma once

#include <vector>

#include "storage/footage.h"

namespace lookback::query {

// Footage of one run without a hole, cut to the asked range.
struct Span {
  TimeRange range;
  Uuid run;
  uint32_t segments = 0;
  bool open = false;  // Its last segment is still being written.
  bool clock_unsynchronised = false;
  uint64_t lost_packets = 0;
};

struct Timeline {
  StreamId stream;
  TimeRange range;               // As asked, cut at `now`.
  std::vector<Span> spans;       // By start; may overlap after the clock was set back.
  std::vector<index::Gap> gaps;  // By start; neighbours of one cause and detail are one.
  int64_t covered_us = 0;        // Of the range, by any span.
};

Result<Timeline> BuildTimeline(storage::Footage& footage, const StreamId& stream, TimeRange range,
                               TimeUs now_us);

}  // namespace lookback::query
