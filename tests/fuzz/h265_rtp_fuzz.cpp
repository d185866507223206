// Packets of H.265.
#include "tests/fuzz/rtp_track_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lookback;
  recorder::RtpFormat format;
  format.codec = media::Codec::kH265;
  fuzz::FeedTrack(format, {data, size});
  return 0;
}
