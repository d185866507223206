// query/clip_tracks.h: from the cut stretches to the tracks of a clip and the payload behind them.
//
// Invariant: samples of a stretch keep their distances; only the last one before the next stretch
//            lasts longer. Sound stands beside the pictures of its own stretch.
// Threads:   values.
// Errors:    none: what cannot be placed was refused before.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "query/clip_plan.h"
#include "query/stretch.h"

namespace lookback::query {

struct Subtitles;  // query/subtitles.h

// What of a stretch goes into the clip, and where. The leading track (pictures, if there are any)
// decides; ticks are its own.
struct Cut {
  const Stretch* stretch = nullptr;
  StretchStart start;
  StretchEnd end;
  int64_t origin = 0;    // Decoding time of the first sample, in the run.
  TimeUs origin_us = 0;  // The same as UTC.
  int64_t position = 0;  // The same in the clip's track.

  int64_t end_ticks() const { return position + end.shown_ticks - origin; }
  // Of the clip's first cut an edit hides what decoding needs before; of the others it is seen.
  int64_t seen_ticks(bool first) const { return first ? start.shown_ticks : origin; }
  TimeUs seen_us(bool first) const { return first ? start.shown_us : origin_us; }
};

// The cut of a stretch to `range`; nothing when no sample of it can be shown there.
std::optional<Cut> CutStretch(const Stretch& stretch, media::TrackKind lead, TimeRange range);

// nullptr when the segment of the cut's first sample has no such track.
const media::TrackConfig* ConfigOf(const Stretches& stretches, const Cut& cut,
                                   media::TrackKind kind);

class ClipTracks {
 public:
  // Payload, fragments and files go into `parts`. All must outlive the object.
  ClipTracks(const Stretches& stretches, std::vector<Cut>& cuts, ClipParts& parts)
      : stretches_(stretches), cuts_(cuts), parts_(parts) {}

  // Sets the cuts' positions; `cuts` is not empty.
  void Place(media::TrackKind lead, GapMode gaps);
  // Then fills the tracks. `subtitles` of these positions, or none.
  void Fill(bool sound, const Subtitles& subtitles);

  const ClipTrack& lead() const { return lead_; }
  const ClipTrack& sound() const { return sound_; }          // Without samples when there is none.
  const ClipTrack& subtitles() const { return subtitles_; }  // The same.

 private:
  int64_t AddLeading(const Cut& cut, size_t piece, int64_t& open_start_pts, TrackBuilder& builder,
                     int64_t last_end);
  void AddSound(const Cut& cut, size_t piece, TrackBuilder& builder);
  void FinishSound(TrackBuilder& builder);
  void AddSubtitles(const Subtitles& subtitles, int64_t until, TrackBuilder& builder);
  void FinishSubtitles(TrackBuilder& builder);
  uint32_t SourceOf(const Stretch& stretch, size_t piece);
  uint32_t EntryOf(const Stretch& stretch, size_t piece, media::TrackKind kind, ClipTrack& track);

  const Stretches& stretches_;
  std::vector<Cut>& cuts_;
  ClipParts& parts_;
  media::TrackKind lead_kind_ = media::TrackKind::kVideo;
  ClipTrack lead_;
  ClipTrack sound_;
  ClipTrack subtitles_;
  int64_t sound_origin_ = 0;  // Position of the sound's first sample, from the first shown instant.
  int64_t sound_end_ = 0;
  std::map<const storage::SegmentFragment*, uint32_t> fragment_numbers_;
  std::map<size_t, uint32_t> file_numbers_;
  std::map<std::pair<size_t, media::TrackKind>, uint32_t> entry_numbers_;
};

}  // namespace lookback::query
