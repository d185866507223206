// net/http_target.h: what a request asks for and whom (RFC 9112 §3.2).
//
// Invariant: a path that comes out is absolute and decoded, without dot segments, backslashes and
//            control characters; an authority is a host and at most a port.
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

// Of HTTP/1: whether the request names its host as it has to. `needed`: by its version.
std::optional<Refusal> CheckHost(const HttpRequest& request, bool needed);

// Of HTTP/1: takes scheme and authority off a target that has them; the authority takes the place
// of the Host in the request.
std::optional<Refusal> TakeAuthority(std::string& target, HttpRequest& request);

}  // namespace lookback::net
