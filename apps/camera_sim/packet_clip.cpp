#include "apps/camera_sim/packet_clip.h"

#include <openssl/evp.h>

#include <algorithm>

#include "apps/camera_sim/footage.h"
#include "apps/camera_sim/nal.h"

namespace lookback::camera_sim {
namespace {

constexpr size_t kRtpHeaderBytes = 12;
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
void AppendPacket(ByteSpan head, ByteSpan body, Bytes& out) {
  const size_t length = kRtpHeaderBytes + head.size() + body.size();
  const uint8_t framing[kInterleavedBytes] = {'$', 0, static_cast<uint8_t>(length >> 8),
                                              static_cast<uint8_t>(length)};
  const uint8_t rtp[kRtpHeaderBytes] = {0x80, kPayloadType};
  out.insert(out.end(), std::begin(framing), std::end(framing));
  out.insert(out.end(), std::begin(rtp), std::end(rtp));
  out.insert(out.end(), head.begin(), head.end());
  out.insert(out.end(), body.begin(), body.end());
}

void AppendNal(ByteSpan nal, PacketPicture& picture) {
  const auto append = [&picture](ByteSpan head, ByteSpan body) {
    picture.packets.push_back(picture.bytes.size());
    AppendPacket(head, body, picture.bytes);
  };
  if (nal.size() <= kMaxPayloadBytes) return append({}, nal);
  const uint8_t indicator = static_cast<uint8_t>((nal[0] & 0xe0) | kFuA);
  const uint8_t type = NalTypeOf(nal);
  const ByteSpan body = nal.subspan(1);
  for (size_t at = 0; at < body.size();) {
    const size_t count = std::min(body.size() - at, kMaxPayloadBytes - 2);
    const bool last = at + count == body.size();
    const uint8_t head[2] = {
        indicator, static_cast<uint8_t>(type | (at == 0 ? kFuStart : 0) | (last ? kFuEnd : 0))};
    append(head, body.subspan(at, count));
    at += count;
  }
}

std::string Base64(ByteSpan bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(),
                                     static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(length));
  return text;
}

void Stamp(uint8_t* packet, PacketStamp& stamp) {
  uint8_t* const rtp = packet + kInterleavedBytes;
  Put16(rtp + 2, stamp.sequence++);
  Put32(rtp + 4, stamp.timestamp);
  Put32(rtp + 8, stamp.source);
}

Result<PacketPicture> PacketisePicture(const AccessUnit& unit,
                                       const std::vector<ByteSpan>& parameter_sets) {
  PacketPicture picture;
  picture.sync = unit.sync;
  if (unit.sync) {
    for (const ByteSpan nal : parameter_sets) AppendNal(nal, picture);
  }
  picture.sets = picture.packets.size();
  LB_TRY_ASSIGN(nals, SplitLengthPrefixed(unit.nals, kNalLengthBytes));
  for (const ByteSpan nal : nals) AppendNal(nal, picture);
  if (picture.packets.size() == picture.sets) {
    return Fail(Code::kUnsupported, "a picture without a slice");
  }
  picture.bytes[picture.packets.back() + kInterleavedBytes + 1] |= kMarker;
  return picture;
}

}  // namespace

Result<PacketClip> LoadPacketClip(const std::string& path) {
  LB_TRY_ASSIGN(footage, LoadFootage(path));
  if (footage.codec != VideoCodec::kH264 || footage.reorder_90k != 0) {
    return Fail(Code::kUnsupported, path + ": not H.264 without B pictures");
  }
  PacketClip clip;
  LB_TRY_ASSIGN(parameter_sets, SplitLengthPrefixed(footage.parameter_sets, kNalLengthBytes));
  for (const ByteSpan nal : parameter_sets) {
    if (!clip.sprop_parameter_sets.empty()) clip.sprop_parameter_sets += ',';
    clip.sprop_parameter_sets += Base64(nal);
    if (NalTypeOf(nal) == kNalSps && nal.size() >= 4) {
      clip.profile_level_id = HexEncode(nal.subspan(1, 3));
    }
  }
  size_t bytes = 0;
  for (const AccessUnit& unit : footage.units) {
    auto picture = PacketisePicture(unit, parameter_sets);
    if (!picture) return Fail(picture.error().code, path + ": " + picture.error().message);
    bytes += picture->bytes.size();
    clip.pictures.push_back(std::move(*picture));
  }
  clip.bytes_per_picture = static_cast<double>(bytes) / static_cast<double>(clip.pictures.size());
  return clip;
}

void StampPicture(const PacketPicture& picture, ByteSpan mark, PacketStamp& stamp, Bytes& out) {
  const size_t slices = picture.packets[picture.sets];
  const auto middle = picture.bytes.begin() + static_cast<std::ptrdiff_t>(slices);
  out.assign(picture.bytes.begin(), middle);
  AppendPacket({}, mark, out);
  const size_t shift = out.size() - slices;
  out.insert(out.end(), middle, picture.bytes.end());

  for (size_t i = 0; i < picture.packets.size(); ++i) {
    if (i == picture.sets) Stamp(out.data() + slices, stamp);
    Stamp(out.data() + picture.packets[i] + (i < picture.sets ? 0 : shift), stamp);
  }
}

}  // namespace lookback::camera_sim
