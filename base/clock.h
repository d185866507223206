// base/clock.h: the only source of "now".
//
// Invariant: MonotonicUs never runs back; NowUs is the server's wall clock and may step.
// Threads:   every method on any thread.
// Errors:    none.
#pragma once

#include <atomic>

#include "base/time.h"

namespace lookback {

class Clock {
 public:
  virtual ~Clock() = default;

  // UTC by the server's clock.
  virtual TimeUs NowUs() const = 0;

  // Microseconds since some fixed instant before the process started.
  virtual int64_t MonotonicUs() const = 0;

  // Whether the kernel holds the wall clock to be disciplined (adjtimex(2), STA_UNSYNC clear).
  virtual bool Synchronised() const = 0;
};

// The machine's clock.
class SystemClock : public Clock {
 public:
  TimeUs NowUs() const override;
  int64_t MonotonicUs() const override;
  bool Synchronised() const override;
};

// A clock that a test moves.
class ManualClock : public Clock {
 public:
  explicit ManualClock(TimeUs now_us) : now_us_(now_us) {}

  TimeUs NowUs() const override { return now_us_; }
  int64_t MonotonicUs() const override { return monotonic_us_; }
  bool Synchronised() const override { return synchronised_; }

  // Time goes by: both clocks move.
  void Advance(int64_t us) {
    now_us_ += us;
    monotonic_us_ += us;
  }
  // Somebody sets the wall clock: only that one moves.
  void Step(int64_t us) { now_us_ += us; }
  void SetSynchronised(bool value) { synchronised_ = value; }

 private:
  std::atomic<TimeUs> now_us_;
  std::atomic<int64_t> monotonic_us_{1};
  std::atomic<bool> synchronised_{true};
};

}  // namespace lookback
