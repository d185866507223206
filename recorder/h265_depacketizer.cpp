#include "recorder/h265_depacketizer.h"

#include <array>

namespace lookback::recorder {
namespace {

// RFC 7798 §4.2 and §4.4.
constexpr size_t kHeaderBytes = 2;
constexpr uint8_t kLastSingleNal265 = 47;
constexpr uint8_t kAggregate = 48;
constexpr uint8_t kFragment = 49;

}  // namespace

void H265Depacketizer::Push(const RtpPacket& packet, const PacketContext& context) {
  if (packet.payload.size() < kHeaderBytes) return;
  builder_.BeginPacket(context);
  const uint8_t type = packet.payload[0] >> 1 & 63;
  if (type == kFragment) {
    PushFragment(packet.payload);
  } else if (type == kAggregate) {
    builder_.AddAggregate(packet.payload.subspan(kHeaderBytes));
  } else if (type <= kLastSingleNal265) {
    builder_.AddNal(packet.payload);
  } else {
    builder_.MarkDamaged();
  }
  builder_.EndPacket(packet.marker);
}

// §4.4.3
void H265Depacketizer::PushFragment(ByteSpan payload) {
  constexpr uint8_t kStart = 0x80;
  constexpr uint8_t kEnd = 0x40;
  constexpr uint8_t kTypeMask = 0x3f;
  constexpr uint8_t kKeptOfFirstByte = 0x81;  // Forbidden bit, and the layer's highest.
  if (payload.size() <= kHeaderBytes + 1) return;
  const uint8_t head = payload[kHeaderBytes];
  const ByteSpan piece = payload.subspan(kHeaderBytes + 1);
  if ((head & kStart) != 0) {
    const std::array<uint8_t, kHeaderBytes> nal_header = {
        static_cast<uint8_t>((payload[0] & kKeptOfFirstByte) | (head & kTypeMask) << 1),
        payload[1]};
    builder_.BeginFragment(nal_header, piece);
  } else {
    builder_.ContinueFragment(piece);
  }
  if ((head & kEnd) != 0) builder_.EndFragment();
}

}  // namespace lookback::recorder
