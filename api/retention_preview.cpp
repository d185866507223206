#include "api/retention_preview.h"

#include <algorithm>
#include <map>
#include <set>

namespace lookback::api {
namespace {

// What goes, of some segments.
struct Doomed {
  uint64_t segments = 0;
  uint64_t bytes = 0;
  int64_t duration_us = 0;
  TimeUs oldest_us = kTimeMaxUs;
  TimeUs newest_us = kTimeMinUs;
  std::string reason;

  void Add(const storage::RetentionRow& row, uint64_t row_bytes, const std::string& why) {
    ++segments;
    bytes += row_bytes;
    duration_us += row.range().duration_us();
    oldest_us = std::min(oldest_us, row.start_us);
    newest_us = std::max(newest_us, row.end_us);
    if (reason.empty()) reason = why;
  }
};

// One list of a plan: what is deleted, or what is thinned.
class DoomedList {
 public:
  // `unchanged`: the same list without the change.
  template <typename List, typename BytesOf>
  DoomedList(const storage::RetentionPlan& plan, const List& list,
             const storage::RetentionPlan& unchanged_plan, const List& unchanged,
             BytesOf bytes_of) {
    std::set<index::SegmentKey> without_change;
    for (const auto& one : unchanged) {
      without_change.insert(unchanged_plan.KeyOf(one.stream, one.row));
    }
    for (const auto& one : list) {
      const std::string reason = plan.ReasonOf(one);
      const index::SegmentKey key = plan.KeyOf(one.stream, one.row);
      by_camera_[key.stream.camera.text()].Add(one.row, bytes_of(one), reason);
      all_.Add(one.row, bytes_of(one), reason);
      if (without_change.contains(key)) anyway_.Add(one.row, bytes_of(one), reason);
    }
  }

  Json ToJson() const {
    Json cameras = Json::array();
    for (const auto& [camera, doomed] : by_camera_) {
      cameras.push_back({{"camera", camera},
                         {"segments", doomed.segments},
                         {"bytes", doomed.bytes},
                         {"duration_us", doomed.duration_us},
                         {"oldest", FormatTime(doomed.oldest_us)},
                         {"newest", FormatTime(doomed.newest_us)},
                         {"reason", doomed.reason}});
    }
    return {{"segments", all_.segments},
            {"bytes", all_.bytes},
            {"duration_us", all_.duration_us},
            {"anyway", {{"segments", anyway_.segments}, {"bytes", anyway_.bytes}}},
            {"cameras", std::move(cameras)}};
  }

 private:
  std::map<std::string, Doomed> by_camera_;
  Doomed all_, anyway_;
};

Json ToJson(const storage::RetentionPlan& plan, const storage::RetentionPlan& unchanged) {
  Json json = DoomedList(plan, plan.victims, unchanged, unchanged.victims,
                         [](const storage::Victim& victim) { return victim.row.bytes; })
                  .ToJson();
  json["thinned"] = DoomedList(plan, plan.thinnings, unchanged, unchanged.thinnings,
                               [](const storage::Thinning& thinning) { return thinning.gain(); })
                        .ToJson();
  json["below_floor"] = plan.below_floor;
  json["frozen"] = plan.frozen;
  json["must_stop"] = plan.must_stop;
  json["sentence"] = plan.sentence;
  return json;
}

storage::Purger* PurgerOf(Context& context) {
  const std::lock_guard lock(context.round_mutex);
  return context.purger;
}

}  // namespace

Json PreviewOf(Context& context, const storage::RetentionChange& change) {
  storage::Purger* const purger = PurgerOf(context);
  if (purger == nullptr) throw Problem{503, "unavailable", "retention has not started yet"};
  const storage::RetentionPlan plan = OrThrow(purger->Preview(change));
  if (change.policies.empty() && change.cameras.empty()) return ToJson(plan, plan);
  return ToJson(plan, OrThrow(purger->Preview({})));
}

Json PreviewOrNull(Context& context, const storage::RetentionChange& change) {
  if (change.policies.empty() && change.cameras.empty()) return {};
  return PurgerOf(context) == nullptr ? Json() : PreviewOf(context, change);
}

}  // namespace lookback::api
