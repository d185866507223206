// storage/thinning_plan.h: which old segments keep their sync samples alone: the last part of a
// plan (storage/retention_plan.h), behind its deletions.
//
// Invariant: what is planned is older than the thin_days and the min_days of its policy, sealed
//            and not thinned yet, on a volume that is there and not about to be full, touched by no
//            hold, and not to be deleted; it loses at least half of its bytes, and what follows it
//            needs none of its pictures, as far as is on record.
// Threads:   pure.
// Errors:    none.
#pragma once

#include <vector>

#include "storage/retention_cursor.h"

namespace lookback::storage {

// A file is written anew only where at least one part of so many of its bytes goes.
inline constexpr uint64_t kThinGainShare = 2;

struct ThinningBounds {
  const HeldFootage& held;
  const std::vector<uint64_t>& free;  // By volume, once the plan's deletions are done.
  uint64_t budget_bytes = 0;          // It frees no more.
};

void PlanThinning(const RetentionInput& input, const RetentionRows& rows,
                  const ThinningBounds& bounds, RetentionPlan& plan);

}  // namespace lookback::storage
