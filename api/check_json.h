// api/check_json.h: what fsck found, as JSON: of `lookback fsck --json` and of
// the server's own check.
//
// Threads:   pure.
// Errors:    none.
#pragma once

#include "api/problem.h"
#include "storage/check.h"

namespace lookback::api {

Json ToJson(const storage::FsckReport& report);

}  // namespace lookback::api
