// apps/lookback/status_text.h: how the server does, on one screen, the worst first.
//
// Invariant: at most kStatusLines lines, whatever is wrong; what has no room is counted, with the
//            command that shows it. Sentences are wrapped at kStatusColumns.
// Threads:   any.
// Errors:    none; what the answer does not have is left out.
#pragma once

#include <string>
#include <string_view>

#include "apps/lookback/output.h"

namespace lookback::app {

inline constexpr size_t kStatusColumns = 80;
inline constexpr size_t kStatusLines = 40;

// `text` in lines of at most kStatusColumns where its words allow it: `first` stands before the
// first one, as many spaces before the others.
std::string Wrapped(const std::string& first, std::string_view text);

// `status` is the server's, with its `volumes`; `cameras` are all, each with its status.
std::string StatusText(const Json& status, const Json& cameras, const std::string& server,
                       const TimeZone& zone);

}  // namespace lookback::app
