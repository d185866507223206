// recorder/start_pace.h: when each of many cameras that are put at once gets its first try.
//
// The first kAtOnce go at once, so that whoever adds a camera by hand waits for nothing; the others
// follow at the pace, each at a random instant of its own turn. Of n cameras that are put together,
// the last begins before (n - kAtOnce + 1) / pace.
//
// Threads:   one at a time.
// Errors:    none.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace lookback::recorder {

class StartPace {
 public:
  static constexpr int64_t kAtOnce = 8;

  explicit StartPace(int64_t per_second)
      : turn_us_(kUsPerSecond / std::clamp<int64_t>(per_second, 1, kUsPerSecond)) {}

  // The instant, on the monotonic clock, of the next camera's first try. `random`: any number.
  int64_t Next(int64_t now_us, uint32_t random) {
    turn_begins_us_ = std::max(turn_begins_us_, now_us);
    const int64_t ahead_us = turn_begins_us_ - now_us - (kAtOnce - 1) * turn_us_;
    turn_begins_us_ += turn_us_;
    if (ahead_us <= 0) return now_us;
    return now_us + ahead_us - turn_us_ + 1 + static_cast<int64_t>(random) % turn_us_;
  }

 private:
  const int64_t turn_us_;
  int64_t turn_begins_us_ = 0;  // Of the next camera's turn.
};

}  // namespace lookback::recorder
