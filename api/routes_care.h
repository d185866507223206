// api/routes_care.h: the routes of the store's care for itself: volumes, the scrub, its check, and
// snapshots.
//
// Invariant: one that begins or changes something is on record before it does.
// Threads:   any.
// Errors:    throws Problem (api/problem.h).
#pragma once

#include "api/context.h"

namespace lookback::api {

net::HttpResponse ListVolumes(Context&, const Call&);
net::HttpResponse AddVolume(Context&, const Call&);
net::HttpResponse DrainVolume(Context&, const Call&);
net::HttpResponse UndrainVolume(Context&, const Call&);
net::HttpResponse RemoveVolume(Context&, const Call&);
net::HttpResponse GetScrub(Context&, const Call&);
net::HttpResponse BeginScrub(Context&, const Call&);
net::HttpResponse GetCheck(Context&, const Call&);
net::HttpResponse BeginCheck(Context&, const Call&);
net::HttpResponse GetSnapshot(Context&, const Call&);
net::HttpResponse BeginSnapshot(Context&, const Call&);

}  // namespace lookback::api
