#include "apps/camera_sim/sei.h"

#include <algorithm>

#include "base/result.h"

namespace lookback::camera_sim {
namespace {

constexpr uint8_t kUserDataUnregistered = 5;
constexpr uint8_t kRbspTrailingBits = 0x80;
constexpr uint16_t kH265PrefixSei = 39 << 9 | 1;  // Type, layer 0, temporal id 0 plus 1.
constexpr size_t kFixedBytes = 16 + 1 + 8 + 8 + 1;

// A payload below 255 bytes has its size in one byte.
static_assert(kFixedBytes + kMarkCameraMaxBytes < 255);

// SEI types and sizes are sums of bytes, of which each but the last is 255 (7.3.2.3.1).
size_t ReadSum(ByteReader& reader) {
  size_t sum = 0;
  uint8_t byte = 0;
  do {
    byte = reader.U8();
    sum += byte;
  } while (reader.ok() && byte == 255);
  return sum;
}

Bytes MarkPayload(const Mark& mark) {
  LB_CHECK(!mark.camera.empty() && mark.camera.size() <= kMarkCameraMaxBytes);
  Bytes payload;
  ByteWriter writer(payload);
  writer.Raw(kMarkUuid);
  writer.U8(kMarkVersion);
  writer.U64(mark.frame);
  writer.I64(mark.capture_us);
  writer.U8(static_cast<uint8_t>(mark.camera.size()));
  writer.Text(mark.camera);
  return payload;
}

}  // namespace

Bytes BuildMarkNal(const Mark& mark, VideoCodec codec) {
  const Bytes payload = MarkPayload(mark);
  Bytes rbsp;
  ByteWriter writer(rbsp);
  if (codec == VideoCodec::kH265) {
    writer.U16(kH265PrefixSei);
  } else {
    writer.U8(kNalSei);
  }
  writer.U8(kUserDataUnregistered);
  writer.U8(static_cast<uint8_t>(payload.size()));
  writer.Raw(payload);
  writer.U8(kRbspTrailingBits);
  return Escape(rbsp);
}

Bytes BuildMarkComment(const Mark& mark) {
  constexpr uint16_t kComment = 0xfffe, kLengthBytes = 2;
  const Bytes payload = MarkPayload(mark);
  Bytes segment;
  ByteWriter writer(segment);
  writer.U16(kComment);
  writer.U16(static_cast<uint16_t>(payload.size() + kLengthBytes));
  writer.Raw(payload);
  return segment;
}

std::optional<Mark> ParseMarkedPicture(ByteSpan picture) {
  constexpr size_t kReach = 256;  // More than comment and end of image.
  const ByteSpan tail = picture.last(std::min(kReach, picture.size()));
  const auto at = std::search(tail.begin(), tail.end(), kMarkUuid.begin(), kMarkUuid.end());
  if (at == tail.end()) return std::nullopt;
  return ParseMarkPayload(tail.subspan(static_cast<size_t>(at - tail.begin())));
}

std::optional<Mark> ParseMarkNal(ByteSpan nal, VideoCodec codec) {
  const size_t header_bytes = codec == VideoCodec::kH265 ? 2 : 1;
  if (nal.size() < header_bytes || KindOf(codec, nal) != NalKind::kSei) return std::nullopt;
  const Bytes rbsp = Unescape(nal.subspan(header_bytes));
  ByteReader reader(rbsp);
  // One byte, the trailing bits, is left after the last message.
  while (reader.remaining() > 1) {
    const size_t type = ReadSum(reader);
    const size_t size = ReadSum(reader);
    const ByteSpan payload = reader.Take(size);
    if (!reader.ok()) return std::nullopt;
    if (type != kUserDataUnregistered) continue;
    if (auto mark = ParseMarkPayload(payload)) return mark;
  }
  return std::nullopt;
}

std::optional<Mark> ParseMarkPayload(ByteSpan payload) {
  ByteReader reader(payload);
  const ByteSpan uuid = reader.Take(kMarkUuid.size());
  if (!reader.ok() || !std::equal(uuid.begin(), uuid.end(), kMarkUuid.begin())) return std::nullopt;
  if (reader.U8() != kMarkVersion) return std::nullopt;
  Mark mark;
  mark.frame = reader.U64();
  mark.capture_us = reader.I64();
  const size_t length = reader.U8();
  mark.camera = AsText(reader.Take(length));
  if (!reader.ok() || length == 0 || length > kMarkCameraMaxBytes) return std::nullopt;
  return mark;
}

}  // namespace lookback::camera_sim
