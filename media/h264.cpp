#include "media/h264.h"

#include <algorithm>
#include <string>

#include "media/bit_reader.h"
#include "media/nal.h"
#include "media/sample_entry.h"

namespace lookback::media {
namespace {

constexpr uint32_t kMaxMacroblocksAcross = 1024;  // 16,384 pixels: more than any level allows.
constexpr uint32_t kMaxPocCycle = 255;            // §7.4.2.1.1.
constexpr uint32_t kExtendedSar = 255;
constexpr uint32_t kRecoveryPointPayload = 6;
constexpr uint32_t kMaxDpbFrames = 16;

auto Corrupt(const std::string& what) { return Fail(Code::kCorrupt, "H.264 SPS: " + what); }

bool HasChromaFormat(uint8_t profile) {
  constexpr uint8_t kProfiles[] = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135};
  return std::find(std::begin(kProfiles), std::end(kProfiles), profile) != std::end(kProfiles);
}

void SkipScalingList(BitReader& bits, int size) {
  int last = 8, next = 8;
  for (int i = 0; i < size && bits.ok(); ++i) {
    if (next != 0) next = (last + (bits.Signed() & 255)) & 255;
    last = next == 0 ? last : next;
  }
}

void ReadChromaFormat(BitReader& bits, H264Sps& sps) {
  sps.chroma_format_idc = static_cast<uint8_t>(std::min(bits.Unsigned(), 255u));
  if (sps.chroma_format_idc == 3) bits.Skip(1);  // separate_colour_plane_flag
  sps.bit_depth_luma = static_cast<uint8_t>(8 + std::min(bits.Unsigned(), 200u));
  sps.bit_depth_chroma = static_cast<uint8_t>(8 + std::min(bits.Unsigned(), 200u));
  bits.Skip(1);  // qpprime_y_zero_transform_bypass_flag
  if (!bits.Flag()) return;
  const int lists = sps.chroma_format_idc == 3 ? 12 : 8;
  for (int i = 0; i < lists; ++i) {
    if (bits.Flag()) SkipScalingList(bits, i < 6 ? 16 : 64);
  }
}

void SkipPictureOrder(BitReader& bits) {
  const uint32_t type = bits.Unsigned();
  if (type == 0) {
    (void)bits.Unsigned();  // log2_max_pic_order_cnt_lsb_minus4
  } else if (type == 1) {
    bits.Skip(1);
    (void)bits.Signed();
    (void)bits.Signed();
    const uint32_t cycle = bits.Unsigned();
    for (uint32_t i = 0; i < std::min(cycle, kMaxPocCycle) && bits.ok(); ++i) (void)bits.Signed();
  }
}

void SkipHrd(BitReader& bits) {
  const uint32_t count = std::min(bits.Unsigned(), 31u) + 1;
  bits.Skip(8);
  for (uint32_t i = 0; i < count && bits.ok(); ++i) {
    (void)bits.Unsigned();
    (void)bits.Unsigned();
    bits.Skip(1);
  }
  bits.Skip(20);
}

// Annex E. A VUI cut short is common among cameras, so what was read of it stands.
void ReadVui(BitReader& bits, H264Sps& sps) {
  if (bits.Flag() && bits.Bits(8) == kExtendedSar) bits.Skip(32);
  if (bits.Flag()) bits.Skip(1);  // overscan
  if (bits.Flag()) {              // video_signal_type
    bits.Skip(4);
    if (bits.Flag()) bits.Skip(24);
  }
  if (bits.Flag()) {  // chroma_loc
    (void)bits.Unsigned();
    (void)bits.Unsigned();
  }
  if (bits.Flag()) {
    const uint32_t units_in_tick = bits.Bits(32);
    const uint32_t time_scale = bits.Bits(32);
    bits.Skip(1);
    if (bits.ok() && units_in_tick != 0) {
      sps.frame_rate_hint = static_cast<double>(time_scale) / (2.0 * units_in_tick);
    }
  }
  const bool nal_hrd = bits.Flag();
  if (nal_hrd) SkipHrd(bits);
  const bool vcl_hrd = bits.Flag();
  if (vcl_hrd) SkipHrd(bits);
  if (nal_hrd || vcl_hrd) bits.Skip(1);
  bits.Skip(1);              // pic_struct_present_flag
  if (!bits.Flag()) return;  // bitstream_restriction_flag
  bits.Skip(1);
  for (int i = 0; i < 4; ++i) (void)bits.Unsigned();
  const uint32_t reorder = bits.Unsigned();
  if (bits.ok() && reorder <= kMaxDpbFrames) {
    sps.max_reorder_frames = static_cast<uint8_t>(reorder);
    sps.reorder_frames_known = true;
  }
}

// Table A-1, MaxDpbMbs.
uint32_t MaxDpbMacroblocks(const H264Sps& sps) {
  struct Row {
    uint8_t level;
    uint32_t macroblocks;
  };
  constexpr Row kRows[] = {{10, 396},    {11, 900},    {13, 2376},  {20, 2376},  {21, 4752},
                           {30, 8100},   {31, 18000},  {32, 20480}, {41, 32768}, {42, 34816},
                           {50, 110400}, {52, 184320}, {62, 696320}};
  for (const Row& row : kRows) {
    if (sps.level_idc <= row.level) return row.macroblocks;
  }
  return kRows[std::size(kRows) - 1].macroblocks;
}

Status ReadSize(BitReader& bits, H264Sps& sps) {
  const uint32_t across = bits.Unsigned() + 1;
  const uint32_t map_units = bits.Unsigned() + 1;
  sps.interlaced = !bits.Flag();
  if (!bits.ok() || across > kMaxMacroblocksAcross || map_units > kMaxMacroblocksAcross) {
    return Corrupt("picture larger than 1024 macroblocks a side, or cut short");
  }
  const uint32_t down = map_units * (sps.interlaced ? 2 : 1);
  if (sps.interlaced) bits.Skip(1);  // mb_adaptive_frame_field_flag
  bits.Skip(1);                      // direct_8x8_inference_flag
  uint64_t crop_x = 0, crop_y = 0;
  if (bits.Flag()) {
    const uint64_t left = bits.Unsigned(), right = bits.Unsigned();
    const uint64_t top = bits.Unsigned(), bottom = bits.Unsigned();
    const bool half_width = sps.chroma_format_idc == 1 || sps.chroma_format_idc == 2;
    const bool half_height = sps.chroma_format_idc == 1;
    crop_x = (left + right) * (half_width ? 2 : 1);
    crop_y = (top + bottom) * (half_height ? 2 : 1) * (sps.interlaced ? 2 : 1);
  }
  if (crop_x >= across * 16 || crop_y >= down * 16) return Corrupt("cropped to nothing");
  sps.width = static_cast<uint16_t>(across * 16 - crop_x);
  sps.height = static_cast<uint16_t>(down * 16 - crop_y);
  sps.max_reorder_frames =
      static_cast<uint8_t>(std::min(MaxDpbMacroblocks(sps) / (across * down), kMaxDpbFrames));
  return Ok();
}

// §7.3.2.3. Looks for a recovery point among the messages of an SEI NAL unit.
void ReadSei(ByteSpan nal, H264AccessUnit& unit) {
  BitReader bits(nal.subspan(1));
  const auto coded = [&bits] {
    uint32_t value = 0, byte = 255;
    while (byte == 255 && bits.ok()) value += byte = bits.Bits(8);
    return value;
  };
  while (bits.ok()) {
    const uint32_t type = coded();
    const uint32_t size = coded();
    if (!bits.ok() || size > nal.size()) return;
    if (type == kRecoveryPointPayload) {
      const uint32_t frames = bits.Unsigned();
      if (!bits.ok()) return;
      unit.recovery_point = true;
      unit.recovery_frame_cnt = frames;
      return;
    }
    bits.Skip(size * 8);
  }
}

// §7.3.3: slice_type, the second code of the header. Values 5 to 9 repeat 0 to 4.
bool IsIntraSlice(ByteSpan nal) {
  BitReader bits(nal.subspan(1));
  (void)bits.Unsigned();  // first_mb_in_slice
  const uint32_t type = bits.Unsigned();
  return bits.ok() && (type % 5 == 2 || type % 5 == 4) && type < 10;
}

}  // namespace

