// recorder/h264_depacketizer.h: H.264 from RTP (RFC 6184, packetization modes 0 and 1: single NAL
// units, STAP-A, FU-A).
//
// Invariant: NAL units come out as they came in; AccessUnitBuilder tells where a picture ends.
// Threads:   one depacketizer, one thread.
// Errors:    packets of the interleaved mode, which no camera was asked for, mark the picture
//            damaged.
#pragma once

#include "recorder/access_unit_builder.h"

namespace lookback::recorder {

class H264Depacketizer : public Depacketizer {
 public:
  explicit H264Depacketizer(SampleSink& sink) : builder_(media::Codec::kH264, sink) {}

  void Push(const RtpPacket& packet, const PacketContext& context) override;

  uint64_t dropped_access_units() const { return builder_.dropped_access_units(); }

 private:
  void PushFragment(ByteSpan payload);

  AccessUnitBuilder builder_;
};

}  // namespace lookback::recorder
