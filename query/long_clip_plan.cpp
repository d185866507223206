#include "query/long_clip_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "media/fragmenter.h"
#include "query/clip_report.h"
#include "query/movie_head.h"
#include "query/stretch.h"

namespace lookback::query {
namespace {

using media::FragmentInfo;
using media::FragmentTrack;
using media::TrackConfig;
using media::TrackKind;
using storage::FootageSegment;
using storage::SegmentFragment;

// Sound may go on for a moment after the pictures of a run: where gaps are closed,
// the next run waits.
constexpr int64_t kSoundAfterPicturesUs = kUsPerSecond / 2;

const TrackConfig* TrackOf(const std::vector<TrackConfig>& tracks, TrackKind kind) {
  const auto found = std::find_if(tracks.begin(), tracks.end(),
                                  [kind](const TrackConfig& track) { return track.kind == kind; });
  return found == tracks.end() ? nullptr : &*found;
}

uint64_t EndOf(const SegmentFragment& fragment) {
  return fragment.offset + fragment.info.length + storage::kFragmentTrailerBytes;
}

// A decoder can begin here.
bool BeginsWithSync(const SegmentFragment& fragment) {
  const FragmentTrack* const video = fragment.info.Track(TrackKind::kVideo);
  return video != nullptr && video->samples.front().sync != media::Sync::kNone;
}

// Whether `next` goes on where `row`, of the same run, ends.
bool GoesOn(const index::Seal& row, const index::Seal& next) {
  return next.media_start_90k == row.media_end_90k && next.start_us - row.end_us < kSmallestGapUs &&
         next.thinned == row.thinned;
}

// Where the clock was set back, segments of two runs come by start in turn: what goes on where a
// run ended is put there.
std::vector<FootageSegment> RunByRun(const std::vector<FootageSegment>& by_start) {
  std::vector<std::vector<const FootageSegment*>> chains;
  std::map<Uuid, size_t> last_of_run;
  for (const FootageSegment& segment : by_start) {
    const auto [known, fresh] = last_of_run.try_emplace(segment.row.run, chains.size());
    if (fresh || !GoesOn(chains[known->second].back()->row, segment.row)) {
      known->second = chains.size();
      chains.emplace_back();
    }
    chains[known->second].push_back(&segment);
  }
  std::vector<FootageSegment> sorted;
  sorted.reserve(by_start.size());
  for (const auto& chain : chains) {
    for (const FootageSegment* segment : chain) sorted.push_back(*segment);
  }
  return sorted;
}

class LongClipPlanner {
 public:
  LongClipPlanner(storage::Footage& footage, const ClipRequest& request, TimeUs now_us)
      : footage_(footage), request_(request), now_us_(now_us) {}

  Result<LongClipParts> Plan() {
    LB_TRY_ASSIGN(timeline, BuildTimeline(footage_, request_.stream, request_.range, now_us_));
    timeline_ = std::move(timeline);
    LB_TRY_ASSIGN(segments, footage_.Segments(request_.stream, request_.range));
    if (segments.size() > kMaxLongClipParts) {
      return Fail(Code::kUnsupported,
                  fmt::format("the range has {} segments, and a clip holds at most {}: ask for it "
                              "in parts",
                              segments.size(), kMaxLongClipParts));
    }
    NoteDamage();
    parts_.stream = request_.stream;
    for (const FootageSegment& segment : RunByRun(segments)) LB_TRY(Add(segment));
    if (parts_.parts.empty()) return NothingToShow();
    LB_TRY(CheckAlike(TrackKind::kVideo, false));
    if (request_.audio) LB_TRY(CheckAlike(TrackKind::kAudio, true));
    Place();
    Report();
    Seal();
    return std::move(parts_);
  }

 private:
  // A run, as far as it was met.
  struct Run {
    const TrackConfig* video = nullptr;
    const TrackConfig* audio = nullptr;
    std::vector<TrackConfig> tracks;
    int64_t media_end_90k = INT64_MIN;  // Of what the clip has of it.
  };
  // Parts of one run without a hole.
  struct Chain {
    size_t first = 0;  // Its place among the parts.
    const Run* run = nullptr;
    int64_t media_start = 0;  // Ticks of the video, in the run.
    int64_t media_start_90k = 0;
    int64_t media_end_90k = 0;
    int64_t sound_lead = 0;  // Ticks by which its sound begins before its pictures.
    TimeRange range;
  };

  void NoteDamage() {
    for (const storage::Damage& damage : footage_.Lost(request_.stream, request_.range)) {
      lost_[damage.segment].insert(damage.fragment);
      lost_ranges_.push_back(damage.range);
    }
  }

