#include "storage/retention_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <queue>
#include <tuple>

#include "base/words.h"
#include "storage/held_ranges.h"
#include "storage/retention.h"
#include "storage/retention_cursor.h"
#include "storage/thinning_plan.h"

namespace lookback::storage {
namespace {

class Planner {
 public:
  // Whether a hold has expired is a matter of age too: with the clock in doubt it has not.
  Planner(const RetentionInput& input, const RetentionRows& rows)
      : input_(input),
        rows_(rows),
        held_(input.holds, input.clock_trusted ? input.now_us : kTimeMinUs) {
    for (const RetentionVolume& volume : input.volumes) free_.push_back(volume.free_bytes);
    const PolicyTable policies(input.policies);
    for (size_t i = 0; i < input.streams.size(); ++i) {
      const StreamId& id = input.streams[i].id;
      plan_.streams.push_back(
          {id, policies.For(id.camera, input.streams[i].group), input.streams[i].thin_from_us});
      cursors_.emplace_back(rows, i, held_.Of(id.camera), input.volumes.size());
      all_.push_back(i);
    }
    taken_.resize(input.streams.size());
  }

  RetentionPlan Plan() {
    if (!input_.confirmed) {
      Freeze(
          "nothing is deleted: the catalog was rebuilt, or much footage is missing, and the "
          "policies wait to be confirmed");
    } else if (!input_.clock_trusted) {
      NoteDoubt();
      if (FindPressure()) RelieveByNumbers();
    } else {
      Expire();
      KeepQuotas();
      NoteOverdue();
      if (FindPressure()) Relieve();
      PlanThinning(input_, rows_, {held_, free_, input_.budget_bytes - spent_}, plan_);
    }
    NoteStop();
    if (plan_.sentence.empty()) plan_.sentence = Summary();
    return std::move(plan_);
  }

 private:
  const index::Policy& Policy(size_t stream) const { return plan_.streams[stream].policy; }
  int64_t Age(const RetentionRow& row) const { return input_.now_us - row.end_us; }

  // How far past its ceiling; below 0: not yet, or it has none.
  int64_t Overdue(size_t stream, const RetentionRow& row) const {
    const index::Policy& policy = Policy(stream);
    return policy.max_days > 0 ? Age(row) - policy.max_days * kUsPerDay : -1;
  }
  // Whether a floor has passed is a matter of age too: with the clock in doubt it has not.
  bool BelowFloor(size_t stream, const RetentionRow& row) const {
    const index::Policy& policy = Policy(stream);
    return policy.min_days > 0 && (!input_.clock_trusted || Age(row) < policy.min_days * kUsPerDay);
  }
  bool FloorStands(size_t stream) const {
    return Policy(stream).at_floor != index::AtFloor::kShorten;
  }

  void Freeze(std::string why) {
    plan_.frozen = true;
    plan_.sentence = std::move(why);
  }

  void Take(size_t stream, const RetentionRow& row, DeleteCause cause, bool below_floor = false) {
    plan_.bytes += row.bytes;
    plan_.below_floor |= below_floor;
    taken_[stream] += row.bytes;
    free_[row.volume] += row.bytes;
    plan_.victims.push_back({static_cast<uint32_t>(stream), cause, below_floor, row});
  }
  // The same out of the day's budget; false when that does not reach.
  bool TakeOfBudget(size_t stream, const RetentionRow& row, DeleteCause cause) {
    if (spent_ + row.bytes > input_.budget_bytes) {
      Freeze("expiry waits: it has reached its daily budget");
      return false;
    }
    spent_ += row.bytes;
    Take(stream, row, cause);
    return true;
  }

  // Visits the rows of some streams by their keys, the least first, as long as `visit` says true.
  // Keys rise within a stream; one whose next row has no key is left alone from there on.
  template <typename KeyOf, typename Visit>
  void Merge(const std::vector<size_t>& streams, KeyOf key_of, Visit visit) {
    using Head =
        std::pair<typename std::invoke_result_t<KeyOf, size_t, RetentionRow>::value_type, size_t>;
    std::priority_queue<Head, std::vector<Head>, std::greater<>> heads;
    const auto push = [&](size_t stream) {
      const RetentionRow* row = cursors_[stream].head();
      if (row == nullptr) return;
      if (auto key = key_of(stream, *row)) heads.emplace(*std::move(key), stream);
    };
    for (const size_t stream : streams) push(stream);
    while (!heads.empty()) {
      const size_t stream = heads.top().second;
      heads.pop();
      if (!visit(stream, *cursors_[stream].head())) return;
      cursors_[stream].Pop();
      push(stream);
    }
  }

  // Among rows that are equally due, the age that no clock can falsify decides.
  using ByAge = std::tuple<TimeUs, uint32_t, uint32_t>;
  static ByAge AgeKey(const RetentionRow& row) { return {row.end_us, row.epoch, row.sequence}; }

