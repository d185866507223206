// api/record_access.h: puts an access to footage on record, before any of it leaves.
//
// Invariant: when it returns, the act is on the synced ledger, or one that covers it was.
// Threads:   any.
// Errors:    throws Problem not-on-record: then no footage may be answered.
#pragma once

#include <string>
#include <vector>

#include "api/context.h"

namespace lookback::api {

// `continues`: as AccessLog::Record has it.
void RecordAccess(Context& context, const Call& call, index::ActKind kind, std::string what,
                  std::vector<CameraId> cameras, TimeRange range, const std::string& reason,
                  bool continues = false);

}  // namespace lookback::api
