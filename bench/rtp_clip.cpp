#include "bench/rtp_clip.h"

#include <openssl/evp.h>

#include <algorithm>

#include "apps/camera_sim/footage.h"
#include "apps/camera_sim/nal.h"
#include "base/result.h"

namespace lookback::bench {
namespace {

constexpr size_t kMaxPayloadBytes = 1'400;  // Of one RTP packet.
constexpr uint8_t kPayloadType = 96;
constexpr uint8_t kMarker = 0x80;
constexpr uint8_t kFuA = 28;
constexpr uint8_t kFuStart = 0x80;
constexpr uint8_t kFuEnd = 0x40;

void Put16(uint8_t* at, uint16_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

void Put32(uint8_t* at, uint32_t value) {
  Put16(at, static_cast<uint16_t>(value >> 16));
  Put16(at + 2, static_cast<uint16_t>(value));
}

// A packet whose payload is `head` and `body`; the fields that a camera stamps stay 0.
void AppendPacket(ByteSpan head, ByteSpan body, RtpPicture& picture) {
  const size_t length = kRtpHeaderBytes + head.size() + body.size();
  picture.packets.push_back(picture.bytes.size());
  const uint8_t framing[kInterleavedBytes] = {'$', 0, static_cast<uint8_t>(length >> 8),
                                              static_cast<uint8_t>(length)};
  const uint8_t rtp[kRtpHeaderBytes] = {0x80, kPayloadType};
  picture.bytes.insert(picture.bytes.end(), std::begin(framing), std::end(framing));
  picture.bytes.insert(picture.bytes.end(), std::begin(rtp), std::end(rtp));
  picture.bytes.insert(picture.bytes.end(), head.begin(), head.end());
  picture.bytes.insert(picture.bytes.end(), body.begin(), body.end());
}

void AppendNal(ByteSpan nal, RtpPicture& picture) {
  if (nal.size() <= kMaxPayloadBytes) return AppendPacket({}, nal, picture);
  const uint8_t indicator = static_cast<uint8_t>((nal[0] & 0xe0) | kFuA);
  const uint8_t type = camera_sim::NalTypeOf(nal);
  const ByteSpan body = nal.subspan(1);
  for (size_t at = 0; at < body.size();) {
    const size_t count = std::min(body.size() - at, kMaxPayloadBytes - 2);
    const bool last = at + count == body.size();
    const uint8_t head[2] = {
        indicator, static_cast<uint8_t>(type | (at == 0 ? kFuStart : 0) | (last ? kFuEnd : 0))};
    AppendPacket(head, body.subspan(at, count), picture);
    at += count;
  }
}

std::vector<ByteSpan> Split(ByteSpan nals) {
  auto split = camera_sim::SplitLengthPrefixed(nals, camera_sim::kNalLengthBytes);
  LB_CHECK(split.has_value());
  return *split;
}

std::string Base64(ByteSpan bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(),
                                     static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(length));
  return text;
}

}  // namespace

RtpClip LoadRtpClip(const std::string& path) {
  const auto footage = camera_sim::LoadFootage(path);
  LB_CHECK(footage.has_value());
  RtpClip clip;
  const std::vector<ByteSpan> parameter_sets = Split(footage->parameter_sets);
  for (const ByteSpan nal : parameter_sets) {
    if (!clip.sprop_parameter_sets.empty()) clip.sprop_parameter_sets += ',';
    clip.sprop_parameter_sets += Base64(nal);
    if (camera_sim::NalTypeOf(nal) == camera_sim::kNalSps) {
      LB_CHECK(nal.size() >= 4);
      clip.profile_level_id = HexEncode(nal.subspan(1, 3));
    }
  }
  for (const camera_sim::AccessUnit& unit : footage->units) {
    RtpPicture picture;
    if (unit.sync) {
      for (const ByteSpan nal : parameter_sets) AppendNal(nal, picture);
    }
    for (const ByteSpan nal : Split(unit.nals)) AppendNal(nal, picture);
    picture.bytes[picture.packets.back() + kInterleavedBytes + 1] |= kMarker;
    clip.pictures.push_back(std::move(picture));
  }
  LB_CHECK(!clip.pictures.empty());
  return clip;
}

void Stamp(const RtpPicture& picture, uint16_t sequence, uint32_t timestamp, uint32_t source,
           Bytes& out) {
  out.assign(picture.bytes.begin(), picture.bytes.end());
  for (const size_t at : picture.packets) {
    uint8_t* const rtp = out.data() + at + kInterleavedBytes;
    Put16(rtp + 2, sequence++);
    Put32(rtp + 4, timestamp);
    Put32(rtp + 8, source);
  }
}

}  // namespace lookback::bench
