#include "recorder/camera_url.h"

#include <algorithm>

#include "recorder/recorder.h"
#include "recorder/rtsp_message.h"

namespace lookback::recorder {
namespace {

auto Refuse(const std::string& why) { return Fail(Code::kInvalid, "camera URL: " + why); }

}  // namespace

Result<CameraUrl> ParseCameraUrl(const std::string& url) {
  constexpr std::string_view kPlain = "rtsp://";
  constexpr std::string_view kTls = "rtsps://";
  if (url.empty()) return Refuse("it is empty; it looks like rtsp://192.0.2.7/stream1");
  if (url.size() > kMaxUrlBytes) return Refuse("it is longer than 2048 bytes");
  if (std::any_of(url.begin(), url.end(), [](char c) { return c <= ' ' || c == 127; })) {
    return Refuse("it may hold printable ASCII only; write other characters as %20 and the like");
  }
  const std::string_view text = url;
  const bool tls = EqualsIgnoringCase(text.substr(0, kTls.size()), kTls);
  if (!tls && !EqualsIgnoringCase(text.substr(0, kPlain.size()), kPlain)) {
    return Refuse("it must begin with rtsp:// or rtsps://");
  }
  const std::string_view rest = text.substr(tls ? kTls.size() : kPlain.size());
  std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  if (authority.find('@') != std::string_view::npos) {
    return Refuse(
        "it has a user or a password in it; put the user in --user and the password in "
        "--password-file");
  }
  CameraUrl parsed;
  parsed.tls = tls;
  parsed.port = tls ? kRtspsPort : kRtspPort;
  parsed.text = url;
  std::string_view port;
  if (!authority.empty() && authority[0] == '[') {
    const size_t end = authority.find(']');
    if (end == std::string_view::npos) return Refuse("the bracket of its address is not closed");
    parsed.host = authority.substr(1, end - 1);
    port = authority.substr(end + 1);
  } else {
    const size_t colon = std::min(authority.find(':'), authority.size());
    parsed.host = authority.substr(0, colon);
    port = authority.substr(colon);
  }
  if (parsed.host.empty()) return Refuse("it has no host");
  if (port.empty()) return parsed;
  uint64_t number = 0;
  if (port[0] != ':' || !ParseDecimal(port.substr(1), UINT16_MAX, number) || number == 0) {
    return Refuse("its port must be a number from 1 to 65535");
  }
  parsed.port = static_cast<uint16_t>(number);
  return parsed;
}

Status CheckCameraUrl(const std::string& url) {
  if (auto parsed = ParseCameraUrl(url); !parsed) return Pass(parsed.error());
  return Ok();
}

}  // namespace lookback::recorder
