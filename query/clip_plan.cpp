#include "query/clip_plan.h"

#include <algorithm>

#include "query/clip_report.h"
#include "query/clip_tracks.h"
#include "query/movie_head.h"
#include "query/subtitles.h"

namespace lookback::query {
namespace {

using media::FragmentTrack;
using media::TrackConfig;
using media::TrackKind;

// Far above two hours of any camera; a request is refused rather than served from swap.
constexpr size_t kMaxClipSamples = 4'000'000;

class ClipPlanner {
 public:
  ClipPlanner(storage::Footage& footage, const ClipRequest& request, TimeUs now_us)
      : footage_(footage), request_(request), now_us_(now_us) {}

  Result<ClipParts> Plan() {
    LB_TRY(CheckRequest());
    LB_TRY_ASSIGN(timeline, BuildTimeline(footage_, request_.stream, request_.range, now_us_));
    timeline_ = std::move(timeline);
    LB_TRY_ASSIGN(loaded, LoadStretches(footage_, request_.stream, request_.range));
    loaded_ = std::move(loaded);
    LB_TRY(ChooseTracks());
    CutStretches();
    if (cuts_.empty()) return NothingToShow();
    LB_TRY(CheckAlike(lead_, false));
    if (sound_) LB_TRY(CheckAlike(TrackKind::kAudio, true));
    LB_TRY(CheckSize());
    ClipTracks tracks(loaded_, cuts_, parts_);
    tracks.Place(lead_, request_.gaps);
    Subtitles subtitles;
    if (request_.subtitles) {
      LB_TRY_ASSIGN(written, WriteSubtitles(cuts_, lead_, tracks.lead().timescale, request_.gaps,
                                            *request_.subtitles));
      subtitles = std::move(written);
    }
    tracks.Fill(sound_, subtitles);
    parts_.texts = std::move(subtitles.texts);
    Report(tracks.lead());
    Seal(tracks);
    return std::move(parts_);
  }

 private:
  Status CheckRequest() const {
    if (request_.range.empty()) {
      return Fail(Code::kInvalid,
                  "a clip must start before it ends: " + FormatTime(request_.range.start_us) +
                      " is not before " + FormatTime(request_.range.end_us));
    }
    return Ok();
  }

  bool Touches(const Stretch& stretch) const {
    return TimeRange{stretch.start_us(), stretch.end_us()}.Overlaps(request_.range);
  }

  Status ChooseTracks() {
    bool video = false;
    bool audio = false;
    for (const Stretch& stretch : loaded_.all) {
      if (!Touches(stretch)) continue;
      video |= stretch.Has(TrackKind::kVideo);
      audio |= stretch.Has(TrackKind::kAudio);
    }
    lead_ = video || !audio ? TrackKind::kVideo : TrackKind::kAudio;
    sound_ = video && audio && request_.audio;
    if (lead_ == TrackKind::kAudio && !request_.audio) {
      return Fail(Code::kNotFound, request_.stream.text() +
                                       " has sound only in this range, and it was not asked for");
    }
    return Ok();
  }

  void CutStretches() {
    for (const Stretch& stretch : loaded_.all) {
      if (!Touches(stretch)) continue;
      if (const auto cut = CutStretch(stretch, lead_, request_.range)) cuts_.push_back(*cut);
    }
    // Only the end of the last one is trimmed by the edit.
    for (size_t i = 0; i + 1 < cuts_.size(); ++i) {
      cuts_[i].end = WholeEnd(*cuts_[i].stretch, lead_, cuts_[i].end);
    }
  }

  tl::unexpected<Error> NothingToShow() const {
    const auto missing = ExplainMissing(request_, timeline_, loaded_.unreadable, {});
    return Fail(Code::kNotFound, request_.stream.text() + " has nothing to show from " +
                                     FormatTime(request_.range.start_us) + " to " +
                                     FormatTime(request_.range.end_us) + ": " +
                                     DescribeMissing(missing));
  }

  // One track of a file has one codec and one timescale.
  Status CheckAlike(TrackKind kind, bool may_leave_out) const {
    std::vector<CodecRange> ranges;
    for (const Cut& cut : cuts_) {
      const TrackConfig* config = ConfigOf(loaded_, cut, kind);
      if (config == nullptr) continue;
      const TimeRange range{cut.start.shown_us, cut.end.shown_us};
      if (!ranges.empty() && ranges.back().config->codec == config->codec &&
          ranges.back().config->timescale == config->timescale) {
        ranges.back().range.end_us = std::max(ranges.back().range.end_us, range.end_us);
      } else {
        ranges.push_back({config, range});
      }
    }
    if (ranges.size() < 2) return Ok();
    return Fail(Code::kUnsupported, DescribeCodecChange(request_.stream, ranges, may_leave_out));
  }

  Status CheckSize() const {
    size_t samples = 0;
    for (const Cut& cut : cuts_) {
      for (size_t i = cut.start.sync.fragment; i <= cut.end.last.fragment; ++i) {
        for (const FragmentTrack& track : cut.stretch->info(i).tracks) {
          samples += track.samples.size();
        }
      }
    }
    if (samples <= kMaxClipSamples) return Ok();
    return Fail(Code::kUnsupported, "the clip would have " + std::to_string(samples) +
                                        " samples, and the limit is " +
                                        std::to_string(kMaxClipSamples) + ": ask for it in parts");
  }

