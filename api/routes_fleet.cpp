// `POST /api/v1/fleet`: makes cameras, groups and policies what a list says, all or nothing.
//
// Everything is checked, and what differs is found, before anything is changed; then passwords are
// on disk before the records, which go to the ledger as one group.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "api/context.h"
#include "api/retention_preview.h"
#include "api/settings.h"
#include "base/checksum.h"
#include "base/words.h"
#include "storage/retention.h"

namespace lookback::api {
namespace {

using index::Camera;
using index::Policy;

// A group of the ledger is synced once, and a body holds no more than this anyway.
constexpr size_t kMaxFleetCameras = 4'096;

Json NullIfEmpty(const std::string& text) { return text.empty() ? Json() : Json(text); }

// What is compared and shown of a camera, by the names of the API.
Json Shown(const Camera& camera) {
  return {{"name", camera.name},
          {"group", NullIfEmpty(camera.group)},
          {"url", camera.url},
          {"sub_url", NullIfEmpty(camera.sub_url)},
          {"user", NullIfEmpty(camera.user)},
          {"audio", camera.audio},
          {"transport", index::TransportName(camera.transport)},
          {"tls", camera.tls.empty() ? std::string("verify") : camera.tls},
          {"enabled", camera.enabled},
          {"place", PlaceToJson(camera.place)},
          {"tags", camera.tags.empty() ? Json() : Json(camera.tags)}};
}

Json Shown(const Policy& policy) {
  return {{"min_days", policy.min_days},
          {"target_days", policy.target_days},
          {"max_days", policy.max_days},
          {"thin_days", policy.thin_days},
          {"class", policy.keep_class},
          {"quota_bytes", policy.quota_bytes},
          {"at_floor", AtFloorToJson(policy.at_floor)}};
}

// [{"field", "from", "to"}]; of a new one all that it has.
Json Differences(const Json& before, const Json& after) {
  Json fields = Json::array();
  for (const auto& item : after.items()) {
    const Json from = before.is_null() ? Json() : before[item.key()];
    if (from == item.value()) continue;
    fields.push_back({{"field", item.key()}, {"from", from}, {"to", item.value()}});
  }
  return fields;
}

class Fleet {
 public:
  Fleet(Context& context, const Call& call) : context_(context), call_(call) {
    for (Camera& camera : OrThrow(context_.store.catalog().Cameras())) {
      cameras_.emplace(camera.id, std::move(camera));
    }
    for (Policy& policy : OrThrow(context_.store.catalog().Policies())) {
      policies_.emplace(policy.scope, std::move(policy));
    }
  }

  void Read(const Body& body) {
    if (!body.IsNull("policy")) {
      At({{"policy", std::string(storage::kDefaultScope)}}, [&] {
        ReadPolicy(body.Object("policy", kPolicySettings), std::string(storage::kDefaultScope));
      });
    }
    ReadCameras(body);
    ReadGroups(body);
    if (!faults_.empty()) {
      throw Problem{400,
                    "bad-fleet",
                    fmt::format("{} at fault; nothing is changed",
                                faults_.size() == 1 ? "1 setting is"
                                                    : Count(faults_.size(), "setting") + " are"),
                    {{"faults", faults_}}};
    }
  }

  // As far as it says which footage goes.
  const storage::RetentionChange& retention() const { return retention_; }

  void Apply() {
    std::map<CameraId, std::string> before;
    for (const auto& [id, password] : passwords_) before[id] = context_.secrets->PasswordOf(id);
    OrThrow(context_.secrets->Set(passwords_));
    if (!records_.empty()) {
      const Status status = context_.store.journal().Commit(records_);
      if (!status) {
        (void)context_.secrets->Set(before);
        throw NotOnRecord(status.error(), "this change");
      }
    }
    std::map<CameraId, std::string> gone;
    for (const Camera& camera : touched_) {
      OrThrow(ApplyCamera(context_, camera));
      if (camera.removed) gone[camera.id] = "";
    }
    (void)context_.secrets->Set(gone);  // Best effort: the cameras are gone either way.
  }

  // What stands for exactly these changes, so that what was shown is what is done.
  std::string Digest() const { return HexEncode(Sha256(AsBytes(changes_.dump()))); }

