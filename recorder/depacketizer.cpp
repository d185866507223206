#include "recorder/depacketizer.h"

#include "recorder/aac_depacketizer.h"
#include "recorder/h264_depacketizer.h"
#include "recorder/h265_depacketizer.h"
#include "recorder/jpeg_depacketizer.h"
#include "recorder/packet_depacketizer.h"

namespace lookback::recorder {

std::unique_ptr<Depacketizer> MakeDepacketizer(const RtpFormat& format, SampleSink& sink) {
  switch (format.codec) {
    case media::Codec::kH264:
      return std::make_unique<H264Depacketizer>(sink);
    case media::Codec::kH265:
      return std::make_unique<H265Depacketizer>(sink);
    case media::Codec::kMjpeg:
      return std::make_unique<JpegDepacketizer>(format, sink);
    case media::Codec::kAac:
      return std::make_unique<AacDepacketizer>(format, sink);
    case media::Codec::kPcma:
    case media::Codec::kPcmu:
    case media::Codec::kG726:
    case media::Codec::kOpus:
      break;
  }
  return std::make_unique<PacketDepacketizer>(format, sink);
}

}  // namespace lookback::recorder
