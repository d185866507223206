#include "query/stretch.h"

#include <algorithm>
#include <map>
#include <set>

#include "media/fragmenter.h"

namespace lookback::query {
namespace {

using index::GapCause;
using media::FragmentInfo;
using media::FragmentTrack;
using media::Sync;
using media::TrackKind;
using storage::FootageSegment;
using storage::SegmentFragment;
using storage::SegmentIndex;

// A track's ticks in a fragment stay below this, so that products with microseconds fit 64 bits.
constexpr int64_t kMaxFragmentTicks = int64_t{1} << 31;
constexpr int64_t kMaxRunTicks = int64_t{1} << 40;
constexpr uint32_t kMaxTimescale = 1'000'000;

// What is wrong with a fragment's row; nullptr when nothing is.
const char* FindFault(const SegmentFragment& fragment, const SegmentIndex& index,
                      const std::vector<media::TrackConfig>& configs) {
  const FragmentInfo& info = fragment.info;
  if (info.start_us < kTimeMinUs || info.end_us <= info.start_us ||
      info.end_us - info.start_us > storage::kMaxSegmentUs || info.end_us > kTimeMaxUs) {
    return "has no valid time";
  }
  if (info.length > kMaxFragmentReadBytes || fragment.offset > index.file_bytes ||
      info.length > index.file_bytes - fragment.offset) {
    return "does not fit its file";
  }
  if (info.tracks.empty() || info.tracks.size() > 2) return "has no valid number of tracks";
  if (info.tracks.size() == 2 && info.tracks[0].kind == info.tracks[1].kind) {
    return "has two tracks of a kind";
  }
  for (const FragmentTrack& track : info.tracks) {
    if (std::none_of(configs.begin(), configs.end(),
                     [&track](const auto& config) { return config.kind == track.kind; })) {
      return "has a track that its init section lacks";
    }
    if (track.samples.empty() || track.duration() <= 0 || track.duration() > kMaxFragmentTicks ||
        track.base_decode_time < -kMaxRunTicks || track.base_decode_time > kMaxRunTicks) {
      return "has no valid media time";
    }
    if (track.data_offset > info.length || track.data_bytes() > info.length - track.data_offset) {
      return "has samples outside of it";
    }
  }
  return nullptr;
}

GapCause CauseOf(Code code) {
  switch (code) {
    case Code::kNotFound:
      return GapCause::kMissing;
    case Code::kDiskFailed:
      return GapCause::kDiskFailed;
    case Code::kUnavailable:
      return GapCause::kVolumeAway;
    default:
      return GapCause::kCorrupt;
  }
}

Result<index::Gap> Unreadable(const FootageSegment& segment, const Error& error,
                              const std::optional<std::string>& away) {
  const index::Seal& row = segment.row;
  if (away) return index::Gap{row.stream, row.range(), GapCause::kVolumeAway, *away};
  return index::Gap{row.stream, row.range(), CauseOf(error.code), error.message};
}

// From now on every answer leaves the segment out, and says so; unless retention took it meanwhile.
Result<index::Gap> NoteLoss(storage::Footage& footage, const FootageSegment& segment, Code code) {
  const index::Seal& row = segment.row;
  const GapCause cause = CauseOf(code);
  storage::Damage damage = storage::DamagedSegment(
      row, cause == GapCause::kMissing ? "its file is gone" : "its file is damaged", cause);
  damage.everywhere = !footage.HasFileAway(damage.segment);
  LB_TRY_ASSIGN(now, footage.Segments(row.stream, row.range()));
  const bool stands = std::any_of(now.begin(), now.end(), [&row](const FootageSegment& other) {
    return index::KeyOf(other.row) == index::KeyOf(row) && other.row.thinned == row.thinned;
  });
  if (stands) footage.damage().Add(damage);
  return index::Gap{row.stream, row.range(), stands ? cause : GapCause::kRetention, damage.what};
}

// Whether `next` goes on where `previous` ended. Thinning leaves numbers out, and no hole; whole
// footage behind it cannot be decoded with it.
bool Follows(const FragmentInfo& previous, bool previous_thinned, const FragmentInfo& next,
             bool next_thinned) {
  if (previous_thinned && !next_thinned) return false;
  const bool left_out = next.number != previous.number + 1;
  if (left_out && !(previous_thinned && next_thinned)) return false;
  for (const FragmentTrack& track : next.tracks) {
    const FragmentTrack* before = previous.Track(track.kind);
    if (track.kind != TrackKind::kVideo || before == nullptr) continue;
    const int64_t hole = track.base_decode_time - before->base_decode_time - before->duration();
    if (hole < 0 || hole > (left_out ? 0 : kMaxFragmentTicks)) return false;
  }
  return true;
}

// Of the fragments in sight, those that a reader found damaged.
class DamagedFragments {
 public:
  DamagedFragments(storage::Footage& footage, const StreamId& stream, TimeRange range) {
    const TimeUs from_us = std::max(kTimeMinUs, range.start_us - kMaxLeadInUs);
    for (const storage::Damage& damage : footage.Lost(stream, {from_us, range.end_us})) {
      fragments_.emplace(damage.segment, damage.fragment);
    }
  }
  bool Has(const index::Seal& row, uint32_t fragment) const {
    if (fragments_.empty()) return false;
    const index::SegmentKey key = index::KeyOf(row);
    return fragments_.contains({key, fragment}) ||
           fragments_.contains({key, storage::kWholeSegment});
  }

