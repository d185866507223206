#include "query/playlist.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "query/clip_report.h"
#include "query/playlist_parts.h"
#include "query/timeline.h"

namespace lookback::query {
namespace {

using media::TrackConfig;
using media::TrackKind;

// EXT-X-TARGETDURATION of a live playlist must not change while it is played (RFC 8216 §6.2.1), and
// no segment may round to more (§4.3.3.1). A fragment ends with the first picture 2 s after its own
// first that lets it (media::kMaxFragmentUs), so one picture is what it can have beyond: 3 is true
// of every camera with a picture a second, whatever jitter. A run has no two pictures more than 5 s
// apart (recorder/run_writer.h), so 7 is true of all others, but for one that also reorders such
// pictures. Not 7 for all: players begin three targets before the end, and that would be 21 s.
constexpr int64_t kLiveTargetS = 3;
constexpr int64_t kSlowLiveTargetS = 7;
// How a run's beginning becomes the number of its first media segment: no camera makes more
// fragments a second.
constexpr int64_t kNumbersASecond = 100;
// And that of its discontinuity. Players keep arrays up to it, so it has to be small, and begins
// anew after 24 days; two runs that begin within 16 s of one another are told apart by nothing.
constexpr int64_t kDiscontinuityMs = 16'000;
constexpr int64_t kDiscontinuities = 1 << 17;

// Of a run whose id tells when it began (Uuid::TimeOrdered); 0 for one that
// was made before ids did.
int64_t RunStartMs(const Uuid& run) {
  if (run.bytes[6] >> 4 != 7) return 0;
  int64_t ms = 0;
  for (size_t i = 0; i < 6; ++i) ms = ms << 8 | run.bytes[i];
  return ms;
}

std::string Seconds(int64_t us) {
  char text[32];
  std::snprintf(text, sizeof text, "%" PRId64 ".%05" PRId64, us / kUsPerSecond,
                us % kUsPerSecond / 10);
  return text;
}

// To the millisecond, which is as much as players read: "2026-05-04T22:00:00.123Z".
std::string WallClock(TimeUs time_us) {
  char text[40];
  std::snprintf(text, sizeof text, "%s.%03" PRId64 "Z", FormatTime(time_us).substr(0, 19).c_str(),
                time_us % kUsPerSecond / kUsPerMs);
  return text;
}

// Some players take the first colon of a relative URL for the end of its scheme.
std::string QueryTime(TimeUs time_us) {
  std::string escaped;
  for (const char c : FormatTime(time_us))
    escaped += c == ':' ? std::string("%3A") : std::string(1, c);
  return escaped;
}

int64_t RoundedSeconds(int64_t us) { return (us + kUsPerSecond / 2) / kUsPerSecond; }

// "media/main/1777903200000_7_12/5-8.m4s?audio=0"
std::string MediaUrl(const Part& part, MediaKind kind, bool audio) {
  const MediaName name{index::KeyOf(part.segment->footage.row), kind, part.first, part.last};
  const Stream stream = part.segment->footage.row.stream.stream;
  return "media/" + std::string(StreamName(stream)) + "/" + FormatMediaName(name) +
         (audio ? "" : "?audio=0");
}

// Media segments, with what stands before them where a stretch begins.
class PartWriter {
 public:
  PartWriter(std::string& text, MediaKind kind, bool audio)
      : text_(text), kind_(kind), audio_(audio) {}

  void Add(const std::vector<Part>& stretch) {
    if (any_) text_ += "#EXT-X-DISCONTINUITY\n";
    const LoadedSegment* segment = nullptr;
    for (const Part& part : stretch) {
      // The mapping of media time to the wall clock is slewed, so it is told with each file.
      if (part.segment != segment) {
        if (segment == nullptr || segment->index->init != part.segment->index->init) {
          text_ += "#EXT-X-MAP:URI=\"" + MediaUrl(part, MediaKind::kInit, audio_) + "\"\n";
        }
        text_ += "#EXT-X-PROGRAM-DATE-TIME:" + WallClock(part.range.start_us) + "\n";
        segment = part.segment;
      }
      text_ += "#EXTINF:" + Seconds(part.duration_us) + ",\n";
      text_ += MediaUrl(part, kind_, audio_) + "\n";
    }
    any_ = true;
  }

