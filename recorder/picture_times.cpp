#include "recorder/picture_times.h"

#include <algorithm>
#include <cstdlib>

#include "recorder/clock_map.h"

namespace lookback::recorder {

int64_t PictureTimes::Place(int64_t ticks, int64_t received_us) {
  if (!any_) {
    any_ = true;
    highest_ = ticks;
    rose_us_ = received_us;
  }
  changed_ = by_arrival_ ? IsProven(ticks, received_us) : IsUseless(ticks, received_us);
  if (changed_) {
    by_arrival_ = !by_arrival_;
    highest_ = proof_ = ticks;
    rose_us_ = proof_us_ = received_us;
    stuck_ = jumps_ = 0;
    last_ = UsToTicks(received_us, timescale_) - 1;
  }
  if (!by_arrival_) return ticks;
  last_ = std::max(last_ + 1, UsToTicks(received_us, timescale_));
  return last_;
}

bool PictureTimes::IsUseless(int64_t ticks, int64_t received_us) {
  if (ticks > highest_) {
    highest_ = ticks;
    rose_us_ = received_us;
    stuck_ = 0;
  } else {
    ++stuck_;
  }
  if (received_us - jumps_us_ > kJumpsUs) jumps_ = 0;
  return jumps_ >= kMaxJumps ||
         (stuck_ >= kUselessPictures && received_us - rose_us_ >= kUselessUs);
}

bool PictureTimes::IsProven(int64_t ticks, int64_t received_us) {
  const int64_t back_us = TicksToUs(highest_ - ticks, timescale_);
  const int64_t elapsed_us = received_us - proof_us_;
  highest_ = std::max(highest_, ticks);
  const int64_t off_us = TicksToUs(highest_ - proof_, timescale_) - elapsed_us;
  const bool keeps_pace = std::abs(off_us) <= std::max(elapsed_us, kProofUs) * kProofPercent / 100;
  if (back_us > ClockMap::kJumpUs || !keeps_pace) {
    highest_ = proof_ = ticks;
    proof_us_ = received_us;
    return false;
  }
  return elapsed_us >= kProofUs;
}

void PictureTimes::GoOnFrom(int64_t ticks) {
  if (by_arrival_) return;
  highest_ = ticks;
  stuck_ = 0;
}

void PictureTimes::JumpedTo(int64_t ticks, int64_t received_us) {
  if (by_arrival_) return;
  if (jumps_ == 0) jumps_us_ = received_us;
  ++jumps_;
  highest_ = ticks;
  rose_us_ = received_us;
  stuck_ = 0;
}

}  // namespace lookback::recorder
