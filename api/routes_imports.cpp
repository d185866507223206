// Imports: footage from files, uploaded in parts.

#include <fmt/format.h>

#include "api/context.h"

namespace lookback::api {
namespace {

constexpr uint64_t kMaxImportOffset = uint64_t{1} << 62;

Uuid ReadId(const Call& call) {
  const auto id = Uuid::Parse(call.names[0]);
  if (id) return *id;
  throw Problem{404, "unknown-import", "the path does not name an import's id"};
}

Json ToJson(const Uuid& id, const Imports::View& view) {
  const bool known = !view.found.range.empty();
  Json json = {
      {"id", id.text()},
      {"state", ImportStateName(view.state)},
      {"camera", view.ask.stream.camera.text()},
      {"file", view.ask.file},
      {"bytes", view.ask.bytes},
      {"received_bytes", view.received_bytes},
      {"read_bytes", view.read_bytes},
      {"sha256", view.received_bytes == view.ask.bytes ? Json(HexEncode(view.sha256)) : Json()},
      {"start", FormatTime(view.ask.start_us)},
      {"end", known ? Json(FormatTime(view.found.range.end_us)) : Json()},
      {"tracks", view.found.tracks},
      {"left_out", view.found.left_out},
      {"pictures", view.found.pictures},
      {"left_out_samples", view.found.left_out_samples},
      {"stretches", view.found.runs.size()},
      {"problem", Json()}};
  if (view.problem) {
    json["problem"] = {{"type", view.problem->type},
                       {"status", view.problem->status},
                       {"detail", view.problem->detail}};
    json["problem"].update(view.problem->more);
  }
  return json;
}

}  // namespace

net::HttpResponse AddImport(Context& context, const Call& call) {
  const Query query(call.http, {});
  const Body body(call.http, {"camera", "start", "file", "bytes", "audio"});
  Imports::Ask ask;
  ask.reason = query.Reason();
  const CameraId camera = ReadCameraId(body.Text("camera", kMaxLineBytes), "camera");
  if (FindCamera(context, camera).removed) {
    throw Problem{404, "unknown-camera", fmt::format("camera {} was removed", camera.text())};
  }
  ask.stream = {camera, Stream::kMain};
  ask.start_us = body.Time("start");
  ask.file = body.Text("file", kMaxLineBytes);
  ask.bytes = body.Number("bytes");
  ask.audio = body.FlagOr("audio", false);
  ask.person = call.person.name;
  ask.client = call.http.client;
  const Uuid id = context.imports->Begin(ask);
  net::HttpResponse response = JsonResponse(ToJson(id, context.imports->Find(id)), 201);
  response.headers.emplace_back("Location", "/api/v1/imports/" + id.text());
  return response;
}

net::HttpResponse PutImportPart(Context& context, const Call& call) {
  const Query query(call.http, {"offset"});
  const Uuid id = ReadId(call);
  const uint64_t offset = query.Number("offset", 0, kMaxImportOffset, 0);
  const uint64_t received = context.imports->Append(id, offset, AsBytes(call.http.body));
  return JsonResponse({{"received_bytes", received}});
}

net::HttpResponse GetImport(Context& context, const Call& call) {
  const Query query(call.http, {});
  const Uuid id = ReadId(call);
  return JsonResponse(ToJson(id, context.imports->Find(id)));
}

net::HttpResponse CancelImport(Context& context, const Call& call) {
  const Query query(call.http, {});
  context.imports->Cancel(ReadId(call));
  return NoContent();
}

}  // namespace lookback::api
