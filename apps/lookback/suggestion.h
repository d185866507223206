// apps/lookback/suggestion.h: what a mistyped word was meant to be.
//
// Threads:   any.
// Errors:    none.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lookback::app {

// The word nearest to `typed`, where one is near: at most one letter in three is missing, too many,
// another, or changed places with its neighbour. Empty: none is. Of equals the first.
std::string Nearest(std::string_view typed, const std::vector<std::string>& words);

}  // namespace lookback::app
