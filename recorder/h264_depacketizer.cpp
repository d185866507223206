#include "recorder/h264_depacketizer.h"

namespace lookback::recorder {
namespace {

// RFC 6184 §5.2.
constexpr uint8_t kLastSingleNal264 = 23;
constexpr uint8_t kStapA = 24;
constexpr uint8_t kFuA = 28;
constexpr uint8_t kTypeMask = 0x1f;

}  // namespace

void H264Depacketizer::Push(const RtpPacket& packet, const PacketContext& context) {
  if (packet.payload.empty()) return;
  builder_.BeginPacket(context);
  const uint8_t type = packet.payload[0] & kTypeMask;
  if (type == kFuA) {
    PushFragment(packet.payload);
  } else if (type == kStapA) {
    builder_.AddAggregate(packet.payload.subspan(1));
  } else if (type >= 1 && type <= kLastSingleNal264) {
    builder_.AddNal(packet.payload);
  } else {
    builder_.MarkDamaged();
  }
  builder_.EndPacket(packet.marker);
}

// §5.8
void H264Depacketizer::PushFragment(ByteSpan payload) {
  constexpr uint8_t kStart = 0x80;
  constexpr uint8_t kEnd = 0x40;
  if (payload.size() < 3) return;
  const uint8_t head = payload[1];
  const ByteSpan piece = payload.subspan(2);
  if ((head & kStart) != 0) {
    const auto nal_header = static_cast<uint8_t>((payload[0] & ~kTypeMask) | (head & kTypeMask));
    builder_.BeginFragment({&nal_header, 1}, piece);
  } else {
    builder_.ContinueFragment(piece);
  }
  if ((head & kEnd) != 0) builder_.EndFragment();
}

}  // namespace lookback::recorder
