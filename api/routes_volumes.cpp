// Volumes: what there is, and how they are added, drained and removed while the store records.

#include <fmt/format.h>

#include <map>

#include "api/routes_care.h"
#include "storage/layout.h"
#include "storage/volume.h"
#include "storage/volume_file.h"

namespace lookback::api {
namespace {

constexpr size_t kMaxRootBytes = 4'096;

// What is recorded just now, by the root that it goes to.
std::map<std::string, Json> StreamsByRoot(Context& context) {
  std::map<std::string, Json> writing;
  for (const index::Camera& camera : OrThrow(context.store.catalog().Cameras())) {
    for (const Stream kind : {Stream::kMain, Stream::kSub}) {
      if (kind == Stream::kSub && camera.sub_url.empty()) continue;
      const StreamId stream{camera.id, kind};
      const auto status = context.store.archive().StatusOf(stream);
      if (!status.recording) continue;
      Json& list = writing.try_emplace(status.volume, Json::array()).first->second;
      list.push_back(kind == Stream::kSub ? stream.text() : camera.id.text());
    }
  }
  return writing;
}

// Why it takes no footage, or not well; empty: it does.
std::string TroubleOf(Context& context, const storage::Volume& volume) {
  if (volume.state() != storage::VolumeState::kOnline) return volume.why();
  for (const storage::VolumeTrouble& trouble : context.store.archive().Troubles()) {
    if (trouble.root == volume.root()) return trouble.why.message;
  }
  return {};
}

Json ToJson(Context& context, storage::Volume& volume, Json streams) {
  const auto space = volume.FreeSpace();
  const storage::VolumeContents contents = context.store.ContentsOf(volume.id());
  const bool known = contents.counted_us != 0;
  const auto counted = [known](uint64_t count) { return known ? Json(count) : Json(); };
  return {{"id", volume.id().text()},
          {"root", volume.root()},
          {"state", storage::VolumeStateName(volume.state())},
          {"trouble", TroubleOf(context, volume)},
          {"draining", volume.draining()},
          {"total_bytes", space ? Json(space->total_bytes) : Json()},
          {"free_bytes", space ? Json(space->free_bytes) : Json()},
          {"segments", counted(contents.segments)},
          {"bytes", counted(contents.bytes)},
          {"held_segments", counted(contents.held_segments)},
          {"held_bytes", counted(contents.held_bytes)},
          {"counted", known ? Json(FormatTime(contents.counted_us)) : Json()},
          {"cameras", std::move(streams)}};
}

Json ToJson(Context& context, const Uuid& id) {
  auto writing = StreamsByRoot(context);
  for (storage::Volume* volume : context.store.volumes()) {
    if (volume->id() != id) continue;
    const auto streams = writing.find(volume->root());
    return ToJson(context, *volume, streams == writing.end() ? Json::array() : streams->second);
  }
  throw Problem{404, "unknown-volume", fmt::format("the store has no volume {}", id.text())};
}

Uuid IdOf(Context& context, const Call& call, std::string& root) {
  if (const auto id = Uuid::Parse(call.names[0])) {
    for (const storage::Volume* volume : context.store.volumes()) {
      if (volume->id() != *id) continue;
      root = volume->root();
      return *id;
    }
  }
  throw Problem{404, "unknown-volume",
                fmt::format("the store has no volume \"{}\"; GET /api/v1/volumes lists them by id",
                            call.names[0])};
}

// The path names the volume by its id; people know it by its root.
index::Act ActOn(const Call& call, std::string_view verb, const std::string& root) {
  index::Act act = SettingActOf(call, {});
  act.what = fmt::format("volume {} {}", verb, root);
  return act;
}

void OrThrowAs(const Status& status, const char* conflict) {
  if (status) return;
  if (status.code() == Code::kConflict) throw Problem{409, conflict, status.message()};
  if (status.code() == Code::kNotFound) throw Problem{404, "unknown-volume", status.message()};
  throw ProblemOf(status.error());
}

// What is not told apart from a bare directory by its path.
Status CheckPlace(Context& context, const std::string& root) {
  LB_TRY(storage::CheckVolumeRoot(root, context.files));
  const auto identity =
      storage::ReadVolumeFile(context.files, JoinPath(root, storage::kVolumeFile));
  if (!identity) return Ok();
  for (const storage::Volume* volume : context.store.volumes()) {
    if (volume->id() != identity->volume || volume->root() == root || !volume->there()) continue;
    return Fail(Code::kInvalid,
                root + " leads to " + volume->root() + ", which is a volume of this store already");
  }
  return Ok();
}

net::HttpResponse SetDraining(Context& context, const Call& call, bool draining) {
  const Query query(call.http, {});
  (void)query.Reason();
  const Body body(call.http, {});
  std::string root;
  const Uuid id = IdOf(context, call, root);
  OrThrowAs(
      context.store.SetDraining(id, draining, ActOn(call, draining ? "drain" : "undrain", root)),
      "last-volume");
  return JsonResponse(ToJson(context, id));
}

}  // namespace

net::HttpResponse ListVolumes(Context& context, const Call& call) {
  const Query query(call.http, {});
  auto writing = StreamsByRoot(context);
  Json list = Json::array();
  for (storage::Volume* volume : context.store.volumes()) {
    const auto streams = writing.find(volume->root());
    list.push_back(
        ToJson(context, *volume, streams == writing.end() ? Json::array() : streams->second));
  }
  return JsonResponse({{"volumes", std::move(list)}});
}

net::HttpResponse AddVolume(Context& context, const Call& call) {
  const Query query(call.http, {});
  (void)query.Reason();
  const Body body(call.http, {"root"});
  const std::string root = body.Text("root", kMaxRootBytes);
  if (const Status place = CheckPlace(context, root); !place) {
    throw FieldProblem("bad-volume-root", "root", place.message());
  }
  const auto added = context.store.AddVolume(root, ActOn(call, "add", root));
  if (!added && (added.code() == Code::kInvalid || added.code() == Code::kNotFound)) {
    throw FieldProblem("bad-volume-root", "root", added.message());
  }
  if (!added && added.code() == Code::kConflict) {
    throw Problem{409, "volume-exists", added.message()};
  }
  const storage::VolumeAdded volume = OrThrow(added);
  Json json = ToJson(context, volume.id);
  if (!volume.warning.empty()) json["warning"] = volume.warning;
  return JsonResponse(json, 201);
}

net::HttpResponse DrainVolume(Context& context, const Call& call) {
  return SetDraining(context, call, true);
}

net::HttpResponse UndrainVolume(Context& context, const Call& call) {
  return SetDraining(context, call, false);
}

net::HttpResponse RemoveVolume(Context& context, const Call& call) {
  const Query query(call.http, {"lost"});
  (void)query.Reason();
  const bool lost = query.Flag("lost", false);
  std::string root;
  const Uuid id = IdOf(context, call, root);
  OrThrowAs(
      context.store.RemoveVolume(id, lost, ActOn(call, lost ? "remove, as lost," : "remove", root)),
      "volume-in-use");
  return NoContent();
}

}  // namespace lookback::api
