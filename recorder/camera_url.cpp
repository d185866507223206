#include "recorder/camera_url.h"

#include <algorithm>

#include "recorder/recorder.h"
#include "recorder/rtsp_message.h"

namespace lookback::recorder {
namespace {

struct Scheme {
  std::string_view prefix;
  uint16_t port;
  bool tls;
  bool container;
};
constexpr Scheme kSchemes[] = {
    {"rtsp://", kRtspPort, false, false}, {"rtsps://", kRtspsPort, true, false},
    {"rtmp://", 1935, false, true},       {"http://", 80, false, true},
    {"https://", 443, true, true},
};

auto Refuse(const std::string& why) { return Fail(Code::kInvalid, "camera URL: " + why); }

const Scheme* SchemeOf(std::string_view url) {
  for (const Scheme& scheme : kSchemes) {
    if (EqualsIgnoringCase(url.substr(0, scheme.prefix.size()), scheme.prefix)) return &scheme;
  }
  return nullptr;
}

}  // namespace

Result<CameraUrl> ParseCameraUrl(const std::string& url) {
  if (url.empty()) return Refuse("it is empty; it looks like rtsp://192.0.2.7/stream1");
  if (url.size() > kMaxUrlBytes) return Refuse("it is longer than 2048 bytes");
  if (std::any_of(url.begin(), url.end(), [](char c) { return c <= ' ' || c == 127; })) {
    return Refuse("it may hold printable ASCII only; write other characters as %20 and the like");
  }
  const Scheme* scheme = SchemeOf(url);
  if (scheme == nullptr) {
    return Refuse("it must begin with rtsp://, rtsps://, rtmp://, http:// or https://");
  }
  const std::string_view rest = std::string_view(url).substr(scheme->prefix.size());
  std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  if (authority.find('@') != std::string_view::npos) {
    return Refuse(
        "it has a user or a password in it; put the user in --user and the password in "
        "--password-file");
  }
  CameraUrl parsed;
  parsed.tls = scheme->tls;
  parsed.container = scheme->container;
  parsed.port = scheme->port;
  parsed.path = rest.substr(authority.size());
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

bool SameStream(const CameraUrl& a, const CameraUrl& b) {
  return SchemeOf(a.text) == SchemeOf(b.text) && EqualsIgnoringCase(a.host, b.host) &&
         a.port == b.port && a.path == b.path;
}

Status CheckCameraUrl(const std::string& url) {
  if (auto parsed = ParseCameraUrl(url); !parsed) return Pass(parsed.error());
  return Ok();
}

}  // namespace lookback::recorder
