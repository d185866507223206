#include "storage/thinning_plan.h"

#include <algorithm>
#include <optional>
#include <queue>
#include <tuple>
#include <utility>

namespace lookback::storage {
namespace {

using RowName = std::tuple<uint32_t, TimeUs, uint32_t, uint32_t>;
RowName NameOf(uint32_t stream, const RetentionRow& row) {
  return {stream, row.start_us, row.epoch, row.sequence};
}

class ThinningPlanner {
 public:
  ThinningPlanner(const RetentionInput& input, const RetentionRows& rows,
                  const ThinningBounds& bounds, RetentionPlan& plan)
      : input_(input), bounds_(bounds), plan_(plan) {
    for (const Victim& victim : plan.victims) {
      doomed_.push_back(NameOf(victim.stream, victim.row));
    }
    std::sort(doomed_.begin(), doomed_.end());
    for (uint32_t i = 0; i < plan.streams.size(); ++i) {
      if (plan.streams[i].policy.thin_days == 0) continue;
      walks_.push_back({i, RowWalk(rows, i, input.streams[i].thin_from_us),
                        bounds.held.Of(plan.streams[i].id.camera)});
    }
  }

  // Of all streams the oldest first, as far as the budget and the round reach.
  void Run() {
    using Head = std::tuple<TimeUs, uint32_t, uint32_t, size_t>;
    std::priority_queue<Head, std::vector<Head>, std::greater<>> heads;
    const auto push = [&](size_t i) {
      if (const RetentionRow* row = FindNext(walks_[i])) {
        heads.emplace(row->end_us, row->epoch, row->sequence, i);
      }
    };
    for (size_t i = 0; i < walks_.size(); ++i) push(i);
    uint64_t read = 0;
    while (!heads.empty()) {
      const size_t i = std::get<3>(heads.top());
      heads.pop();
      const Thinning thinning{walks_[i].stream, *walks_[i].row};
      read += thinning.row.bytes;
      if (read > input_.thin_read_bytes && !plan_.thinnings.empty()) return;
      if (plan_.thin_bytes + thinning.gain() > bounds_.budget_bytes) return;
      plan_.thin_bytes += thinning.gain();
      plan_.thinnings.push_back(thinning);
      walks_[i].planned = true;
      walks_[i].row.reset();
      push(i);
    }
  }

 private:
  struct Walk {
    uint32_t stream;
    RowWalk rows;
    const HeldRanges* held;
    std::optional<RetentionRow> row = {};  // The one that is looked at; the head is behind it.
    bool planned = false;                  // Some row of it.
  };

  // The next row that is to be thinned; nullptr when all that follow are too young,
  // or there are none.
  const RetentionRow* FindNext(Walk& walk) {
    const index::Policy& policy = plan_.streams[walk.stream].policy;
    const int64_t least_age_us = std::max(policy.thin_days, policy.min_days) * kUsPerDay;
    for (;; walk.row.reset()) {
      if (!walk.row) {
        const RetentionRow* const head = walk.rows.head();
        if (head == nullptr) return nullptr;
        walk.row = *head;
        walk.rows.Pop();
        if (!walk.planned) plan_.streams[walk.stream].thin_from_us = walk.row->start_us;
      }
      if (input_.now_us - walk.row->end_us < least_age_us) return nullptr;
      if (Stays(walk, policy) && IsWorthIt(*walk.row) && !IsNeeded(*walk.row, walk.rows.head())) {
        return &*walk.row;
      }
    }
  }

  // Whether it is there, may be touched, and is not to be deleted.
  bool Stays(const Walk& walk, const index::Policy& policy) const {
    const RetentionRow& row = *walk.row;
    if (row.volume >= input_.volumes.size() ||
        bounds_.free[row.volume] < input_.volumes[row.volume].stop_bytes) {
      return false;
    }
    if (walk.held != nullptr && walk.held->Touch(row.range())) return false;
    if (policy.max_days > 0 && input_.now_us - row.end_us >= policy.max_days * kUsPerDay) {
      return false;
    }
    return !std::binary_search(doomed_.begin(), doomed_.end(), NameOf(walk.stream, row));
  }

  static bool IsWorthIt(const RetentionRow& row) {
    return row.thinned == 0 && row.sync_bytes > 0 &&
           (row.bytes - std::min<uint64_t>(row.bytes, row.sync_bytes)) * kThinGainShare >=
               row.bytes;
  }

  // What goes on without a hole and does not begin with a sync sample has its GOP from this one.
  static bool IsNeeded(const RetentionRow& row, const RetentionRow* next) {
    return next != nullptr && next->start_us == row.end_us && next->sync_bytes == 0;
  }

  const RetentionInput& input_;
  const ThinningBounds& bounds_;
  RetentionPlan& plan_;
  std::vector<RowName> doomed_;
  std::vector<Walk> walks_;
};

}  // namespace

void PlanThinning(const RetentionInput& input, const RetentionRows& rows,
                  const ThinningBounds& bounds, RetentionPlan& plan) {
  ThinningPlanner(input, rows, bounds, plan).Run();
}

}  // namespace lookback::storage
