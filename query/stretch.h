// query/stretch.h: footage as a clip sees it: fragments that follow one another without a hole.
//
// Invariant: the fragments of a stretch are of one run, their numbers follow one another, but for
//            those that thinning left out, and their media time does not run back; no whole footage
//            comes behind thinned; each stands once, even where a file of a failed volume came back
//            with copies. Every index that gets in was checked against its own file's limits, so
//            what follows may count on it.
// Threads:   values; loading reads files.
// Errors:    of storage/footage.h. A segment whose index cannot be read is left out and told in
//            `unreadable`; what is gone or damaged is noted in
//            Footage::damage(). If none can be read, and for one there is another reason than
//            that its volume is away, that reason is the answer.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "storage/footage.h"

namespace lookback::query {

// A fragment is read whole to be verified: whatever may be recorded can be shown.
inline constexpr uint64_t kMaxFragmentReadBytes = media::kMaxFragmentLength;

// How far before the asked start a sync sample is looked for, on a camera with an endless GOP.
inline constexpr int64_t kMaxLeadInUs = kUsPerHour;

struct LoadedSegment {
  storage::FootageSegment footage;
  std::shared_ptr<const storage::SegmentIndex> index;
  std::vector<media::TrackConfig> tracks;
};

// Which sample: of the fragment at `fragment` in a stretch, the one at `sample` in the track.
struct SamplePlace {
  size_t fragment = 0;
  size_t sample = 0;
};

struct Stretch {
  struct Piece {
    size_t segment = 0;  // In Stretches::segments.
    const storage::SegmentFragment* fragment = nullptr;
  };
  Uuid run;
  std::vector<Piece> pieces;

  TimeUs start_us() const { return pieces.front().fragment->info.start_us; }
  TimeUs end_us() const { return pieces.back().fragment->info.end_us; }
  const media::FragmentInfo& info(size_t piece) const { return pieces[piece].fragment->info; }
  bool Has(media::TrackKind kind) const;
};

struct Stretches {
  std::vector<LoadedSegment> segments;
  std::vector<Stretch> all;            // By start.
  std::vector<index::Gap> unreadable;  // Segments whose index failed, and why.
};

// Where a clip begins in a stretch, by its `kind` track.
struct StretchStart {
  SamplePlace sync;           // Decoding starts here.
  int64_t shown_ticks = 0;    // Presentation time of the first picture to be shown.
  TimeUs shown_us = 0;        // The same as UTC.
  bool before_asked = false;  // It is the picture on screen at the asked instant, not a later one.
};

// Where it ends: the last sample in decoding order, and the instant at which showing stops.
struct StretchEnd {
  SamplePlace last;
  int64_t shown_ticks = 0;
  TimeUs shown_us = 0;
};

// Media time of a fragment's track to UTC and back, by the fragment's own two ends.
class FragmentTimes {
 public:
  FragmentTimes(const media::FragmentInfo& info, const media::FragmentTrack& track);

  int64_t start_ticks() const { return start_ticks_; }
  int64_t end_ticks() const { return start_ticks_ + duration_; }
  TimeUs UtcOf(int64_t ticks) const;         // Rounded down; within the fragment.
  int64_t TicksOf(TimeUs instant_us) const;  // Rounded up.

 private:
  int64_t start_ticks_;
  int64_t duration_;
  TimeRange range_;
};

// Nothing when no sample of the track can be decoded. Asked before the stretch: its first one.
std::optional<StretchStart> FindStart(const Stretch& stretch, media::TrackKind kind,
                                      TimeUs asked_us);

// `stretch` must have the track, and start before `asked_us`.
StretchEnd FindEnd(const Stretch& stretch, media::TrackKind kind, TimeUs asked_us);
// The first end at or behind `end` where no picture is left out that is shown before another that
// is in: what is in front of another stretch in a file cannot be hidden there.
StretchEnd WholeEnd(const Stretch& stretch, media::TrackKind kind, const StretchEnd& end);

// One segment, its index held against the limits of its file: kCorrupt when they differ.
Result<LoadedSegment> LoadSegment(storage::Footage& footage,
                                  const storage::FootageSegment& segment);

// All footage that overlaps `range`, and before it what decoding its first picture needs.
Result<Stretches> LoadStretches(storage::Footage& footage, const StreamId& stream, TimeRange range);

}  // namespace lookback::query
