// base/bounded_queue.h: what crosses from one thread to another.
//
// Invariant: never holds more than `max_items` items or `max_weight` of weight, except that one
//            item alone is always taken. At the limit TryPush says no, and the pusher decides what
//            is lost.
// Threads:   any may push, any may pop.
// Errors:    by return value; after Close() pushes are refused and pops drain what is left.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace lookback {

template <typename T>
class BoundedQueue {
 public:
  BoundedQueue(size_t max_items, uint64_t max_weight)
      : max_items_(max_items), max_weight_(max_weight) {}

  // False when full or closed; `item` is then untouched. Weight is in the caller's unit (bytes).
  bool TryPush(T& item, uint64_t weight = 1) {
    {
      const std::lock_guard lock(mutex_);
      if (closed_ || items_.size() >= max_items_) return false;
      if (!items_.empty() && weight_ + weight > max_weight_) return false;
      items_.emplace_back(std::move(item), weight);
      weight_ += weight;
    }
    ready_.notify_one();
    return true;
  }

  // Waits for an item; nothing once the queue is closed and drained.
  std::optional<T> Pop() {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [this] { return closed_ || !items_.empty(); });
    if (items_.empty()) return std::nullopt;
    return TakeFront();
  }

  // Waits for at least one item and takes all that are there; empty once closed and drained.
  std::vector<T> PopAll() {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [this] { return closed_ || !items_.empty(); });
    std::vector<T> all;
    all.reserve(items_.size());
    while (!items_.empty()) all.push_back(TakeFront());
    return all;
  }

  void Close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    ready_.notify_all();
  }

  size_t size() const {
    const std::lock_guard lock(mutex_);
    return items_.size();
  }
  uint64_t weight() const {
    const std::lock_guard lock(mutex_);
    return weight_;
  }

 private:
  T TakeFront() {
    T item = std::move(items_.front().first);
    weight_ -= items_.front().second;
    items_.pop_front();
    return item;
  }

  const size_t max_items_;
  const uint64_t max_weight_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::pair<T, uint64_t>> items_;
  uint64_t weight_ = 0;
  bool closed_ = false;
};

}  // namespace lookback
