// storage/hours_check.h: holds the hours that a catalog keeps against the rows that they
// follow from, for fsck.
//
// Invariant: changes nothing.
// Threads:   the caller's; reads every segment's row.
// Errors:    of index/catalog.h, and of `go_on`.
#pragma once

#include <functional>
#include <vector>

#include "index/catalog.h"
#include "storage/check.h"

namespace lookback::storage {

// Adds a finding for each stream with days that are counted otherwise than its rows tell.
// `go_on` is asked at each day.
Status CheckHours(const index::Catalog& catalog, const std::function<Status()>& go_on,
                  std::vector<Finding>& findings);

}  // namespace lookback::storage
