#include "query/subtitles.h"

#include <algorithm>

#include "media/bmff.h"

namespace lookback::query {
namespace {

constexpr std::string_view kNoFootage = " no footage";

// "2026-11-24 13:05:07 +01:00"
std::string LocalText(const TimeZone& zone, TimeUs time_us) {
  std::string text = zone.Format(time_us - time_us % kUsPerSecond);
  constexpr size_t kDateLength = 10;
  constexpr size_t kTimeLength = 19;
  text[kDateLength] = ' ';
  text.insert(kTimeLength, 1, ' ');
  return text;
}

int64_t StartOf(const std::vector<Cut>& cuts) {
  return cuts.front().start.shown_ticks - cuts.front().origin;
}

class Writer {
 public:
  Writer(int64_t start, uint32_t timescale, const TimeZone& zone)
      : start_(start), timescale_(timescale), zone_(zone) {}

  // The pictures of one fragment, from `seen` ticks on; `may_leave_hole`: time goes on where they
  // do not follow the last ones.
  Status AddPictures(const Cut& cut, size_t piece, media::TrackKind lead, int64_t seen,
                     bool may_leave_hole) {
    const media::FragmentTrack* track = cut.stretch->info(piece).Track(lead);
    if (track == nullptr) return Ok();
    const FragmentTimes times(cut.stretch->info(piece), *track);
    const int64_t from = std::max(times.start_ticks(), seen);
    const int64_t to = std::min(times.end_ticks(), cut.end.shown_ticks);
    if (from >= to) return Ok();
    const int64_t shift = cut.position - cut.origin - start_;
    const TimeRange range{times.UtcOf(from), times.UtcOf(to)};
    if (may_leave_hole && from + shift > end_) {
      LB_TRY(AddHole({end_us_, range.start_us}, from + shift));
    }
    LB_TRY(AddSeconds(range, from + shift, {},
                      [&](TimeUs second_us) { return times.TicksOf(second_us) + shift; }));
    end_ = to + shift;
    end_us_ = range.end_us;
    return Ok();
  }

  Subtitles Take() { return std::move(subtitles_); }

 private:
  Status AddHole(TimeRange range, int64_t to) {
    // Empty: the clock was set back. Longer: a file lies, for the clip is not.
    if (range.empty() || range.duration_us() > kMaxFlatClipUs) return Ok();
    const bool told = range.duration_us() >= kSmallestToldGapUs;
    return AddSeconds(range, end_, told ? kNoFootage : std::string_view(), [&](TimeUs second_us) {
      return to - Rescale(range.end_us - second_us, kUsPerSecond, timescale_);
    });
  }

  template <typename TicksOf>
  Status AddSeconds(TimeRange range, int64_t from, std::string_view remark, TicksOf ticks_of) {
    LB_TRY(Add(range.start_us, from, remark));
    TimeUs second_us = range.start_us - range.start_us % kUsPerSecond + kUsPerSecond;
    for (; second_us < range.end_us; second_us += kUsPerSecond) {
      LB_TRY(Add(second_us, std::max(from, ticks_of(second_us)), remark));
    }
    return Ok();
  }

  Status Add(TimeUs time_us, int64_t at, std::string_view remark) {
    const std::string text = LocalText(zone_, time_us).append(remark);
    if (text == last_) return Ok();
    if (subtitles_.all.size() == kMaxSubtitles) {
      return Fail(Code::kUnsupported, "the clip would have more than " +
                                          std::to_string(kMaxSubtitles) +
                                          " subtitles: ask for it in parts, or without them");
    }
    last_ = text;
    ByteWriter out(subtitles_.texts);
    const auto skip = static_cast<uint32_t>(out.position());
    out.U16(static_cast<uint16_t>(text.size()));
    out.Text(text);
    subtitles_.all.push_back({at, skip, static_cast<uint32_t>(out.position() - skip)});
    return Ok();
  }

