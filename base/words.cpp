#include "base/words.h"

#include <fmt/format.h>

#include <iterator>

namespace lookback {

std::string Count(uint64_t number, std::string_view noun, std::string_view plural) {
  std::string text = std::to_string(number) + " ";
  if (number != 1 && !plural.empty()) return text.append(plural);
  return text.append(noun) + (number == 1 ? "" : "s");
}

std::string FormatBytes(uint64_t bytes) {
  constexpr const char* kUnits[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
  if (bytes < 1'000) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1'000;
  size_t unit = 0;
  // 999.95 would be shown as 1000.0.
  while (value >= 999.95 && unit + 1 < std::size(kUnits)) {
    value /= 1'000;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string FormatSecond(TimeUs time_us) { return FormatTime(time_us - time_us % kUsPerSecond); }

}  // namespace lookback