  Status Add(const FootageSegment& segment) {
    const index::Seal& row = segment.row;
    if (row.range().empty() || row.bytes == 0) return Ok();
    const auto lost = lost_.find(index::KeyOf(row));
    if (lost != lost_.end() && lost->second.contains(storage::kWholeSegment)) return Ok();
    if (const auto away = footage_.AwayOn(segment)) {
      unreadable_.push_back({row.stream, row.range(), index::GapCause::kVolumeAway, *away});
      return Ok();
    }
    const auto known = runs_.find(row.run);
    const bool again = known != runs_.end() && row.media_start_90k < known->second.media_end_90k;
    const bool cut = row.start_us < request_.range.start_us || row.end_us > request_.range.end_us;
    std::optional<LoadedSegment> loaded;
    const bool goes_on = known != runs_.end() && Follows(row);
    if (!goes_on || cut || again || segment.open) {
      auto one = LoadSegment(footage_, segment);
      if (!one) {
        unreadable_.push_back(
            {row.stream, row.range(),
             one.code() == Code::kNotFound ? index::GapCause::kMissing : index::GapCause::kCorrupt,
             one.message()});
        return Ok();
      }
      loaded = std::move(*one);
    }
    LB_TRY_ASSIGN(run, RunOf(row, loaded));
    if (run->video == nullptr) return Ok();
    LongPart part;
    part.to = row.bytes;
    part.start_us = row.start_us;
    part.end_us = row.end_us;
    part.epoch = row.epoch;
    part.sequence = row.sequence;
    part.thinned = row.thinned;
    part.whole = true;
    int64_t media_start_90k = row.media_start_90k;
    int64_t media_end_90k = row.media_end_90k;
    if ((cut || again || segment.open) &&
        !Trim(*loaded, *run, part, media_start_90k, media_end_90k)) {
      return Ok();
    }
    Append(*run, loaded, part, {media_start_90k, media_end_90k}, goes_on && !again);
    if (lost != lost_.end()) {
      for (const uint32_t fragment : lost->second) {
        parts_.damaged.insert({static_cast<uint32_t>(parts_.parts.size() - 1), fragment});
      }
    }
    return Ok();
  }

  // Whether the row goes on where the last part ended.
  bool Follows(const index::Seal& row) const {
    if (chains_.empty()) return false;
    const Chain& chain = chains_.back();
    const auto run = runs_.find(row.run);
    return chain.run == &run->second && row.media_start_90k == chain.media_end_90k &&
           row.start_us - chain.range.end_us < kSmallestGapUs &&
           row.thinned == parts_.parts.back().thinned;
  }

  Result<Run*> RunOf(const index::Seal& row, const std::optional<LoadedSegment>& loaded) {
    const auto [found, fresh] = runs_.try_emplace(row.run);
    Run& run = found->second;
    if (!fresh) return &run;
    if (runs_.size() > kMaxLongClipRuns) {
      return Fail(Code::kUnsupported,
                  fmt::format("the camera began anew more than {} times in this range, which one "
                              "clip cannot hold: ask for it in parts",
                              kMaxLongClipRuns));
    }
    run.tracks = loaded->tracks;
    run.video = TrackOf(run.tracks, TrackKind::kVideo);
    run.audio = request_.audio ? TrackOf(run.tracks, TrackKind::kAudio) : nullptr;
    return &run;
  }

  // The fragments of the range, from the last sync sample before it on; false when there are none.
  bool Trim(const LoadedSegment& loaded, const Run& run, LongPart& part, int64_t& media_start_90k,
            int64_t& media_end_90k) const {
    const auto& fragments = loaded.index->fragments;
    const auto to_90k = [&run](int64_t ticks) {
      return Rescale(ticks, run.video->timescale, media::kVideoTimescale);
    };
    const SegmentFragment* first = nullptr;
    const SegmentFragment* last = nullptr;
    for (const SegmentFragment& fragment : fragments) {
      const FragmentInfo& info = fragment.info;
      const FragmentTrack* const video = info.Track(TrackKind::kVideo);
      if (video == nullptr || info.start_us >= request_.range.end_us) continue;
      if (to_90k(video->base_decode_time) < run.media_end_90k) continue;  // It is there already.
      const bool before = info.start_us <= request_.range.start_us;
      if (BeginsWithSync(fragment) && (first == nullptr || before)) first = &fragment;
      if (first != nullptr) last = &fragment;
    }
    if (first == nullptr || last->info.end_us <= request_.range.start_us) return false;
    part.from = first->offset;
    part.to = EndOf(*last);
    part.start_us = first->info.start_us;
    part.end_us = last->info.end_us;
    part.whole = false;
    media_start_90k = to_90k(first->info.Track(TrackKind::kVideo)->base_decode_time);
    const FragmentTrack& video = *last->info.Track(TrackKind::kVideo);
    media_end_90k = to_90k(video.base_decode_time + video.duration());
    return true;
  }

