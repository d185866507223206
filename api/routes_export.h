// api/routes_export.h: what an export takes besides clips: the act itself with its hold, all of it
// as one ZIP, and stored segments as they are.
//
// Invariant: as api/context.h has it. A segment leaves only once all of it was read and has the
//            SHA-256 of its seal.
// Threads:   any.
// Errors:    routes throw Problem.
#pragma once

#include "api/context.h"

namespace lookback::api {

net::HttpResponse AddExport(Context&, const Call&);
net::HttpResponse GetExport(Context&, const Call&);
net::HttpResponse ListSegments(Context&, const Call&);
net::HttpResponse GetSegment(Context&, const Call&);

// A Marker or Hold of docs/api.md.
Json MarkerToJson(const index::Marker& marker);
inline constexpr size_t kMaxCaseBytes = 128;

}  // namespace lookback::api
