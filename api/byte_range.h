// api/byte_range.h: which bytes of an entity a request wants (RFC 9110 §13 and §14).
//
// Invariant: a chosen range lies within the entity and is not empty.
// Threads:   values.
// Errors:    none: what is malformed is ignored, as the RFC asks; what cannot be satisfied is 416.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "net/http_server.h"

namespace lookback::api {

struct Selection {
  int status = 200;  // 200, 206, 304, 412 or 416.
  uint64_t offset = 0;
  uint64_t length = 0;  // Of what is sent with 200 and 206.
};

// Applies If-Match, If-None-Match, If-Range and Range, in the order of RFC 9110 §13.2.2, to an
// entity of `size` bytes (not 0) with the strong tag `etag` (without quotes).
Selection SelectBytes(const net::HttpRequest& request, uint64_t size, std::string_view etag);

// Whether a header such as If-Match lists the tag. `strong`: weak tags never match.
bool ListsTag(std::string_view header, std::string_view etag, bool strong);

}  // namespace lookback::api