Result<H264Sps> ParseH264Sps(ByteSpan nal) {
  if (nal.size() < 4 || H264NalType(nal) != H264Nal::kSps) return Corrupt("not an SPS NAL unit");
  BitReader bits(nal.subspan(1));
  H264Sps sps;
  sps.profile_idc = static_cast<uint8_t>(bits.Bits(8));
  sps.constraint_flags = static_cast<uint8_t>(bits.Bits(8));
  sps.level_idc = static_cast<uint8_t>(bits.Bits(8));
  const uint32_t id = bits.Unsigned();
  if (id > 31) return Corrupt("seq_parameter_set_id " + std::to_string(id) + " above 31");
  sps.id = static_cast<uint8_t>(id);
  if (HasChromaFormat(sps.profile_idc)) ReadChromaFormat(bits, sps);
  if (sps.chroma_format_idc > 3 || sps.bit_depth_luma > 14 || sps.bit_depth_chroma > 14) {
    return Corrupt("chroma format or bit depth that does not exist");
  }
  (void)bits.Unsigned();  // log2_max_frame_num_minus4
  SkipPictureOrder(bits);
  const uint32_t reference_frames = bits.Unsigned();
  if (reference_frames > kMaxDpbFrames) return Corrupt("more than 16 reference frames");
  bits.Skip(1);  // gaps_in_frame_num_value_allowed_flag
  LB_TRY(ReadSize(bits, sps));
  const bool vui = bits.Flag();
  if (!bits.ok()) return Corrupt("cut short");
  // Baseline has no B slices, and so nothing to reorder (§A.2.1).
  if (sps.profile_idc == 66) sps.max_reorder_frames = 0, sps.reorder_frames_known = true;
  if (vui) ReadVui(bits, sps);
  return sps;
}

