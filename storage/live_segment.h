// storage/live_segment.h: what is known of a segment from its first fragment until its row is in
// the catalog.
//
// Invariant: holds only what a write returned from. View() shows row and index of one instant.
// Threads:   any; one lock each.
// Errors:    none.
#pragma once

#include <atomic>
#include <limits>
#include <memory>
#include <mutex>

#include "storage/footage.h"
#include "storage/segment_format.h"

namespace lookback::storage {

// The catalog row of a segment, as its index tells it. `sha256` is of the whole file.
index::Seal SealOf(const SegmentIndex& segment, const Sha256Digest& sha256);

class LiveSegment {
 public:
  LiveSegment(SegmentHeader header, Bytes init);
  // One that is whole and durable already; its index is in its file.
  explicit LiveSegment(index::Seal row);

  const index::SegmentKey& key() const { return key_; }

  void Add(SegmentFragment fragment, uint64_t file_bytes);
  // Its fragments from `number` on, those to come too, are written elsewhere.
  void CutAt(uint32_t number);
  // It has its LKEN: `row` is what goes on record.
  void Close(index::Seal row);
  // The row is on the ledger; the index is read from the file from now on.
  void Recorded();

  TimeUs end_us() const;
  // Everything before is durable; 0: nothing of it.
  TimeUs durable_end_us() const;
  void SetDurable(TimeUs end_us);
  // A sync failed that should have made some of it durable: nothing is written to it any more.
  void Doubt() { doubtful_ = true; }
  bool doubtful() const { return doubtful_; }

  index::Seal Row() const;
  FootageSegment View() const;

 private:
  index::Seal RowLocked() const;

  const index::SegmentKey key_;
  std::atomic<bool> doubtful_{false};
  mutable std::mutex mutex_;
  SegmentIndex index_;
  TimeUs end_us_;
  TimeUs durable_end_us_ = 0;
  uint32_t cut_at_ = std::numeric_limits<uint32_t>::max();
  bool closed_ = false;
  bool recorded_ = false;
  index::Seal row_;  // Once closed.
  // The last one given out; good until the next fragment.
  mutable std::shared_ptr<const SegmentIndex> snapshot_;
};

}  // namespace lookback::storage
