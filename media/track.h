// media/track.h: what a decoder must know of a track before its first sample.
//
// Invariant: two tracks with equal TrackConfigs have byte-identical sample entries, so their
//            samples may stand behind one init section.
// Threads:   values.
// Errors:    none here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace lookback::media {

enum class TrackKind : uint8_t { kVideo = 1, kAudio = 2 };

enum class Codec : uint8_t {
  kH264 = 1,   // ISO/IEC 14496-10; sample entry `avc1`
  kH265 = 2,   // ISO/IEC 23008-2; sample entry `hvc1`
  kAac = 3,    // ISO/IEC 14496-3 AAC-LC; sample entry `mp4a`
  kPcma = 4,   // G.711 A-law; sample entry `alaw`
  kPcmu = 5,   // G.711 µ-law; sample entry `ulaw`
  kMjpeg = 6,  // ISO/IEC 10918-1, a JPEG file a picture; sample entry `mp4v`
  kOpus = 7,   // RFC 6716; sample entry `Opus`
  kG726 = 8,   // ITU-T G.726, codewords packed from the high bits down; sample entry `ms` 00 45
};

inline constexpr uint32_t kVideoTimescale = 90'000;

struct TrackConfig {
  TrackKind kind = TrackKind::kVideo;
  Codec codec = Codec::kH264;
  uint32_t timescale = kVideoTimescale;  // Ticks a second; for audio the sample rate.

  // Video. Parameter sets as NAL units without length prefix or start code.
  uint16_t width = 0;
  uint16_t height = 0;
  std::vector<Bytes> sps;
  std::vector<Bytes> pps;
  std::vector<Bytes> vps;  // H.265 only.

  // Audio.
  uint16_t channels = 0;
  uint16_t codeword_bits = 0;  // G.726: 2 to 5, for 16 to 40 kbit/s; else 0.
  Bytes audio_config;  // AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1) for AAC, else empty.

  friend bool operator==(const TrackConfig&, const TrackConfig&) = default;
};

// The `codecs` parameter of RFC 6381: "avc1.4d401f", "mp4a.40.2".
std::string CodecString(const TrackConfig& track);

}  // namespace lookback::media