Sync H264AccessUnit::sync() const {
  if (idr) return Sync::kClosed;
  const bool exact_at_once = recovery_point && recovery_frame_cnt == 0 && intra_only;
  return exact_at_once ? Sync::kOpen : Sync::kNone;
}

H264AccessUnit InspectH264(ByteSpan sample) {
  H264AccessUnit unit;
  uint32_t intra_slices = 0;
  NalReader reader(sample);
  ByteSpan nal;
  while (reader.Next(nal)) {
    switch (H264NalType(nal)) {
      case H264Nal::kIdrSlice:
        unit.idr = true;
        [[fallthrough]];
      case H264Nal::kSlice:
      case H264Nal::kPartitionA:
        ++unit.slices;
        if (IsIntraSlice(nal)) ++intra_slices;
        break;
      case H264Nal::kSei:
        ReadSei(nal, unit);
        break;
      case H264Nal::kSps:
      case H264Nal::kPps:
        unit.parameter_sets = true;
        break;
      default:
        break;
    }
  }
  unit.intra_only = unit.slices > 0 && intra_slices == unit.slices;
  unit.well_formed = reader.ok();
  return unit;
}

Result<TrackConfig> MakeH264Track(std::vector<Bytes> sps, std::vector<Bytes> pps) {
  if (sps.empty() || pps.empty()) {
    return Fail(Code::kInvalid, "an H.264 track needs an SPS and a PPS");
  }
  LB_TRY_ASSIGN(parsed, ParseH264Sps(sps[0]));
  TrackConfig track;
  track.width = parsed.width;
  track.height = parsed.height;
  track.sps = std::move(sps);
  track.pps = std::move(pps);
  if (!FitsSampleEntry(track)) {
    return Fail(Code::kCorrupt, "H.264 parameter sets too many, too short or too long");
  }
  return track;
}

}  // namespace lookback::media
