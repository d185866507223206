// storage/pace.h: lets bytes through at a rate, and none while recording has a backlog.
//
// Invariant: no more than the rate over any time; what was not used is not saved up.
// Threads:   one.
// Errors:    Take() is false when the waiting was ended.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>

#include "base/clock.h"
#include "storage/archive.h"

namespace lookback::storage {

class Pace {
 public:
  // Lets so much time go by; false when the work is to stop.
  using Wait = std::function<bool(int64_t us)>;

  static constexpr int64_t kGiveWayUs = kUsPerSecond;  // From one look at the backlog to the next.
  static constexpr int64_t kLeastWaitUs = 20 * kUsPerMs;  // Shorter waits are put together.

  // `clock` and `archive` must outlive it. `bytes_per_second`: above 0.
  Pace(Clock& clock, const Archive& archive, uint64_t bytes_per_second, Wait wait)
      : clock_(clock),
        archive_(archive),
        bytes_per_second_(bytes_per_second),
        wait_(std::move(wait)) {
    LB_CHECK(bytes_per_second > 0);
  }

  void SetRate(uint64_t bytes_per_second) {
    LB_CHECK(bytes_per_second > 0);
    bytes_per_second_ = bytes_per_second;
  }

  // Waits until that many bytes more may have been read.
  bool Take(uint64_t bytes) {
    const auto us = static_cast<int64_t>(bytes * kUsPerSecond / bytes_per_second_);
    due_us_ = std::max(due_us_, clock_.MonotonicUs()) + us;
    while (archive_.Backlog() > kBacklogToGiveWay) {
      if (!wait_(kGiveWayUs)) return false;
    }
    const int64_t ahead_us = due_us_ - clock_.MonotonicUs();
    return wait_(ahead_us < kLeastWaitUs ? 0 : ahead_us);
  }

 private:
  Clock& clock_;
  const Archive& archive_;
  uint64_t bytes_per_second_;
  const Wait wait_;
  int64_t due_us_ = 0;
};

}  // namespace lookback::storage