  const int64_t start_;
  const uint32_t timescale_;
  const TimeZone& zone_;
  int64_t end_ = 0;    // Of what was added,
  TimeUs end_us_ = 0;  // and the same as UTC.
  std::string last_;
  Subtitles subtitles_;
};

// " (network, recorder down)"; nothing when no cause is known. A title holds
// no more than 255 bytes.
std::string CausesIn(TimeRange hole, const std::vector<index::Gap>& missing) {
  std::vector<std::string_view> causes;
  for (const index::Gap& gap : missing) {
    const std::string_view cause = index::GapCauseName(gap.cause);
    const bool new_one = std::find(causes.begin(), causes.end(), cause) == causes.end();
    if (gap.range.Overlaps(hole) && new_one) causes.push_back(cause);
  }
  constexpr size_t kTold = 4;
  std::string text;
  for (size_t i = 0; i < std::min(causes.size(), kTold); ++i) {
    text += text.empty() ? " (" : ", ";
    text += causes[i];
  }
  if (causes.size() > kTold) text += " and others";
  return text.empty() ? text : text + ")";
}

}  // namespace

Result<Subtitles> WriteSubtitles(const std::vector<Cut>& cuts, media::TrackKind lead,
                                 uint32_t timescale, GapMode gaps, const TimeZone& zone) {
  Writer writer(StartOf(cuts), timescale, zone);
  for (const Cut& cut : cuts) {
    const bool first = &cut == &cuts.front();
    // Behind a closed gap nothing is missing from the clip's own time.
    bool may_leave_hole = !first && gaps == GapMode::kKeep;
    for (size_t piece = cut.start.sync.fragment; piece <= cut.end.last.fragment; ++piece) {
      LB_TRY(writer.AddPictures(cut, piece, lead, cut.seen_ticks(first), may_leave_hole));
      may_leave_hole = true;
    }
  }
  return writer.Take();
}

Bytes BuildSubtitleEntry(uint16_t width, uint16_t height) {
  Bytes bytes;
  ByteWriter out(bytes);
  {
    media::BoxScope entry(out, "tx3g");
    out.Zeros(6);
    out.U16(1);  // Data reference.
    out.U32(0);  // Nothing scrolls.
    constexpr uint8_t kCentre = 1;
    constexpr uint8_t kFoot = 0xff;
    out.U8(kCentre);
    out.U8(kFoot);
    constexpr uint32_t kNoColour = 0;
    constexpr uint32_t kWhite = 0xffff'ffff;
    out.U32(kNoColour);
    out.U16(0);
    out.U16(0);
    out.U16(height);
    out.U16(width);
    // As ffmpeg has it where nothing is said, of 288 lines: so it leaves no mark-up in SubRip.
    constexpr uint8_t kFontSize = 16;
    constexpr uint16_t kFont = 1;
    out.Zeros(4);  // All characters.
    out.U16(kFont);
    out.U8(0);  // Plain.
    out.U8(kFontSize);
    out.U32(kWhite);
    media::BoxScope fonts(out, "ftab");
    constexpr std::string_view kFontName = "Arial";
    out.U16(1);
    out.U16(kFont);
    out.U8(static_cast<uint8_t>(kFontName.size()));
    out.Text(kFontName);
  }
  return bytes;
}

std::vector<Chapter> FindChapters(const std::vector<Cut>& cuts, uint32_t timescale,
                                  const std::vector<index::Gap>& missing, const TimeZone& zone) {
  std::vector<Chapter> chapters = {{0, LocalText(zone, cuts.front().start.shown_us)}};
  TimeUs reached_us = cuts.front().end.shown_us;
  for (size_t i = 1; i < cuts.size() && chapters.size() < kMaxChapters; ++i) {
    const Cut& cut = cuts[i];
    const TimeRange hole{reached_us, cut.origin_us};
    reached_us = std::max(reached_us, cut.end.shown_us);
    if (hole.duration_us() < kSmallestToldGapUs) continue;
    const int64_t at = cut.position - StartOf(cuts);
    chapters.push_back({Rescale(at, timescale, kUsPerSecond),
                        LocalText(zone, cut.origin_us) + " after a gap of " +
                            FormatDuration(hole.duration_us()) + CausesIn(hole, missing)});
  }
  if (chapters.size() == 1) chapters.clear();
  return chapters;
}

}  // namespace lookback::query
