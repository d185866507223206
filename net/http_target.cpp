#include "net/http_target.h"

#include <algorithm>

#include "net/http_text.h"

namespace lookback::net {
namespace {

Refusal BadTarget(std::string detail) { return {400, "bad-request", std::move(detail)}; }

bool HasDotSegment(std::string_view path) {
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view segment = path.substr(0, slash);
    if (segment == "." || segment == "..") return true;
    if (slash == std::string_view::npos) return false;
    path.remove_prefix(slash + 1);
  }
  return false;
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// What a name of a host is made of besides percent-encodings (RFC 3986 §3.2.2).
bool IsOfName(char c) {
  constexpr std::string_view kMarks = "-._~!$&'()*+,;=";
  return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         kMarks.find(c) != std::string_view::npos;
}

// A host, which may be empty, and at most a port. A user is none of ours (RFC 9110 §4.2.4).
bool IsAuthority(std::string_view text) {
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos || end < 2) return false;
    const std::string_view address = text.substr(1, end - 1);
    const bool good =
        std::all_of(address.begin(), address.end(), [](char c) { return c == ':' || IsOfName(c); });
    if (!good) return false;
    text.remove_prefix(end + 1);
    if (!text.empty() && text.front() != ':') return false;
  }
  const size_t colon = std::min(text.find(':'), text.size());
  const std::string_view port = text.substr(std::min(colon + 1, text.size()));
  std::string name;
  if (!PercentDecode(text.substr(0, colon), name)) return false;
  return std::all_of(text.begin(), text.begin() + static_cast<ptrdiff_t>(colon),
                     [](char c) { return c == '%' || IsOfName(c); }) &&
         std::all_of(port.begin(), port.end(), IsDigit);
}

}  // namespace

std::optional<Refusal> ParseTarget(std::string_view target, HttpRequest& request) {
  if (target.empty() || target.front() != '/') {
    return BadTarget("a request target is an absolute path here, such as /api/v1/cameras");
  }
  target = target.substr(0, target.find('#'));
  const size_t mark = target.find('?');
  if (!PercentDecode(target.substr(0, mark), request.path)) {
    return BadTarget("the path has a bad percent-encoding");
  }
  const std::string& path = request.path;
  if (std::any_of(path.begin(), path.end(), IsControl) || path.find('\\') != std::string::npos) {
    return BadTarget("a path has no control characters and no backslash");
  }
  if (HasDotSegment(path)) return BadTarget("a path has no \".\" and no \"..\" in it");
  if (mark == std::string_view::npos) return std::nullopt;
  std::string_view rest = target.substr(mark + 1);
  while (!rest.empty()) {
    const size_t end = rest.find('&');
    const std::string_view pair = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    std::string name;
    std::string value;
    if (!PercentDecode(pair.substr(0, equals), name) ||
        (equals != std::string_view::npos && !PercentDecode(pair.substr(equals + 1), value))) {
      return BadTarget("the query has a bad percent-encoding");
    }
    request.query.emplace_back(std::move(name), std::move(value));
  }
  return std::nullopt;
}

std::optional<Refusal> CheckHost(const HttpRequest& request, bool needed) {
  const auto hosts = std::count_if(request.headers.begin(), request.headers.end(),
                                   [](const auto& header) { return header.first == "host"; });
  if (hosts > 1 || (needed && hosts == 0)) {
    return BadTarget("a request of HTTP/1.1 names its Host, once");
  }
  if (IsAuthority(request.Header("host"))) return std::nullopt;
  return BadTarget("Host is a name or an address, and a port at most");
}

std::optional<Refusal> TakeAuthority(std::string& target, HttpRequest& request) {
  const size_t mark = target.find("://");
  if (target.starts_with('/') || mark == std::string::npos) return std::nullopt;
  const std::string scheme = Lower(std::string_view(target).substr(0, mark));
  if (scheme != "http" && scheme != "https") {
    return BadTarget("a request target has the scheme http or https, if any");
  }
  const std::string rest = target.substr(mark + 3);
  const size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  const std::string authority = rest.substr(0, end);
  if (authority.empty() || authority.front() == ':' || !IsAuthority(authority)) {
    return BadTarget("a request target with a scheme has a host, and a port at most");
  }
  std::erase_if(request.headers, [](const auto& header) { return header.first == "host"; });
  request.headers.emplace_back("host", authority);
  target = rest.substr(end);
  if (!target.starts_with('/')) target.insert(0, 1, '/');
  return std::nullopt;
}

}  // namespace lookback::net