  Json ToJson(bool applied) const {
    return {{"changes", changes_},
            {"unchanged", unchanged_},
            {"others", others_},
            {"plan", Digest()},
            {"applied", applied}};
  }

 private:
  // Faults of what `read` reads are kept, with where they are.
  template <typename Fn>
  void At(const Json& where, Fn read) {
    try {
      read();
    } catch (const Problem& fault) {
      AddFault(where, fault);
    }
  }
  void AddFault(Json where, const Problem& fault) {
    where["field"] = fault.more.value("field", "");
    where["type"] = "/problems/" + fault.type;
    where["detail"] = fault.detail;
    faults_.push_back(std::move(where));
  }

  void ReadCameras(const Body& body) {
    const size_t count = body.Count("cameras");
    if (count > kMaxFleetCameras) {
      throw FieldProblem("bad-field", "cameras",
                         fmt::format("at most {} cameras are taken at once", kMaxFleetCameras));
    }
    for (size_t i = 0; i < count; ++i) {
      At({{"camera", i}}, [&] {
        ReadCamera(
            body.Element("cameras", i,
                         {"id", "name", "url", "sub_url", "user", "password", "audio", "transport",
                          "tls", "enabled", "group", "place", "tags", "policy"}),
            i);
      });
    }
    for (const auto& [id, camera] : cameras_) {
      if (camera.removed || named_.count(id) != 0) continue;
      others_.push_back(id.text());
      if (body.FlagOr("remove_others", false)) Remove(camera);
    }
  }

  // After the cameras: a policy for a group that nobody is in would keep nothing,
  // and look as if it did.
  void ReadGroups(const Body& body) {
    for (size_t i = 0; i < body.Count("groups"); ++i) {
      At({{"group", i}}, [&] {
        const Body group = body.Element("groups", i, {"name", "policy"});
        const std::string name = group.Text("name", kMaxLineBytes);
        if (const Status status = storage::CheckGroupName(name); !status) {
          throw FieldProblem("bad-field", "name", status.message());
        }
        if (!groups_.insert(name).second) {
          throw FieldProblem("bad-field", "name",
                             fmt::format("group \"{}\" is named a second time", name));
        }
        if (std::none_of(cameras_.begin(), cameras_.end(),
                         [&](const auto& camera) { return camera.second.group == name; })) {
          throw FieldProblem("unknown-group", "name",
                             fmt::format("no camera is in group \"{}\"", name));
        }
        if (group.Has("policy")) ReadOwnPolicy(group, storage::ScopeOfGroup(name), {});
      });
    }
  }

  void ReadCamera(const Body& body, size_t place) {
    const Json where = {{"camera", place}};
    Camera camera;
    At(where, [&] { camera.id = ReadId(body); });
    Faults faults;
    if (!body.Has("url")) faults.push_back(FieldProblem("missing-field", "url", "url is needed"));
    camera.name = camera.id.text();
    ReadCameraSettings(body, camera, faults);
    for (const Problem& fault : faults) AddFault(where, fault);
    Json fields = Json::array();
    At(where, [&] {
      const auto known = cameras_.find(camera.id);
      fields = Differences(known == cameras_.end() ? Json() : Shown(known->second), Shown(camera));
      if (ReadPassword(body, camera.id)) fields.push_back({{"field", "password"}});
    });
    if (fields.empty()) {
      ++unchanged_;
    } else {
      Change("camera", camera.id.text(), cameras_.count(camera.id) == 0 ? "add" : "change",
             std::move(fields));
      Record(camera, {camera.id});
      NoteGroup(camera);
      touched_.push_back(camera);
      cameras_[camera.id] = camera;
    }
    At(where, [&] {
      if (body.Has("policy")) ReadOwnPolicy(body, camera.id.text(), {camera.id});
    });
  }

  CameraId ReadId(const Body& body) {
    CameraId id = ReadNewCameraId(body);
    if (!named_.insert(id).second) {
      throw FieldProblem("bad-field", "id", fmt::format("{} is named a second time", id.text()));
    }
    const auto known = cameras_.find(id);
    if (known == cameras_.end() || !known->second.removed) return id;
    throw FieldProblem(
        "camera-id-used", "id",
        fmt::format("{} was the id of a camera that is removed; ids are never reused", id.text()));
  }

