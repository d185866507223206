#include "recorder/clock_map.h"

#include <algorithm>
#include <cstdlib>

namespace lookback::recorder {

void DelayEnvelope::Add(int64_t delay_us, int64_t received_us) {
  if (filled_ == 0 || received_us >= bucket_end_us_) {
    // After a long silence the buckets of before say nothing any more.
    const bool stale = filled_ > 0 && received_us - bucket_end_us_ > kBucketUs * int64_t{kBuckets};
    if (stale) filled_ = 0;
    current_ = filled_ == 0 ? 0 : (current_ + 1) % kBuckets;
    filled_ = std::min(filled_ + 1, kBuckets);
    buckets_[current_] = delay_us;
    bucket_end_us_ = received_us + kBucketUs;
    least_us_ =
        *std::min_element(buckets_.begin(), buckets_.begin() + static_cast<ptrdiff_t>(filled_));
    return;
  }
  buckets_[current_] = std::min(buckets_[current_], delay_us);
  least_us_ = std::min(least_us_, delay_us);
}

bool ClockMap::Fits(int64_t ticks, int64_t received_us) const {
  if (envelope_.empty()) return true;
  const int64_t delay_us = received_us - TicksToUs(ticks, timescale_);
  const int64_t media_us = TicksToUs(ticks - last_ticks_, timescale_);
  const bool back = media_us < -kJumpUs;
  // A sample cannot come before it was taken. One that comes late proves nothing: the network may
  // have stood still, and the burst that follows catches up.
  const bool ahead = media_us > received_us - last_received_us_ + kJumpUs &&
                     delay_us < envelope_.least_us() - kJumpUs;
  return !back && !ahead;
}

bool ClockMap::Observe(int64_t ticks, int64_t received_us) {
  if (!Fits(ticks, received_us)) return false;
  envelope_.Add(received_us - TicksToUs(ticks, timescale_), received_us);
  last_ticks_ = ticks;
  last_received_us_ = received_us;
  return true;
}

bool ClockMap::Diverged() const {
  return anchored_ && !envelope_.empty() && std::abs(Target() - offset_us_) > kJumpUs;
}

TimeUs ClockMap::Map(int64_t ticks) {
  const int64_t elapsed_us = TicksToUs(ticks - mapped_ticks_, timescale_);
  if (!anchored_) {
    offset_us_ = Target();
    anchored_ = true;
    mapped_ticks_ = ticks;
  } else if (elapsed_us > 0) {
    const int64_t most_us = elapsed_us * kMaxSlewPpm / 1'000'000;
    offset_us_ += std::clamp(Target() - offset_us_, -most_us, most_us);
    mapped_ticks_ = ticks;
  }
  return TicksToUs(ticks, timescale_) + offset_us_;
}

TimeUs ClockMap::Peek(int64_t ticks) const {
  return TicksToUs(ticks, timescale_) + (anchored_ ? offset_us_ : Target());
}

}  // namespace lookback::recorder
