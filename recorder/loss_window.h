// recorder/loss_window.h: which share of a camera's packets was lost, and of its
// pictures damaged, of late.
//
// Invariant: counts that are given never fall. The window is kWindowUs long, to kStepUs.
// Threads:   values.
// Errors:    none.
#pragma once

#include <cstdint>
#include <deque>

#include "base/time.h"

namespace lookback::recorder {

// Since some beginning.
struct LossCounts {
  uint64_t received_packets = 0;
  uint64_t lost_packets = 0;
  uint64_t frames = 0;
  uint64_t damaged_frames = 0;
};

class LossWindow {
 public:
  static constexpr int64_t kWindowUs = kUsPerMinute;
  static constexpr int64_t kStepUs = 5 * kUsPerSecond;

  void Add(int64_t now_us, const LossCounts& counts) {
    newest_ = counts;
    while (past_.size() > 1 && now_us - past_.front().time_us > kWindowUs) past_.pop_front();
    if (past_.empty() || now_us - past_.back().time_us >= kStepUs) {
      past_.push_back({now_us, counts});
    }
  }

  double lost_share() const {
    const uint64_t lost = newest_.lost_packets - before().lost_packets;
    return Share(lost, lost + newest_.received_packets - before().received_packets);
  }
  double damaged_share() const {
    return Share(newest_.damaged_frames - before().damaged_frames,
                 newest_.frames - before().frames);
  }

 private:
  struct Past {
    int64_t time_us = 0;
    LossCounts counts;
  };

  static double Share(uint64_t part, uint64_t whole) {
    return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
  }
  LossCounts before() const { return past_.empty() ? LossCounts{} : past_.front().counts; }

  std::deque<Past> past_;  // At most kWindowUs / kStepUs and one.
  LossCounts newest_;
};

}  // namespace lookback::recorder
