#include "api/byte_range.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace lookback::api {
namespace {

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Digits only; a number too large for 64 bits is as good as the largest.
std::optional<uint64_t> Digits(std::string_view text) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.empty() || !std::all_of(text.begin(), text.end(), is_digit)) return std::nullopt;
  uint64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  return result.ec == std::errc() ? value : UINT64_MAX;
}

bool StartsWithBytesUnit(std::string_view text) {
  constexpr std::string_view kUnit = "bytes=";
  return text.size() >= kUnit.size() &&
         std::equal(kUnit.begin(), kUnit.end(), text.begin(),
                    [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b); });
}

// The answer to one `Range`; a whole one when it is none that we serve in part.
Selection ApplyRange(std::string_view range, uint64_t size) {
  const Selection whole{200, 0, size};
  const Selection beyond{416, 0, 0};
  if (!StartsWithBytesUnit(range)) return whole;
  std::string_view spec = range.substr(range.find('=') + 1);
  // A list may have empty members (RFC 9110 §5.6.1.2).
  const auto is_filler = [](char c) { return c == ',' || c == ' ' || c == '\t'; };
  while (!spec.empty() && is_filler(spec.front())) spec.remove_prefix(1);
  while (!spec.empty() && is_filler(spec.back())) spec.remove_suffix(1);
  const size_t dash = spec.find('-');
  if (dash == std::string_view::npos || spec.find(',') != std::string_view::npos) return whole;
  const std::string_view first_text = spec.substr(0, dash);
  const std::string_view last_text = spec.substr(dash + 1);
  const auto last = Digits(last_text);
  if (first_text.empty()) {  // A suffix: the last so many bytes.
    if (!last) return whole;
    if (*last == 0) return beyond;
    const uint64_t length = std::min(*last, size);
    return {206, size - length, length};
  }
  const auto first = Digits(first_text);
  if (!first || (!last_text.empty() && !last)) return whole;
  if (last && *last < *first) return whole;
  if (*first >= size) return beyond;
  const uint64_t end = last ? std::min(*last, size - 1) : size - 1;
  return {206, *first, end - *first + 1};
}

}  // namespace

bool ListsTag(std::string_view header, std::string_view etag, bool strong) {
  if (Trim(header) == "*") return true;
  while (!header.empty()) {
    const bool filler = header.front() == ',' || header.front() == ' ' || header.front() == '\t';
    if (filler) {
      header.remove_prefix(1);
      continue;
    }
    const bool weak = header.starts_with("W/");
    if (weak) header.remove_prefix(2);
    // Between the quotes there may be commas.
    const size_t end = header.starts_with('"') ? header.find('"', 1) : std::string_view::npos;
    if (end == std::string_view::npos) return false;
    if (header.substr(1, end - 1) == etag && !(weak && strong)) return true;
    header.remove_prefix(end + 1);
  }
  return false;
}

Selection SelectBytes(const net::HttpRequest& request, uint64_t size, std::string_view etag) {
  const std::string if_match = request.List("if-match");
  if (!if_match.empty() && !ListsTag(if_match, etag, /*strong=*/true)) return {412, 0, 0};
  const std::string if_none_match = request.List("if-none-match");
  if (!if_none_match.empty() && ListsTag(if_none_match, etag, /*strong=*/false)) return {304, 0, 0};
  const std::string range = request.List("range");
  const std::string_view if_range = request.Header("if-range");
  // A date in If-Range never matches: a clip has no date of change.
  const bool current = if_range.empty() || (if_range != "*" && ListsTag(if_range, etag, true));
  if (range.empty() || !current || request.method != "GET") return {200, 0, size};
  return ApplyRange(Trim(range), size);
}

}  // namespace lookback::api
