// storage/volume_contents.h: how much each volume has on record, and how much of it is held.
//
// Threads:   any.
// Errors:    of the catalog.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "storage/store.h"

namespace lookback::storage {

// By reading the whole catalog; what it returns counts for nothing once `go_on` said false.
Result<std::map<Uuid, VolumeContents>> CountContents(const index::Catalog& catalog,
                                                     const std::vector<Volume*>& volumes,
                                                     TimeUs now_us,
                                                     const std::function<bool()>& go_on);

}  // namespace lookback::storage
