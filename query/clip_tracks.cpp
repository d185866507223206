#include "query/clip_tracks.h"

#include <algorithm>

#include "media/fragmenter.h"
#include "query/movie_head.h"
#include "query/subtitles.h"

namespace lookback::query {
namespace {

using media::FragmentTrack;
using media::Sync;
using media::TrackConfig;
using media::TrackKind;

// An AAC frame needs the one before it to be decoded right.
constexpr int64_t kSoundLeadInSamples = 2;

const TrackConfig* ConfigOf(const std::vector<TrackConfig>& tracks, TrackKind kind) {
  for (const TrackConfig& track : tracks) {
    if (track.kind == kind) return &track;
  }
  return nullptr;
}

// The samples of one piece of a stretch that a clip takes, with decoding times that hold after the
// leading pictures of an open start were left out.
class PieceSamples {
 public:
  struct Row {
    size_t sample;
    int64_t decode_time;
    int64_t presentation_time;
    uint32_t skip;  // Of the sample's first byte, from the fragment's start.
  };

  // `open_start_pts`: pictures shown before it, up to the next sync sample, are left out; INT64_MIN
  // for none. Tells in it whether that goes on in the next piece.
  PieceSamples(const FragmentTrack& track, size_t first, int64_t& open_start_pts) {
    std::vector<int64_t> times;
    int64_t decode_time = track.base_decode_time;
    uint32_t skip = track.data_offset;
    for (size_t i = 0; i < track.samples.size(); ++i) {
      const media::SampleInfo& sample = track.samples[i];
      const int64_t shown = decode_time + sample.composition_offset;
      if (i >= first) {
        if (i > first && sample.sync != Sync::kNone) open_start_pts = INT64_MIN;
        times.push_back(decode_time);
        if (shown >= open_start_pts) rows_.push_back({i, 0, shown, skip});
      }
      decode_time += sample.duration;
      skip += sample.size;
    }
    // Decoding times are the presentation times in rising order: those left out were the first.
    const size_t left_out = times.size() - rows_.size();
    for (size_t i = 0; i < rows_.size(); ++i) rows_[i].decode_time = times[left_out + i];
  }

  const std::vector<Row>& rows() const { return rows_; }