  void Report(const ClipTrack& lead) {
    ClipReport& report = parts_.report;
    std::vector<TimeRange> shown;
    for (const Cut& cut : cuts_) {
      shown.push_back({cut.seen_us(&cut == &cuts_.front()), cut.end.shown_us});
    }
    report.shown = shown.front();
    const Cut& first = cuts_.front();
    report.camera_offset_us = OffsetFrom(*first.stretch, first.start.sync.fragment);
    for (const TimeRange& range : shown) {
      report.shown.end_us = std::max(report.shown.end_us, range.end_us);
    }
    report.duration_us = Rescale(lead.edit_duration, lead.timescale, kUsPerSecond);
    report.missing = ExplainMissing(request_, timeline_, loaded_.unreadable, shown);
    for (const index::Gap& gap : report.missing) report.missing_us += gap.range.duration_us();
    for (const Span& span : timeline_.spans) {
      if (span.thinned) report.thinned.push_back(span.range);
    }
  }

  // Of the segment that `piece` is in; a camera's first reports come after its first segment began,
  // and then that of the next one tells it.
  std::optional<int64_t> OffsetFrom(const Stretch& stretch, size_t piece) const {
    for (; piece < stretch.pieces.size(); ++piece) {
      const index::Seal& row = loaded_.segments[stretch.pieces[piece].segment].footage.row;
      if (row.camera_offset_us) return row.camera_offset_us;
    }
    return std::nullopt;
  }

  // The last step: head and name.
  void Seal(const ClipTracks& clip) {
    std::vector<const ClipTrack*> tracks = {&clip.lead()};
    if (!clip.sound().sizes.empty()) tracks.push_back(&clip.sound());
    std::vector<Chapter> chapters;
    if (request_.subtitles) {
      tracks.push_back(&clip.subtitles());
      chapters =
          FindChapters(cuts_, clip.lead().timescale, parts_.report.missing, *request_.subtitles);
    }
    parts_.head =
        BuildMovieHead(tracks, parts_.payload.bytes, parts_.report.shown.start_us, chapters);

    Bytes identity;
    ByteWriter out(identity);
    for (const SourceFile& file : parts_.files) {
      const index::SegmentKey key = index::KeyOf(file.segment.row);
      out.Text(key.stream.text());
      out.I64(key.start_us);
      out.U32(key.epoch);
      out.U32(key.sequence);
      if (key.thinned) out.U8(1);
    }
    for (const SourceFragment& fragment : parts_.fragments) {
      out.U32(fragment.file);
      out.U64(fragment.offset);
      out.U32(fragment.number);
      if (fragment.splice.bytes > 0) out.U32(fragment.splice.skip);
    }
    for (const PayloadPiece& piece : parts_.payload.pieces) {
      out.U32(piece.fragment);
      out.U32(piece.skip);
      out.U32(piece.length);
    }
    Xxh128Hasher hasher;
    hasher.Update(parts_.head);
    hasher.Update(identity);
    hasher.Update(parts_.texts);
    parts_.etag = HexEncode(hasher.Digest());
  }

  storage::Footage& footage_;
  const ClipRequest& request_;
  const TimeUs now_us_;
  Timeline timeline_;
  Stretches loaded_;
  TrackKind lead_ = TrackKind::kVideo;
  bool sound_ = false;  // There is a second track.
  std::vector<Cut> cuts_;
  ClipParts parts_;
};

}  // namespace

Splice Splice::At(const LoadedSegment& segment, const FragmentTrack& track, size_t sample) {
  if (track.samples[sample].sync != media::Sync::kOpen) return {};
  for (const TrackConfig& config : segment.tracks) {
    if (config.kind != track.kind || config.codec != media::Codec::kH265) continue;
    Splice splice{track.data_offset, track.samples[sample].size};
    for (size_t i = 0; i < sample; ++i) splice.skip += track.samples[i].size;
    return splice;
  }
  return {};
}

SourceFragment SourceFragment::Of(uint32_t file, const storage::SegmentFragment& fragment) {
  const media::FragmentInfo& info = fragment.info;
  return {file, fragment.offset, info.length, info.number, {info.start_us, info.end_us}, {}};
}

Result<ClipParts> PlanClip(storage::Footage& footage, const ClipRequest& request, TimeUs now_us) {
  return ClipPlanner(footage, request, now_us).Plan();
}

Result<std::vector<index::Gap>> WhyNothing(storage::Footage& footage, const ClipRequest& request,
                                           TimeUs now_us) {
  LB_TRY_ASSIGN(timeline, BuildTimeline(footage, request.stream, request.range, now_us));
  Stretches loaded;
  const bool flat = request.range.duration_us() <= kMaxFlatClipUs;
  if (flat) {
    LB_TRY_ASSIGN(stretches, LoadStretches(footage, request.stream, request.range));
    loaded = std::move(stretches);
  }
  for (const index::Gap& away : timeline.away) loaded.unreadable.push_back(away);
  const bool pictures =
      std::any_of(loaded.all.begin(), loaded.all.end(),
                  [](const Stretch& stretch) { return stretch.Has(TrackKind::kVideo); });
  const bool sound_alone = !loaded.all.empty() && !pictures && !request.audio;
  return ExplainMissing(request, timeline, loaded.unreadable, {},
                        sound_alone ? kSoundAlone
                        : flat      ? kUndecodable
                                    : kOfNoUse);
}

}  // namespace lookback::query
