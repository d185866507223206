#include "apps/camera_sim/pacer.h"

#include <chrono>
#include <queue>
#include <utility>

namespace lookback::camera_sim {

Pacer::Pacer(std::vector<Camera*> cameras, const Clock& clock)
    : cameras_(std::move(cameras)), clock_(clock), thread_([this] { Run(); }) {}

void Pacer::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Pacer::Run() {
  using Turn = std::pair<int64_t, size_t>;  // When, and whose.
  std::priority_queue<Turn, std::vector<Turn>, std::greater<>> turns;
  for (size_t i = 0; i < cameras_.size(); ++i) turns.push({cameras_[i]->NextDueUs(), i});
  while (!turns.empty() && WaitUntil(turns.top().first)) {
    const size_t i = turns.top().second;
    turns.pop();
    cameras_[i]->Deliver(clock_);
    turns.push({cameras_[i]->NextDueUs(), i});
  }
}

bool Pacer::WaitUntil(int64_t due_us) {
  std::unique_lock lock(mutex_);
  const int64_t wait_us = due_us - clock_.MonotonicUs();
  if (wait_us > 0) {
    wake_.wait_for(lock, std::chrono::microseconds(wait_us), [this] { return stopping_; });
  }
  return !stopping_;
}

}  // namespace lookback::camera_sim