  void Append(Run& run, const std::optional<LoadedSegment>& loaded, const LongPart& part,
              std::pair<int64_t, int64_t> media_90k, bool goes_on) {
    if (!goes_on) {
      Chain& chain = chains_.emplace_back();
      chain.first = parts_.parts.size();
      chain.run = &run;
      chain.media_start_90k = media_90k.first;
      chain.range.start_us = part.start_us;
      // Rows tell it in 90 kHz; the clip has the camera's own ticks.
      for (const SegmentFragment& fragment : loaded->index->fragments) {
        const FragmentTrack* const video = fragment.info.Track(TrackKind::kVideo);
        if (fragment.offset < part.from || video == nullptr) continue;
        chain.media_start = video->base_decode_time;
        const FragmentTrack* const sound = fragment.info.Track(TrackKind::kAudio);
        if (sound != nullptr && run.audio != nullptr) {
          chain.sound_lead =
              video->base_decode_time -
              Rescale(sound->base_decode_time, run.audio->timescale, run.video->timescale);
        }
        break;
      }
    }
    Chain& chain = chains_.back();
    chain.media_end_90k = media_90k.second;
    chain.range.end_us = part.end_us;
    run.media_end_90k = std::max(run.media_end_90k, media_90k.second);
    part_media_90k_.push_back(media_90k.first);
    parts_.parts.push_back(part);
  }

  tl::unexpected<Error> NothingToShow() const {
    const auto missing = ExplainMissing(request_, timeline_, unreadable_, {});
    return Fail(Code::kNotFound, request_.stream.text() + " has nothing to show from " +
                                     FormatTime(request_.range.start_us) + " to " +
                                     FormatTime(request_.range.end_us) + ": " +
                                     DescribeMissing(missing));
  }

  // One track of a file has one codec and one timescale.
  Status CheckAlike(TrackKind kind, bool may_leave_out) const {
    std::vector<CodecRange> ranges;
    for (const Chain& chain : chains_) {
      const TrackConfig* config = kind == TrackKind::kVideo ? chain.run->video : chain.run->audio;
      if (config == nullptr) continue;
      if (!ranges.empty() && ranges.back().config->codec == config->codec &&
          ranges.back().config->timescale == config->timescale) {
        ranges.back().range.end_us = std::max(ranges.back().range.end_us, chain.range.end_us);
      } else {
        ranges.push_back({config, chain.range});
      }
    }
    if (ranges.size() < 2) return Ok();
    return Fail(Code::kUnsupported, DescribeCodecChange(request_.stream, ranges, may_leave_out));
  }

  // The number of the track's sample entry, from 1; equal entries are one.
  static uint16_t EntryOf(const TrackConfig* config, ClipTrack& track) {
    if (config == nullptr) return 0;
    Bytes entry = media::BuildSampleEntry(*config);
    auto place = std::find(track.entries.begin(), track.entries.end(), entry);
    const auto number = static_cast<uint16_t>(place - track.entries.begin() + 1);
    if (place == track.entries.end()) track.entries.push_back(std::move(entry));
    if (track.timescale == 0) {
      track.timescale = config->timescale;
      track.width = config->width;
      track.height = config->height;
    }
    return number;
  }

  // Where in the clip each part begins, and how its media time is moved.
  void Place() {
    video_.kind = ClipTrackKind::kVideo;
    sound_.kind = ClipTrackKind::kAudio;
    int64_t end = std::max<int64_t>(0, chains_.front().sound_lead);
    const TimeUs origin_us = chains_.front().range.start_us;
    const int64_t origin = end;
    for (size_t i = 0; i < chains_.size(); ++i) {
      const Chain& chain = chains_[i];
      const uint16_t video = EntryOf(chain.run->video, video_);
      const uint16_t audio = EntryOf(chain.run->audio, sound_);
      const int64_t scale = video_.timescale;
      int64_t position = end;
      if (i > 0) {
        const int64_t by_clock =
            origin + Rescale(chain.range.start_us - origin_us, kUsPerSecond, scale);
        if (request_.gaps == GapMode::kKeep) position = std::max(position, by_clock);
        if (audio != 0) {
          position = std::max(position, end + Rescale(kSoundAfterPicturesUs, kUsPerSecond, scale));
        }
        const int64_t longer = std::min<int64_t>(position - end, UINT32_MAX / 2);
        parts_.parts[chain.first - 1].longer_by = static_cast<uint32_t>(longer);
      }
      const size_t next = i + 1 < chains_.size() ? chains_[i + 1].first : parts_.parts.size();
      for (size_t p = chain.first; p < next; ++p) {
        LongPart& part = parts_.parts[p];
        part.position = position + Rescale(part_media_90k_[p] - chain.media_start_90k,
                                           media::kVideoTimescale, scale);
        part.shift = position - chain.media_start;
        part.video_entry = video;
        part.audio_entry = audio;
      }
      end = position +
            Rescale(chain.media_end_90k - chain.media_start_90k, media::kVideoTimescale, scale);
    }
    end_ = end;
  }

