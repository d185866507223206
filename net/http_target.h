// net/http_target.h: what a request asks for (RFC 9112 §3.2).
//
// Invariant: a path that comes out is absolute and decoded, without dot segments, backslashes and
//            control characters.
// Threads:   any.
// Errors:    by the Refusal to answer.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "net/http_message.h"

namespace lookback::net {

// Splits a request target into path and query and decodes them.
std::optional<Refusal> ParseTarget(std::string_view target, HttpRequest& request);

}  // namespace lookback::net
