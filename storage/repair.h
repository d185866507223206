// storage/repair.h: makes one segment whole that a crash, a power cut or a failed disk left torn.
//
// Invariant: what comes back as a seal has been walked to its end, has a valid LKEN, and is synced
//            with its directories. Nothing but the torn tail is cut. Doing it twice does no harm.
// Threads:   any; one at a time on a file, and nobody writes to it.
// Errors:    those of the disk; a file without a good fragment is an outcome, not an error.
#pragma once

#include <functional>
#include <string>

#include "storage/volume.h"

namespace lookback::storage {

struct Repaired {
  enum class Outcome : uint8_t {
    kWhole,        // Had a valid LKEN.
    kCut,          // Ends after its last good fragment now.
    kNothingGood,  // Moved to quarantine.
  };
  Outcome outcome = Outcome::kNothingGood;
  index::Seal seal;  // Not for kNothingGood.
  std::string note;  // What was wrong; empty for kWhole.
};

// `go_on` (may be empty) stops the walk with false: kUnavailable.
Result<Repaired> RepairSegment(Volume& volume, const index::SegmentKey& key, const Uuid& store,
                               const std::function<bool()>& go_on = {});

}  // namespace lookback::storage
