// media/sample.h: one access unit on its way from a camera to a fragment.
//
// Invariant: samples of a track come in decoding order. `pts` is the camera's own RTP time,
//            extended to 64 bits and shifted so that a run starts near 0; it is never stretched.
// Threads:   values, moved.
// Errors:    none here.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "media/track.h"

namespace lookback::media {

// Why a decoder may or may not start here (glossary: sync sample).
enum class Sync : uint8_t {
  kNone,    // Needs earlier samples.
  kClosed,  // IDR: nothing after it refers to anything before it.
  kOpen,    // CRA or recovery point: leading pictures after it must be left out by a cut here.
};

struct Sample {
  TrackKind track = TrackKind::kVideo;
  int64_t pts = 0;            // Ticks of the track's timescale.
  int64_t received_us = 0;    // Monotonic time at which its last packet was read.
  Sync sync = Sync::kNone;    // Audio: kClosed.
  bool damaged = false;       // Packets of it, or before it, were lost.
  uint32_t lost_packets = 0;  // How many, since the sample before.
  Bytes data;  // Video: NAL units, each with a 4-byte length. Audio: one frame or packet.
};

}  // namespace lookback::media
