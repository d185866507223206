// api/doctor_json.h: what the checks of the machine found, as JSON: of `GET /api/v1/doctor` and of
// `lookback doctor --json`.
//
// Threads:   pure.
// Errors:    none.
#pragma once

#include "api/problem.h"
#include "doctor/finding.h"

namespace lookback::api {

Json ToJson(const doctor::Report& report);

}  // namespace lookback::api
