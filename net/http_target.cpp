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

}  // namespace lookback::net