 private:
  std::set<std::pair<index::SegmentKey, uint32_t>> fragments_;
};

// Segments by start to stretches by start.
std::vector<Stretch> Chain(const std::vector<LoadedSegment>& segments,
                           const DamagedFragments& damaged) {
  std::vector<Stretch> stretches;
  std::map<Uuid, size_t> last_of_run;
  for (size_t i = 0; i < segments.size(); ++i) {
    const Uuid& run = segments[i].index->header.run;
    for (const SegmentFragment& fragment : segments[i].index->fragments) {
      if (damaged.Has(segments[i].footage.row, fragment.info.number)) continue;
      const auto known = last_of_run.find(run);
      Stretch* stretch = known == last_of_run.end() ? nullptr : &stretches[known->second];
      if (stretch != nullptr) {
        const Stretch::Piece& back = stretch->pieces.back();
        const FragmentInfo& last = back.fragment->info;
        if (fragment.info.number <= last.number) continue;
        if (!Follows(last, segments[back.segment].index->header.thinned, fragment.info,
                     segments[i].index->header.thinned)) {
          stretch = nullptr;
        }
      }
      if (stretch == nullptr) {
        last_of_run[run] = stretches.size();
        stretch = &stretches.emplace_back();
        stretch->run = run;
      }
      stretch->pieces.push_back({i, &fragment});
    }
  }
  std::stable_sort(stretches.begin(), stretches.end(),
                   [](const Stretch& a, const Stretch& b) { return a.start_us() < b.start_us(); });
  return stretches;
}

// The last piece with the track that starts before `at_us`.
std::optional<size_t> LastPieceBefore(const Stretch& stretch, TrackKind kind, TimeUs at_us) {
  std::optional<size_t> found;
  for (size_t piece = 0; piece < stretch.pieces.size(); ++piece) {
    if (stretch.info(piece).start_us >= at_us) break;
    if (stretch.info(piece).Track(kind) != nullptr) found = piece;
  }
  return found;
}

// The last sync sample in the pieces up to `last` whose picture is not shown after `pts`.
std::optional<SamplePlace> FindSync(const Stretch& stretch, TrackKind kind, size_t last,
                                    int64_t pts) {
  for (size_t piece = last + 1; piece-- > 0;) {
    const FragmentTrack* track = stretch.info(piece).Track(kind);
    if (track == nullptr) continue;
    int64_t decode_time = track->base_decode_time;
    std::optional<SamplePlace> found;
    for (size_t i = 0; i < track->samples.size(); ++i) {
      const media::SampleInfo& sample = track->samples[i];
      if (sample.sync != Sync::kNone && decode_time + sample.composition_offset <= pts) {
        found = SamplePlace{piece, i};
      }
      decode_time += sample.duration;
    }
    if (found) return found;
  }
  return std::nullopt;
}

// The first sync sample from the start of the fragment at `from` on, not shown before `pts`.
std::optional<StretchStart> FindNextSync(const Stretch& stretch, TrackKind kind, size_t from,
                                         int64_t pts) {
  for (size_t piece = from; piece < stretch.pieces.size(); ++piece) {
    const FragmentInfo& info = stretch.info(piece);
    const FragmentTrack* track = info.Track(kind);
    if (track == nullptr) continue;
    int64_t decode_time = track->base_decode_time;
    for (size_t i = 0; i < track->samples.size(); ++i) {
      const media::SampleInfo& sample = track->samples[i];
      const int64_t shown = decode_time + sample.composition_offset;
      if (sample.sync != Sync::kNone && shown >= pts) {
        return StretchStart{{piece, i}, shown, FragmentTimes(info, *track).UtcOf(shown), false};
      }
      decode_time += sample.duration;
    }
  }
  return std::nullopt;
}

}  // namespace

bool Stretch::Has(TrackKind kind) const {
  return std::any_of(pieces.begin(), pieces.end(), [kind](const Piece& piece) {
    return piece.fragment->info.Track(kind) != nullptr;
  });
}

FragmentTimes::FragmentTimes(const FragmentInfo& info, const FragmentTrack& track)
    : start_ticks_(track.base_decode_time),
      duration_(track.duration()),
      range_{info.start_us, info.end_us} {}

TimeUs FragmentTimes::UtcOf(int64_t ticks) const {
  const int64_t into = std::clamp<int64_t>(ticks - start_ticks_, 0, duration_);
  return range_.start_us + into * range_.duration_us() / duration_;
}

int64_t FragmentTimes::TicksOf(TimeUs instant_us) const {
  const int64_t into = std::clamp<int64_t>(instant_us - range_.start_us, 0, range_.duration_us());
  return start_ticks_ + (into * duration_ + range_.duration_us() - 1) / range_.duration_us();
}

std::optional<StretchStart> FindStart(const Stretch& stretch, TrackKind kind, TimeUs asked_us) {
  const auto found = LastPieceBefore(stretch, kind, asked_us + 1);
  if (!found) return FindNextSync(stretch, kind, 0, INT64_MIN);
  // Decoding times of a fragment are its presentation times in rising order, so the picture on
  // screen at an instant is found by them.
  const FragmentTrack& track = *stretch.info(*found).Track(kind);
  const FragmentTimes times(stretch.info(*found), track);
  StretchStart start;
  int64_t ticks = track.base_decode_time;
  for (size_t i = 0; i < track.samples.size(); ++i) {
    const TimeUs shown_us = times.UtcOf(ticks);
    if (shown_us > asked_us) break;
    start.shown_ticks = ticks;
    start.shown_us = shown_us;
    ticks += track.samples[i].duration;
  }
  const auto sync = FindSync(stretch, kind, *found, start.shown_ticks);
  if (!sync) return FindNextSync(stretch, kind, *found, start.shown_ticks);
  start.sync = *sync;
  start.before_asked = true;
  return start;
}

StretchEnd FindEnd(const Stretch& stretch, TrackKind kind, TimeUs asked_us) {
  const auto found = LastPieceBefore(stretch, kind, asked_us);
  LB_CHECK(found.has_value());
  const FragmentInfo& info = stretch.info(*found);
  const FragmentTrack& track = *info.Track(kind);
  const FragmentTimes times(info, track);
  if (info.end_us <= asked_us) {
    return {{*found, track.samples.size() - 1}, times.end_ticks(), info.end_us};
  }
  // Where the last picture that is on screen before the asked instant ends.
  int64_t picture_end = track.base_decode_time;
  for (const media::SampleInfo& sample : track.samples) {
    if (times.UtcOf(picture_end) >= asked_us) break;
    picture_end += sample.duration;
  }
  StretchEnd end{{*found, 0}, std::min(times.TicksOf(asked_us), picture_end), asked_us};
  int64_t decode_time = track.base_decode_time;
  for (size_t i = 0; i < track.samples.size(); ++i) {
    if (decode_time + track.samples[i].composition_offset < picture_end) end.last.sample = i;
    decode_time += track.samples[i].duration;
  }
  return end;
}

StretchEnd WholeEnd(const Stretch& stretch, TrackKind kind, const StretchEnd& end) {
  const FragmentInfo& info = stretch.info(end.last.fragment);
  const FragmentTrack& track = *info.Track(kind);
  const FragmentTimes times(info, track);
  int64_t decode_time = track.base_decode_time;
  int64_t last_shown = INT64_MIN;
  StretchEnd whole = end;
  for (size_t i = 0; i < track.samples.size(); ++i) {
    last_shown = std::max(last_shown, decode_time + track.samples[i].composition_offset);
    decode_time += track.samples[i].duration;
    whole = {{end.last.fragment, i}, decode_time, times.UtcOf(decode_time)};
    // Decoding times are presentation times in rising order: as many are shown as are decoded.
    if (i >= end.last.sample && last_shown < decode_time) break;
  }
  return whole;
}

Result<LoadedSegment> LoadSegment(storage::Footage& footage, const FootageSegment& segment) {
  LB_TRY_ASSIGN(index, footage.Index(segment));
  LB_TRY_ASSIGN(tracks, media::ParseInitSection(index->init));
  for (const media::TrackConfig& track : tracks) {
    if (track.timescale == 0 || track.timescale > kMaxTimescale) {
      return Fail(Code::kCorrupt, "a track has no valid timescale");
    }
  }
  for (const SegmentFragment& fragment : index->fragments) {
    if (const char* fault = FindFault(fragment, *index, tracks)) {
      return Fail(Code::kCorrupt, "fragment " + std::to_string(fragment.info.number) + " " + fault);
    }
  }
  return LoadedSegment{segment, std::move(index), std::move(tracks)};
}

Result<Stretches> LoadStretches(storage::Footage& footage, const StreamId& stream,
                                TimeRange range) {
  Stretches loaded;
  std::optional<Error> first_error;
  std::set<index::SegmentKey> seen;
  const DamagedFragments damaged(footage, stream, range);
  const auto load = [&](TimeRange part, std::vector<LoadedSegment>& into) -> Status {
    LB_TRY_ASSIGN(segments, footage.Segments(stream, part));
    for (const FootageSegment& segment : segments) {
      if (!seen.insert(index::KeyOf(segment.row)).second) continue;
      auto one = LoadSegment(footage, segment);
      if (one) {
        into.push_back(std::move(*one));
        continue;
      }
      const bool lost = one.code() == Code::kNotFound || one.code() == Code::kCorrupt;
      const auto away = lost ? std::nullopt : footage.AwayOn(segment);
      if (!lost && !away && !first_error) first_error = one.error();
      LB_TRY_ASSIGN(gap, lost ? NoteLoss(footage, segment, one.code())
                              : Unreadable(segment, one.error(), away));
      loaded.unreadable.push_back(std::move(gap));
    }
    return Ok();
  };
  LB_TRY(load(range, loaded.segments));
  if (loaded.segments.empty() && first_error) return Pass(*first_error, stream.text());
  loaded.all = Chain(loaded.segments, damaged);

  // A GOP that began in an earlier segment: go back until its sync sample is there.
  while (!loaded.all.empty()) {
    const Stretch& first = loaded.all.front();
    const TimeUs reached_us = first.start_us();
    if (reached_us > range.start_us || range.start_us - reached_us >= kMaxLeadInUs) break;
    const TrackKind kind = first.Has(TrackKind::kVideo) ? TrackKind::kVideo : TrackKind::kAudio;
    const auto start = FindStart(first, kind, range.start_us);
    if (start && start->before_asked) break;
    std::vector<LoadedSegment> earlier = loaded.segments;
    LB_TRY(load({reached_us - 1, reached_us}, earlier));
    if (earlier.size() == loaded.segments.size()) break;
    std::stable_sort(earlier.begin(), earlier.end(), [](const auto& a, const auto& b) {
      return a.index->start_us() < b.index->start_us();
    });
    loaded.segments = std::move(earlier);
    loaded.all = Chain(loaded.segments, damaged);
    if (loaded.all.front().start_us() >= reached_us) break;
  }
  return loaded;
}

}  // namespace lookback::query
