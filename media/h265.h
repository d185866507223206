// media/h265.h: as much of H.265 (ISO/IEC 23008-2) as a sample entry needs.
//
// Invariant: nothing here keeps or changes the bytes it reads.
// Threads:   free functions; no state.
// Errors:    kCorrupt for a parameter set that breaks its own syntax; safe on hostile bytes.
#pragma once

#include <array>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "media/track.h"

namespace lookback::media {

// §7.3.2.2, up to the bit depths.
struct H265Sps {
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
