// api/metrics.h: the store in figures, as Prometheus scrapes them (text format 0.0.4).
//
// Invariant: every series has HELP and TYPE, names end in their unit, counters in _total.
// Threads:   any; takes as long as asking each camera's status.
// Errors:    what cannot be asked is left out.
#pragma once

#include <string>

#include "api/context.h"

namespace lookback::api {

std::string FormatMetrics(Context& context);

}  // namespace lookback::api
