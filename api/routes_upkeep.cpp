// What people put on a camera's record: notes of its upkeep, and their own looks at its clock.

#include <fmt/format.h>

#include <functional>
#include <limits>

#include "api/upkeep.h"
#include "base/words.h"

namespace lookback::api {
namespace {

constexpr size_t kNotesAPage = 100;
constexpr size_t kMaxNotesAPage = 1'000;
// A store whose own clock is off by hours must still take an officer's measurement; a year that
// was mistyped is none.
constexpr int64_t kMaxAheadUs = kUsPerDay;

// A time at which something was, as the caller says.
TimeUs ReadPast(Context& context, const Body& body, std::string_view field) {
  const TimeUs time_us = body.Time(field);
  if (time_us <= context.clock.NowUs() + kMaxAheadUs) return time_us;
  throw FieldProblem("bad-field", std::string(field),
                     fmt::format("{} ({}) has not happened yet: it is {} now", field,
                                 FormatTime(time_us), FormatSecond(context.clock.NowUs())));
}

void AddNumber(Json& json, const index::NumberedRecord& record) {
  json["number"] = record.number;
  json["noted"] = FormatTime(record.time_us);
}

Json ToJson(const index::Upkeep& upkeep) {
  return {{"kind", index::UpkeepKindName(upkeep.kind)},
          {"camera", upkeep.camera.text()},
          {"at", FormatTime(upkeep.at_us)},
          {"text", upkeep.text},
          {"person", upkeep.person}};
}

// Any record of a camera as a Note of docs/api.md.
struct ToNote {
  Json operator()(const index::Upkeep& upkeep) const { return ToJson(upkeep); }
  Json operator()(const index::ClockCheck& check) const {
    return {{"kind", "clock check"},           {"camera", check.camera.text()},
            {"at", FormatTime(check.true_us)}, {"text", check.note},
            {"person", check.person},          {"offset_us", check.offset_us()}};
  }
  Json operator()(const index::Import& import) const {
    return {{"kind", import.complete ? "import" : "import begun"},
            {"camera", import.stream.camera.text()},
            {"at", FormatTime(import.range.start_us)},
            {"end", FormatTime(import.range.end_us)},
            {"text", import.file},
            {"person", import.person},
            {"import", import.id.text()},
            {"bytes", import.bytes},
            {"sha256", HexEncode(import.sha256)},
            {"reason", import.reason}};
  }
  template <typename Other>
  Json operator()(const Other&) const {
    return Json::object();
  }
};

// Newest first, older than `before` (0: all), until `visit` returns false.
void VisitNotes(Context& context, const CameraId& camera, uint64_t before,
                const std::function<bool(const index::NumberedRecord&)>& visit) {
  for (size_t looked = 0; looked < kMaxNotesLookedAt;) {
    const auto notes = OrThrow(context.store.catalog().Notes(camera, before, kMaxNotesAPage));
    for (const index::NumberedRecord& note : notes) {
      if (!visit(note)) return;
    }
    if (notes.size() < kMaxNotesAPage) return;
    looked += notes.size();
    before = notes.back().number;
  }
}

// A page of those that `to_json` makes something of, and where the next one begins.
struct Page {
  Json list = Json::array();
  Json next;
};
Page ReadPage(Context& context, const CameraId& camera, const Query& query,
              const std::function<Json(const index::NumberedRecord&)>& to_json) {
  const size_t limit = query.Number("limit", kNotesAPage, kMaxNotesAPage);
  const uint64_t before = query.Number("before", 0, std::numeric_limits<uint64_t>::max());
  Page page;
  uint64_t last = 0;
  VisitNotes(context, camera, before, [&](const index::NumberedRecord& note) {
    Json json = to_json(note);
    if (json.empty()) return true;
    if (page.list.size() == limit) {
      page.next = last;
      return false;
    }
    AddNumber(json, note);
    page.list.push_back(std::move(json));
    last = note.number;
    return true;
  });
  return page;
}

index::Camera CameraOf(Context& context, const Call& call) {
  return FindCamera(context, ReadCameraId(call.names[0], "camera"));
}

index::UpkeepKind ReadKind(const std::string& text) {
  using index::UpkeepKind;
  for (const UpkeepKind kind : {UpkeepKind::kNote, UpkeepKind::kFault, UpkeepKind::kRepair}) {
    if (text == index::UpkeepKindName(kind)) return kind;
  }
  throw FieldProblem("bad-field", "kind", "kind is one of note, fault and repair");
}

}  // namespace

Json ClockCheckToJson(const index::ClockCheck& check) {
  return {{"camera", check.camera.text()},
          {"shown", FormatTime(check.shown_us)},
          {"true", FormatTime(check.true_us)},
          {"offset_us", check.offset_us()},
          {"note", check.note},
          {"person", check.person}};
}

Json ClockCheckToJson(const std::optional<index::NumberedRecord>& record) {
  if (!record) return {};
  Json json = ClockCheckToJson(std::get<index::ClockCheck>(record->record));
  AddNumber(json, *record);
  return json;
}

ClockChecksAround FindClockChecks(Context& context, const CameraId& camera, TimeUs at_us) {
  ClockChecksAround around;
  const auto true_us = [](const std::optional<index::NumberedRecord>& record) {
    return std::get<index::ClockCheck>(record->record).true_us;
  };
  // Of two that were made for one instant, the one noted later stands.
  VisitNotes(context, camera, 0, [&](const index::NumberedRecord& note) {
    const auto* check = std::get_if<index::ClockCheck>(&note.record);
    if (check == nullptr) return true;
    if (check->true_us <= at_us) {
      if (!around.before || check->true_us > true_us(around.before)) around.before = note;
    } else if (!around.after || check->true_us < true_us(around.after)) {
      around.after = note;
    }
    return true;
  });
  return around;
}

Json ListClockChecks(Context& context, const CameraId& camera) {
  Json list = Json::array();
  VisitNotes(context, camera, 0, [&](const index::NumberedRecord& note) {
    const auto* check = std::get_if<index::ClockCheck>(&note.record);
    if (check != nullptr) list.push_back(ClockCheckToJson(*check));
    return list.size() < kMaxNotesAPage;
  });
  return list;
}

std::vector<index::Import> FindImports(Context& context, const StreamId& stream, TimeRange range) {
  std::vector<index::Import> found;
  VisitNotes(context, stream.camera, 0, [&](const index::NumberedRecord& note) {
    const auto* import = std::get_if<index::Import>(&note.record);
    if (import == nullptr || import->stream != stream || !import->range.Overlaps(range))
      return true;
    // Newest first: as complete it was noted after it had begun.
    for (const index::Import& other : found) {
      if (other.id == import->id) return true;
    }
    found.push_back(*import);
    return true;
  });
  return found;
}

net::HttpResponse ListClockChecks(Context& context, const Call& call) {
  const Query query(call.http, {"before", "limit"});
  const index::Camera camera = CameraOf(context, call);
  const Page page =
      ReadPage(context, camera.id, query, [](const index::NumberedRecord& note) -> Json {
        const auto* check = std::get_if<index::ClockCheck>(&note.record);
        return check == nullptr ? Json() : ClockCheckToJson(*check);
      });
  Json offset;
  if (const auto status = context.recorder.StatusOf({camera.id, Stream::kMain});
      status && status->has_camera_offset) {
    offset = status->camera_offset_us;
  }
  return JsonResponse({{"camera", camera.id.text()},
                       {"camera_offset_us", std::move(offset)},
                       {"checks", page.list},
                       {"next", page.next}});
}

net::HttpResponse AddClockCheck(Context& context, const Call& call) {
  const Query query(call.http, {});
  (void)query.Reason();
  const Body body(call.http, {"shown", "true", "note"});
  index::ClockCheck check;
  check.camera = CameraOf(context, call).id;
  check.shown_us = body.Time("shown");
  check.true_us = ReadPast(context, body, "true");
  check.note = body.TextOr("note", kMaxNoteBytes, "", /*lines=*/true);
  check.person = call.person.name;
  CommitSetting(context, call, {check}, {check.camera});
  return JsonResponse(ClockCheckToJson(check), 201);
}

net::HttpResponse ListNotes(Context& context, const Call& call) {
  const Query query(call.http, {"before", "limit"});
  const index::Camera camera = CameraOf(context, call);
  const Page page = ReadPage(context, camera.id, query, [](const index::NumberedRecord& note) {
    return std::visit(ToNote(), note.record);
  });
  return JsonResponse({{"notes", page.list}, {"next", page.next}});
}

net::HttpResponse AddNote(Context& context, const Call& call) {
  const Query query(call.http, {});
  (void)query.Reason();
  const Body body(call.http, {"kind", "text", "at"});
  index::Upkeep upkeep;
  upkeep.camera = CameraOf(context, call).id;
  upkeep.kind = ReadKind(body.Text("kind", kMaxLineBytes));
  upkeep.text = body.Text("text", kMaxNoteBytes, /*lines=*/true);
  if (upkeep.text.empty()) throw FieldProblem("bad-field", "text", "a note says something");
  upkeep.at_us = body.IsNull("at") ? context.clock.NowUs() : ReadPast(context, body, "at");
  upkeep.person = call.person.name;
  CommitSetting(context, call, {upkeep}, {upkeep.camera});
  return JsonResponse(ToJson(upkeep), 201);
}

}  // namespace lookback::api
