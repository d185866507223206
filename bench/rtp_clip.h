// bench/rtp_clip.h: a clip as interleaved RTP packets, made once and stamped for each camera.
//
// Invariant: a picture's packets lie one behind another, each behind its four bytes of RTSP
//            framing; the last has the marker.
// Threads:   immutable once made.
// Errors:    asserts (LB_CHECK).
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"

namespace lookback::bench {

inline constexpr size_t kInterleavedBytes = 4;  // '$', channel, length (RFC 2326, 10.12).
inline constexpr size_t kRtpHeaderBytes = 12;

struct RtpPicture {
  Bytes bytes;
  std::vector<size_t> packets;  // Where each begins.
};

struct RtpClip {
  std::vector<RtpPicture> pictures;  // The first is a sync sample.
  std::string sprop_parameter_sets;
  std::string profile_level_id;
};

// H.264 by RFC 6184, packetization-mode 1, parameter sets before each sync sample.
RtpClip LoadRtpClip(const std::string& path);

// Writes sequence numbers from `sequence`, the timestamp and the source into a copy of a picture.
void Stamp(const RtpPicture& picture, uint16_t sequence, uint32_t timestamp, uint32_t source,
           Bytes& out);

}  // namespace lookback::bench
