// query/timeline.h: what there is of a stream in a range, and why the rest is missing.
//
// Invariant: spans and gaps together cover `Timeline::range` exactly; gaps overlap neither footage
//            nor one another, and every gap has a cause (kUnknown only where the store has none on
//            record, such as before the first recording).
// Threads:   any.
// Errors:    of storage/footage.h; kInvalid when start >= end.
//
// Footage decides: a recorded gap yields where there is footage. Where recorded gaps overlap one
// another the more specific one is shown: any cause before kUnknown, then the shorter, then the
// later.
#pragma once

#include <optional>
#include <vector>

#include "storage/footage.h"

namespace lookback::query {

// Between two runs (or two segments of one) a hole below this is rounding of clocks, not a gap: the
// earlier span is prolonged over it.
inline constexpr int64_t kSmallestGapUs = kUsPerMs;

// How long after the end of what is on record the next fragment may still be on its way to a file.
inline constexpr int64_t kAssemblyUs = 5 * kUsPerSecond;

// Footage of one run without a hole, all of it whole or all of it thinned, cut to the asked range.
struct Span {
  TimeRange range;
  Uuid run;
  uint32_t segments = 0;
  bool open = false;  // Its last segment is still being written.
  bool clock_unsynchronised = false;
  bool imported = false;      // From a file.
  bool thinned = false;       // Of its pictures the sync samples are left, each until the next.
  uint64_t lost_packets = 0;  // In its segments, whole.
  // The camera's clock less ours, as its sender reports told at the start of each of its segments.
  struct CameraOffset {
    int64_t min_us;
    int64_t max_us;
  };
  std::optional<CameraOffset> camera_offset;  // Nothing when no segment has one.
};

struct Timeline {
  StreamId stream;
  // As asked, but cut at `now` (or at the end of footage dated later, left by a clock that was
  // ahead); and where footage or a gap ended less than kAssemblyUs before `now`, cut there: what is
  // being recorded this instant is neither footage nor a gap yet. Empty when nothing is left.
  TimeRange range;
  std::vector<Span> spans;       // By start; may overlap after the clock was set back.
  std::vector<index::Gap> gaps;  // By start; neighbours of one cause and detail are one.
  // Of the spans, what cannot be read now, each with kVolumeAway and its volume for the detail.
  std::vector<index::Gap> away;  // By start; they do not overlap.
  int64_t covered_us = 0;        // Of the range, by any span.
  int64_t readable_us = 0;       // Of that, what is not away.
};

Result<Timeline> BuildTimeline(storage::Footage& footage, const StreamId& stream, TimeRange range,
                               TimeUs now_us);

}  // namespace lookback::query