 private:
  std::string& text_;
  const MediaKind kind_;
  const bool audio_;
  bool any_ = false;
};

int64_t LongestPartUs(const std::vector<Part>& parts) {
  int64_t longest_us = 0;
  for (const Part& part : parts) longest_us = std::max(longest_us, part.duration_us);
  return longest_us;
}

std::string Head(int64_t target_s, bool independent) {
  std::string text = "#EXTM3U\n#EXT-X-VERSION:7\n";
  text += "#EXT-X-TARGETDURATION:" + std::to_string(target_s) + "\n";
  if (independent) text += "#EXT-X-INDEPENDENT-SEGMENTS\n";
  return text;
}

int64_t LiveTargetS(const std::vector<Part>& parts) {
  const int64_t longest_s = RoundedSeconds(LongestPartUs(parts));
  return longest_s <= kLiveTargetS ? kLiveTargetS : std::max(kSlowLiveTargetS, longest_s);
}

bool IsSync(const Part& part) { return part.sync; }

Status CheckRange(TimeRange range) {
  if (range.empty()) {
    return Fail(Code::kInvalid,
                "a playlist must start before it ends: " + FormatTime(range.start_us) +
                    " is not before " + FormatTime(range.end_us));
  }
  if (range.duration_us() > kMaxPlaylistUs) {
    return Fail(Code::kUnsupported, "a playlist holds at most " + FormatDuration(kMaxPlaylistUs) +
                                        ", asked were " + FormatDuration(range.duration_us()) +
                                        ": ask for it in parts");
  }
  return Ok();
}

tl::unexpected<Error> NothingToShow(storage::Footage& footage, const StreamId& stream,
                                    TimeRange range, const std::vector<index::Gap>& unreadable,
                                    TimeUs now_us) {
  const ClipRequest request{stream, range};
  const auto timeline = BuildTimeline(footage, stream, range, now_us);
  if (!timeline) return tl::unexpected(timeline.error());
  return Fail(Code::kNotFound,
              stream.text() + " has nothing to show from " + FormatTime(range.start_us) + " to " +
                  FormatTime(range.end_us) + ": " +
                  DescribeMissing(ExplainMissing(request, *timeline, unreadable, {})));
}

auto StillRecorded(const StreamId& stream) {
  return Fail(Code::kNotFound, stream.text() +
                                   ": the GOP of this range is still recorded, and its "
                                   "sync sample is there when it is over");
}

// What the multivariant playlist says of a stream.
struct Figures {
  uint64_t bits = 0;
  int64_t duration_us = 0;
  uint64_t peak = 0;  // Bits a second of the heaviest part.

