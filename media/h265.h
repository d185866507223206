// media/h265.h: what a recorder must know of H.265 without decoding it (ISO/IEC 23008-2).
//
// Invariant: nothing here keeps or changes the bytes it reads.
// Threads:   free functions; no state.
// Errors:    kCorrupt for a parameter set that breaks its own syntax; safe on hostile bytes.
#pragma once

#include <array>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "media/sample.h"
#include "media/track.h"

namespace lookback::media {

// Table 7-1; the types that matter here.
enum class H265Nal : uint8_t {
  kFirstIrap = 16,  // BLA pictures begin here, with BLA_W_LP,
  kIdrWithLeading = 19,
  kIdrWithoutLeading = 20,
  kCra = 21,
  kLastIrap = 23,
  kVps = 32,  // Those below are slices.
  kSps = 33,
  kPps = 34,
  kAccessUnitDelimiter = 35,
  kPrefixSei = 39,
};
inline constexpr uint8_t kLastH265Nal = 47;  // RFC 7798 §4.4: those above are RTP's own.

// `nal` must not be empty.
inline H265Nal H265NalType(ByteSpan nal) { return static_cast<H265Nal>(nal[0] >> 1 & 63); }

// An intra random access point: IDR, CRA or BLA.
constexpr bool IsIrap(H265Nal type) {
  return type >= H265Nal::kFirstIrap && type <= H265Nal::kLastIrap;
}

// What one access unit holds.
struct H265AccessUnit {
  bool idr = false;
  bool irap = false;
  uint32_t slices = 0;
  bool well_formed = true;  // The lengths add up.

  // kClosed for IDR, whose leading pictures can be decoded; kOpen for CRA and BLA, whose leading
  // pictures may need what came before.
  Sync sync() const;
};
H265AccessUnit InspectH265(ByteSpan sample);

// For a sample that is not decoded behind the one that the camera sent before it: a CRA picture
// becomes a BLA picture (§3.12), which counts its pictures anew and whose leading pictures decoders
// leave out. Nothing else changes but the type in the heads of its slices.
void MarkH265Splice(std::span<uint8_t> sample);

// §7.3.2.2, up to the bit depths.
struct H265Sps {
  uint8_t id = 0;
  // general_profile_space to general_level_idc, as they stand in the SPS and in `hvcC`.
  std::array<uint8_t, 12> profile_tier_level{};
  uint8_t temporal_layers = 1;
  bool temporal_nesting = false;
  uint8_t chroma_format_idc = 1;
  uint8_t bit_depth_luma = 8;
  uint8_t bit_depth_chroma = 8;
  uint16_t width = 0;  // As shown: the conformance window applied.
  uint16_t height = 0;
};
Result<H265Sps> ParseH265Sps(ByteSpan nal);

// The track that these parameter sets describe; size from the first SPS.
Result<TrackConfig> MakeH265Track(std::vector<Bytes> vps, std::vector<Bytes> sps,
                                  std::vector<Bytes> pps);

// `hvcC` (ISO/IEC 14496-15 §8.3.3), the whole box, and what it says of a track.
void WriteHevcConfig(const TrackConfig& track, ByteWriter& out);
Status ParseHevcConfig(ByteSpan body, TrackConfig& track);

}  // namespace lookback::media
