// api/routes_export.h: what an export takes besides clips: the act itself with its hold, and stored
// segments as they are.
//
// Invariant: as api/context.h has it. A segment leaves only once all of it was read and has the
//            SHA-256 of its seal.
// Threads:   any.
// Errors:    routes throw Problem.
#pragma once

#include "api/context.h"

namespace lookback::api {

net::HttpResponse AddExport(Context&, const Call&);
net::HttpResponse ListSegments(Context&, const Call&);
net::HttpResponse GetSegment(Context&, const Call&);

}  // namespace lookback::api
