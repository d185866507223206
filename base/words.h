// base/words.h: numbers, sizes and times in the sentences that people read.
//
// Threads:   any.
// Errors:    none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"

namespace lookback {

// "1 segment", "2 segments"; `plural` where an s does not make it.
std::string Count(uint64_t number, std::string_view noun, std::string_view plural = {});

std::string FormatBytes(uint64_t bytes);  // "301.0 MB", in powers of 1,000.

// "2026-05-04T22:00:00Z": cut to the whole second.
std::string FormatSecond(TimeUs time_us);

}  // namespace lookback
