#include "recorder/rtp.h"

namespace lookback::recorder {

std::optional<RtpPacket> ParseRtp(ByteSpan bytes) {
  ByteReader reader(bytes);
  const uint8_t first = reader.U8();
  const uint8_t second = reader.U8();
  RtpPacket packet;
  packet.marker = (second & 0x80) != 0;
  packet.payload_type = second & 0x7f;
  packet.sequence = reader.U16();
  packet.timestamp = reader.U32();
  packet.ssrc = reader.U32();
  reader.Skip(size_t{4} * (first & 0x0f));  // Contributing sources.
  if ((first & 0x10) != 0) {                // Extension.
    packet.extension_profile = reader.U16();
    packet.extension = reader.Take(size_t{4} * reader.U16());
  }
  packet.payload = reader.Take(reader.remaining());
  if (!reader.ok() || first >> 6 != 2) return std::nullopt;
  if ((first & 0x20) != 0) {  // Padding, whose last byte counts it.
    if (packet.payload.empty()) return std::nullopt;
    const uint8_t padding = packet.payload.back();
    if (padding == 0 || padding > packet.payload.size()) return std::nullopt;
    packet.payload = packet.payload.first(packet.payload.size() - padding);
  }
  return packet;
}

RtpSequence::Step RtpSequence::Take(uint16_t sequence) {
  if (!started_) {
    started_ = true;
    highest_ = sequence;
    ++received_;
    return {Verdict::kNext, 0};
  }
  const auto ahead = static_cast<uint16_t>(sequence - highest_);
  if (ahead == 0) return {Verdict::kLate, 0};
  if (ahead < kMaxDropout) {
    if (sequence < highest_) cycles_ += 0x10000;
    highest_ = sequence;
    ++received_;
    lost_ += ahead - 1u;
    return {Verdict::kNext, ahead - 1u};
  }
  if (ahead > UINT16_MAX - kMaxMisorder) return {Verdict::kLate, 0};
  highest_ = sequence;
  ++received_;
  return {Verdict::kRestart, 0};
}

int64_t RtpTime::Extend(uint32_t timestamp) {
  last_ = Near(timestamp);
  started_ = true;
  return last_;
}

int64_t RtpTime::Near(uint32_t timestamp) const {
  if (!started_) return timestamp;
  return last_ + static_cast<int32_t>(timestamp - static_cast<uint32_t>(last_));
}

}  // namespace lookback::recorder
