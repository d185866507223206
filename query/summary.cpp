#include "query/summary.h"

#include <algorithm>
#include <span>

#include "query/timeline.h"

namespace lookback::query {
namespace {

using index::FootagePiece;
using index::FootageTotals;
using storage::Damage;

int64_t FloorDivide(int64_t value, int64_t by) { return value / by - (value % by < 0 ? 1 : 0); }

// Of what the piece has, that which is outside of the damage; in order.
void CutOut(const Damage& damage, std::vector<FootagePiece>& pieces) {
  std::vector<FootagePiece> rest;
  for (const FootagePiece& piece : pieces) {
    const TimeRange before{piece.range.start_us,
                           std::min(piece.range.end_us, damage.range.start_us)};
    const TimeRange after{std::max(piece.range.start_us, damage.range.end_us), piece.range.end_us};
    for (const TimeRange& part : {before, after}) {
      if (!part.empty()) rest.push_back({part, index::BytesWithin(piece, part), piece.thinned});
    }
  }
  pieces = std::move(rest);
}

class Summary {
 public:
  Summary(storage::Footage& footage, const StreamId& stream, const std::vector<TimeRange>& steps)
      : footage_(footage), stream_(stream), steps_(steps), sums_(steps.size()) {}

  Result<std::vector<StepSummary>> Run() {
    if (steps_.empty()) return std::move(sums_);
    const TimeRange range{steps_.front().start_us, steps_.back().end_us};
    damaged_ = footage_.Lost(stream_, range);
    LB_TRY_ASSIGN(hours, footage_.Hours(stream_, range));
    size_t first = 0;  // The first step that may reach into this hour or a later one.
    for (const storage::FootageHour& hour : hours) {
      const TimeRange whole{hour.start_us, hour.start_us + kUsPerHour};
      while (first < steps_.size() && steps_[first].end_us <= whole.start_us) ++first;
      for (size_t i = first; i < steps_.size() && steps_[i].start_us < whole.end_us; ++i) {
        LB_TRY(Add(hour.totals, whole, whole.Intersect(steps_[i]), sums_[i]));
      }
    }
    return std::move(sums_);
  }

 private:
  Status Add(const FootageTotals& totals, TimeRange hour, TimeRange part, StepSummary& sum) {
    const bool damaged = !DamageIn(hour).empty();
    if (part == hour && !damaged) {
      AddTotals(totals, part, sum);
      return Ok();
    }
    // Of an hour that is the same throughout, so is each part.
    const bool alike = totals.covered_us == kUsPerHour &&
                       (totals.thinned_us == 0 || totals.thinned_us == totals.covered_us);
    if (!alike || damaged) {
      LB_TRY_ASSIGN(counted, Count(part));
      AddTotals(counted, part, sum);
      return Ok();
    }
    const FootagePiece all{hour, totals.bytes, totals.thinned_us > 0};
    AddTotals(index::CountFootage({&all, 1}, part), part, sum);
    return Ok();
  }

  static void AddTotals(const FootageTotals& totals, TimeRange part, StepSummary& sum) {
    const int64_t missing_us = part.duration_us() - totals.covered_us;
    sum.covered_us += missing_us < kSmallestGapUs ? part.duration_us() : totals.covered_us;
    sum.thinned_us += totals.thinned_us;
    sum.bytes += totals.bytes;
  }

  // From the segments.
  Result<FootageTotals> Count(TimeRange part) {
    LB_TRY_ASSIGN(segments, footage_.Segments(stream_, part));
    std::vector<FootagePiece> pieces;
    for (const storage::FootageSegment& segment : segments) {
      std::vector<FootagePiece> rest{index::PieceOf(segment.row)};
      for (const Damage& damage : DamageIn(part)) {
        if (damage.run == segment.row.run) CutOut(damage, rest);
      }
      pieces.insert(pieces.end(), rest.begin(), rest.end());
    }
    std::stable_sort(pieces.begin(), pieces.end(),
                     [](const FootagePiece& a, const FootagePiece& b) {
                       return a.range.start_us < b.range.start_us;
                     });
    return index::CountFootage(pieces, part);
  }

  // All that touches `range`, and what comes shortly before it.
  std::span<const Damage> DamageIn(TimeRange range) const {
    const auto starts_before = [](TimeUs at_us) {
      return [at_us](const Damage& damage) { return damage.range.start_us < at_us; };
    };
    const auto first = std::partition_point(damaged_.begin(), damaged_.end(),
                                            starts_before(range.start_us - index::kMaxSegmentUs));
    return {first, std::partition_point(first, damaged_.end(), starts_before(range.end_us))};
  }

  storage::Footage& footage_;
  const StreamId& stream_;
  const std::vector<TimeRange>& steps_;
  std::vector<StepSummary> sums_;
  std::vector<Damage> damaged_;  // By start; none is longer than a segment.
};

}  // namespace

std::vector<TimeRange> FindSteps(Step step, TimeRange range, const TimeZone& zone) {
  std::vector<TimeRange> steps;
  if (range.empty()) return steps;
  const int64_t step_us = step == Step::kHour ? kUsPerHour : kUsPerDay;
  std::vector<TimeUs> begins{range.start_us};
  const int64_t first_offset_us = zone.PeriodAt(range.start_us).offset_seconds * kUsPerSecond;
  int64_t last = FloorDivide(range.start_us + first_offset_us, step_us);
  for (TimeUs at_us = range.start_us; at_us < range.end_us;) {
    const TimeZone::Period period = zone.PeriodAt(at_us);
    const int64_t offset_us = period.offset_seconds * kUsPerSecond;
    // Of the last period of all, what reaches further goes on with its offset.
    const TimeUs end_us =
        period.range.end_us > at_us ? std::min(range.end_us, period.range.end_us) : range.end_us;
    // What is shown first may be later than all before: midnight was skipped.
    for (int64_t shown = FloorDivide(at_us + offset_us, step_us);; ++shown) {
      const TimeUs begin_us = std::max(at_us, shown * step_us - offset_us);
      if (begin_us >= end_us) break;
      // An hour that is shown twice is two; a day goes on.
      const bool again = step == Step::kHour && begin_us == shown * step_us - offset_us;
      if ((shown > last || again) && begin_us > begins.back()) begins.push_back(begin_us);
      last = std::max(last, shown);
    }
    at_us = end_us;
  }
  for (size_t i = 0; i < begins.size(); ++i) {
    steps.push_back({begins[i], i + 1 < begins.size() ? begins[i + 1] : range.end_us});
  }
  return steps;
}

Result<std::vector<StepSummary>> Summarise(storage::Footage& footage, const StreamId& stream,
                                           const std::vector<TimeRange>& steps) {
  return Summary(footage, stream, steps).Run();
}

}  // namespace lookback::query