 private:
  std::vector<Row> rows_;
};

// Presentation time of an open sync sample that the cut starts at, else INT64_MIN.
int64_t OpenStartPts(const Cut& cut, TrackKind lead) {
  const SamplePlace& sync = cut.start.sync;
  const FragmentTrack& track = *cut.stretch->info(sync.fragment).Track(lead);
  if (track.samples[sync.sample].sync != Sync::kOpen) return INT64_MIN;
  int64_t decode_time = track.base_decode_time;
  for (size_t i = 0; i < sync.sample; ++i) decode_time += track.samples[i].duration;
  return decode_time + track.samples[sync.sample].composition_offset;
}

// Where in the clip's track a fragment of the cut ends; where the cut begins,
// if that lacks pictures.
int64_t EndOf(const Cut& cut, size_t piece, TrackKind lead) {
  const FragmentTrack* track = cut.stretch->info(piece).Track(lead);
  if (track == nullptr) return cut.position;
  return track->base_decode_time + track->duration() - cut.origin + cut.position;
}

}  // namespace

std::optional<Cut> CutStretch(const Stretch& stretch, TrackKind lead, TimeRange range) {
  const auto start = FindStart(stretch, lead, range.start_us);
  if (!start || start->shown_us >= range.end_us) return std::nullopt;
  Cut cut;
  cut.stretch = &stretch;
  cut.start = *start;
  cut.end = FindEnd(stretch, lead, range.end_us);
  const media::FragmentInfo& info = stretch.info(start->sync.fragment);
  const FragmentTrack& track = *info.Track(lead);
  int64_t open_start_pts = OpenStartPts(cut, lead);
  const PieceSamples samples(track, start->sync.sample, open_start_pts);
  cut.origin = samples.rows().front().decode_time;
  cut.origin_us = FragmentTimes(info, track).UtcOf(cut.origin);
  return cut;
}

const TrackConfig* ConfigOf(const Stretches& stretches, const Cut& cut, TrackKind kind) {
  const size_t segment = cut.stretch->pieces[cut.start.sync.fragment].segment;
  return cut.stretch->Has(kind) ? ConfigOf(stretches.segments[segment].tracks, kind) : nullptr;
}

void ClipTracks::Place(TrackKind lead, GapMode gaps) {
  lead_kind_ = lead;
  lead_.kind = lead == TrackKind::kVideo ? ClipTrackKind::kVideo : ClipTrackKind::kAudio;
  const TrackConfig& config = *ConfigOf(stretches_, cuts_.front(), lead);
  lead_.timescale = config.timescale;
  lead_.width = config.width;
  lead_.height = config.height;
  Cut& first = cuts_.front();
  lead_.edit_start = first.start.shown_ticks - first.origin;
  for (size_t i = 1; i < cuts_.size(); ++i) {
    Cut& cut = cuts_[i];
    cut.position = cuts_[i - 1].end_ticks();
    if (gaps == GapMode::kClose) continue;
    const int64_t by_clock = lead_.edit_start + Rescale(cut.origin_us - first.start.shown_us,
                                                        kUsPerSecond, lead_.timescale);
    cut.position = std::max(cut.position, by_clock);
  }
  lead_.edit_duration = cuts_.back().end_ticks() - lead_.edit_start;
}

void ClipTracks::Fill(bool sound_wanted, const Subtitles& subtitles) {
  sound_.kind = ClipTrackKind::kAudio;
  TrackBuilder lead(lead_, parts_.payload);
  TrackBuilder sound(sound_, parts_.payload);
  TrackBuilder subtitle(subtitles_, parts_.payload);
  int64_t last_end = 0;
  for (const Cut& cut : cuts_) {
    int64_t open_start_pts = OpenStartPts(cut, lead_kind_);
    // Sound of the same instants may stand one fragment before or after the pictures.
    const size_t first = cut.start.sync.fragment - (cut.start.sync.fragment > 0 ? 1 : 0);
    const size_t last = std::min(cut.end.last.fragment + 1, cut.stretch->pieces.size() - 1);
    for (size_t piece = first; piece <= last; ++piece) {
      if (cut.start.sync.fragment <= piece && piece <= cut.end.last.fragment) {
        // Beside the pictures of its time: a player that streams finds it where it reads.
        const int64_t until = EndOf(cut, piece, lead_kind_) - lead_.edit_start;
        AddSubtitles(subtitles, until, subtitle);
        last_end = AddLeading(cut, piece, open_start_pts, lead, last_end);
      }
      if (sound_wanted) AddSound(cut, piece, sound);
    }
  }
  AddSubtitles(subtitles, INT64_MAX, subtitle);
  lead.Finish(std::max(last_end, cuts_.back().end_ticks()));
  if (!sound.empty()) FinishSound(sound);
  if (!subtitle.empty()) FinishSubtitles(subtitle);
}

void ClipTracks::FinishSound(TrackBuilder& builder) {
  builder.Finish(sound_end_);
  const int64_t shown = Rescale(lead_.edit_duration, lead_.timescale, sound_.timescale);
  sound_.edit_duration = std::max<int64_t>(1, std::min(shown, sound_.duration - sound_.edit_start));
}

// Those that begin before `until`, in ticks from the first shown instant.
void ClipTracks::AddSubtitles(const Subtitles& subtitles, int64_t until, TrackBuilder& builder) {
  for (size_t i = subtitles_.sizes.size(); i < subtitles.all.size(); ++i) {
    const Subtitle& subtitle = subtitles.all[i];
    if (subtitle.at >= until) break;
    builder.Add({subtitle.at, 0, true, 0, kOwnText, subtitle.skip, subtitle.bytes});
  }
}

void ClipTracks::FinishSubtitles(TrackBuilder& builder) {
  builder.Finish(lead_.edit_duration);
  subtitles_.kind = ClipTrackKind::kSubtitles;
  subtitles_.timescale = lead_.timescale;
  subtitles_.width = lead_.width;
  constexpr uint16_t kPartOfHeight = 8;
  subtitles_.height = lead_.height / kPartOfHeight;
  subtitles_.entries.push_back(BuildSubtitleEntry(subtitles_.width, subtitles_.height));
  subtitles_.edit_duration = lead_.edit_duration;
}

// Gives where the last sample that went in ends.
int64_t ClipTracks::AddLeading(const Cut& cut, size_t piece, int64_t& open_start_pts,
                               TrackBuilder& builder, int64_t last_end) {
  const FragmentTrack* track = cut.stretch->info(piece).Track(lead_kind_);
  if (track == nullptr) return last_end;
  const size_t first = piece == cut.start.sync.fragment ? cut.start.sync.sample : 0;
  const size_t last =
      piece == cut.end.last.fragment ? cut.end.last.sample : track->samples.size() - 1;
  const uint32_t fragment = SourceOf(*cut.stretch, piece);
  const uint32_t entry = EntryOf(*cut.stretch, piece, lead_kind_, lead_);
  const PieceSamples samples(*track, first, open_start_pts);
  if (piece == cut.start.sync.fragment && &cut != &cuts_.front()) {
    const LoadedSegment& segment = stretches_.segments[cut.stretch->pieces[piece].segment];
    parts_.fragments[fragment].splice = Splice::At(segment, *track, first);
  }
  for (const PieceSamples::Row& row : samples.rows()) {
    if (row.sample > last) break;
    const media::SampleInfo& sample = track->samples[row.sample];
    const int64_t decode_time = row.decode_time - cut.origin + cut.position;
    builder.Add({decode_time, static_cast<int32_t>(row.presentation_time - row.decode_time),
                 sample.sync != Sync::kNone, entry, fragment, row.skip, sample.size});
    last_end = decode_time + sample.duration;
  }
  return last_end;
}

// Sound keeps its place beside the pictures of its stretch: what starts outside of their time is
// left out, but for the lead-in that the edit hides.
void ClipTracks::AddSound(const Cut& cut, size_t piece, TrackBuilder& builder) {
  const FragmentTrack* track = cut.stretch->info(piece).Track(TrackKind::kAudio);
  const TrackConfig* config = ConfigOf(stretches_, cut, TrackKind::kAudio);
  if (track == nullptr || config == nullptr) return;
  sound_.timescale = config->timescale;
  const auto to_sound = [&](int64_t ticks) {
    return Rescale(ticks, lead_.timescale, sound_.timescale);
  };
  // Position 0 is the clip's first shown instant.
  const int64_t shift = to_sound(cut.position - lead_.edit_start - cut.origin);
  const int64_t end = to_sound(cut.end_ticks() - lead_.edit_start);
  const bool first_cut = &cut == &cuts_.front();
  const int64_t begin = first_cut ? 0 : to_sound(cut.position - lead_.edit_start);
  std::optional<PlacedSample> next;
  uint32_t skip = track->data_offset;
  int64_t at = track->base_decode_time + shift;
  for (const media::SampleInfo& sample : track->samples) {
    const int64_t lead_in = first_cut ? kSoundLeadInSamples * sample.duration : 0;
    if (at >= begin - lead_in && at < end) {
      if (!next) {
        next.emplace();
        next->entry = EntryOf(*cut.stretch, piece, TrackKind::kAudio, sound_);
        next->fragment = SourceOf(*cut.stretch, piece);
      }
      if (builder.empty()) {
        // Sound that starts later than the pictures has no empty edit before it: its first
        // sample is heard early and lasts until the second.
        sound_.edit_start = std::max<int64_t>(0, -at);
        sound_origin_ = std::min<int64_t>(0, at);
      }
      next->decode_time = builder.empty() ? 0 : at - sound_origin_;
      next->skip = skip;
      next->size = sample.size;
      builder.Add(*next);
      sound_end_ = at - sound_origin_ + sample.duration;
    }
    at += sample.duration;
    skip += sample.size;
  }
}

// The number of the piece's fragment among the clip's.
uint32_t ClipTracks::SourceOf(const Stretch& stretch, size_t piece) {
  const Stretch::Piece& from = stretch.pieces[piece];
  const auto known = fragment_numbers_.find(from.fragment);
  if (known != fragment_numbers_.end()) return known->second;
  const auto [file, fresh] =
      file_numbers_.try_emplace(from.segment, static_cast<uint32_t>(parts_.files.size()));
  if (fresh) {
    const LoadedSegment& segment = stretches_.segments[from.segment];
    parts_.files.push_back({segment.footage, segment.index->header.run});
  }
  const auto number = static_cast<uint32_t>(parts_.fragments.size());
  parts_.fragments.push_back(SourceFragment::Of(file->second, *from.fragment));
  fragment_numbers_.emplace(from.fragment, number);
  return number;
}

// The number of the piece's sample entry in the track; equal entries are one.
uint32_t ClipTracks::EntryOf(const Stretch& stretch, size_t piece, TrackKind kind,
                             ClipTrack& track) {
  const auto key = std::make_pair(stretch.pieces[piece].segment, kind);
  const auto known = entry_numbers_.find(key);
  if (known != entry_numbers_.end()) return known->second;
  Bytes entry = media::BuildSampleEntry(*ConfigOf(stretches_.segments[key.first].tracks, kind));
  auto place = std::find(track.entries.begin(), track.entries.end(), entry);
  const auto number = static_cast<uint32_t>(place - track.entries.begin());
  if (place == track.entries.end()) track.entries.push_back(std::move(entry));
  entry_numbers_.emplace(key, number);
  return number;
}

}  // namespace lookback::query