  void Report() {
    ClipReport& report = parts_.report;
    std::vector<TimeRange> shown;
    for (const Chain& chain : chains_) {
      TimeRange rest = chain.range;
      for (const TimeRange& lost : lost_ranges_) {
        if (!lost.Overlaps(rest)) continue;
        if (lost.start_us > rest.start_us) shown.push_back({rest.start_us, lost.start_us});
        rest.start_us = std::min(lost.end_us, rest.end_us);
      }
      if (!rest.empty()) shown.push_back(rest);
    }
    report.shown = {chains_.front().range.start_us, 0};
    for (const Chain& chain : chains_) {
      report.shown.end_us = std::max(report.shown.end_us, chain.range.end_us);
    }
    report.duration_us = Rescale(end_, video_.timescale, kUsPerSecond);
    report.missing = ExplainMissing(request_, timeline_, unreadable_, shown);
    for (const index::Gap& gap : report.missing) report.missing_us += gap.range.duration_us();
    for (const Span& span : timeline_.spans) {
      if (span.thinned) report.thinned.push_back(span.range);
      if (!report.camera_offset_us && span.camera_offset) {
        report.camera_offset_us = span.camera_offset->min_us;
      }
    }
  }

  void Seal() {
    video_.edit_duration = video_.duration = end_;
    std::vector<const ClipTrack*> tracks = {&video_};
    if (!sound_.entries.empty()) {
      sound_.edit_duration = sound_.duration = Rescale(end_, video_.timescale, sound_.timescale);
      tracks.push_back(&sound_);
    }
    parts_.video_timescale = video_.timescale;
    parts_.audio_timescale = sound_.timescale;
    std::vector<IndexedPart> index;
    for (size_t i = 0; i < parts_.parts.size(); ++i) {
      const int64_t next = i + 1 < parts_.parts.size() ? parts_.parts[i + 1].position : end_;
      index.push_back({static_cast<uint32_t>(parts_.parts[i].bytes()),
                       static_cast<uint32_t>(
                           std::clamp<int64_t>(next - parts_.parts[i].position, 0, UINT32_MAX))});
    }
    parts_.head = BuildFragmentedHead(tracks, parts_.parts.front().position, index,
                                      parts_.report.shown.start_us);
    uint64_t at = parts_.head.size();
    Bytes identity;
    ByteWriter out(identity);
    out.Text(request_.stream.text());
    for (LongPart& part : parts_.parts) {
      part.at = at;
      at += part.bytes();
      out.I64(part.start_us);
      out.U32(part.epoch);
      out.U32(part.sequence);
      out.U64(part.from);
      out.U64(part.to);
      out.I64(part.shift);
      out.U32(part.longer_by);
      out.U32(uint32_t{part.video_entry} << 16 | part.audio_entry);
      out.U8(part.thinned ? 1 : 0);
    }
    for (const auto& [part, fragment] : parts_.damaged) {
      out.U32(part);
      out.U32(fragment);
    }
    Xxh128Hasher hasher;
    hasher.Update(parts_.head);
    hasher.Update(identity);
    parts_.etag = HexEncode(hasher.Digest());
  }

  storage::Footage& footage_;
  const ClipRequest& request_;
  const TimeUs now_us_;
  Timeline timeline_;
  std::map<index::SegmentKey, std::set<uint32_t>> lost_;  // Numbers of damaged fragments.
  std::vector<TimeRange> lost_ranges_;                    // By start.
  std::vector<index::Gap> unreadable_;
  std::map<Uuid, Run> runs_;
  std::vector<Chain> chains_;
  std::vector<int64_t> part_media_90k_;  // Where each part begins in its run.
  ClipTrack video_;
  ClipTrack sound_;
  int64_t end_ = 0;  // Ticks of the video.
  LongClipParts parts_;
};

}  // namespace

Result<LongClipParts> PlanLongClip(storage::Footage& footage, const ClipRequest& request,
                                   TimeUs now_us) {
  return LongClipPlanner(footage, request, now_us).Plan();
}

}  // namespace lookback::query
