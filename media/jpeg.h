// media/jpeg.h: what a recorder must know of a JPEG picture without decoding it (ISO/IEC 10918-1).
//
// Invariant: nothing here keeps or changes the bytes it reads; spans handed out lie within them.
// Threads:   values and free functions.
// Errors:    kCorrupt for bytes that are no JPEG picture; safe on hostile bytes.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "media/track.h"

namespace lookback::media {

// Table B.1: the second byte of a marker, behind 0xff.
enum class JpegMarker : uint8_t {
  kStartOfFrame = 0xc0,  // Baseline; up to 0xcf, without the two below, other kinds.
  kHuffmanTables = 0xc4,
  kStartOfImage = 0xd8,
  kEndOfImage = 0xd9,
  kStartOfScan = 0xda,
  kQuantizationTables = 0xdb,
  kRestartInterval = 0xdd,
  kComment = 0xfe,
};

// Of any kind: baseline, progressive, lossless, arithmetic-coded.
bool IsStartOfFrame(JpegMarker marker);

// Walks the marker segments in front of the entropy-coded data.
class JpegSegmentReader {
 public:
  // `segments` begins at a marker; fill bytes before markers are passed over.
  explicit JpegSegmentReader(ByteSpan segments) : reader_(segments) {}

  struct Segment {
    JpegMarker marker = JpegMarker::kComment;
    ByteSpan body;   // Behind marker and length.
    ByteSpan whole;  // With them.
  };
  // False at the end, behind a start of scan, or where the bytes are no segment (ok() tells).
  bool Next(Segment& segment);
  bool ok() const { return ok_; }

 private:
  ByteReader reader_;
  bool ok_ = true;
  bool in_scan_ = false;
};

struct JpegSize {
  uint16_t width = 0;
  uint16_t height = 0;
};
// Of the body of a start of frame of any kind.
Result<JpegSize> ParseJpegFrameHeader(ByteSpan body);

// The size of a whole picture, by its first frame header.
Result<JpegSize> ParseJpegSize(ByteSpan picture);

TrackConfig MakeMjpegTrack(JpegSize size);

}  // namespace lookback::media
