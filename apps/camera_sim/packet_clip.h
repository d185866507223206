// apps/camera_sim/packet_clip.h: a clip as interleaved RTP packets, made once and stamped for each
// picture of each camera that sends it.
//
// Invariant: a picture's packets lie one behind another, each behind its four bytes of RTSP framing
//            (RFC 2326 §10.12); the last has the marker.
// Threads:   immutable once made.
// Errors:    as LoadFootage; kUnsupported for what a lean sender has no place for: another codec
//            than H.264, pictures that are shown in another order than sent.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace lookback::camera_sim {

inline constexpr size_t kInterleavedBytes = 4;  // '$', channel, length.

struct PacketPicture {
  Bytes bytes;
  std::vector<size_t> packets;  // Where each begins.
  size_t sets = 0;              // So many of them, the first, are parameter sets.
  bool sync = false;
};

struct PacketClip {
  std::vector<PacketPicture> pictures;  // The first is a sync sample.
  std::string sprop_parameter_sets;     // RFC 6184 §8.1.
  std::string profile_level_id;
  double bytes_per_picture = 0;
};

// RFC 6184, packetization-mode 1, parameter sets in front of each sync sample.
Result<PacketClip> LoadPacketClip(const std::string& path);

// What a camera stamps a picture with.
struct PacketStamp {
  uint16_t sequence = 0;  // Of its first packet; on return, of the packet behind its last.
  uint32_t timestamp = 0;
  uint32_t source = 0;
};

// The picture's packets in `out`, stamped, with `mark`, a NAL unit, in front of the first slice.
void StampPicture(const PacketPicture& picture, ByteSpan mark, PacketStamp& stamp, Bytes& out);

}  // namespace lookback::camera_sim
