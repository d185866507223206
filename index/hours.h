// index/hours.h: what there is of a stream in an hour, so that a year need not be
// read segment by segment.
//
// Invariant: totals follow from the segments' rows alone, whatever the order in which those came:
//            the time that any covers is counted once, however many do.
// Threads:   values.
// Errors:    none, but for those of whoever takes what is counted.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "index/records.h"

namespace lookback::index {

inline constexpr int kHoursADay = 24;

struct FootageTotals {
  uint64_t segments = 0;    // That touch the range.
  uint64_t bytes = 0;       // Of each by its share of time in the range, as if spread evenly.
  int64_t covered_us = 0;   // By any.
  int64_t thinned_us = 0;   // Of that, what thinned ones alone cover.
  int64_t summed_us = 0;    // Each by itself: as much as is covered, unless some overlap.
  int64_t last_end_us = 0;  // Where the last ends, from the range's start on.

  friend bool operator==(const FootageTotals&, const FootageTotals&) = default;
};

// What counts of a segment.
struct FootagePiece {
  TimeRange range;
  uint64_t bytes = 0;
  bool thinned = false;
};
// A row that says it is longer than any segment can be counts as long as one can be.
FootagePiece PieceOf(const Seal& seal);

uint64_t BytesWithin(const FootagePiece& piece, TimeRange part);

// What the pieces, which come by start, amount to in `range`.
FootageTotals CountFootage(std::span<const FootagePiece> pieces, TimeRange range);

// Hours and days of UTC since 1970.
constexpr int64_t HourOf(TimeUs time_us) { return time_us / kUsPerHour; }
constexpr TimeRange RangeOfHour(int64_t hour) {
  return {hour * kUsPerHour, (hour + 1) * kUsPerHour};
}

// An hour without footage has no segments.
using DayTotals = std::array<FootageTotals, kHoursADay>;

// Counts segments that come in the order of their keys, as the catalog has them.
class DayCounter {
 public:
  using Take = std::function<Status(const StreamId&, int64_t day, const DayTotals&)>;

  // `take` is given each day that has any, by stream, then day.
  explicit DayCounter(Take take) : take_(std::move(take)) {}

  Status Add(const Seal& seal);
  Status Finish();  // Nothing more comes.

 private:
  Status CloseHour();
  Status CloseDay();

  const Take take_;
  std::optional<StreamId> stream_;
  std::vector<FootagePiece> pieces_;  // That reach into `hour_` or behind it.
  int64_t hour_ = 0;
  DayTotals day_;
  bool any_ = false;  // Of `day_`.
};

}  // namespace lookback::index
