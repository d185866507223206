#include "api/retention_preview.h"

#include <algorithm>
#include <map>
#include <set>

namespace lookback::api {
namespace {

struct Doomed {
  uint64_t segments = 0;
  uint64_t bytes = 0;
  int64_t duration_us = 0;
  TimeUs oldest_us = kTimeMaxUs;
  TimeUs newest_us = kTimeMinUs;
  std::string reason;

  void Add(const storage::RetentionPlan& plan, const storage::Victim& victim) {
    ++segments;
    bytes += victim.row.bytes;
    duration_us += victim.row.range().duration_us();
    oldest_us = std::min(oldest_us, victim.row.start_us);
    newest_us = std::max(newest_us, victim.row.end_us);
    if (reason.empty()) reason = plan.ReasonOf(victim);
  }
};

std::set<index::SegmentKey> VictimsOf(const storage::RetentionPlan& plan) {
  std::set<index::SegmentKey> keys;
  for (const storage::Victim& victim : plan.victims) keys.insert(plan.KeyOf(victim));
  return keys;
}

Json ToJson(const storage::RetentionPlan& plan, const storage::RetentionPlan& unchanged) {
  std::map<std::string, Doomed> by_camera;
  Doomed all, anyway;
  const std::set<index::SegmentKey> without_change = VictimsOf(unchanged);
  for (const storage::Victim& victim : plan.victims) {
    by_camera[plan.StreamOf(victim).camera.text()].Add(plan, victim);
    all.Add(plan, victim);
    if (without_change.count(plan.KeyOf(victim)) != 0) anyway.Add(plan, victim);
  }
  Json cameras = Json::array();
  for (const auto& [camera, doomed] : by_camera) {
    cameras.push_back({{"camera", camera},
                       {"segments", doomed.segments},
                       {"bytes", doomed.bytes},
                       {"duration_us", doomed.duration_us},
                       {"oldest", FormatTime(doomed.oldest_us)},
                       {"newest", FormatTime(doomed.newest_us)},
                       {"reason", doomed.reason}});
  }
  return {{"segments", all.segments},
          {"bytes", all.bytes},
          {"duration_us", all.duration_us},
          {"anyway", {{"segments", anyway.segments}, {"bytes", anyway.bytes}}},
          {"below_floor", plan.below_floor},
          {"frozen", plan.frozen},
          {"must_stop", plan.must_stop},
          {"sentence", plan.sentence},
          {"cameras", std::move(cameras)}};
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
