#include "base/lists.h"

#include <charconv>
#include <cmath>

namespace lookback {

std::vector<std::string> SplitAtCommas(std::string_view text) {
  std::vector<std::string> parts;
  if (text.empty()) return parts;
  while (true) {
    const size_t comma = text.find(',');
    parts.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

Result<std::vector<double>> ReadNumbers(std::string_view text) {
  std::vector<double> numbers;
  for (const std::string& part : SplitAtCommas(text)) {
    double number = 0;
    const char* const end = part.data() + part.size();
    const auto [stop, error] = std::from_chars(part.data(), end, number);
    if (error != std::errc() || stop != end || !std::isfinite(number)) {
      return Fail(Code::kInvalid, "\"" + part.substr(0, 32) + "\" is not a number");
    }
    numbers.push_back(number);
  }
  return numbers;
}

}  // namespace lookback
