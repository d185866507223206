// Cameras: what is recorded.

#include <fmt/format.h>

#include "api/context.h"
#include "api/settings.h"
#include "recorder/camera_url.h"

namespace lookback::api {
namespace {

Json ToJson(Context& context, const index::Camera& camera) {
  return {{"id", camera.id.text()},
          {"name", camera.name},
          {"group", camera.group.empty() ? Json() : Json(camera.group)},
          {"url", camera.url},
          {"sub_url", camera.sub_url},
          {"user", camera.user},
          {"has_password", !context.secrets->PasswordOf(camera.id).empty()},
          {"audio", camera.audio},
          {"transport", index::TransportName(camera.transport)},
          {"tls", camera.tls.empty() ? std::string_view("verify") : std::string_view(camera.tls)},
          {"enabled", camera.enabled},
          {"place", PlaceToJson(camera.place)},
          {"tags", camera.tags},
          {"imported", camera.imported},
          {"removed", camera.removed}};
}

// Before it is on record: what the recorder would not take.
void CheckRecordable(Context& context, const index::Camera& camera) {
  if (camera.enabled && !camera.imported) OrThrow(context.recorder.CanPut(SourceOf(camera, "")));
}

index::Camera FindLiveCamera(Context& context, const Call& call) {
  index::Camera camera = FindCamera(context, ReadCameraId(call.names[0], "camera"));
  if (!camera.removed) return camera;
  throw Problem{404, "unknown-camera",
                fmt::format("camera {} was removed; its footage stays", camera.id.text())};
}

// The new password is on disk before the record, and taken back when that fails.
void Commit(Context& context, const Call& call, const index::Camera& camera,
            const std::optional<std::string>& password) {
  const std::string before = context.secrets->PasswordOf(camera.id);
  if (password) OrThrow(context.secrets->Set(camera.id, *password));
  try {
    CommitSetting(context, call, {camera}, {camera.id});
  } catch (const Problem&) {
    if (password) (void)context.secrets->Set(camera.id, before);
    throw;
  }
}

std::optional<std::string> PasswordIn(const Body& body) {
  if (!body.Has("password")) return std::nullopt;
  return body.Text("password", kMaxLineBytes);
}

// What a camera that waits waits for.
std::string WaitingReason(const recorder::CameraStatus& status) {
  if (status.state != recorder::CameraState::kWaiting) return {};
  const int64_t seconds = (status.next_try_in_us + kUsPerSecond - 1) / kUsPerSecond;
  return fmt::format("{} in {} s", status.tried ? "next try" : "starts", seconds);
}

Json NumberOrNull(double value) { return value == 0 ? Json() : Json(value); }

Json StatusToJson(Context& context, const StreamId& id, bool imported) {
  const auto stream = context.store.archive().StatusOf(id);
  recorder::CameraStatus status;
  status.state = recorder::CameraState::kStopped;
  if (auto running = context.recorder.StatusOf(id)) status = std::move(*running);
  return {{"state", imported ? "imported" : recorder::CameraStateName(status.state)},
          {"reason", WaitingReason(status)},
          {"since", TimeOrNull(status.since_us)},
          {"down_since", TimeOrNull(status.down_since_us)},
          {"last_error", status.last_error},
          {"recorded_until", TimeOrNull(stream.recorded_until_us)},
          {"durable_until", TimeOrNull(stream.durable_until_us)},
          {"bits_per_second", status.bits_per_second},
          {"frames_per_second", status.frames_per_second},
          {"declared_frames_per_second", NumberOrNull(status.declared_frames_per_second)},
          {"frames", status.frames},
          {"damaged_frames", status.damaged_frames},
          {"bytes", status.bytes},
          {"received_packets", status.received_packets},
          {"lost_packets", status.lost_packets},
          {"lost_percent", status.lost_share * 100},
          {"damaged_percent", status.damaged_share * 100},
          {"gop_frames", status.gop_frames == 0 ? Json() : Json(status.gop_frames)},
          {"gop_us", status.gop_frames == 0 ? Json() : Json(status.gop_us)},
          {"timed_by_arrival", status.timed_by_arrival},
          {"transport", status.transport.empty() ? Json() : Json(status.transport)},
          {"foreign_packets", status.foreign_packets},
          {"late_packets", status.late_packets},
          {"kernel_drops", status.kernel_drops},
          {"reconnects", status.reconnects},
          {"dropped_samples", status.dropped_samples},
          {"dropped_fragments", stream.dropped_fragments},
          {"camera_offset_us", status.has_camera_offset ? Json(status.camera_offset_us) : Json()},
          {"tracks", status.tracks},
          {"volume", stream.volume}};
}

// Of its main stream, with that of its sub stream in it.
Json StatusToJson(Context& context, const index::Camera& camera) {
  Json json = {{"camera", camera.id.text()}};
  json.update(StatusToJson(context, {camera.id, Stream::kMain}, camera.imported));
  json["sub"] =
      camera.sub_url.empty() ? Json() : StatusToJson(context, {camera.id, Stream::kSub}, false);
  return json;
}

// A camera's settings and how it does.
Json WithStatus(Context& context, const index::Camera& camera) {
  Json json = ToJson(context, camera);
  json["status"] = StatusToJson(context, camera);
  return json;
}

}  // namespace

index::Camera FindCamera(Context& context, const CameraId& id) {
  auto camera = OrThrow(context.store.catalog().FindCamera(id));
  if (camera) return std::move(*camera);
  throw Problem{404, "unknown-camera", fmt::format("there is no camera \"{}\"", id.text())};
}

Status ApplyCamera(Context& context, const index::Camera& camera) {
  if (camera.imported) return Ok();  // Nothing is missing of what nobody records.
  if (camera.removed || !camera.enabled) {
    context.recorder.Remove(camera.id, camera.removed ? "removed" : "switched off");
    return Ok();
  }
  return context.recorder.Put(SourceOf(camera, context.secrets->PasswordOf(camera.id)));
}

net::HttpResponse ListCameras(Context& context, const Call& call) {
  const Query query(call.http, {"removed", "status"});
  const bool removed = query.Flag("removed", false);
  const bool status = query.Flag("status", false);
  Json list = Json::array();
  for (const index::Camera& camera : OrThrow(context.store.catalog().Cameras())) {
    if (camera.removed && !removed) continue;
    list.push_back(status ? WithStatus(context, camera) : ToJson(context, camera));
  }
  return JsonResponse({{"cameras", std::move(list)}});
}

net::HttpResponse AddCamera(Context& context, const Call& call) {
  const Query query(call.http, {});
  const Body body(call.http, {"id", "name", "url", "sub_url", "user", "password", "audio",
                              "transport", "tls", "enabled", "imported", "group", "place", "tags"});
  index::Camera camera;
  camera.id = ReadNewCameraId(body);
  camera.name = camera.id.text();
  camera.imported = body.FlagOr("imported", false);
  if (!camera.imported) (void)body.Text("url", recorder::kMaxUrlBytes);  // It has to be there.
  ReadCameraSettings(body, camera);
  const std::lock_guard lock(context.settings);
  if (const auto other = OrThrow(context.store.catalog().FindCamera(camera.id))) {
    if (!other->removed) {
      throw Problem{409, "camera-exists", fmt::format("camera {} exists", camera.id.text())};
    }
    throw Problem{409, "camera-id-used",
                  fmt::format("{} was the id of a camera that is removed; ids are never reused, so "
                              "that footage is never taken for another camera's",
                              camera.id.text())};
  }
  CheckRecordable(context, camera);
  Commit(context, call, camera, PasswordIn(body).value_or(""));
  OrThrow(ApplyCamera(context, camera));
  net::HttpResponse response = JsonResponse(ToJson(context, camera), 201);
  response.headers.emplace_back("Location", "/api/v1/cameras/" + camera.id.text());
  return response;
}

net::HttpResponse GetCamera(Context& context, const Call& call) {
  const Query query(call.http, {});
  const CameraId id = ReadCameraId(call.names[0], "camera");
  return JsonResponse(WithStatus(context, FindCamera(context, id)));
}

net::HttpResponse ChangeCamera(Context& context, const Call& call) {
  const Query query(call.http, {});
  const Body body(call.http, {"name", "url", "sub_url", "user", "password", "audio", "transport",
                              "tls", "enabled", "group", "place", "tags"});
  const std::lock_guard lock(context.settings);
  index::Camera camera = FindLiveCamera(context, call);
  ReadCameraSettings(body, camera);
  CheckRecordable(context, camera);
  Commit(context, call, camera, PasswordIn(body));
  OrThrow(ApplyCamera(context, camera));
  return JsonResponse(ToJson(context, camera));
}

net::HttpResponse RemoveCamera(Context& context, const Call& call) {
  const Query query(call.http, {});
  (void)query.Reason();
  const std::lock_guard lock(context.settings);
  index::Camera camera = FindLiveCamera(context, call);
  camera.removed = true;
  CommitSetting(context, call, {camera}, {camera.id});
  OrThrow(ApplyCamera(context, camera));
  // Last, and best effort: the camera is gone either way.
  (void)context.secrets->Set(camera.id, "");
  return NoContent();
}

net::HttpResponse GetCameraStatus(Context& context, const Call& call) {
  const Query query(call.http, {});
  const CameraId id = ReadCameraId(call.names[0], "camera");
  return JsonResponse(StatusToJson(context, FindCamera(context, id)));
}

}  // namespace lookback::api
