// What a camera may describe itself as.
#include "base/bytes.h"
#include "recorder/sdp.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lookback;
  const auto sdp = recorder::ParseSdp(AsText({data, size}));
  if (!sdp) return 0;
  for (const auto& media : sdp->media) {
    const auto format = recorder::ChooseFormat(media);
    if (format) LB_CHECK(format->clock_rate > 0);
    (void)recorder::ResolveControl("rtsp://h/a", media.control);
  }
  return 0;
}
