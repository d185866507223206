// recorder/sdp.h: what a camera says it sends (RFC 8866, RFC 4566): media, formats, parameters.
//
// Invariant: a format has a clock rate above 0. Lines that are not understood are passed over, as
//            the RFC demands; order is not insisted on, for cameras do not keep it.
// Threads:   free functions; no state.
// Errors:    kCorrupt when there is no media line, or a limit below is exceeded. Safe on hostile
//            bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "media/track.h"

namespace lookback::recorder {

inline constexpr size_t kMaxSdpLines = 512;
inline constexpr size_t kMaxSdpMedia = 16;
inline constexpr size_t kMaxSdpFormats = 16;  // Of one media line.

struct SdpFormat {
  struct Parameter {
    std::string name;
    std::string value;
  };
  uint8_t payload_type = 0;
  std::string encoding;  // "H264"; empty for a static payload type that is not known here.
  uint32_t clock_rate = 0;
  uint16_t channels = 1;
  uint16_t width = 0;  // a=framesize or a=x-dimensions; 0: not said.
  uint16_t height = 0;
  std::vector<Parameter> parameters;  // a=fmtp

  std::string_view Find(std::string_view name) const;
};

struct SdpMedia {
  std::string kind;     // "video", "audio", "application"
  std::string control;  // a=control of the media; empty when it has none.
  std::vector<SdpFormat> formats;
  double frames_per_second = 0;  // a=framerate; 0: not said.
};

struct Sdp {
  std::string control;  // a=control of the session.
  std::vector<SdpMedia> media;
};

Result<Sdp> ParseSdp(std::string_view text);

// RFC 2326 §C.1.1: where `control` leads, seen from `base`.
std::string ResolveControl(std::string_view base, std::string_view control);

// A media format that this recorder takes.
struct RtpFormat {
  uint8_t payload_type = 0;
  uint32_t clock_rate = 0;
  media::TrackKind kind = media::TrackKind::kVideo;
  media::Codec codec = media::Codec::kH264;
  // What the description says of the track. Video whose parameter sets, or size, come only in band
  // is not `complete`.
  media::TrackConfig config;
  bool complete = false;
  double frames_per_second = 0;  // As the description declares; 0: not said.
  // RFC 3640 §3.3.6.
  int aac_size_bits = 0;
  int aac_index_bits = 0;
  int aac_index_delta_bits = 0;
  bool g726_low_bits_first = false;  // RFC 3551 §4.5.4; AAL2-G726 has the high bits first.
};

// What ChooseFormat() takes, for messages.
inline constexpr std::string_view kRecordedVideo = "H.264, H.265 or MJPEG";
inline constexpr std::string_view kRecordedAudio = "AAC, Opus, G.711 or G.726";

// The first format of `media` that can be recorded; kUnsupported names what there is instead.
Result<RtpFormat> ChooseFormat(const SdpMedia& media);

}  // namespace lookback::recorder
