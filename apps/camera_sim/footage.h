// apps/camera_sim/footage.h: a clip of H.264, H.265 or MJPEG, loaded once, that a camera
// plays round and round.
//
// Invariant: the first access unit is a sync sample, decoding times strictly rise from 0 and stay
//            below duration_90k, so that clip after clip is one continuous stream.
// Threads:   immutable after loading; cameras share it.
// Errors:    kNotFound, kCorrupt, kUnsupported (another codec; parameter sets that change; raw
//            streams without times), with the file's name.
#pragma once

#include <string>
#include <vector>

#include "apps/camera_sim/nal.h"
#include "base/bytes.h"
#include "base/result.h"

namespace lookback::camera_sim {

inline constexpr int64_t kVideoClockRate = 90'000;
inline constexpr size_t kFootageMaxBytes = size_t{512} << 20;

struct AccessUnit {
  int64_t dts_90k = 0;
  int64_t pts_90k = 0;
  bool sync = false;
  bool delimiter = false;  // The footage had an access unit delimiter here.
  // The other NAL units but parameter sets, each behind four bytes of length; `vcl_offset` is where
  // the first slice starts. Of MJPEG: the picture without its end of image, and where its
  // entropy-coded data starts.
  Bytes nals;
  size_t vcl_offset = 0;
};

struct Footage {
  VideoCodec codec = VideoCodec::kH264;
  int width = 0;
  int height = 0;
  std::vector<AccessUnit> units;
  Bytes parameter_sets;  // Length-prefixed, as they go in band; none of MJPEG.
  Bytes decoder_config;  // The same as the body of `avcC` or `hvcC`, for the SDP.
  int64_t duration_90k = 0;
  int64_t reorder_90k = 0;  // The greatest distance from decoding to presentation.

  // The first sync unit at or after `fraction` of the clip, so that cameras of one clip differ.
  size_t SyncUnitAt(double fraction) const;
};

// Loads an MP4 (or anything libavformat demuxes) or an annex B file. H.265 must be in MP4.
Result<Footage> LoadFootage(const std::string& path);

// What a camera sends for `unit`: delimiter, `parameter_sets` (may be empty), the footage's own
// SEI, `mark_nal`, slices; all length-prefixed.
Bytes AssembleAccessUnit(const AccessUnit& unit, ByteSpan parameter_sets, ByteSpan mark_nal,
                         VideoCodec codec = VideoCodec::kH264);

// The same of MJPEG: the picture with `mark_comment` behind its entropy-coded data.
Bytes AssemblePicture(const AccessUnit& unit, ByteSpan mark_comment);

}  // namespace lookback::camera_sim
