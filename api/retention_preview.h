// api/retention_preview.h: what a change would delete, told before it is made.
//
// Threads:   any.
// Errors:    throws Problem: unavailable until retention has started.
#pragma once

#include "api/context.h"
#include "storage/purger.h"

namespace lookback::api {

// By camera, and of it what would go without the change too.
Json PreviewOf(Context& context, const storage::RetentionChange& change);

// Null where no change is of a kind that deletes, or retention has not started.
Json PreviewOrNull(Context& context, const storage::RetentionChange& change);

}  // namespace lookback::api
