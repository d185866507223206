#include "base/words.h"

namespace lookback {

std::string Count(uint64_t number, std::string_view noun, std::string_view plural) {
  std::string text = std::to_string(number) + " ";
  if (number != 1 && !plural.empty()) return text.append(plural);
  return text.append(noun) + (number == 1 ? "" : "s");
}

std::string FormatSecond(TimeUs time_us) { return FormatTime(time_us - time_us % kUsPerSecond); }

}  // namespace lookback
