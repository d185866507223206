// recorder/camera_url.h: the parts of rtsp[s]://host[:port]/path (RFC 2326 §3.2, RFC 7826 §4.2).
//
// Invariant: what parses can be tried, and can stand in a request line as it is.
// Threads:   free functions; no state.
// Errors:    kInvalid with a sentence that says what is allowed.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace lookback::recorder {

inline constexpr uint16_t kRtspPort = 554;
inline constexpr uint16_t kRtspsPort = 322;  // RTSP over TLS.
inline constexpr size_t kMaxUrlBytes = 2'048;

struct CameraUrl {
  std::string host;  // Without the brackets of an IPv6 address.
  uint16_t port = kRtspPort;
  bool tls = false;  // rtsps://
  std::string text;  // The whole.
};

Result<CameraUrl> ParseCameraUrl(const std::string& url);

}  // namespace lookback::recorder
