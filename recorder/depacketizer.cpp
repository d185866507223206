#include "recorder/depacketizer.h"

#include "recorder/aac_depacketizer.h"
#include "recorder/g711_depacketizer.h"
#include "recorder/h264_depacketizer.h"

namespace lookback::recorder {

std::unique_ptr<Depacketizer> MakeDepacketizer(const RtpFormat& format, SampleSink& sink) {
  switch (format.codec) {
    case media::Codec::kAac:
      return std::make_unique<AacDepacketizer>(format, sink);
    case media::Codec::kPcma:
    case media::Codec::kPcmu:
      return std::make_unique<G711Depacketizer>(sink);
    default:
      return std::make_unique<H264Depacketizer>(sink);
  }
}

}  // namespace lookback::recorder
