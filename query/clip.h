// query/clip.h: one camera and range as an MP4 file that exists only while it is read.
//
// Invariant: size() and every byte are fixed once planned; samples are the camera's own, copied
//            from the segment files, each fragment verified before a byte of it leaves, but for the
//            type of a CRA picture where decoding starts anew (media::MarkH265Splice); `moov`
//            stands first. One edit entry a track hides what decoding needs before the first
//            picture. No empty edit, ever: a kept gap is the last sample before it, shown longer.
//            What it shows is pinned while it exists (storage/read_pins.h).
// Threads:   Plan on any (it reads files); a Clip is immutable, Read and PinAnew on any. The
//            footage must outlive the clip.
// Errors:    kNotFound when there is nothing to show (the message names the causes); kInvalid
//            for a bad range; kUnsupported above kMaxClipUs (with subtitles kMaxFlatClipUs),
//            and when a codec changes inside the range (the message lists the parts that can be
//            had); Read gives kCorrupt or kNotFound when a file changed or went, and the reader
//            must cut the transfer: the clip is broken() then, and one planned anew goes without
//            that footage and says so.
//
// The first picture is the one on screen at the asked instant, so the clip starts up to one frame
// before it; the end is exact. One in fragments begins with the sync sample before that, and ends
// with the fragment that holds the end, at most 2 s later. Missing footage at either end makes
// the clip shorter, in both modes; a gap in the middle is kept or closed as asked. Where the clock
// was set back, the hour that was recorded twice is shown twice, run by run: the first up to the
// end of a picture behind the asked one, each other from its last sync sample before the range on.
// Sound that starts later than the pictures is heard from its second sample on at the right time
// (its first one stands at the start, for want of an empty edit).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time_zone.h"
#include "query/timeline.h"
#include "storage/footage.h"

namespace lookback::query {

// Up to so much a clip is one `moov` and one `mdat`, which every player knows; what is longer is in
// fragments, since the tables of a month would be a gigabyte.
inline constexpr int64_t kMaxFlatClipUs = 2 * kUsPerHour;
inline constexpr int64_t kMaxClipUs = 31 * kUsPerDay;

enum class GapMode : uint8_t { kKeep, kClose };

struct ClipRequest {
  StreamId stream;
  TimeRange range;
  GapMode gaps = GapMode::kKeep;
  bool audio = true;  // When there is any.
  // The time of the pictures in this zone, as subtitles and chapters (query/subtitles.h). Up to
  // kMaxFlatClipUs.
  std::optional<TimeZone> subtitles = std::nullopt;
};

struct ClipReport {
  TimeRange shown;                  // From the first to the last shown instant, UTC.
  int64_t duration_us = 0;          // Of the file, as players show it.
  int64_t missing_us = 0;           // Of the asked range.
  std::vector<index::Gap> missing;  // Where and why.
  // Where of the pictures the sync samples are left; each is shown until the next.
  std::vector<TimeRange> thinned;
  // The camera's clock less ours where it begins, by sender reports; nothing when there were none.
  std::optional<int64_t> camera_offset_us;

  friend bool operator==(const ClipReport&, const ClipReport&) = default;
};

// Why nothing of the range can be shown, when Plan() says kNotFound: all of it, with causes. What
// is on record and does not help (a sync sample is missing, there is only sound) is kUnknown, and
// says so.
Result<std::vector<index::Gap>> WhyNothing(storage::Footage& footage, const ClipRequest& request,
                                           TimeUs now_us);

class IdleReaders;  // query/clip_reader.h

class Clip {
 public:
  // Clips with the same `readers` keep together, between reads, what those may; nullptr: its own.
  static Result<std::shared_ptr<const Clip>> Plan(storage::Footage& footage,
                                                  const ClipRequest& request, TimeUs now_us,
                                                  std::shared_ptr<IdleReaders> readers = nullptr);
  virtual ~Clip() = default;

  virtual uint64_t size() const = 0;
  virtual const std::string& etag() const = 0;  // Changes when a byte would. Without quotes.
  virtual const ClipReport& report() const = 0;
  // Fills `into` from `offset`; short only at the end.
  virtual Result<size_t> Read(uint64_t offset, std::span<uint8_t> into) const = 0;
  virtual size_t memory_bytes() const = 0;  // About what is held while it exists.
  // Pins anew what it shows, as if it had been planned at `now_us`.
  virtual void PinAnew(TimeUs now_us) const = 0;
  // A read failed. Some bytes of this clip cannot be had any more.
  virtual bool broken() const = 0;
};

}  // namespace lookback::query