  void Expire() {
    Merge(
        all_,
        [this](size_t stream, const RetentionRow& row) {
          return Overdue(stream, row) >= 0 ? std::optional(AgeKey(row)) : std::nullopt;
        },
        [this](size_t stream, const RetentionRow& row) {
          return TakeOfBudget(stream, row, DeleteCause::kCeiling);
        });
  }

  // A camera above its quota loses its oldest, as far as no floor protects it.
  void KeepQuotas() {
    std::map<CameraId, std::vector<size_t>> limited;
    for (const size_t stream : all_) {
      if (Policy(stream).quota_bytes > 0)
        limited[plan_.streams[stream].id.camera].push_back(stream);
    }
    for (const auto& [camera, streams] : limited) {
      uint64_t has = 0;
      for (const size_t stream : streams) {
        has +=
            input_.streams[stream].bytes - std::min(input_.streams[stream].bytes, taken_[stream]);
      }
      const uint64_t quota = Policy(streams.front()).quota_bytes;
      if (has <= quota) continue;
      Merge(
          streams,
          [this](size_t stream, const RetentionRow& row) {
            return BelowFloor(stream, row) ? std::nullopt : std::optional(AgeKey(row));
          },
          [&](size_t stream, const RetentionRow& row) {
            if (has <= quota || !TakeOfBudget(stream, row, DeleteCause::kQuota)) return false;
            has -= std::min(has, row.bytes);
            return true;
          });
    }
  }

  void NoteOverdue() {
    for (const size_t stream : all_) {
      const RetentionRow* row = cursors_[stream].head();
      if (row != nullptr) plan_.overdue_us = std::max(plan_.overdue_us, Overdue(stream, *row));
    }
  }
  void NoteDoubt() {
    for (const size_t stream : all_) {
      const RetentionRow* row = cursors_[stream].head();
      if (row != nullptr && Overdue(stream, *row) >= 0) {
        return Freeze("nothing is deleted by age: the clock is in doubt");
      }
    }
  }

  bool FindPressure() {
    for (size_t i = 0; i < free_.size(); ++i) {
      needy_.push_back(free_[i] < input_.volumes[i].pressure_bytes);
    }
    return std::find(needy_.begin(), needy_.end(), true) != needy_.end();
  }
  bool Needs(uint32_t volume) const {
    return needy_[volume] && free_[volume] < input_.volumes[volume].relief_bytes;
  }

  // Frees up to relief_bytes: first what no floor protects, then, where the policy says so, the
  // rest; of each the lowest class first, and in a class what has used most of its promise.
  void Relieve() {
    using Key = std::tuple<bool, uint8_t, double, ByAge>;
    Merge(
        all_,
        [this](size_t stream, const RetentionRow& row) -> std::optional<Key> {
          const bool below_floor = BelowFloor(stream, row);
          if (below_floor && FloorStands(stream)) return std::nullopt;
          const index::Policy& policy = Policy(stream);
          const double used =
              static_cast<double>(Age(row)) / static_cast<double>(PressureDays(policy) * kUsPerDay);
          return Key{below_floor, policy.keep_class, -used, AgeKey(row)};
        },
        [this](size_t stream, const RetentionRow& row) {
          if (Needs(row.volume)) {
            Take(stream, row, DeleteCause::kPressure, BelowFloor(stream, row));
          }
          for (uint32_t i = 0; i < needy_.size(); ++i) {
            if (Needs(i)) return true;
          }
          return false;
        });
  }

  // The same while no age can be believed: epochs and sequences tell which is older. They need not
  // be in the order of starts, so all rows are looked at, and of each volume no more are kept than
  // it needs.
  void RelieveByNumbers() {
    using Candidate = std::tuple<bool, uint8_t, uint32_t, uint32_t, size_t, RetentionRow>;
    const auto older = [](const Candidate& a, const Candidate& b) {
      const auto key = [](const Candidate& c) {
        return std::tuple(std::get<0>(c), std::get<1>(c), std::get<2>(c), std::get<3>(c),
                          std::get<4>(c), std::get<5>(c).start_us);
      };
      return key(a) < key(b);
    };
    struct Oldest {
      std::vector<Candidate> heap;
      uint64_t bytes = 0;
    };
    std::vector<Oldest> of_volume(needy_.size());
    for (const size_t stream : all_) {
      for (; const RetentionRow* row = cursors_[stream].head(); cursors_[stream].Pop()) {
        const bool below_floor = BelowFloor(stream, *row);
        if (!Needs(row->volume) || (below_floor && FloorStands(stream))) continue;
        auto& [heap, bytes] = of_volume[row->volume];
        heap.emplace_back(below_floor, Policy(stream).keep_class, row->epoch, row->sequence, stream,
                          *row);
        std::push_heap(heap.begin(), heap.end(), older);
        bytes += row->bytes;
        const uint64_t needed = input_.volumes[row->volume].relief_bytes - free_[row->volume];
        while (bytes - std::get<5>(heap.front()).bytes >= needed) {
          bytes -= std::get<5>(heap.front()).bytes;
          std::pop_heap(heap.begin(), heap.end(), older);
          heap.pop_back();
        }
      }
    }
    for (Oldest& oldest : of_volume) {
      std::sort_heap(oldest.heap.begin(), oldest.heap.end(), older);
      for (const Candidate& c : oldest.heap) {
        Take(std::get<4>(c), std::get<5>(c), DeleteCause::kPressure, std::get<0>(c));
      }
    }
  }

