// Retention: what is promised, and what a change would delete before it deletes it.

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "api/context.h"
#include "api/settings.h"

namespace lookback::api {
namespace {

Json ToJson(const index::Policy& policy) {
  return {{"scope", policy.scope},
          {"version", policy.version},
          {"min_days", policy.min_days},
          {"max_days", policy.max_days},
          {"at_floor", AtFloorToJson(policy.at_floor)},
          {"person", policy.person}};
}

// What a scope's policy becomes: of what the body leaves out stays what is in force for the scope,
// so that a ceiling which is set for one camera does not take the floor from it.
index::Policy ReadPolicy(Context& context, const Call& call, const Body& body, std::string scope) {
  const std::vector<index::Policy> known = OrThrow(context.store.catalog().Policies());
  index::Policy policy;
  if (scope == storage::kDefaultScope) {
    policy = storage::PolicyFor(known, CameraId());
  } else {
    const CameraId camera = ReadCameraId(scope, "scope");
    (void)FindCamera(context, camera);
    policy = storage::PolicyFor(known, camera);
  }
  // What a deletion has on record as its policy must never mean two: versions go on, also behind a
  // policy that was taken away.
  policy.version = 0;
  for (const index::Policy& one : known) {
    if (one.scope == scope) policy.version = one.version;
  }
  policy.scope = std::move(scope);
  policy.person = call.person.name;
  ReadPolicySettings(body, policy);
  ++policy.version;
  return policy;
}

struct Doomed {
  uint64_t segments = 0;
  uint64_t bytes = 0;
  int64_t duration_us = 0;
  TimeUs oldest_us = kTimeMaxUs;
  TimeUs newest_us = kTimeMinUs;
  std::string reason;

  void Add(const storage::Victim& victim) {
    ++segments;
    bytes += victim.segment.bytes;
    duration_us += victim.segment.range().duration_us();
    oldest_us = std::min(oldest_us, victim.segment.start_us);
    newest_us = std::max(newest_us, victim.segment.end_us);
    if (reason.empty()) reason = victim.reason;
  }
};

Json ToJson(const storage::RetentionPlan& plan) {
  std::map<std::string, Doomed> by_camera;
  Doomed all;
  for (const storage::Victim& victim : plan.victims) {
    by_camera[victim.segment.stream.camera.text()].Add(victim);
    all.Add(victim);
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
  return {{"segments", all.segments},       {"bytes", all.bytes},
          {"duration_us", all.duration_us}, {"below_floor", plan.below_floor},
          {"frozen", plan.frozen},          {"must_stop", plan.must_stop},
          {"sentence", plan.sentence},      {"cameras", std::move(cameras)}};
}

}  // namespace

net::HttpResponse ListPolicies(Context& context, const Call& call) {
  const Query query(call.http, {});
  Json list = Json::array();
  for (const index::Policy& policy : OrThrow(context.store.catalog().Policies())) {
    if (policy.removed) continue;
    list.push_back(ToJson(policy));
  }
  return JsonResponse({{"policies", std::move(list)},
                       {"confirmed", OrThrow(context.store.catalog().PoliciesConfirmed())}});
}

net::HttpResponse PutPolicy(Context& context, const Call& call) {
  const Query query(call.http, {});
  const Body body(call.http, {"min_days", "max_days", "at_floor"});
  if (!body.Has("min_days") && !body.Has("max_days") && !body.Has("at_floor")) {
    throw FieldProblem("bad-policy", "min_days",
                       "say what is to change: min_days, max_days or at_floor");
  }
  const std::lock_guard lock(context.settings);
  const index::Policy policy = ReadPolicy(context, call, body, call.names[0]);
  CommitSetting(context, call, {policy});
  return JsonResponse(ToJson(policy));
}

net::HttpResponse RemovePolicy(Context& context, const Call& call) {
  const Query query(call.http, {});
  const std::string& scope = call.names[0];
  if (scope == storage::kDefaultScope) {
    throw Problem{409, "default-policy",
                  "the default policy cannot be removed; set its days to 0 to promise nothing"};
  }
  const std::lock_guard lock(context.settings);
  for (index::Policy& policy : OrThrow(context.store.catalog().Policies())) {
    if (policy.scope != scope || policy.removed) continue;
    ++policy.version;
    policy.person = call.person.name;
    policy.removed = true;
    CommitSetting(context, call, {policy});
    return NoContent();
  }
  throw Problem{
      404, "unknown-policy",
      fmt::format("\"{}\" has no policy of its own", ReadCameraId(scope, "scope").text())};
}

net::HttpResponse ConfirmPolicies(Context& context, const Call& call) {
  const Query query(call.http, {});
  const Body body(call.http, {});
  const std::lock_guard lock(context.settings);
  CommitSetting(context, call, {index::PoliciesConfirmed{call.person.name}});
  return JsonResponse({{"confirmed", true}});
}

net::HttpResponse PreviewRetention(Context& context, const Call& call) {
  const Query query(call.http, {});
  const Body body(call.http, {"scope", "min_days", "max_days", "at_floor"});
  storage::Purger* purger = nullptr;
  {
    const std::lock_guard lock(context.round_mutex);
    purger = context.purger;
  }
  if (purger == nullptr) throw Problem{503, "unavailable", "retention has not started yet"};
  if (call.http.body.empty()) return JsonResponse(ToJson(OrThrow(purger->Preview(nullptr))));
  const index::Policy change = ReadPolicy(context, call, body, body.Text("scope", kMaxLineBytes));
  return JsonResponse(ToJson(OrThrow(purger->Preview(&change))));
}

}  // namespace lookback::api
