// recorder/camera_url.h: the parts of a camera's URL: rtsp[s]://host[:port]/path (RFC 2326 §3.2,
// RFC 7826 §4.2), or the same with rtmp, http or https, behind which is a stream in a container.
//
// Invariant: what parses can be tried, and can stand in a request line as it is. No other scheme
//            does: a camera's URL never leads to a file of this machine.
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
  bool tls = false;        // rtsps:// or https://
  bool container = false;  // Not RTSP: libavformat opens it (media/demuxer.h).
  std::string path;        // And query: what follows host and port.
  std::string text;        // The whole.
};

Result<CameraUrl> ParseCameraUrl(const std::string& url);
// Whether both lead to the same stream, however they are written.
bool SameStream(const CameraUrl& a, const CameraUrl& b);

}  // namespace lookback::recorder
