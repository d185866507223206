// storage/repair.h: makes one segment whole that a crash, a power cut or a failed disk left torn.
//
// Invariant: what comes back as a seal has been walked to its end, has a valid LKEN, and is synced
//            with its directories. Nothing but the torn tail is cut. Doing it twice does no harm. A
//            file of which a write or a sync failed is never written to again: the kernel may have
//            dropped its pages, and a later sync says Ok all the same. It is rescued.
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

// Copies the good fragments numbered below `before`, under their run and numbers, to a new segment
// of `to` with that sequence; then the old file goes to quarantine. kNothingGood: only the latter.
Result<Repaired> RescueSegment(Volume& from, const index::SegmentKey& key, const Uuid& store,
                               Volume& to, uint32_t sequence, uint32_t before);

}  // namespace lookback::storage