  void Add(const Part& part) {
    const auto us = static_cast<uint64_t>(std::max<int64_t>(part.duration_us, kUsPerMs));
    bits += part.bytes * 8;
    duration_us += static_cast<int64_t>(us);
    peak = std::max(peak, part.bytes * 8 * kUsPerSecond / us);
  }
  std::string text() const {
    const auto us = static_cast<uint64_t>(std::max<int64_t>(duration_us, 1));
    const uint64_t average =
        static_cast<uint64_t>(static_cast<double>(bits) * kUsPerSecond / static_cast<double>(us));
    return "BANDWIDTH=" + std::to_string(std::max<uint64_t>(peak, 1)) +
           ",AVERAGE-BANDWIDTH=" + std::to_string(std::max<uint64_t>(average, 1));
  }
};

Figures FiguresOf(const std::vector<PartStretch>& cut) {
  Figures figures;
  for (const PartStretch& stretch : cut) {
    for (const Part& part : stretch.parts) figures.Add(part);
  }
  return figures;
}

// CODECS and RESOLUTION: every codec that stands in a part, the largest picture.
std::string Describe(const std::vector<PartStretch>& cut, bool audio) {
  std::vector<std::string> codecs;
  uint32_t width = 0;
  uint32_t height = 0;
  for (const PartStretch& stretch : cut) {
    for (const TrackConfig& config : stretch.parts.front().segment->tracks) {
      if (config.kind == TrackKind::kAudio && !audio) continue;
      std::string codec = media::CodecString(config);
      if (std::find(codecs.begin(), codecs.end(), codec) == codecs.end()) {
        codecs.push_back(std::move(codec));
      }
      width = std::max<uint32_t>(width, config.width);
      height = std::max<uint32_t>(height, config.height);
    }
  }
  std::string list;
  for (const std::string& codec : codecs) list += (list.empty() ? "" : ",") + codec;
  std::string text = ",CODECS=\"" + list + "\"";
  if (width == 0 || height == 0) return text;
  return text + ",RESOLUTION=" + std::to_string(width) + "x" + std::to_string(height);
}

}  // namespace

Result<std::string> BuildPlaylist(storage::Footage& footage, const PlaylistRequest& request,
                                  Stream stream, PlaylistKind kind, TimeUs now_us) {
  LB_TRY(CheckRange(request.range));
  const StreamId id{request.camera, stream};
  LB_TRY_ASSIGN(loaded, LoadStretches(footage, id, request.range));
  const bool all = kind == PlaylistKind::kAll;
  const bool audio = all && request.audio && HasPlayableSound(loaded, request.range);
  const auto cut =
      all ? CutParts(loaded, request.range, audio) : CutSyncSamples(loaded, request.range);
  if (cut.empty()) {
    if (!all && !CutParts(loaded, request.range, audio).empty()) return StillRecorded(id);
    return NothingToShow(footage, id, request.range, loaded.unreadable, now_us);
  }

  int64_t longest_us = 0;
  bool independent = true;
  for (const PartStretch& one : cut) {
    longest_us = std::max(longest_us, LongestPartUs(one.parts));
    independent &= std::all_of(one.parts.begin(), one.parts.end(), IsSync);
  }
  std::string text = Head(std::max<int64_t>(1, RoundedSeconds(longest_us)), independent);
  text += "#EXT-X-PLAYLIST-TYPE:VOD\n";
  if (!all) text += "#EXT-X-I-FRAMES-ONLY\n";
  const TimeUs first_us = cut.front().parts.front().range.start_us;
  if (first_us < request.range.start_us) {
    text +=
        "#EXT-X-START:TIME-OFFSET=" + Seconds(request.range.start_us - first_us) + ",PRECISE=YES\n";
  }
  PartWriter writer(text, all ? MediaKind::kFragments : MediaKind::kSyncSample, audio);
  for (const PartStretch& one : cut) writer.Add(one.parts);
  return text + "#EXT-X-ENDLIST\n";
}

Result<std::string> BuildVariants(storage::Footage& footage, const PlaylistRequest& request,
                                  TimeUs now_us) {
  LB_TRY(CheckRange(request.range));
  const std::string query =
      "&start=" + QueryTime(request.range.start_us) + "&end=" + QueryTime(request.range.end_us);
  std::string text = "#EXTM3U\n#EXT-X-VERSION:7\n";
  std::string fast;
  bool any = false;
  std::vector<index::Gap> unreadable;
  for (const Stream stream : {Stream::kMain, Stream::kSub}) {
    LB_TRY_ASSIGN(loaded, LoadStretches(footage, {request.camera, stream}, request.range));
    const bool audio = request.audio && HasPlayableSound(loaded, request.range);
    const auto cut = CutParts(loaded, request.range, audio);
    if (stream == Stream::kMain) unreadable = std::move(loaded.unreadable);
    if (cut.empty()) continue;
    any = true;
    const std::string name = "stream=" + std::string(StreamName(stream)) + query;
    text += "#EXT-X-STREAM-INF:" + FiguresOf(cut).text() + Describe(cut, audio) + "\n";
    text += "variant.m3u8?" + name + (request.audio ? "\n" : "&audio=0\n");
    const auto samples = CutSyncSamples(loaded, request.range);
    if (samples.empty()) continue;
    fast += "#EXT-X-I-FRAME-STREAM-INF:" + FiguresOf(samples).text() + Describe(samples, false) +
            ",URI=\"iframes.m3u8?" + name + "\"\n";
  }
  if (any) return text + fast;
  return NothingToShow(footage, {request.camera, Stream::kMain}, request.range, unreadable, now_us);
}

Result<std::string> BuildLivePlaylist(storage::Footage& footage, const StreamId& stream, bool audio,
                                      TimeUs now_us) {
  const TimeRange range{now_us - kLiveStaleUs, now_us + kAssemblyUs};
  LB_TRY_ASSIGN(loaded, LoadStretches(footage, stream, range));
  const std::vector<Part> parts = CutLiveParts(loaded, kLiveWindowUs);
  if (parts.empty() || parts.back().range.end_us <= range.start_us) {
    return NothingToShow(footage, stream, {range.start_us, now_us}, loaded.unreadable, now_us);
  }
  audio = audio && HasPlayableSound(loaded, parts.back().range);
  const int64_t start_ms = RunStartMs(parts.front().segment->index->header.run);
  const int64_t first = start_ms * kNumbersASecond / 1'000 + parts.front().first;
  std::string text = Head(LiveTargetS(parts), std::all_of(parts.begin(), parts.end(), IsSync));
  text += "#EXT-X-MEDIA-SEQUENCE:" + std::to_string(first) + "\n";
  text += "#EXT-X-DISCONTINUITY-SEQUENCE:" +
          std::to_string(start_ms / kDiscontinuityMs % kDiscontinuities) + "\n";
  PartWriter(text, MediaKind::kFragments, audio).Add(parts);
  return text;
}

}  // namespace lookback::query
