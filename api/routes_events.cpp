// Events: alarms that stand and that stood, and who has seen them.

#include <fmt/format.h>

#include "api/context.h"
#include "api/events.h"

namespace lookback::api {
namespace {

constexpr size_t kEventsAPage = 100;
constexpr size_t kMaxEventsAPage = 1'000;
constexpr size_t kMaxEventsLookedAt = 100'000;  // For one page, where a filter leaves few.

Uuid ReadEventId(std::string_view text, std::string_view field) {
  const auto id = Uuid::Parse(text);
  if (id) return *id;
  throw FieldProblem("bad-parameter", std::string(field), "an event's id is a UUID");
}

// One that stands may not be on record yet; one that is over stands only there.
index::AlarmEvent FindEvent(Context& context, const Uuid& id) {
  for (index::AlarmEvent& event : context.alarms.Standing()) {
    if (event.alarm.id == id) return std::move(event);
  }
  auto event = OrThrow(context.store.catalog().FindAlarm(id));
  if (event) return *std::move(event);
  throw Problem{404, "unknown-event", fmt::format("there is no event {}", id.text())};
}

net::HttpResponse ListStanding(Context& context, const CameraId& camera) {
  Json list = Json::array();
  for (const index::AlarmEvent& event : context.alarms.Standing()) {
    if (camera.empty() || event.alarm.camera == camera) list.push_back(EventToJson(event));
  }
  return JsonResponse({{"events", std::move(list)}, {"next", Json()}});
}

}  // namespace

Json EventToJson(const index::AlarmEvent& event) {
  const index::Alarm& alarm = event.alarm;
  Json acknowledged;
  if (event.acknowledged) {
    acknowledged = {{"person", event.acknowledged->person},
                    {"at", FormatTime(event.acknowledged->at_us)},
                    {"note", event.acknowledged->note}};
  }
  return {{"id", alarm.id.text()},
          {"kind", alarm.kind},
          {"severity", index::SeverityName(alarm.severity)},
          {"subject", alarm.subject},
          {"camera", alarm.camera.empty() ? Json() : Json(alarm.camera.text())},
          {"since", FormatTime(alarm.since_us)},
          {"until", alarm.until_us == 0 ? Json() : Json(FormatTime(alarm.until_us))},
          {"sentence", alarm.sentence},
          {"acknowledged", std::move(acknowledged)}};
}

void LookAtAlarms(Context& context) {
  const std::lock_guard lock(context.look_mutex);
  context.alarms.Look(CurrentConditions(context, context.camera_health));
}

std::string WebhookBody(Context& context, AlarmWatch::What what, const index::AlarmEvent& event) {
  constexpr std::string_view kWhat[] = {"began", "ended", "acknowledged"};
  const Json body = {{"what", kWhat[static_cast<size_t>(what)]},
                     {"store", context.store.id().text()},
                     {"event", EventToJson(event)}};
  return Dump(body);  // A sentence may have a camera's own words.
}

net::HttpResponse ListEvents(Context& context, const Call& call) {
  const Query query(call.http, {"state", "camera", "before", "limit"});
  const auto cameras = query.Cameras();
  const CameraId camera = cameras.empty() ? CameraId() : cameras.front();
  if (query.OneOf("state", {"open", "all"}) == 0) return ListStanding(context, camera);
  const size_t limit = query.Number("limit", kEventsAPage, kMaxEventsAPage);
  const auto before = query.Text("before");
  Json list = Json::array();
  Json next;
  size_t looked = 0;
  Uuid last;
  OrThrow(context.store.catalog().VisitAlarms(
      before ? ReadEventId(*before, "before") : Uuid{}, [&](const index::AlarmEvent& event) {
        if (list.size() == limit || looked == kMaxEventsLookedAt) {
          next = last.text();
          return false;
        }
        ++looked;
        last = event.alarm.id;
        if (camera.empty() || event.alarm.camera == camera) list.push_back(EventToJson(event));
        return true;
      }));
  return JsonResponse({{"events", std::move(list)}, {"next", std::move(next)}});
}

net::HttpResponse AcknowledgeEvent(Context& context, const Call& call) {
  const Query query(call.http, {});
  (void)query.Reason();
  const Body body(call.http, {"note"});
  index::AlarmAcknowledged acknowledged;
  acknowledged.alarm = ReadEventId(call.names[0], "id");
  acknowledged.note = body.TextOr("note", kMaxReasonBytes, "");
  acknowledged.person = call.person.name;
  acknowledged.at_us = context.clock.NowUs();
  const std::lock_guard lock(context.settings);
  index::AlarmEvent event = FindEvent(context, acknowledged.alarm);
  if (event.acknowledged) {
    throw Problem{409, "already-acknowledged",
                  fmt::format("{} acknowledged this on {}", event.acknowledged->person,
                              FormatTime(event.acknowledged->at_us))};
  }
  std::vector<CameraId> cameras;
  if (!event.alarm.camera.empty()) cameras.push_back(event.alarm.camera);
  CommitSetting(context, call, {acknowledged}, std::move(cameras));
  event.acknowledged = std::move(acknowledged);
  context.alarms.Acknowledged(event);
  return JsonResponse(EventToJson(event));
}

}  // namespace lookback::api
