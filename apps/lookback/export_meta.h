// apps/lookback/export_meta.h: asks the server for what stands beside the footage of an export
// (api/export_layout.h).
//
// Invariant: as api/export_layout.h has it.
// Threads:   the command's.
// Errors:    the server's.
#pragma once

#include <vector>

#include "api/export_layout.h"
#include "apps/lookback/export_plan.h"

namespace lookback::app {

// clips.csv, gaps.csv, clock.csv, imports.csv, markers.csv, with native segments segments.csv, and
// README.txt.
Result<std::vector<api::ExportFile>> MakeMeta(ApiClient& api, const ExportOrder& order,
                                              const ExportPlan& plan, const Json& request);

}  // namespace lookback::app
