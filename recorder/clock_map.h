// recorder/clock_map.h: from a camera's RTP time to the server's UTC.
//
// A sample is received after it was taken, never before: the network, the camera's buffers and our
// own tick only add delay. So the lower envelope of (received - media time) over the last seconds
// is the best estimate of the offset between the two clocks. The map starts at the estimate of its
// first use, and follows it by at most 500 ppm, so that media time is never seen to jump, while a
// camera's clock that drifts, or a server's that is slewed, is followed for ever.
//
// Invariant: Map() of rising times rises. Nothing here changes media time.
// Threads:   values.
// Errors:    Observe() tells of a jump; the owner then starts a new map.
#pragma once

#include <array>
#include <cstdint>

#include "base/time.h"

namespace lookback::recorder {

// `ticks` in microseconds, without overflow for centuries.
constexpr int64_t TicksToUs(int64_t ticks, uint32_t timescale) {
  const int64_t rate = timescale;
  return ticks / rate * kUsPerSecond + ticks % rate * kUsPerSecond / rate;
}
constexpr int64_t UsToTicks(int64_t us, uint32_t timescale) {
  const int64_t rate = timescale;
  return us / kUsPerSecond * rate + us % kUsPerSecond * rate / kUsPerSecond;
}

// The least delay of the last 25 to 30 seconds.
class DelayEnvelope {
 public:
  void Add(int64_t delay_us, int64_t received_us);
  bool empty() const { return filled_ == 0; }
  int64_t least_us() const { return least_us_; }

 private:
  static constexpr int64_t kBucketUs = 5 * kUsPerSecond;
  static constexpr size_t kBuckets = 6;

  std::array<int64_t, kBuckets> buckets_{};  // The least delay of each.
  size_t filled_ = 0;
  size_t current_ = 0;
  int64_t bucket_end_us_ = 0;
  int64_t least_us_ = 0;
};

class ClockMap {
 public:
  static constexpr int64_t kMaxSlewPpm = 500;
  static constexpr int64_t kJumpUs = kUsPerSecond;

  explicit ClockMap(uint32_t timescale) : timescale_(timescale) {}

  // Learns from one sample. False: its time jumped by more than kJumpUs against the clock, and
  // nothing was learnt.
  bool Observe(int64_t ticks, int64_t received_us);

  // What Observe() would answer, without learning.
  bool Fits(int64_t ticks, int64_t received_us) const;

  // The wall clock minus the monotonic one, which samples are received by.
  void SetWallOffset(int64_t wall_minus_monotonic_us) { wall_us_ = wall_minus_monotonic_us; }

  // The present estimate is more than kJumpUs away from what Map() says.
  bool Diverged() const;

  // Makes the next Map() start at the estimate anew: after the wall clock was set.
  void Unanchor() { anchored_ = false; }

  TimeUs Map(int64_t ticks);
  // The same without moving on.
  TimeUs Peek(int64_t ticks) const;

  const DelayEnvelope& envelope() const { return envelope_; }

 private:
  int64_t Target() const { return envelope_.least_us() + wall_us_; }

  uint32_t timescale_;
  int64_t wall_us_ = 0;
  DelayEnvelope envelope_;
  int64_t last_ticks_ = 0;
  int64_t last_received_us_ = 0;

  bool anchored_ = false;
  int64_t mapped_ticks_ = 0;
  int64_t offset_us_ = 0;  // UTC minus media time at mapped_ticks_.
};

}  // namespace lookback::recorder
