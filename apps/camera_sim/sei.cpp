#include "apps/camera_sim/sei.h"

#include <algorithm>

#include "apps/camera_sim/nal.h"
#include "base/result.h"

namespace lookback::camera_sim {
namespace {

constexpr uint8_t kUserDataUnregistered = 5;
constexpr uint8_t kRbspTrailingBits = 0x80;
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

}  // namespace

Bytes BuildMarkNal(const Mark& mark) {
  LB_CHECK(!mark.camera.empty() && mark.camera.size() <= kMarkCameraMaxBytes);
  Bytes rbsp;
  ByteWriter writer(rbsp);
  writer.U8(kNalSei);
  writer.U8(kUserDataUnregistered);
  writer.U8(static_cast<uint8_t>(kFixedBytes + mark.camera.size()));
  writer.Raw(kMarkUuid);
  writer.U8(kMarkVersion);
  writer.U64(mark.frame);
  writer.I64(mark.capture_us);
  writer.U8(static_cast<uint8_t>(mark.camera.size()));
  writer.Text(mark.camera);
  writer.U8(kRbspTrailingBits);
  return Escape(rbsp);
}

std::optional<Mark> ParseMarkNal(ByteSpan nal) {
  if (nal.empty() || NalTypeOf(nal) != kNalSei) return std::nullopt;
  const Bytes rbsp = Unescape(nal.subspan(1));
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