  // Whether it differs from the one that is kept. What is not said stays.
  bool ReadPassword(const Body& body, const CameraId& id) {
    if (!body.Has("password")) return false;
    std::string password = body.Text("password", kMaxLineBytes);
    if (password == context_.secrets->PasswordOf(id)) return false;
    passwords_[id] = std::move(password);
    return true;
  }

  void NoteGroup(const Camera& camera) {
    const auto known = cameras_.find(camera.id);
    if (camera.group != (known == cameras_.end() ? "" : known->second.group)) {
      retention_.cameras.push_back(camera);
    }
  }

  // An object is the scope's own policy, as a whole; null is none of its own.
  void ReadOwnPolicy(const Body& body, const std::string& scope, std::vector<CameraId> cameras) {
    if (!body.IsNull("policy")) {
      ReadPolicy(body.Object("policy", kPolicySettings), scope);
      return;
    }
    const auto known = policies_.find(scope);
    if (known == policies_.end() || known->second.removed) return;
    Policy policy = known->second;
    policy.removed = true;
    ++policy.version;
    policy.person = call_.person.name;
    Change("policy", policy.scope, "remove", Json::array());
    retention_.policies.push_back(policy);
    Record(policy, std::move(cameras));
  }

  void ReadPolicy(const Body& body, const std::string& scope) {
    Policy policy;
    policy.scope = scope;
    policy.person = call_.person.name;
    ReadPolicySettings(body, policy);
    const auto known = policies_.find(scope);
    const bool present = known != policies_.end() && !known->second.removed;
    if (known != policies_.end()) policy.version = known->second.version;
    ++policy.version;
    Json fields = Differences(present ? Shown(known->second) : Json(), Shown(policy));
    if (fields.empty()) return;
    Change("policy", scope, present ? "change" : "add", std::move(fields));
    std::vector<CameraId> cameras;
    if (auto camera = CameraId::Parse(scope); camera && scope != storage::kDefaultScope) {
      cameras.push_back(*std::move(camera));
    }
    retention_.policies.push_back(policy);
    Record(policy, std::move(cameras));
  }

  void Remove(Camera camera) {
    camera.removed = true;
    Change("camera", camera.id.text(), "remove", Json::array());
    Record(camera, {camera.id});
    touched_.push_back(std::move(camera));
  }

  void Change(const char* kind, const std::string& name, const char* action, Json fields) {
    changes_.push_back(
        {{"kind", kind}, {"name", name}, {"action", action}, {"fields", std::move(fields)}});
  }
  // Each with the act behind it, as the custody log wants them.
  void Record(index::Record record, std::vector<CameraId> cameras) {
    records_.push_back(std::move(record));
    records_.emplace_back(SettingActOf(call_, std::move(cameras)));
  }

  Context& context_;
  const Call& call_;
  std::map<CameraId, Camera> cameras_;  // As they are.
  std::map<std::string, Policy> policies_;

  std::set<CameraId> named_;
  std::set<std::string> groups_;  // That were named.
  Json faults_ = Json::array();
  Json changes_ = Json::array();
  Json others_ = Json::array();  // Recorded, and not named.
  size_t unchanged_ = 0;
  std::vector<index::Record> records_;
  std::map<CameraId, std::string> passwords_;
  std::vector<Camera> touched_;
  storage::RetentionChange retention_;
};

}  // namespace

net::HttpResponse SetFleet(Context& context, const Call& call) {
  const Query query(call.http, {"dry_run"});
  const bool dry_run = query.Flag("dry_run", false);
  (void)query.Reason();
  const Body body(call.http, {"cameras", "groups", "policy", "remove_others", "plan"});
  std::unique_lock lock(context.settings);
  Fleet fleet(context, call);
  fleet.Read(body);
  if (body.Has("plan") && body.Text("plan", kMaxLineBytes) != fleet.Digest()) {
    throw Problem{409, "fleet-changed",
                  "cameras or policies were changed since the plan was made; nothing is done"};
  }
  Json answer = fleet.ToJson(!dry_run);
  if (dry_run) {
    lock.unlock();  // A preview waits for the round of deletion that is under way.
    answer["retention"] = PreviewOrNull(context, fleet.retention());
  } else {
    fleet.Apply();
  }
  return JsonResponse(answer);
}

}  // namespace lookback::api
