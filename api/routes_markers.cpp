// Markers and holds: labelled ranges; a hold forbids deletion of what it touches.

#include <fmt/format.h>

#include <algorithm>

#include "api/context.h"
#include "api/export_layout.h"
#include "api/held_copies.h"
#include "api/routes_export.h"
#include "api/viewing.h"
#include "base/words.h"

namespace lookback::api {
namespace {

constexpr size_t kMarkersAPage = 1'000;
constexpr size_t kMaxMarkersAPage = 10'000;
constexpr uint64_t kExportHoldDays = 30;
constexpr uint64_t kMaxExportHoldDays = 3'650;

// Where a page ends: "START-UUID" of its last marker.
std::string CursorOf(const index::Marker& marker) {
  return fmt::format("{}-{}", marker.range.start_us, marker.id.text());
}

// The first marker after that cursor, in order of start, then id.
auto FindAfter(const std::vector<index::Marker>& markers, const std::string& cursor) {
  const size_t dash = cursor.find('-');
  const auto id = dash == std::string::npos ? Result<Uuid>(Fail(Code::kInvalid, ""))
                                            : Uuid::Parse(cursor.substr(dash + 1));
  char* end = nullptr;
  const TimeUs start_us = std::strtoll(cursor.c_str(), &end, 10);
  if (!id || end != cursor.c_str() + dash) {
    throw FieldProblem("bad-parameter", "after", "after takes what \"next\" of an answer was");
  }
  return std::find_if(markers.begin(), markers.end(), [&](const index::Marker& marker) {
    return std::pair(marker.range.start_us, marker.id) > std::pair(start_us, *id);
  });
}

net::HttpResponse List(Context& context, const Call& call, bool holds, const char* member) {
  const Query query(call.http, {"start", "end", "camera", "limit", "after"});
  TimeRange range{query.Time("start").value_or(kTimeMinUs), query.Time("end").value_or(kTimeMaxUs)};
  CheckRange(range);
  const auto cameras = query.Cameras();
  const CameraId camera = cameras.empty() ? CameraId() : cameras.front();
  if (!camera.empty()) (void)FindCamera(context, camera);
  const size_t limit = query.Number("limit", kMarkersAPage, kMaxMarkersAPage);
  auto markers = OrThrow(context.store.catalog().Markers(camera, range));
  std::erase_if(markers, [holds](const index::Marker& marker) { return marker.hold != holds; });
  auto from = markers.cbegin();
  if (const auto after = query.Text("after")) from = FindAfter(markers, *after);
  const auto to = from + std::min<ptrdiff_t>(markers.cend() - from, static_cast<ptrdiff_t>(limit));
  const auto held = holds ? HeldState(context) : std::nullopt;
  Json list = Json::array();
  for (auto marker = from; marker != to; ++marker) {
    list.push_back(MarkerToJson(*marker));
    if (!holds) continue;
    // One that is new, or over, was not counted.
    const bool counted = held && held->holds.contains(marker->id);
    list.back()["copies"] = counted ? HeldCountsToJson(held->holds.at(marker->id)) : Json();
  }
  const Json next = to == markers.cend() ? Json() : Json(CursorOf(*(to - 1)));
  return JsonResponse({{member, std::move(list)}, {"next", next}});
}

// Its cameras that have nothing in its range, yet or any more.
Json WithoutFootage(Context& context, const index::Marker& marker) {
  Json cameras = Json::array();
  for (const CameraId& camera : marker.cameras) {
    bool found = false;
    for (const Stream stream : {Stream::kMain, Stream::kSub}) {
      // Of the catalog the first row will do; of what is being written there is little.
      const auto first = [&found](const index::Seal&) {
        found = true;
        return false;
      };
      OrThrow(context.store.catalog().VisitSegments({camera, stream}, marker.range, first));
      const TimeUs recent_us = context.store.archive().StatusOf({camera, stream}).recorded_until_us;
      found = found || (recent_us > marker.range.start_us &&
                        recent_us - index::kMaxSegmentUs < marker.range.end_us);
    }
    if (!found) cameras.push_back(camera.text());
  }
  return cameras;
}

// `act`: what puts it there.
net::HttpResponse Put(Context& context, const Call& call, index::Marker marker, index::Act act,
                      std::string_view collection) {
  CheckRange(marker.range);
  for (const CameraId& camera : marker.cameras) (void)FindCamera(context, camera);
  marker.id = Uuid::Random();
  marker.person = call.person.name;
  marker.created_us = context.clock.NowUs();
  // Looked at first: an error from here on would hide that the marker stands.
  Json without_footage = WithoutFootage(context, marker);
  const Status status = context.store.PutMarker(marker, std::move(act));
  if (!status && status.code() == Code::kConflict) {
    throw Problem{409, "footage-deleted", status.message()};
  }
  if (!status) throw NotOnRecord(status.error(), marker.hold ? "this hold" : "this marker");
  Json json = MarkerToJson(marker);
  json["without_footage"] = std::move(without_footage);
  if (marker.hold) {
    const Status second = context.store.AwaitSecondCopy();
    json["on_second_ledger"] = second.has_value();
    if (!second) json["warning"] = "this hold stands, but " + second.message();
  }
  net::HttpResponse response = JsonResponse(json, 201);
  response.headers.emplace_back("Location",
                                fmt::format("/api/v1/{}/{}", collection, marker.id.text()));
  return response;
}

index::Marker Find(Context& context, const Call& call, bool hold) {
  const auto id = Uuid::Parse(call.names[0]);
  if (id) {
    auto marker = OrThrow(context.store.catalog().FindMarker(*id));
    if (marker && marker->hold == hold) return std::move(*marker);
  }
  const char* noun = hold ? "hold" : "marker";
  throw Problem{404, fmt::format("unknown-{}", noun), fmt::format("there is no such {}", noun)};
}

net::HttpResponse Remove(Context& context, const Call& call, const index::Marker& marker,
                         const std::string& reason) {
  index::Act act = SettingActOf(call, marker.cameras);
  act.range = marker.range;
  const Status status = context.store.journal().Commit(
      {index::MarkerRemoved{marker.id, marker.hold, call.person.name, reason}, std::move(act)});
  if (!status) throw NotOnRecord(status.error(), "this change");
  return NoContent();
}

}  // namespace

Json MarkerToJson(const index::Marker& marker) {
  Json cameras = Json::array();
  for (const CameraId& camera : marker.cameras) cameras.push_back(camera.text());
  Json json = {{"id", marker.id.text()},
               {"cameras", std::move(cameras)},
               {"start", FormatTime(marker.range.start_us)},
               {"end", FormatTime(marker.range.end_us)},
               {"label", marker.label},
               {marker.hold ? "reason" : "note", marker.note},
               {"case", marker.case_name},
               {"person", marker.person},
               {"created", FormatTime(marker.created_us)}};
  if (marker.hold) {
    json["expires"] = marker.expires_us == 0 ? Json() : Json(FormatTime(marker.expires_us));
  }
  return json;
}

net::HttpResponse ListMarkers(Context& context, const Call& call) {
  return List(context, call, /*holds=*/false, "markers");
}

net::HttpResponse ListHolds(Context& context, const Call& call) {
  return List(context, call, /*holds=*/true, "holds");
}

net::HttpResponse AddMarker(Context& context, const Call& call) {
  const Query query(call.http, {});
  const Body body(call.http, {"cameras", "start", "end", "label", "note", "case"});
  index::Marker marker;
  marker.cameras = body.Cameras();
  marker.range = {body.Time("start"), body.Time("end")};
  marker.label = body.Text("label", kMaxLineBytes);
  marker.note = body.TextOr("note", kMaxNoteBytes, "", /*lines=*/true);
  marker.case_name = body.TextOr("case", kMaxCaseBytes, "");
  index::Act act = SettingActOf(call, marker.cameras);
  return Put(context, call, std::move(marker), std::move(act), "markers");
}

net::HttpResponse AddHold(Context& context, const Call& call) {
  const Query query(call.http, {});
  const Body body(call.http, {"cameras", "start", "end", "label", "reason", "case", "expires"});
  index::Marker hold;
  hold.hold = true;
  hold.cameras = body.Cameras();
  hold.range = {body.Time("start"), body.Time("end")};
  hold.label = body.TextOr("label", kMaxLineBytes, "");
  hold.note = body.TextOr("reason", kMaxReasonBytes, "");
  hold.case_name = body.TextOr("case", kMaxCaseBytes, "");
  if (!body.IsNull("expires")) hold.expires_us = body.Time("expires");
  if (hold.note.empty() && hold.case_name.empty()) {
    throw FieldProblem("reason-required", "reason", "a hold says its case or its reason, or both");
  }
  if (hold.expires_us != 0 && hold.expires_us <= context.clock.NowUs()) {
    throw FieldProblem(
        "bad-field", "expires",
        fmt::format("expires ({}) is over already: it is {}", FormatTime(hold.expires_us),
                    FormatSecond(context.clock.NowUs())));
  }
  index::Act act = SettingActOf(call, hold.cameras);
  return Put(context, call, std::move(hold), std::move(act), "holds");
}

// The act and the hold in one group of the ledger: what is taken cannot be deleted meanwhile.
net::HttpResponse AddExport(Context& context, const Call& call) {
  const Query query(call.http, {});
  const Body body(call.http, {"cameras", "start", "end", "reason", "case", "hold_days"});
  index::Marker hold;
  hold.hold = true;
  hold.cameras = body.Cameras();
  hold.range = CheckRange({body.Time("start"), body.Time("end")});
  hold.label = "export";
  hold.note = body.TextOr("reason", kMaxReasonBytes, "");
  hold.case_name = body.TextOr("case", kMaxCaseBytes, "");
  const uint64_t days = body.Has("hold_days") ? body.Number("hold_days") : kExportHoldDays;
  if (days > kMaxExportHoldDays) {
    throw FieldProblem("bad-field", "hold_days",
                       fmt::format("hold_days is at most {}; 0 for no hold", kMaxExportHoldDays));
  }
  for (const CameraId& camera : hold.cameras) (void)FindCamera(context, camera);
  index::Act act = ActOf(call, index::ActKind::kExport, "export");
  act.cameras = hold.cameras;
  act.range = hold.range;
  act.reason = ExportReason(hold.case_name, hold.note);
  if (days == 0) {
    RecordAccess(context, call, act.kind, act.what, act.cameras, act.range, act.reason);
    return JsonResponse({{"hold", nullptr}}, 201);
  }
  hold.expires_us = context.clock.NowUs() + static_cast<int64_t>(days) * kUsPerDay;
  if (hold.note.empty()) {
    hold.note = fmt::format("exported; held {} in case it is needed again", Count(days, "day"));
  }
  net::HttpResponse response = Put(context, call, std::move(hold), std::move(act), "holds");
  response.body = Json({{"hold", Json::parse(response.body)}}).dump();
  return response;
}

net::HttpResponse RemoveMarker(Context& context, const Call& call) {
  const Query query(call.http, {});
  const std::string reason = query.Reason();
  const std::lock_guard lock(context.settings);
  const index::Marker marker = Find(context, call, /*hold=*/false);
  if (marker.person != call.person.name && !call.person.admin) {
    ThrowForbidden(context, call, "remove markers of others");
  }
  return Remove(context, call, marker, reason);
}

net::HttpResponse ReleaseHold(Context& context, const Call& call) {
  const Query query(call.http, {});
  const std::string reason = query.Reason();
  if (reason.empty()) {
    throw FieldProblem("reason-required", "reason",
                       "releasing a hold lets footage be deleted: say why, by ?reason=");
  }
  const std::lock_guard lock(context.settings);
  return Remove(context, call, Find(context, call, /*hold=*/true), reason);
}

}  // namespace lookback::api
