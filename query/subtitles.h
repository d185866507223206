// query/subtitles.h: the time of the pictures where a player shows it: a subtitle a second, and a
// chapter behind each gap.
//
// Invariant: at any instant of the clip the subtitle is the second that a clock on the wall of
//            the zone showed when the picture on screen was taken, with the offset from UTC.
//            In a kept gap, where a picture stands still, the clock goes on, and the subtitle says
//            that there is no footage.
// Threads:   values.
// Errors:    kUnsupported above kMaxSubtitles.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time_zone.h"
#include "query/clip_tracks.h"
#include "query/movie_head.h"

namespace lookback::query {

// A flat clip has one a second. It has more where the clock was set back and a
// time was recorded twice.
inline constexpr size_t kMaxSubtitles = size_t{4} * kMaxFlatClipUs / kUsPerSecond;
// What is shorter is no step of a clock that shows seconds: neither a chapter
// nor a word tells of it.
inline constexpr int64_t kSmallestToldGapUs = kUsPerSecond;

struct Subtitle {
  int64_t at = 0;     // Ticks from the first shown instant.
  uint32_t skip = 0;  // Of its first byte, in Subtitles::texts.
  uint32_t bytes = 0;
};

// Each stands until the next one.
struct Subtitles {
  std::vector<Subtitle> all;
  Bytes texts;  // As samples of `tx3g`, one behind the other.
};

// `cuts` have their positions, in ticks of `timescale`.
Result<Subtitles> WriteSubtitles(const std::vector<Cut>& cuts, media::TrackKind lead,
                                 uint32_t timescale, GapMode gaps, const TimeZone& zone);

// The sample entry (3GPP TS 26.245 §5.16), for a line at the foot of a picture so many pixels wide.
Bytes BuildSubtitleEntry(uint16_t width, uint16_t height);

// One where the clip begins and one behind each gap, the first kMaxChapters of them; none when
// there is no gap. `missing`: of the clip's report.
std::vector<Chapter> FindChapters(const std::vector<Cut>& cuts, uint32_t timescale,
                                  const std::vector<index::Gap>& missing, const TimeZone& zone);

}  // namespace lookback::query
