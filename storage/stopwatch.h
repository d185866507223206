// storage/stopwatch.h: when a call began, for who looks at it from outside.
//
// Threads:   Start and Stop on the one that calls; Elapsed on any.
// Errors:    none.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>

#include "base/clock.h"

namespace lookback::storage {

class Stopwatch {
 public:
  void Start(const Clock& clock) { since_us_ = clock.MonotonicUs(); }
  void Stop() { since_us_ = kStopped; }
  // In microseconds; 0: no call is under way.
  int64_t Elapsed(const Clock& clock) const {
    const int64_t since_us = since_us_;
    return since_us == kStopped ? 0 : clock.MonotonicUs() - since_us;
  }

 private:
  static constexpr int64_t kStopped = std::numeric_limits<int64_t>::max();
  std::atomic<int64_t> since_us_{kStopped};
};

}  // namespace lookback::storage
