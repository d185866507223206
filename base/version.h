// base/version.h: which version of the program this is.
//
// Threads:   any.
// Errors:    none.
#pragma once

#include <string_view>

namespace lookback {

std::string_view Version();  // "0.1.0"

}  // namespace lookback
