// media/nal.h: walks the NAL units of a byte stream (ISO/IEC 14496-10 annex B) or of a sample
// (each behind a 4-byte length).
//
// Invariant: spans handed out lie in the span given; empty NAL units are passed over.
// Threads:   values.
// Errors:    AnnexBReader has none (bytes before the first start code are passed over);
//            NalReader::ok() turns false when a length runs past the end.
#pragma once

#include "base/bytes.h"

namespace lookback::media {

inline constexpr size_t kNalLengthBytes = 4;

// NAL units between start codes, without the zero bytes that may trail them.
class AnnexBReader {
 public:
  explicit AnnexBReader(ByteSpan stream);

  bool Next(ByteSpan& nal);

 private:
  ByteSpan stream_;
  size_t position_;  // After a start code, or the end.
};

class NalReader {
 public:
  explicit NalReader(ByteSpan sample) : reader_(sample) {}

  bool Next(ByteSpan& nal) {
    while (reader_.ok() && reader_.remaining() > 0) {
      nal = reader_.Take(reader_.U32());
      if (!nal.empty()) return true;
    }
    return false;
  }
  bool ok() const { return reader_.ok(); }

 private:
  ByteReader reader_;
};

}  // namespace lookback::media
