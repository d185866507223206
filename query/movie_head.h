// query/movie_head.h: the first bytes of a clip: `ftyp`, `moov`, and the header of its one `mdat`.
//
// Invariant: the same tracks give the same bytes; chunk offsets count from the file's start.
// Threads:   values.
// Errors:    none.
#pragma once

#include <vector>

#include "base/time.h"
#include "query/sample_tables.h"

namespace lookback::query {

inline constexpr uint32_t kMovieTimescale = 90'000;

// `created_us`: of the footage, so that the file does not tell when it was made.
Bytes BuildMovieHead(const std::vector<const ClipTrack*>& tracks, uint64_t payload_bytes,
                     TimeUs created_us);

// Rounded to the nearest; `value` may be negative.
int64_t Rescale(int64_t value, int64_t from, int64_t to);

}  // namespace lookback::query
