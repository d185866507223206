// The store itself: volumes, status, custody, health, metrics.

#include <algorithm>

#include "api/alarms.h"
#include "api/context.h"
#include "api/metrics.h"
#include "base/time_zone.h"

namespace lookback::api {
namespace {

constexpr size_t kActsAPage = 100;
constexpr size_t kMaxActsAPage = 1'000;

net::HttpResponse TextResponse(int status, std::string text) {
  net::HttpResponse response;
  response.status = status;
  response.headers = {{"Content-Type", "text/plain; charset=utf-8"}, {"Cache-Control", "no-store"}};
  response.body = std::move(text);
  return response;
}

std::string_view ActKindName(index::ActKind kind) {
  switch (kind) {
    case index::ActKind::kLogin:
      return "login";
    case index::ActKind::kSearch:
      return "search";
    case index::ActKind::kView:
      return "view";
    case index::ActKind::kExport:
      return "export";
    case index::ActKind::kSetting:
      return "setting";
  }
  return "unknown";
}

Json ToJson(const index::NumberedRecord& record, const index::Act& act) {
  Json cameras = Json::array();
  for (const CameraId& camera : act.cameras) cameras.push_back(camera.text());
  const bool ranged = !act.range.empty();
  return {{"number", record.number},
          {"time", FormatTime(record.time_us)},
          {"kind", ActKindName(act.kind)},
          {"person", act.person},
          {"client", act.client},
          {"cameras", std::move(cameras)},
          {"start", ranged ? Json(FormatTime(act.range.start_us)) : Json()},
          {"end", ranged ? Json(FormatTime(act.range.end_us)) : Json()},
          {"what", act.what},
          {"reason", act.reason},
          {"refused", act.refused}};
}

Json ToJson(const storage::RecoveryReport& report) {
  return {{"recovered_segments", report.recovered_segments},
          {"adopted_segments", report.adopted_segments},
          {"quarantined_files", report.quarantined_files},
          {"missing_segments", report.missing_segments},
          {"ledger_torn_bytes", report.ledger_torn_bytes},
          {"catalog_rebuilt", report.catalog_rebuilt},
          {"notes", report.notes}};
}

}  // namespace

net::HttpResponse ListVolumes(Context& context, const Call& call) {
  const Query query(call.http, {});
  Json list = Json::array();
  for (storage::Volume* volume : context.store.volumes()) {
    const auto space = volume->FreeSpace();
    list.push_back({{"id", volume->id().text()},
                    {"root", volume->root()},
                    {"state", storage::VolumeStateName(volume->state())},
                    {"total_bytes", space ? Json(space->total_bytes) : Json()},
                    {"free_bytes", space ? Json(space->free_bytes) : Json()}});
  }
  return JsonResponse({{"volumes", std::move(list)}});
}

net::HttpResponse GetStatus(Context& context, const Call& call) {
  const Query query(call.http, {});
  Json alarms = Json::array();
  for (const Alarm& alarm : CurrentAlarms(context)) {
    alarms.push_back(
        {{"kind", alarm.kind}, {"subject", alarm.subject}, {"sentence", alarm.sentence}});
  }
  return JsonResponse({{"version", LOOKBACK_VERSION},
                       {"store", context.store.id().text()},
                       {"epoch", context.store.epoch()},
                       {"now", FormatTime(context.clock.NowUs())},
                       {"started", FormatTime(context.started_us)},
                       {"uptime_us", context.clock.MonotonicUs() - context.started_monotonic_us},
                       {"time_zone", TimeZone::Local().name()},
                       {"clock_synchronised", context.clock.Synchronised()},
                       {"person", call.person.name},
                       {"admin", call.person.admin},
                       {"recovery", ToJson(context.store.recovery())},
                       {"alarms", std::move(alarms)}});
}

net::HttpResponse GetCustody(Context& context, const Call& call) {
  const Query query(call.http, {"before", "limit"});
  const size_t limit = query.Number("limit", kActsAPage, kMaxActsAPage);
  const uint64_t before = query.Number("before", 0, UINT64_MAX);
  const auto records = OrThrow(context.store.catalog().Acts(before, limit));
  Json list = Json::array();
  for (const index::NumberedRecord& record : records) {
    if (const auto* act = std::get_if<index::Act>(&record.record)) {
      list.push_back(ToJson(record, *act));
    }
  }
  const bool more = records.size() == limit && records.back().number > 0;
  return JsonResponse(
      {{"acts", std::move(list)}, {"next", more ? Json(records.back().number) : Json()}});
}

net::HttpResponse GetHealth(Context&, const Call&) { return TextResponse(200, "ok\n"); }

net::HttpResponse GetReadiness(Context& context, const Call&) {
  const auto volumes = context.store.volumes();
  const bool online = std::any_of(volumes.begin(), volumes.end(), [](const auto* volume) {
    return volume->state() == storage::VolumeState::kOnline;
  });
  if (!online) return TextResponse(503, "no volume is online\n");
  if (context.store.journal().catalog_behind()) return TextResponse(503, "the catalog is behind\n");
  return TextResponse(200, "ready\n");
}

net::HttpResponse GetMetrics(Context& context, const Call&) {
  net::HttpResponse response = TextResponse(200, FormatMetrics(context));
  response.headers[0].second = "text/plain; version=0.0.4; charset=utf-8";
  return response;
}

}  // namespace lookback::api
