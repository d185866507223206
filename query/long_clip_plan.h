// query/long_clip_plan.h: decides every byte of a clip of days, without a look into its files.
//
// The clip is a head (`ftyp`, `moov` without samples, `sidx`), and behind it the segment files
// one after the other, each as long as it is: their fragments with media time moved to its
// place in the clip, and what else is in a file as a `free` box of the same size. So rows of
// the catalog tell where every byte comes from, and a month is planned in a second; files are
// read as the bytes leave.
//
// Invariant: parts follow one another without a hole, from the end of the head on. A part begins
//            with a sync sample. Files are read for the first and the last part, for the first of
//            each run, and where two files have the same fragments.
// Threads:   any.
// Errors:    of Clip::Plan.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "query/clip.h"

namespace lookback::query {

// `sidx` counts its entries in 16 bits (ISO/IEC 14496-12 §8.16.3).
inline constexpr size_t kMaxLongClipParts = 65'535;
inline constexpr size_t kMaxLongClipRuns = 4'096;  // Of each the first file is read.

// One segment file, or a stretch of it.
struct LongPart {
  uint64_t at = 0;  // In the clip.
  uint64_t from = 0;
  uint64_t to = 0;  // In the file.
  TimeUs start_us = 0;
  TimeUs end_us = 0;
  uint32_t epoch = 0;
  uint32_t sequence = 0;
  int64_t position = 0;      // Of its beginning, in ticks of the clip's video.
  int64_t shift = 0;         // From the run's media time to the clip's.
  uint32_t longer_by = 0;    // Its last picture is shown so many ticks longer: a kept gap follows.
  uint16_t video_entry = 0;  // Sample description, from 1.
  uint16_t audio_entry = 0;  // 0: its sound is left out.
  bool thinned = false;
  bool whole = false;  // All of a sealed file.

  uint64_t bytes() const { return to - from; }
};

struct LongClipParts {
  StreamId stream;
  Bytes head;
  std::vector<LongPart> parts;
  std::set<std::pair<uint32_t, uint32_t>> damaged;  // Part, and the number of a fragment left out.
  uint32_t video_timescale = 0;
  uint32_t audio_timescale = 0;
  ClipReport report;
  std::string etag;

  uint64_t size() const {
    return parts.empty() ? head.size() : parts.back().at + parts.back().bytes();
  }
};

Result<LongClipParts> PlanLongClip(storage::Footage& footage, const ClipRequest& request,
                                   TimeUs now_us);

// The clip of such a plan. `readers`: of Clip::Plan().
std::shared_ptr<const Clip> MakeLongClip(storage::Footage& footage, LongClipParts parts,
                                         std::shared_ptr<IdleReaders> readers,
                                         storage::ReadPins::Pin pin);

}  // namespace lookback::query