  void NoteStop() {
    for (size_t i = 0; i < free_.size(); ++i) {
      if (free_[i] >= input_.volumes[i].stop_bytes) continue;
      plan_.must_stop = true;
      plan_.sentence = fmt::format(
          "the disk of {} is nearly full ({} are free), and all footage there is held, below "
          "its floor or frozen: recording stops when it is full",
          input_.volumes[i].root, FormatBytes(free_[i]));
    }
  }

  std::string Summary() const {
    std::string sentence = "nothing is to be deleted";
    if (!plan_.victims.empty()) {
      sentence = fmt::format("to be deleted: {} with {}{}", Count(plan_.victims.size(), "segment"),
                             FormatBytes(plan_.bytes),
                             plan_.below_floor ? ", some below their floor" : "");
    }
    if (plan_.thinnings.empty()) return sentence;
    return sentence + fmt::format("; to be thinned: {}, which frees about {}",
                                  Count(plan_.thinnings.size(), "segment"),
                                  FormatBytes(plan_.thin_bytes));
  }

  const RetentionInput& input_;
  const RetentionRows& rows_;
  const HeldFootage held_;
  RetentionPlan plan_;
  std::vector<Cursor> cursors_;
  std::vector<size_t> all_;      // Every stream.
  std::vector<uint64_t> taken_;  // By stream.
  std::vector<uint64_t> free_;   // By volume, with what is taken.
  std::vector<bool> needy_;      // By volume: it was under pressure when expiry was done.
  uint64_t spent_ = 0;
};

}  // namespace

RetentionPlan PlanRetention(const RetentionInput& input, const RetentionRows& rows) {
  return Planner(input, rows).Plan();
}

index::SegmentKey RetentionPlan::KeyOf(uint32_t stream, const RetentionRow& row) const {
  return {streams[stream].id, row.start_us, row.epoch, row.sequence, row.thinned != 0};
}

std::string RetentionPlan::PolicyOf(uint32_t stream) const {
  const index::Policy& policy = streams[stream].policy;
  return fmt::format("{}/{}", policy.scope, policy.version);
}

std::string RetentionPlan::ReasonOf(const Victim& victim) const {
  const index::Policy& policy = streams[victim.stream].policy;
  switch (victim.cause) {
    case DeleteCause::kCeiling:
      return "older than " + Count(policy.max_days, "day");
    case DeleteCause::kQuota:
      return fmt::format("over the quota of {}", FormatBytes(policy.quota_bytes));
    case DeleteCause::kPressure:
      break;
  }
  if (!victim.below_floor) return "disk pressure";
  return "disk pressure, below the floor of " + Count(policy.min_days, "day");
}

std::string RetentionPlan::ReasonOf(const Thinning& thinning) const {
  return fmt::format("older than {}", Count(streams[thinning.stream].policy.thin_days, "day"));
}

RetentionRow* MemoryRows::Find(size_t stream, TimeUs start_us) {
  auto& [rows, first] = streams_[stream];
  const auto found =
      std::partition_point(rows.begin() + static_cast<ptrdiff_t>(first), rows.end(),
                           [&](const RetentionRow& r) { return r.start_us < start_us; });
  return found == rows.end() || found->start_us != start_us ? nullptr : &*found;
}

void MemoryRows::Thin(size_t stream, TimeUs start_us) {
  RetentionRow* const row = Find(stream, start_us);
  if (row == nullptr || row->bytes == 0) return;
  row->bytes = row->sync_bytes;
  row->thinned = 1;
}

void MemoryRows::Remove(size_t stream, TimeUs start_us) {
  RetentionRow* const row = Find(stream, start_us);
  if (row == nullptr) return;
  row->bytes = 0;
  auto& [rows, first] = streams_[stream];
  while (first < rows.size() && rows[first].bytes == 0) ++first;
  if (first < rows.size() / 2) return;
  rows.erase(rows.begin(), rows.begin() + static_cast<ptrdiff_t>(first));
  first = 0;
}

void MemoryRows::Read(size_t stream, TimeUs from_us, size_t max,
                      std::vector<RetentionRow>& rows) const {
  const auto& [known, first] = streams_[stream];
  auto at = std::partition_point(known.begin() + static_cast<ptrdiff_t>(first), known.end(),
                                 [&](const RetentionRow& r) { return r.start_us < from_us; });
  for (; at != known.end() && max > 0; ++at) {
    if (at->bytes == 0) continue;
    rows.push_back(*at);
    --max;
  }
}

}  // namespace lookback::storage
