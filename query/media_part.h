// query/media_part.h: what a playlist points to: an init section, fragments, one sync sample.
//
// Invariant: a name means the same bytes for as long as it means anything: it names a segment
//            file and fragments of it, and a file that was thinned has another name. Stored
//            fragments leave as they are, sound and its boxes taken out or not, but for the type
//            of a CRA picture where decoding starts anew (Splice in query/clip_plan.h); media
//            time stays that of the run. A sync sample means nothing before its GOP is over, for
//            until then nobody knows how long it stands.
// Threads:   any.
// Errors:    kInvalid for a name that no playlist has; kNotFound when the segment or one of the
//            fragments is not on record (any more); kCorrupt when a fragment is damaged: it is
//            noted, and the next playlist has a gap there.
//
//   <segment name>/init.mp4        what a decoder needs first
//   <segment name>/5-8.m4s         fragments 5 to 8, or those of them that thinning left
//   <segment name>/sync-5.m4s      the first sample of fragment 5, alone, until the next GOP begins
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "query/clip.h"
#include "query/stretch.h"

namespace lookback::query {

// Fragments of one request, but for a single one, which may be longer.
inline constexpr int64_t kMaxMediaPartUs = 8 * kUsPerSecond;
inline constexpr uint64_t kMaxMediaPartBytes = 16 << 20;

enum class MediaKind : uint8_t { kInit, kFragments, kSyncSample };

struct MediaName {
  index::SegmentKey segment;  // To the millisecond.
  MediaKind kind = MediaKind::kInit;
  uint32_t first = 0;  // Fragment numbers.
  uint32_t last = 0;
};

// "1777903200000_7_12/5-8.m4s"
std::string FormatMediaName(const MediaName& name);
Result<MediaName> ParseMediaName(const StreamId& stream, std::string_view segment,
                                 std::string_view file);

// Whether a player in a browser can be given the sound.
bool IsPlayableSound(media::Codec codec);
// The fragment with which the GOP began that is still recorded into the segment, if one is.
std::optional<uint32_t> GopUnderWay(const LoadedSegment& segment);
// The bytes of a fragment with its sound, or without.
uint32_t PartBytes(const media::FragmentInfo& info, bool audio);
// The init section of such fragments. The segment has video.
Bytes PartInit(const LoadedSegment& segment, bool audio);

struct MediaPart {
  std::shared_ptr<const Clip> file;
  TimeRange range;    // Of the footage that it shows; of the whole segment for an init section.
  TimeRange segment;  // Of all that is in its file.
};

// Every digest was checked once when this returns, and is again as the bytes leave. `readers`: of
// Clip::Plan().
Result<MediaPart> OpenMediaPart(storage::Footage& footage, const MediaName& name, bool audio,
                                std::shared_ptr<IdleReaders> readers = nullptr);

}  // namespace lookback::query
