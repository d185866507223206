// query/playlist_parts.h: footage cut into the media segments of a playlist.
//
// Invariant: parts of a segment file are cut from its beginning (or from behind a damaged fragment)
//            by the same rule, whatever the range, so that their URLs are the same for all; the
//            first part of a stretch begins with a sync sample.
// Threads:   values.
// Errors:    none.
#pragma once

#include <string>
#include <vector>

#include "query/media_part.h"

namespace lookback::query {

inline constexpr int64_t kPartUs = 4 * kUsPerSecond;         // A part that has so much is enough.
inline constexpr int64_t kLongestPartUs = 6 * kUsPerSecond;  // Two GOPs together are not longer.

struct Part {
  const LoadedSegment* segment = nullptr;
  uint32_t first = 0;  // Fragment numbers.
  uint32_t last = 0;
  TimeRange range;          // UTC.
  int64_t duration_us = 0;  // Media time of its pictures.
  uint64_t bytes = 0;
  bool sync = false;    // Begins with a sync sample.
  bool closed = false;  // Of a closed GOP.
};

struct PartStretch {
  std::vector<Part> parts;
};

// Whether all that is shown in `range` has sound of one form that players in browsers know.
bool HasPlayableSound(const Stretches& loaded, TimeRange range);

// What of the footage with pictures overlaps `range`, and before it what decoding needs.
std::vector<PartStretch> CutParts(const Stretches& loaded, TimeRange range, bool audio);
// The same, with each fragment a part: of the last run, as much as `window_us`.
std::vector<Part> CutLiveParts(const Stretches& loaded, int64_t window_us);
// One part for each sync sample that begins a fragment: its bytes, until the next.
std::vector<PartStretch> CutSyncSamples(const Stretches& loaded, TimeRange range);

}  // namespace lookback::query
