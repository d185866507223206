// recorder/packet_depacketizer.h: sound of which each packet is a sample: G.711 and G.726 (RFC 3551
// §4.5), Opus (RFC 7587).
//
// Invariant: bytes come out as they came in; only G.726 in RFC 3551's own order, which has the
//            first codeword in the low bits, is turned into the order of ITU-T I.366.2 (that of
//            AAL2-G726), which has it in the high bits: files can say only the latter.
// Threads:   one depacketizer, one thread.
// Errors:    none.
#pragma once

#include "recorder/depacketizer.h"

namespace lookback::recorder {

class PacketDepacketizer : public Depacketizer {
 public:
  PacketDepacketizer(const RtpFormat& format, SampleSink& sink)
      : sink_(sink),
        low_bits_first_(format.g726_low_bits_first ? format.config.codeword_bits : 0) {}

  void Push(const RtpPacket& packet, const PacketContext& context) override;

 private:
  SampleSink& sink_;
  const uint32_t low_bits_first_;  // Bits of a codeword to be turned; 0: none.
};

// `packed` with each codeword of `bits` bits (2 to 5), the first from the low bits up, packed from
// the high bits down. What is left behind the last whole codeword is zero.
Bytes HighBitsFirst(ByteSpan packed, uint32_t bits);

}  // namespace lookback::recorder
