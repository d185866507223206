// storage/read_pins.h: what is being read just now, so that age does not take
// it from under a reader.
//
// A pin keeps a range from rounds of retention that would delete or thin it for its age or a quota,
// for kPinnedUs at most; who asks for the range anew pins it anew. Two do not ask, and cut the
// reader off with an error: disk pressure, as recording comes first, and what is past its ceiling
// by kPinnedUs, so that no reader can lift a ceiling.
//
// Invariant: at most kMaxPins at once; a pin beyond them pins nothing.
// Threads:   any.
// Errors:    none.
#pragma once

#include <algorithm>
#include <list>
#include <memory>
#include <mutex>
#include <utility>

#include "base/ids.h"
#include "base/time.h"

namespace lookback::storage {

inline constexpr int64_t kPinnedUs = 2 * kUsPerHour;
inline constexpr size_t kMaxPins = 4'096;

class ReadPins {
  struct Entry {
    StreamId stream;
    TimeRange range;
    TimeUs until_us = 0;
  };
  struct State {
    std::mutex mutex;
    std::list<Entry> entries;
  };

 public:
  // Pins for as long as it lives. It may outlive the ReadPins.
  class Pin {
   public:
    Pin() = default;
    Pin(Pin&& other) noexcept
        : state_(std::exchange(other.state_, nullptr)), entry_(other.entry_) {}
    Pin& operator=(Pin&& other) noexcept {
      std::swap(state_, other.state_);
      std::swap(entry_, other.entry_);
      return *this;
    }
    ~Pin() {
      if (!state_) return;
      const std::lock_guard lock(state_->mutex);
      state_->entries.erase(entry_);
    }

    // What is before the range is pinned with it, from `start_us` on.
    void ReachBack(TimeUs start_us) const {
      if (!state_) return;
      const std::lock_guard lock(state_->mutex);
      entry_->range.start_us = std::min(entry_->range.start_us, start_us);
    }
    // As one that is added at `now_us`.
    void Renew(TimeUs now_us) const {
      if (!state_) return;
      const std::lock_guard lock(state_->mutex);
      entry_->until_us = now_us + kPinnedUs;
    }

   private:
    friend class ReadPins;
    Pin(std::shared_ptr<State> state, std::list<Entry>::iterator entry)
        : state_(std::move(state)), entry_(entry) {}

    std::shared_ptr<State> state_;  // nullptr: pins nothing.
    std::list<Entry>::iterator entry_;
  };

  [[nodiscard]] Pin Add(const StreamId& stream, TimeRange range, TimeUs now_us) {
    const std::lock_guard lock(state_->mutex);
    if (state_->entries.size() >= kMaxPins) return {};
    state_->entries.push_front({stream, range, now_us + kPinnedUs});
    return {state_, state_->entries.begin()};
  }

  // Whether a reader needs some of the range still.
  bool Covers(const StreamId& stream, TimeRange range, TimeUs now_us) const {
    const std::lock_guard lock(state_->mutex);
    for (const Entry& entry : state_->entries) {
      if (entry.stream == stream && entry.range.Overlaps(range) && now_us < entry.until_us) {
        return true;
      }
    }
    return false;
  }

 private:
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace lookback::storage
