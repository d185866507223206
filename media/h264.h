// media/h264.h: what a recorder must know of H.264 without decoding it (ISO/IEC 14496-10).
//
// Invariant: nothing here keeps or changes the bytes it reads.
// Threads:   free functions; no state.
// Errors:    kCorrupt for a parameter set that breaks its own syntax or the limits of the standard;
//            safe on hostile bytes.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "media/sample.h"
#include "media/track.h"

namespace lookback::media {

// Table 7-1; the types that matter here.
enum class H264Nal : uint8_t {
  kSlice = 1,
  kPartitionA = 2,
  kIdrSlice = 5,
  kSei = 6,
  kSps = 7,
  kPps = 8,
  kAccessUnitDelimiter = 9,
};

// `nal` must not be empty.
inline H264Nal H264NalType(ByteSpan nal) { return static_cast<H264Nal>(nal[0] & 31); }

// §7.3.2.1 and annex E, what is needed of them.
struct H264Sps {
  uint8_t profile_idc = 0;
  uint8_t constraint_flags = 0;
  uint8_t level_idc = 0;
  uint8_t id = 0;
  uint8_t chroma_format_idc = 1;
  uint8_t bit_depth_luma = 8;
  uint8_t bit_depth_chroma = 8;
  uint16_t width = 0;  // As shown: cropping applied.
  uint16_t height = 0;
  bool interlaced = false;  // Not frame_mbs_only.
  // Pictures that may precede another in decoding order and follow it in output order; what the
  // VUI says, or the most that the level allows when it says nothing.
  uint8_t max_reorder_frames = 0;
  bool reorder_frames_known = false;
  // Frames a second as the VUI promises; 0 when it promises nothing. A hint: cameras lie.
  double frame_rate_hint = 0;
};
Result<H264Sps> ParseH264Sps(ByteSpan nal);

// What one access unit holds.
struct H264AccessUnit {
  bool idr = false;
  bool parameter_sets = false;      // Has an SPS or a PPS in band.
  bool intra_only = false;          // It has slices, and all are I or SI.
  bool recovery_point = false;      // Has a recovery point SEI message (§D.1.8) ...
  uint32_t recovery_frame_cnt = 0;  // ... which promises exact pictures after so many frames.
  uint32_t slices = 0;
  bool well_formed = true;  // The lengths add up.

  // kClosed for IDR; kOpen for an intra picture that promises exact pictures from itself on. A
  // gradual refresh (recovery_frame_cnt > 0) is none: it would show broken pictures first.
  Sync sync() const;
};
H264AccessUnit InspectH264(ByteSpan sample);

// The track that these parameter sets describe; size from the first SPS.
Result<TrackConfig> MakeH264Track(std::vector<Bytes> sps, std::vector<Bytes> pps);

}  // namespace lookback::media
