// storage/thinner.h: thins one segment after another (storage/segment_thin.h), for the purger.
//
// Invariant: a segment is taken as thinned once its THIN is on the synced ledger. One that cannot
//            be is not tried again before Forget().
// Threads:   Thin() on one at a time; the others on any.
// Errors:    of WriteThinned() and Store::ThinSegment().
#pragma once

#include <atomic>
#include <mutex>
#include <set>
#include <string>

#include "storage/scrub.h"
#include "storage/store.h"

namespace lookback::storage {

struct ThinTotals {
  uint64_t segments = 0;  // Since the start.
  uint64_t bytes = 0;     // That got free.
};

class Thinner {
 public:
  static constexpr size_t kMaxRefused = 65'536;

  // `store` must outlive it.
  explicit Thinner(Store& store) : store_(store) {}

  // How many bytes got free.
  Result<uint64_t> Thin(const index::Seal& row, const std::string& policy,
                        const std::string& reason, const OnRead& on_read);
  // Those that could not be thinned, whatever is tried.
  std::set<index::SegmentKey> refused() const;
  void Forget();
  ThinTotals totals() const { return {segments_, bytes_}; }

 private:
  Result<index::Seal> Write(const index::Seal& row, const OnRead& on_read);

  Store& store_;
  mutable std::mutex mutex_;
  std::set<index::SegmentKey> refused_;
  std::atomic<uint64_t> segments_{0}, bytes_{0};
};

}  // namespace lookback::storage
