#include "media/nal_codec.h"

#include "media/bit_reader.h"
#include "media/h264.h"
#include "media/h265.h"

namespace lookback::media {
namespace {

// What the standards allow: ISO/IEC 14496-10 §7.4.2, 23008-2 §7.4.3.
constexpr uint32_t kVpsIds = 16;
constexpr uint32_t kH264SpsIds = 32, kH264PpsIds = 256;
constexpr uint32_t kH265PpsIds = 64;

NalRole H264Role(ByteSpan nal) {
  constexpr uint8_t kLastType = 23;  // RFC 6184 §5.2: those above are RTP's own.
  const uint8_t type = nal.empty() ? 0 : nal[0] & 31;
  if (type == 0 || type > kLastType) return NalRole::kUnusable;
  switch (static_cast<H264Nal>(type)) {
    case H264Nal::kAccessUnitDelimiter:
      return NalRole::kDelimiter;
    case H264Nal::kSps:
      return NalRole::kSps;
    case H264Nal::kPps:
      return NalRole::kPps;
    default:
      return type <= static_cast<uint8_t>(H264Nal::kIdrSlice) ? NalRole::kSlice : NalRole::kOther;
  }
}

NalRole H265Role(ByteSpan nal) {
  if (nal.size() < NalHeaderBytes(Codec::kH265)) return NalRole::kUnusable;
  const auto type = static_cast<uint8_t>(H265NalType(nal));
  if (type > kLastH265Nal) return NalRole::kUnusable;
  const bool base_layer = (nal[0] & 1) == 0 && nal[1] >> 3 == 0;
  if (!base_layer) return NalRole::kOther;
  switch (H265NalType(nal)) {
    case H265Nal::kAccessUnitDelimiter:
      return NalRole::kDelimiter;
    case H265Nal::kVps:
      return NalRole::kVps;
    case H265Nal::kSps:
      return NalRole::kSps;
    case H265Nal::kPps:
      return NalRole::kPps;
    default:
      return type < static_cast<uint8_t>(H265Nal::kVps) ? NalRole::kSlice : NalRole::kOther;
  }
}

std::optional<uint32_t> Below(uint32_t limit, uint32_t id, const BitReader& bits) {
  return bits.ok() && id < limit ? std::optional(id) : std::nullopt;
}

}  // namespace

NalRole RoleOf(Codec codec, ByteSpan nal) {
  return codec == Codec::kH265 ? H265Role(nal) : H264Role(nal);
}

bool BeginsPicture(Codec codec, ByteSpan nal) {
  // H.264: first_mb_in_slice is 0 exactly if its Exp-Golomb code begins with a one. H.265:
  // first_slice_segment_in_pic_flag.
  const size_t at = NalHeaderBytes(codec);
  return nal.size() > at && (nal[at] & 0x80) != 0;
}

bool IsRandomAccessSlice(Codec codec, ByteSpan nal) {
  if (nal.size() < NalHeaderBytes(codec)) return false;
  return codec == Codec::kH265 ? IsIrap(H265NalType(nal)) : H264NalType(nal) == H264Nal::kIdrSlice;
}

std::optional<uint32_t> ParameterSetId(Codec codec, ByteSpan nal) {
  const NalRole role = RoleOf(codec, nal);
  if (role == NalRole::kUnusable) return std::nullopt;
  BitReader bits(nal.subspan(NalHeaderBytes(codec)));
  if (role == NalRole::kVps) return Below(kVpsIds, bits.Bits(4), bits);
  if (role == NalRole::kPps) {
    return Below(codec == Codec::kH265 ? kH265PpsIds : kH264PpsIds, bits.Unsigned(), bits);
  }
  if (role != NalRole::kSps) return std::nullopt;
  if (codec == Codec::kH265) {
    const auto sps = ParseH265Sps(nal);
    return sps ? std::optional<uint32_t>(sps->id) : std::nullopt;
  }
  bits.Skip(24);  // Profile, constraints, level.
  return Below(kH264SpsIds, bits.Unsigned(), bits);
}

Sync SyncOf(Codec codec, ByteSpan access_unit) {
  return codec == Codec::kH265 ? InspectH265(access_unit).sync() : InspectH264(access_unit).sync();
}

}  // namespace lookback::media
