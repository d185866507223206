// api/routes_care.h: the routes of the store's care for itself: the scrub, and snapshots.
//
// Invariant: one that begins something is on record before it begins.
// Threads:   any.
// Errors:    throws Problem (api/problem.h).
#pragma once

#include "api/context.h"

namespace lookback::api {

net::HttpResponse GetScrub(Context&, const Call&);
net::HttpResponse BeginScrub(Context&, const Call&);
net::HttpResponse GetSnapshot(Context&, const Call&);
net::HttpResponse BeginSnapshot(Context&, const Call&);

}  // namespace lookback::api
