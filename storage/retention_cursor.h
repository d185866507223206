// storage/retention_cursor.h: what planners of retention walk with: the rows of a stream, and those
// of them that may be deleted at all.
//
// Invariant: of a Cursor no row comes that a hold touches, nor one on a volume that is not there.
// Threads:   values, of one planner.
// Errors:    none; of rows, see storage/retention_plan.h.
#pragma once

#include <algorithm>
#include <vector>

#include "storage/held_ranges.h"
#include "storage/retention_plan.h"

namespace lookback::storage {

// The rows of one stream, as they come.
class RowWalk {
 public:
  RowWalk(const RetentionRows& rows, size_t stream, TimeUs from_us)
      : rows_(&rows), stream_(stream), from_us_(from_us) {}

  // nullptr: there are no more. It stands until the next call.
  const RetentionRow* head() { return at_ < batch_.size() || Fill() ? &batch_[at_] : nullptr; }
  void Pop() { ++at_; }

 private:
  static constexpr size_t kFirstBatchRows = 8;
  static constexpr size_t kMaxBatchRows = 256;

  bool Fill() {
    if (ended_) return false;
    batch_.clear();
    at_ = 0;
    rows_->Read(stream_, from_us_, batch_rows_, batch_);
    ended_ = batch_.size() < batch_rows_;
    batch_rows_ = std::min(batch_rows_ * 2, kMaxBatchRows);
    if (!batch_.empty()) from_us_ = batch_.back().start_us + 1;
    return !batch_.empty();
  }

  const RetentionRows* rows_;
  size_t stream_;
  TimeUs from_us_;
  size_t batch_rows_ = kFirstBatchRows;
  std::vector<RetentionRow> batch_;
  size_t at_ = 0;
  bool ended_ = false;
};

// Those of them that may be deleted at all.
class Cursor {
 public:
  Cursor(const RetentionRows& rows, size_t stream, const HeldRanges* held, size_t volumes)
      : walk_(rows, stream, kTimeMinUs), held_(held), volumes_(volumes) {}

  const RetentionRow* head() {
    for (;; walk_.Pop()) {
      const RetentionRow* const row = walk_.head();
      if (row == nullptr) return nullptr;
      const bool there = row->volume < volumes_;
      if (there && (held_ == nullptr || !held_->Touch(row->range()))) return row;
    }
  }
  void Pop() { walk_.Pop(); }

 private:
  RowWalk walk_;
  const HeldRanges* held_;
  size_t volumes_;
};

}  // namespace lookback::storage
