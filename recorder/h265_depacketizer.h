// recorder/h265_depacketizer.h: H.265 from RTP (RFC 7798: single NAL units, aggregation packets,
// fragmentation units).
//
// In decoding order only: a format whose sprop-max-don-diff or tx-mode says otherwise is not chosen
// (sdp.cpp), so no DONL field is ever there.
//
// Invariant: NAL units come out as they came in; AccessUnitBuilder tells where a picture ends.
// Threads:   one depacketizer, one thread.
// Errors:    PACI packets, and types that are reserved, mark the picture damaged.
#pragma once

#include "recorder/access_unit_builder.h"

namespace lookback::recorder {

class H265Depacketizer : public Depacketizer {
 public:
  explicit H265Depacketizer(SampleSink& sink) : builder_(media::Codec::kH265, sink) {}

  void Push(const RtpPacket& packet, const PacketContext& context) override;

  uint64_t dropped_access_units() const { return builder_.dropped_access_units(); }

 private:
  void PushFragment(ByteSpan payload);

  AccessUnitBuilder builder_;
};

}  // namespace lookback::recorder
