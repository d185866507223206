// base/gate.h: how a thing stops: refuse new work, await the old.
//
// Invariant: once Close() returned, nobody is inside and nobody gets in.
// Threads:   any; Close() must not be called from inside.
// Errors:    Enter() gives nothing when the gate is closed.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

namespace lookback {

class Gate {
 public:
  // Being inside, as a value; leaving is its end.
  class Visit {
   public:
    explicit Visit(Gate* gate) : gate_(gate) {}
    Visit(Visit&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Visit& operator=(Visit&&) = delete;
    ~Visit() {
      if (gate_) gate_->Leave();
    }

   private:
    Gate* gate_;
  };

  std::optional<Visit> Enter() {
    const std::lock_guard lock(mutex_);
    if (closed_) return std::nullopt;
    ++inside_;
    return std::optional<Visit>(std::in_place, this);
  }

  void Close() {
    std::unique_lock lock(mutex_);
    closed_ = true;
    empty_.wait(lock, [this] { return inside_ == 0; });
  }

 private:
  void Leave() {
    const std::lock_guard lock(mutex_);
    if (--inside_ == 0) empty_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable empty_;
  int inside_ = 0;
  bool closed_ = false;
};

}  // namespace lookback
