// base/lists.h: lists that people write in one word: "crossing,north", "52.5,13.4,300".
//
// Invariant: what is between two commas is one part, an empty one too.
// Threads:   any.
// Errors:    kInvalid, with the part that is no number.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace lookback {

// Of an empty text there are none.
std::vector<std::string> SplitAtCommas(std::string_view text);

// Finite decimal numbers: "52.5", "-0.1".
Result<std::vector<double>> ReadNumbers(std::string_view text);

}  // namespace lookback
