// storage/replay_budget.h: memory for fragments that were written and are not synced yet, so that
// they can be written again, on another volume, when theirs fails.
//
// Invariant: what is kept never takes more than the limit. A fragment that finds no room is
//            not kept: until the next sync it is on its volume alone, with those of its segment
//            before it; it is counted.
// Threads:   any. Fragments that are kept may outlive whoever asked for it.
// Errors:    none.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>

#include "media/fragment.h"

namespace lookback::storage {

// The default, for all volumes together: about ten seconds of 50 cameras at 4 Mbit/s.
inline constexpr uint64_t kReplayBytes = 256 << 20;

class ReplayBudget : public std::enable_shared_from_this<ReplayBudget> {
 public:
  explicit ReplayBudget(uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  // The same fragment, whose bytes count until its last owner lets go;
  // nullptr when there is no room.
  std::shared_ptr<const media::Fragment> Keep(std::shared_ptr<const media::Fragment> fragment);

  uint64_t limit_bytes() const { return limit_bytes_; }
  uint64_t bytes() const;
  uint64_t refused_fragments() const;  // Since the start.

 private:
  const uint64_t limit_bytes_;
  mutable std::mutex mutex_;
  uint64_t bytes_ = 0;
  uint64_t refused_ = 0;
};

// What a fragment takes in memory, about.
uint64_t BytesInMemory(const media::Fragment& fragment);

}  // namespace lookback::storage
