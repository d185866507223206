#include "recorder/packet_depacketizer.h"

namespace lookback::recorder {

void PacketDepacketizer::Push(const RtpPacket& packet, const PacketContext& context) {
  if (packet.payload.empty()) return;
  media::Sample sample;
  sample.track = media::TrackKind::kAudio;
  sample.pts = context.time;
  sample.received_us = context.received_us;
  sample.sync = media::Sync::kClosed;
  sample.damaged = context.lost > 0;
  sample.lost_packets = context.lost;
  if (low_bits_first_ > 0) {
    sample.data = HighBitsFirst(packet.payload, low_bits_first_);
  } else {
    sample.data.assign(packet.payload.begin(), packet.payload.end());
  }
  sink_.OnSample(std::move(sample));
}

Bytes HighBitsFirst(ByteSpan packed, uint32_t bits) {
  Bytes out;
  out.reserve(packed.size());
  uint32_t in_bits = 0, in_count = 0;    // Waiting to be read, the first in the lowest.
  uint32_t out_bits = 0, out_count = 0;  // Waiting to be written, the first in the highest.
  for (const uint8_t byte : packed) {
    in_bits |= uint32_t{byte} << in_count;
    in_count += 8;
    while (in_count >= bits) {
      out_bits = out_bits << bits | (in_bits & ((1u << bits) - 1));
      in_bits >>= bits;
      in_count -= bits;
      out_count += bits;
      if (out_count < 8) continue;
      out_count -= 8;
      out.push_back(static_cast<uint8_t>(out_bits >> out_count));
      out_bits &= (1u << out_count) - 1;
    }
  }
  if (out_count > 0) out.push_back(static_cast<uint8_t>(out_bits << (8 - out_count)));
  return out;
}

}  // namespace lookback::recorder
