// The store itself: status, custody, health, metrics, and the document of this API.

#include <fmt/format.h>

#include <algorithm>

#include "api/context.h"
#include "api/embedded_files.h"
#include "api/held_copies.h"
#include "api/metrics.h"
#include "base/time_zone.h"
#include "base/version.h"
#include "base/words.h"

namespace lookback::api {
namespace {

constexpr size_t kActsAPage = 100;
constexpr size_t kMaxActsAPage = 1'000;
constexpr int64_t kOneGroupUs = 100 * kUsPerMs;  // From the first record of a group to its last.
constexpr size_t kMaxActsLookedAt = 100'000;     // For one page, where a filter leaves few.

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

// One line of the custody log, whatever kind of record it comes from.
struct Line {
  std::string_view kind;
  std::string person;
  std::string client;
  std::vector<CameraId> cameras;
  TimeRange range;
  std::string what;
  std::string reason;
  bool refused = false;
};

struct ToLine {
  Line operator()(const index::Act& act) const {
    return {ActKindName(act.kind),
            act.person,
            act.client,
            act.cameras,
            act.range,
            act.what,
            act.reason,
            act.refused};
  }
  // What a policy says: "floor 30 days, or shorter when the disk is full, promise 60 days".
  static std::string Terms(const index::Policy& policy) {
    std::string text;
    const auto say = [&text](const std::string& term) {
      text += (text.empty() ? "" : ", ") + term;
    };
    const auto days = [&say](std::string_view name, uint32_t count) {
      if (count > 0) say(std::string(name) + " " + Count(count, "day"));
    };
    days("floor", policy.min_days);
    if (policy.at_floor == index::AtFloor::kShorten) say("shortened when the disk is full");
    if (policy.at_floor == index::AtFloor::kStop) say("recording stops when the disk is full");
    days("promise", policy.target_days);
    days("ceiling", policy.max_days);
    days("thinned after", policy.thin_days);
    if (policy.keep_class > 0) say(fmt::format("class {}", policy.keep_class));
    if (policy.quota_bytes > 0) say(fmt::format("at most {} bytes", policy.quota_bytes));
    return text.empty() ? "kept while there is room" : text;
  }
  Line operator()(const index::Camera& camera) const {
    const char* what = camera.removed ? "removed" : camera.enabled ? "set" : "switched off";
    return {"camera", "", "", {camera.id}, {}, what, "", false};
  }
  Line operator()(const index::Policy& policy) const {
    return {"policy",
            policy.person,
            "",
            {},
            {},
            policy.removed ? policy.scope + ": removed"
                           : fmt::format("{}/{}: {}", policy.scope, policy.version, Terms(policy)),
            "",
            false};
  }
  Line operator()(const index::Marker& marker) const {
    return {marker.hold ? "hold" : "marker",
            marker.person,
            "",
            marker.cameras,
            marker.range,
            fmt::format("{}{}{}", marker.id.text(), marker.label.empty() ? "" : " " + marker.label,
                        marker.case_name.empty() ? "" : ", case " + marker.case_name),
            marker.hold ? marker.note : "",
            false};
  }
  Line operator()(const index::MarkerRemoved& removed) const {
    return {removed.hold ? "release" : "marker removed",
            removed.person,
            "",
            {},
            {},
            removed.id.text(),
            removed.reason,
            false};
  }
  Line operator()(const index::Person& person) const {
    return {"person", "", "", {}, {}, person.name + (person.admin ? ", admin" : ""), "", false};
  }
  Line operator()(const index::PoliciesConfirmed& confirmed) const {
    return {"policies confirmed", confirmed.person, "", {}, {}, "", "", false};
  }
  Line operator()(const index::Rebuilt& rebuilt) const {
    if (rebuilt.missing > 0) {
      return {"much missing", "", "", {}, {}, Count(rebuilt.missing, "segment"), "", false};
    }
    return {"rebuilt", "", "", {}, {}, Count(rebuilt.segments, "segment"), "", false};
  }
  Line operator()(const index::Upkeep& upkeep) const {
    return {"upkeep", upkeep.person,
            "",       {upkeep.camera},
            {},       fmt::format("{}: {}", index::UpkeepKindName(upkeep.kind), upkeep.text),
            "",       false};
  }
  Line operator()(const index::AlarmAcknowledged& seen) const {
    return {"alarm acknowledged", seen.person, "", {}, {}, seen.alarm.text(), seen.note, false};
  }
  Line operator()(const index::ClockCheck& check) const {
    return {"clock check",
            check.person,
            "",
            {check.camera},
            {},
            fmt::format("shown {}, true {}", FormatTime(check.shown_us), FormatTime(check.true_us)),
            check.note,
            false};
  }
  Line operator()(const index::Import& import) const {
    return {"import",
            import.person,
            import.client,
            {import.stream.camera},
            import.range,
            fmt::format("{} ({} bytes, SHA-256 {}){}", import.file, import.bytes,
                        HexEncode(import.sha256), import.complete ? "" : ": begun"),
            import.reason,
            false};
  }
  // What befell footage is on the timeline, not here.
  template <typename Other>
  Line operator()(const Other&) const {
    return {};
  }
};

// A change of a setting stands on the ledger as what was set, and behind it the act of who set it:
// one line, told by both.
bool IsActOf(const index::NumberedRecord& act, const index::NumberedRecord& setting) {
  const auto* by = std::get_if<index::Act>(&act.record);
  return by != nullptr && by->kind == index::ActKind::kSetting && !by->refused &&
         setting.number + 1 == act.number && act.time_us - setting.time_us < kOneGroupUs &&
         !std::holds_alternative<index::Act>(setting.record) &&
         !std::holds_alternative<index::Rebuilt>(setting.record);
}

Line Together(const index::Act& act, const index::Record& setting) {
  Line line = std::visit(ToLine(), setting);
  line.person = act.person;
  line.client = act.client;
  if (line.cameras.empty()) line.cameras = act.cameras;
  if (line.range.empty()) line.range = act.range;
  if (line.reason.empty()) line.reason = act.reason;
  return line;
}

Json ToJson(const index::NumberedRecord& record, const Line& line) {
  Json cameras = Json::array();
  for (const CameraId& camera : line.cameras) cameras.push_back(camera.text());
  const bool ranged = !line.range.empty();
  return {{"number", record.number},
          {"time", FormatTime(record.time_us)},
          {"kind", line.kind},
          {"person", line.person},
          {"client", line.client},
          {"cameras", std::move(cameras)},
          {"start", ranged ? Json(FormatTime(line.range.start_us)) : Json()},
          {"end", ranged ? Json(FormatTime(line.range.end_us)) : Json()},
          {"what", line.what},
          {"reason", line.reason},
          {"refused", line.refused}};
}

Json ToJson(const storage::RecoveryReport& report) {
  return {{"recovered_segments", report.recovered_segments},
          {"adopted_segments", report.adopted_segments},
          {"quarantined_files", report.quarantined_files},
          {"missing_segments", report.missing_segments},
          {"ledger_torn_bytes", report.ledger_torn_bytes},
          {"ledger_mended_records", report.ledger_mended_records},
          {"catalog_rebuilt", report.catalog_rebuilt},
          {"finished", report.finished},
          {"notes", report.notes}};
}

}  // namespace

net::HttpResponse GetStatus(Context& context, const Call& call) {
  const Query query(call.http, {});
  Json alarms = Json::array();
  for (const index::AlarmEvent& event : context.alarms.Standing()) {
    alarms.push_back(EventToJson(event));
  }
  const auto held = HeldState(context);
  return JsonResponse({{"version", Version()},
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
                       {"held_copies", held ? HeldCopiesToJson(*held) : Json()},
                       {"alarms", std::move(alarms)}});
}

net::HttpResponse GetCustody(Context& context, const Call& call) {
  const Query query(call.http, {"before", "limit", "person", "camera"});
  const size_t limit = query.Number("limit", kActsAPage, kMaxActsAPage);
  const std::string person = query.Text("person").value_or("");
  const auto cameras = query.Cameras();
  const auto wanted = [&](const Line& line) {
    return (person.empty() || line.person == person) &&
           (cameras.empty() || std::find(line.cameras.begin(), line.cameras.end(),
                                         cameras.front()) != line.cameras.end());
  };
  uint64_t before = query.Number("before", 0, UINT64_MAX);
  Json list = Json::array();
  bool more = true;
  for (size_t looked = 0; more && list.size() < limit && looked < kMaxActsLookedAt;) {
    const auto records = OrThrow(context.store.catalog().Acts(before, kMaxActsAPage));
    looked += records.size();
    more = records.size() == kMaxActsAPage && records.back().number > 0;
    for (size_t i = 0; i < records.size() && list.size() < limit; ++i) {
      const index::NumberedRecord& record = records[i];
      const bool pair = i + 1 < records.size() && IsActOf(record, records[i + 1]);
      // What an act was about may stand on the next page: that begins with the act then.
      if (more && i + 1 == records.size() && i > 0) break;
      const Line line = pair ? Together(std::get<index::Act>(record.record), records[++i].record)
                             : std::visit(ToLine(), record.record);
      if (wanted(line)) list.push_back(ToJson(record, line));
      before = records[i].number;
      if (list.size() == limit) more = more || i + 1 < records.size();
    }
  }
  return JsonResponse({{"acts", std::move(list)}, {"next", more ? Json(before) : Json()}});
}

net::HttpResponse GetDocument(Context&, const Call& call) {
  const Query query(call.http, {});
  return ServeFile(call.http, Documents().front());
}

net::HttpResponse GetHealth(Context&, const Call&) { return TextResponse(200, "ok\n"); }

net::HttpResponse GetReadiness(Context& context, const Call&) {
  const auto volumes = context.store.volumes();
  const bool online = std::any_of(volumes.begin(), volumes.end(), [](const auto* volume) {
    return volume->state() == storage::VolumeState::kOnline;
  });
  if (!online) return TextResponse(503, "no volume is online\n");
  if (const std::string why = context.store.journal().trouble(); !why.empty()) {
    return TextResponse(503, "nothing goes on record: " + why + "\n");
  }
  if (context.store.journal().catalog_behind()) return TextResponse(503, "the catalog is behind\n");
  return TextResponse(200, "ready\n");
}

net::HttpResponse GetMetrics(Context& context, const Call&) {
  net::HttpResponse response = TextResponse(200, FormatMetrics(context));
  response.headers[0].second = "text/plain; version=0.0.4; charset=utf-8";
  return response;
}

}  // namespace lookback::api
