// storage/stopwatch.h: when a call began, and how long those took that are over, for who looks at
// them from outside.
//
// Threads:   Start and Stop on the one that calls; Elapsed on any.
// Errors:    none.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>

#include "base/clock.h"

namespace lookback::storage {

// Of calls that came back, since the start.
struct CallTotals {
  uint64_t calls = 0;
  int64_t lasted_us = 0;
};

class Stopwatch {
 public:
  void Start(const Clock& clock) { since_us_ = clock.MonotonicUs(); }
  void Stop(const Clock& clock) {
    lasted_us_ += Elapsed(clock);
    ++calls_;
    since_us_ = kStopped;
  }
  // In microseconds; 0: no call is under way.
  int64_t Elapsed(const Clock& clock) const {
    const int64_t since_us = since_us_;
    return since_us == kStopped ? 0 : clock.MonotonicUs() - since_us;
  }
  CallTotals totals() const { return {calls_, lasted_us_}; }

 private:
  static constexpr int64_t kStopped = std::numeric_limits<int64_t>::max();
  std::atomic<int64_t> since_us_{kStopped};
  std::atomic<uint64_t> calls_{0};
  std::atomic<int64_t> lasted_us_{0};
};

}  // namespace lookback::storage
