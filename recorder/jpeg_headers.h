// recorder/jpeg_headers.h: the head of a JPEG picture, which RTP leaves out (RFC 2435 §3, §4).
//
// Invariant: what is written is a start of image and whole segments, the last of them a start of
//            scan; entropy-coded data may follow at once.
// Threads:   free functions; no state.
// Errors:    kCorrupt for a picture without size, or a given frame header that makes no sense. Safe
//            on hostile bytes.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "media/jpeg.h"

namespace lookback::recorder {

inline constexpr size_t kJpegTableBytes = 64;
inline constexpr size_t kJpegTablesBytes = 2 * kJpegTableBytes;  // Luminance, then chrominance.

// RFC 2435 §4.2: `quality` from 1 to 99, as libjpeg scales the tables of the standard.
std::array<uint8_t, kJpegTablesBytes> JpegTablesOfQuality(uint8_t quality);

struct JpegHeaders {
  media::JpegSize size;
  bool half_height_chroma = true;  // 4:2:0, else 4:2:2.
  uint16_t restart_interval = 0;   // 0: none.
  ByteSpan tables;                 // One or two quantization tables.
  // Segments that the camera gave itself (ONVIF): they stand instead of those made of the above.
  ByteSpan given;
};

// Appends to `picture`, which is left as it was on an error.
Status WriteJpegHeaders(const JpegHeaders& headers, Bytes& picture);

}  // namespace lookback::recorder
