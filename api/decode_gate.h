// api/decode_gate.h: how many requests may decode pictures at one time.
//
// Invariant: at most kDecodersAtOnce have a turn and kMaxDecodeWaiting wait for one, so that of the
//            server's four workers one is always left for whoever asks for something else.
// Threads:   any.
// Errors:    no turn when too many wait, or none came within kDecodeWaitUs.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "base/time.h"

namespace lookback::api {

inline constexpr size_t kDecodersAtOnce = 2;
inline constexpr size_t kMaxDecodeWaiting = 1;
inline constexpr int64_t kDecodeWaitUs = 5 * kUsPerSecond;

class DecodeGate {
 public:
  class Turn {
   public:
    explicit Turn(DecodeGate& gate) : gate_(&gate) {}
    Turn(Turn&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (gate_ != nullptr) gate_->Leave();
    }

   private:
    DecodeGate* gate_;
  };

  std::optional<Turn> Enter() {
    std::unique_lock lock(mutex_);
    if (inside_ >= kDecodersAtOnce) {
      if (waiting_ >= kMaxDecodeWaiting) return std::nullopt;
      ++waiting_;
      const bool free = left_.wait_for(lock, std::chrono::microseconds(kDecodeWaitUs),
                                       [this] { return inside_ < kDecodersAtOnce; });
      --waiting_;
      if (!free) return std::nullopt;
    }
    ++inside_;
    return std::optional<Turn>(std::in_place, *this);
  }

 private:
  void Leave() {
    {
      const std::lock_guard lock(mutex_);
      --inside_;
    }
    left_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable left_;
  size_t inside_ = 0;
  size_t waiting_ = 0;
};

}  // namespace lookback::api
