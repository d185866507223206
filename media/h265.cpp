#include "media/h265.h"

#include <algorithm>
#include <string>

#include "media/bit_reader.h"
#include "media/bmff.h"
#include "media/nal.h"
#include "media/sample_entry.h"

namespace lookback::media {
namespace {

constexpr uint8_t kVpsType = 32, kSpsType = 33, kPpsType = 34;
constexpr size_t kNalHeaderBytes = 2;
constexpr uint32_t kSpsIds = 16;
constexpr uint32_t kMaxSide = 16'384;  // Pixels; more than any level allows.
constexpr size_t kMaxSetsOfAType = 64;

auto Corrupt(const std::string& what) { return Fail(Code::kCorrupt, "H.265: " + what); }

// §7.3.3, beneath the general part.
void SkipSubLayers(BitReader& bits, uint32_t layers_minus1) {
  if (layers_minus1 == 0) return;
  std::array<bool, 8> profile{}, level{};
  for (uint32_t i = 0; i < layers_minus1; ++i) {
    profile[i] = bits.Flag();
    level[i] = bits.Flag();
  }
  bits.Skip(2 * (8 - layers_minus1));
  for (uint32_t i = 0; i < layers_minus1; ++i) {
    if (profile[i]) bits.Skip(88);
    if (level[i]) bits.Skip(8);
  }
}

Status ReadSize(BitReader& bits, H265Sps& sps) {
  const uint32_t id = bits.Unsigned();
  if (id >= kSpsIds) return Corrupt("SPS: an id above 15");
  sps.id = static_cast<uint8_t>(id);
  sps.chroma_format_idc = static_cast<uint8_t>(std::min(bits.Unsigned(), 255u));
  if (sps.chroma_format_idc > 3) return Corrupt("SPS: chroma format that does not exist");
  if (sps.chroma_format_idc == 3) bits.Skip(1);
  const uint64_t width = bits.Unsigned(), height = bits.Unsigned();
  uint64_t crop_x = 0, crop_y = 0;
  if (bits.Flag()) {
    const uint64_t left = bits.Unsigned(), right = bits.Unsigned();
    const uint64_t top = bits.Unsigned(), bottom = bits.Unsigned();
    const bool half_width = sps.chroma_format_idc == 1 || sps.chroma_format_idc == 2;
    crop_x = (left + right) * (half_width ? 2 : 1);
    crop_y = (top + bottom) * (sps.chroma_format_idc == 1 ? 2 : 1);
  }
  if (!bits.ok() || width > kMaxSide || height > kMaxSide || crop_x >= width || crop_y >= height) {
    return Corrupt("SPS: no picture, one above 16,384 pixels a side, or cut short");
  }
  sps.width = static_cast<uint16_t>(width - crop_x);
  sps.height = static_cast<uint16_t>(height - crop_y);
  return Ok();
}

}  // namespace

Sync H265AccessUnit::sync() const {
  if (idr) return Sync::kClosed;
  return irap ? Sync::kOpen : Sync::kNone;
}

H265AccessUnit InspectH265(ByteSpan sample) {
  H265AccessUnit unit;
  NalReader reader(sample);
  ByteSpan nal;
  while (reader.Next(nal)) {
    if (nal.size() < kNalHeaderBytes || H265NalType(nal) >= H265Nal::kVps) continue;
    // All slices of a picture have one type.
    if (unit.slices++ > 0) continue;
    const H265Nal type = H265NalType(nal);
    unit.irap = IsIrap(type);
    unit.idr = type == H265Nal::kIdrWithLeading || type == H265Nal::kIdrWithoutLeading;
  }
  unit.well_formed = reader.ok();
  return unit;
}

void MarkH265Splice(std::span<uint8_t> sample) {
  NalReader reader(sample);
  ByteSpan nal;
  while (reader.Next(nal)) {
    if (H265NalType(nal) != H265Nal::kCra) continue;
    uint8_t& head = sample[static_cast<size_t>(nal.data() - sample.data())];
    head = static_cast<uint8_t>((head & 0x81) | (static_cast<uint8_t>(H265Nal::kFirstIrap) << 1));
  }
}

Result<H265Sps> ParseH265Sps(ByteSpan nal) {
  if (nal.size() <= kNalHeaderBytes || (nal[0] >> 1 & 63) != kSpsType) {
    return Corrupt("not an SPS NAL unit");
  }
  BitReader bits(nal.subspan(kNalHeaderBytes));
  H265Sps sps;
  bits.Skip(4);
  const uint32_t layers_minus1 = bits.Bits(3);
  if (layers_minus1 > 6) return Corrupt("SPS: more than seven temporal layers");
  sps.temporal_layers = static_cast<uint8_t>(layers_minus1 + 1);
  sps.temporal_nesting = bits.Flag();
  for (uint8_t& byte : sps.profile_tier_level) byte = static_cast<uint8_t>(bits.Bits(8));
  SkipSubLayers(bits, layers_minus1);
  LB_TRY(ReadSize(bits, sps));
  sps.bit_depth_luma = static_cast<uint8_t>(8 + std::min(bits.Unsigned(), 200u));
  sps.bit_depth_chroma = static_cast<uint8_t>(8 + std::min(bits.Unsigned(), 200u));
  if (!bits.ok() || sps.bit_depth_luma > 15 || sps.bit_depth_chroma > 15) {
    return Corrupt("SPS: bit depth that does not exist, or cut short");
  }
  return sps;
}

Result<TrackConfig> MakeH265Track(std::vector<Bytes> vps, std::vector<Bytes> sps,
                                  std::vector<Bytes> pps) {
  if (vps.empty() || sps.empty() || pps.empty()) {
    return Fail(Code::kInvalid, "an H.265 track needs a VPS, an SPS and a PPS");
  }
  LB_TRY_ASSIGN(parsed, ParseH265Sps(sps[0]));
  TrackConfig track;
  track.codec = Codec::kH265;
  track.width = parsed.width;
  track.height = parsed.height;
  track.vps = std::move(vps);
  track.sps = std::move(sps);
  track.pps = std::move(pps);
  if (!FitsSampleEntry(track)) {
    return Fail(Code::kCorrupt, "H.265 parameter sets too many, too short or too long");
  }
  return track;
}

void WriteHevcConfig(const TrackConfig& track, ByteWriter& out) {
  const BoxScope box(out, "hvcC");
  const H265Sps sps = ParseH265Sps(track.sps[0]).value_or(H265Sps{});
  out.U8(1);
  out.Raw(sps.profile_tier_level);
  out.U16(0xf000);  // min_spatial_segmentation_idc: not known.
  out.U8(0xfc);     // parallelismType: not known.
  out.U8(static_cast<uint8_t>(0xfc | (sps.chroma_format_idc & 3)));
  out.U8(static_cast<uint8_t>(0xf8 | ((sps.bit_depth_luma - 8) & 7)));
  out.U8(static_cast<uint8_t>(0xf8 | ((sps.bit_depth_chroma - 8) & 7)));
  out.U16(0);  // avgFrameRate: not known.
  out.U8(static_cast<uint8_t>(sps.temporal_layers << 3 | (sps.temporal_nesting ? 4 : 0) | 3));
  out.U8(3);
  const auto array = [&out](uint8_t type, const std::vector<Bytes>& sets) {
    out.U8(0x80 | type);  // All of this type are here; in band they are repeated, not changed.
    out.U16(static_cast<uint16_t>(sets.size()));
    for (const Bytes& set : sets) {
      out.U16(static_cast<uint16_t>(set.size()));
      out.Raw(set);
    }
  };
  array(kVpsType, track.vps);
  array(kSpsType, track.sps);
  array(kPpsType, track.pps);
}

Status ParseHevcConfig(ByteSpan body, TrackConfig& track) {
  ByteReader in(body);
  const uint8_t version = in.U8();
  in.Skip(20);
  const uint8_t length_size = in.U8() & 3;
  const uint8_t arrays = in.U8();
  for (uint8_t i = 0; i < arrays && in.ok(); ++i) {
    const uint8_t type = in.U8() & 63;
    std::vector<Bytes>* sets = type == kVpsType   ? &track.vps
                               : type == kSpsType ? &track.sps
                               : type == kPpsType ? &track.pps
                                                  : nullptr;
    const uint16_t count = in.U16();
    for (uint16_t k = 0; k < count && in.ok(); ++k) {
      const ByteSpan set = in.Take(in.U16());
      if (sets != nullptr && sets->size() < kMaxSetsOfAType) {
        sets->emplace_back(set.begin(), set.end());
      }
    }
  }
  if (!in.ok() || version != 1 || track.sps.empty() || track.pps.empty() || track.vps.empty()) {
    return Corrupt("hvcC is cut short or lacks parameter sets");
  }
  if (length_size != 3) return Fail(Code::kUnsupported, "hvcC: NAL lengths are not of four bytes");
  return Ok();
}

}  // namespace lookback::media
