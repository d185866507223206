// Retention: what is promised, and what a change would delete before it deletes it.

#include <fmt/format.h>

#include <algorithm>

#include "api/context.h"
#include "api/retention_preview.h"
#include "api/settings.h"
#include "storage/retention.h"

namespace lookback::api {
namespace {

Json ToJson(const index::Policy& policy) {
  return {{"scope", policy.scope},
          {"version", policy.version},
          {"min_days", policy.min_days},
          {"target_days", policy.target_days},
          {"max_days", policy.max_days},
          {"thin_days", policy.thin_days},
          {"class", policy.keep_class},
          {"quota_bytes", policy.quota_bytes},
          {"at_floor", AtFloorToJson(policy.at_floor)},
          {"person", policy.person}};
}

void CheckGroupExists(Context& context, const std::string& group) {
  if (const Status status = storage::CheckGroupName(group); !status) {
    throw FieldProblem("bad-field", "scope", status.message());
  }
  const std::vector<index::Camera> cameras = OrThrow(context.store.catalog().Cameras());
  if (std::any_of(cameras.begin(), cameras.end(),
                  [&](const index::Camera& camera) { return camera.group == group; })) {
    return;
  }
  throw Problem{
      404, "unknown-group",
      fmt::format("no camera is in group \"{}\"; a camera's group is among its settings", group)};
}

// What governs a scope now.
index::Policy InForce(Context& context, const std::vector<index::Policy>& known,
                      const std::string& scope) {
  if (scope == storage::kDefaultScope) return storage::PolicyFor(known, CameraId(), "");
  if (const auto group = storage::GroupOfScope(scope)) {
    CheckGroupExists(context, *group);
    return storage::PolicyFor(known, CameraId(), *group);
  }
  const index::Camera camera = FindCamera(context, ReadCameraId(scope, "scope"));
  return storage::PolicyFor(known, camera.id, camera.group);
}

// What a scope's policy becomes: of what the body leaves out stays what is in force for the scope,
// so that a ceiling which is set for one camera does not take the floor from it.
index::Policy ReadPolicy(Context& context, const Call& call, const Body& body, std::string scope) {
  const std::vector<index::Policy> known = OrThrow(context.store.catalog().Policies());
  index::Policy policy = InForce(context, known, scope);
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

// The policy of a scope as it is without one of its own, from now on.
index::Policy RemovedPolicy(Context& context, const Call& call, const std::string& scope) {
  if (scope == storage::kDefaultScope) {
    throw Problem{409, "default-policy",
                  "the default policy cannot be removed; set its days to 0 to promise nothing"};
  }
  for (index::Policy& policy : OrThrow(context.store.catalog().Policies())) {
    if (policy.scope != scope || policy.removed) continue;
    ++policy.version;
    policy.person = call.person.name;
    policy.removed = true;
    return std::move(policy);
  }
  if (!storage::GroupOfScope(scope)) (void)ReadCameraId(scope, "scope");
  throw Problem{404, "unknown-policy", fmt::format("\"{}\" has no policy of its own", scope)};
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
  const Body body(call.http, kPolicySettings);
  if (std::none_of(kPolicySettings.begin(), kPolicySettings.end(),
                   [&](std::string_view setting) { return body.Has(setting); })) {
    throw FieldProblem("bad-policy", "min_days",
                       "say what is to change: min_days, target_days, max_days, thin_days, class, "
                       "quota_bytes or at_floor");
  }
  const std::lock_guard lock(context.settings);
  const index::Policy policy = ReadPolicy(context, call, body, call.names[0]);
  CommitSetting(context, call, {policy});
  return JsonResponse(ToJson(policy));
}

net::HttpResponse RemovePolicy(Context& context, const Call& call) {
  const Query query(call.http, {});
  const std::lock_guard lock(context.settings);
  CommitSetting(context, call, {RemovedPolicy(context, call, call.names[0])});
  return NoContent();
}

net::HttpResponse ConfirmPolicies(Context& context, const Call& call) {
  const Query query(call.http, {});
  const Body body(call.http, {});
  const std::lock_guard lock(context.settings);
  // Only what was in doubt is a decision, and on record.
  if (!OrThrow(context.store.catalog().PoliciesConfirmed())) {
    CommitSetting(context, call, {index::PoliciesConfirmed{call.person.name}});
  }
  return JsonResponse({{"confirmed", true}});
}

net::HttpResponse PreviewRetention(Context& context, const Call& call) {
  const Query query(call.http, {});
  const Body body(call.http, {"scope", "min_days", "target_days", "max_days", "thin_days", "class",
                              "quota_bytes", "at_floor", "remove", "camera", "group"});
  storage::RetentionChange change;
  if (body.Has("camera")) {
    index::Camera camera =
        FindCamera(context, ReadCameraId(body.Text("camera", kMaxLineBytes), "camera"));
    camera.group = ReadGroup(body);
    change.cameras.push_back(std::move(camera));
  } else if (body.FlagOr("remove", false)) {
    change.policies.push_back(RemovedPolicy(context, call, body.Text("scope", kMaxLineBytes)));
  } else if (!call.http.body.empty()) {
    change.policies.push_back(ReadPolicy(context, call, body, body.Text("scope", kMaxLineBytes)));
  }
  return JsonResponse(PreviewOf(context, change));
}

}  // namespace lookback::api
