// query/movie_head.h: the first bytes of a clip: `ftyp`, `moov`, and the header of its one `mdat`
// or, where it is in fragments, `sidx`.
//
// Invariant: the same tracks give the same bytes; chunk offsets count from the file's start.
// Threads:   values.
// Errors:    none.
#pragma once

#include <string>
#include <vector>

#include "base/time.h"
#include "query/sample_tables.h"

namespace lookback::query {

inline constexpr uint32_t kMovieTimescale = 90'000;

// `chpl` counts them in 8 bits.
inline constexpr size_t kMaxChapters = 255;

struct Chapter {
  int64_t at_us = 0;  // From the first shown instant.
  std::string title;  // Below 256 bytes.
};

// `created_us`: of the footage, so that the file does not tell when it was made.
Bytes BuildMovieHead(const std::vector<const ClipTrack*>& tracks, uint64_t payload_bytes,
                     TimeUs created_us, const std::vector<Chapter>& chapters = {});

// A part of a fragmented clip, as `sidx` has it: it begins with a sync sample.
struct IndexedPart {
  uint32_t bytes = 0;           // Below 2 GiB.
  uint32_t duration_ticks = 0;  // Of the first track.
};

// The head of a clip in fragments: `ftyp`, `moov` with the tracks' durations and no sample, and
// `sidx`; what `parts` tells of follows at once. The first track leads.
Bytes BuildFragmentedHead(const std::vector<const ClipTrack*>& tracks, int64_t start_ticks,
                          const std::vector<IndexedPart>& parts, TimeUs created_us);

// Rounded to the nearest; `value` may be negative.
int64_t Rescale(int64_t value, int64_t from, int64_t to);

}  // namespace lookback::query
