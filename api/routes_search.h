// api/routes_search.h: the footage search, and how much there is of many cameras over a long time.
//
// Invariant: a search is on record before anything of footage is looked up.
// Threads:   any.
// Errors:    throws Problem (api/problem.h); what fails later cuts the answer short.
#pragma once

#include "api/context.h"

namespace lookback::api {

net::HttpResponse SearchFootage(Context&, const Call&);
net::HttpResponse SearchRoute(Context&, const Call&);
net::HttpResponse GetSummary(Context&, const Call&);

}  // namespace lookback::api
