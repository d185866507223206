// media/picture.h: pictures as JPEG: one out of a media file, and many small ones side by side; by
// libavcodec and libswscale.
//
// Invariant: what a stream says bounds nothing: pictures are at most kMaxPicturePixels, samples
//            kMaxPictureSamples, and nothing goes on beyond the time that the caller gives.
// Threads:   any; each call has decoder and buffers of its own, and makes no threads.
// Errors:    kUnsupported for too large a picture or too many samples; kCorrupt when the samples do
//            not give the picture; kUnavailable when the time is over. Safe on hostile bytes.
#pragma once

#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/result.h"

namespace lookback::media {

inline constexpr int64_t kMaxPicturePixels = 36 << 20;  // 8K (7680 × 4320) is below.
inline constexpr size_t kMaxPictureSamples = 1'500;     // A minute of 25 pictures a second.
inline constexpr uint32_t kMaxGridSide = 8'192;

enum class WhichPicture : uint8_t {
  kFirstShown,   // What a player shows first.
  kFirstStored,  // That of the first sample, which may be there for decoding alone: it costs least.
};

// A picture of the file's video track: `width` wide, or as it is with 0 or a greater width.
Result<Bytes> MakePicture(const File& file, WhichPicture which, uint32_t width, const Clock& clock,
                          int64_t timeout_us);

struct Grid {
  uint32_t columns = 0;
  uint32_t cell_width = 0;  // Both even.
  uint32_t cell_height = 0;
};

// Those JPEG pictures side by side, each in the middle of its cell and as large as fits;
// an empty one stays black.
Result<Bytes> MakeGrid(const std::vector<Bytes>& pictures, const Grid& grid);

}  // namespace lookback::media
