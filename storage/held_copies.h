// storage/held_copies.h: what a hold touches gets a copy on a second volume, so that it
// outlives the loss of one disk.
//
// A look counts the held segments that are in fewer than two places, and why; what can be copied
// is, a batch at a time: those on ailing volumes first, then the oldest. While nothing is left
// to copy a look takes a twentieth of the time at most; else one goes before each batch. Segments
// that are being written get theirs once they are sealed. A copy stays when the hold is released,
// and goes with its segment.
//
// Invariant: a copy is on record after it was read back and synced (storage/segment_copy.h).
//            None is begun where it would leave less than retention keeps free (VolumeLimits), nor
//            before recovery has seen to what the last start left.
// Threads:   one, at the lowest priority, which gives way to recording; RunOnce() on the caller's,
//            without it. Report() on any.
// Errors:    in Report() and the log; tried again.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "storage/pace.h"
#include "storage/store.h"

namespace lookback::storage {

inline constexpr int64_t kHeldLookUs = kUsPerMinute;
inline constexpr int64_t kHeldRetryUs = 10 * kUsPerMinute;  // Of a segment that could not be read.
inline constexpr uint64_t kHeldBytesPerSecond = uint64_t{20} << 20;  // Read, of all volumes.
inline constexpr size_t kHeldBatch = 64;

// Held segments, and those of them that lack a second copy, by what they lack it for.
struct HeldCounts {
  uint64_t segments = 0;
  uint64_t waiting = 0;     // Their turn comes.
  uint64_t one_volume = 0;  // No other volume takes footage.
  uint64_t no_space = 0;    // Retention needs what is free on the others.
  uint64_t unreadable = 0;  // No file of it can be read, or none is what was sealed.

  uint64_t lacking() const { return waiting + one_volume + no_space + unreadable; }
};

class HeldCopies {
 public:
  struct State {
    bool looked = false;                             // Else the counts say nothing yet.
    HeldCounts all;                                  // Each segment once.
    std::map<Uuid, HeldCounts> holds;                // Those in force.
    uint64_t copied_segments = 0, copied_bytes = 0;  // Since the start.
    std::string trouble;  // Why the last try failed, or that of one segment; empty: none did.
  };
  // `store` and `clock` must outlive it.
  static std::unique_ptr<HeldCopies> Open(Store& store, Clock& clock,
                                          uint64_t bytes_per_second = kHeldBytesPerSecond);
  virtual ~HeldCopies() = default;  // Stops; what is under way is given up.

  virtual void StartThread() = 0;
  // A look, and what it found to copy, batch after batch, until `wait` says false.
  virtual void RunOnce(const Pace::Wait& wait) = 0;
  virtual State Report() const = 0;
};

}  // namespace lookback::storage
