// apps/lookback/admin_token.h: `lookback serve --new-admin-token`, for where all tokens are lost.
//
// Invariant: the store is opened without recording, so that it goes on saying
//            how its last use ended.
// Threads:   the caller's.
// Errors:    told, and the exit code says which. Where there is no store none is made.
#pragma once

#include "apps/lookback/settings.h"
#include "base/clock.h"
#include "base/file_system.h"

namespace lookback::app {

// Writes a token of the person `admin` into the token file, in place of those that admin had.
Result<int> WriteAdminToken(const Settings& settings, Clock& clock, FileSystem& files);

}  // namespace lookback::app
