// recorder/picture_times.h: which time a picture gets: its RTP time, or, from a camera whose RTP
// time stands still or runs back, the time of its arrival.
//
// RTP time is given up when it has not risen for kUselessUs and kUselessPictures, or has jumped
// kMaxJumps times within kJumpsUs; and believed again once it has kept pace with the clock for
// kProofUs. Arrival is known to a tick of the recorder, no closer.
//
// Invariant: times by arrival rise.
// Threads:   values.
// Errors:    none; any times do.
#pragma once

#include <cstdint>

#include "base/time.h"

namespace lookback::recorder {

class PictureTimes {
 public:
  static constexpr int64_t kUselessUs = 2 * kUsPerSecond;
  static constexpr int kUselessPictures = 25;  // Far more than are ever reordered.
  static constexpr int64_t kJumpsUs = 10 * kUsPerSecond;
  static constexpr int kMaxJumps = 5;
  static constexpr int64_t kProofUs = 5 * kUsPerSecond;
  static constexpr int64_t kProofPercent =
      10;  // That RTP time may differ from the clock meanwhile.

  explicit PictureTimes(uint32_t timescale) : timescale_(timescale) {}

  // The time of the next picture, in ticks. changed() tells whether it is of another kind than the
  // one before, and so has nothing to do with it.
  int64_t Place(int64_t ticks, int64_t received_us);
  bool by_arrival() const { return by_arrival_; }
  bool changed() const { return changed_; }

  // The caller found that RTP time goes on from here: after a single wild one, ...
  void GoOnFrom(int64_t ticks);
  // ... and after a jump, which is held against the camera.
  void JumpedTo(int64_t ticks, int64_t received_us);

 private:
  bool IsUseless(int64_t ticks, int64_t received_us);
  bool IsProven(int64_t ticks, int64_t received_us);

  const uint32_t timescale_;
  bool by_arrival_ = false;
  bool changed_ = false;
  int64_t last_ = 0;  // Handed out by arrival.

  bool any_ = false;
  int64_t highest_ = 0;   // RTP time, since it was last said to go on.
  int64_t rose_us_ = 0;   // When it was received.
  int stuck_ = 0;         // Pictures since.
  int jumps_ = 0;         // Since ...
  int64_t jumps_us_ = 0;  // ... then.
  int64_t proof_ = 0;     // The proof began at this RTP time, ...
  int64_t proof_us_ = 0;  // ... received then.
};

}  // namespace lookback::recorder
