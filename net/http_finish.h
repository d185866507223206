// net/http_finish.h: what every answer gets before it goes on the wire: standing headers, and a
// smaller body where the client takes one.
//
// Invariant: a handler's own header stays as it is. A body that is compressed has a weak ETag and
//            says Vary, so that no cache and no If-Range takes it for the plain one. Streams,
//            ranges and media are never compressed.
// Threads:   FinishResponse() on a worker, since compressing takes time; the others on any.
// Errors:    none: what cannot be compressed goes as it is.
#pragma once

#include <string_view>

#include "base/clock.h"
#include "net/http_server.h"

namespace lookback::net {

inline constexpr size_t kMinCompressedBytes = 1'024;  // Below, the gain is a packet of none.

// Everything below, by what `request` asks for.
void FinishResponse(const HttpRequest& request, HttpResponse& response, const Clock* clock);

// What keeps a browser from guessing types, telling other sites where it was, and showing the
// answer in a frame; under TLS that it stays with TLS; and the date, if there is a clock.
void AddStandingHeaders(HttpResponse& response, bool secure, const Clock* clock);

// Whether Accept-Encoding (RFC 9110 §12.5.3) holds gzip to be at least as good as nothing.
bool AcceptsGzip(std::string_view accept_encoding);

}  // namespace lookback::net
