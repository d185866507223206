// api/upkeep.h: what people put on a camera's record, and which clock checks belong to an instant.
//
// Invariant: a look at a camera's notes goes through at most kMaxNotesLookedAt of them.
// Threads:   any.
// Errors:    throws Problem (api/problem.h).
#pragma once

#include <optional>
#include <vector>

#include "api/context.h"

namespace lookback::api {

// Of one camera: more than anybody writes, and read in a few milliseconds.
inline constexpr size_t kMaxNotesLookedAt = 10'000;

// The officers' checks of the camera's clock that stand nearest to an instant, on either side.
struct ClockChecksAround {
  std::optional<index::NumberedRecord> before;  // At the instant or earlier.
  std::optional<index::NumberedRecord> after;
};
ClockChecksAround FindClockChecks(Context& context, const CameraId& camera, TimeUs at_us);

// The newest 1,000 checks of a camera's clock, as ClockChecks of docs/api.md.
Json ListClockChecks(Context& context, const CameraId& camera);

// A ClockCheck of docs/api.md; without `number` and `noted` where they are not known.
Json ClockCheckToJson(const index::ClockCheck& check);
Json ClockCheckToJson(const std::optional<index::NumberedRecord>& record);  // null for none.

// Imports whose footage overlaps `range`, newest first; begun ones only where none is complete.
std::vector<index::Import> FindImports(Context& context, const StreamId& stream, TimeRange range);

}  // namespace lookback::api
