#include "apps/lookback/export_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/words.h"

namespace lookback::app {
namespace {

constexpr size_t kSegmentsAtOnce = 1'000;

// "1777932000000_7_12_thin.mp4": no other name is written to a disk.
bool IsSegmentName(std::string_view name) {
  const auto legal = [](char c) { return (c >= '0' && c <= '9') || c == '_'; };
  if (!name.ends_with(".mp4") || name.size() > 64) return false;
  name.remove_suffix(4);
  if (name.ends_with("_thin")) name.remove_suffix(5);
  return !name.empty() && std::all_of(name.begin(), name.end(), legal);
}

// When retention takes the first of what is asked for, by the policy that holds for the camera.
Json KeptOf(const Json& camera, const Json& policies, TimeUs start_us) {
  const Json* policy = nullptr;
  for (const std::string& scope :
       {TextOf(camera, "id"), "group:" + TextOf(camera, "group"), std::string("default")}) {
    for (const Json& one : ListOf(policies, "policies")) {
      if (policy == nullptr && TextOf(one, "scope") == scope) policy = &one;
    }
  }
  Json kept = {{"policy", policy == nullptr ? Json() : Json(TextOf(*policy, "scope"))}};
  const auto after = [&](const char* member, int64_t days) {
    kept[member] = days <= 0 || start_us + days * kUsPerDay >= kTimeMaxUs
                       ? Json()
                       : Json(FormatTime(start_us + days * kUsPerDay));
  };
  const auto days = [policy](const char* name) {
    return policy == nullptr ? 0 : NumberOf(*policy, name);
  };
  after("promised_until", std::max(days("min_days"), days("target_days")));
  after("thinned_from", days("thin_days"));
  after("deleted_from", days("max_days"));
  return kept;
}

class Planner {
 public:
  Planner(ApiClient& api, const ExportOrder& order,
          const std::function<void(std::string_view)>& on_progress)
      : api_(api), order_(order), on_progress_(on_progress) {}

  Result<ExportPlan> Run() {
    LB_TRY_ASSIGN(policies, api_.Get("/api/v1/retention/policies"));
    for (const std::string& camera : order_.cameras) {
      on_progress_(fmt::format("asking what there is of {}", camera));
      LB_TRY_ASSIGN(settings, api_.Get(CameraPath(camera)));
      LB_TRY_ASSIGN(timeline, api_.Get(WithQuery(CameraPath(camera) + "/timeline",
                                                 RangeQuery(order_.range))));
      plan_.kept.push_back(KeptOf(settings, policies, order_.range.start_us));
      const TimeUs end_us = TimeOf(timeline, "end").value_or(order_.range.end_us);
      timeline["name"] = TextOf(settings, "name");
      plan_.timelines.push_back(std::move(timeline));
      // What has not happened yet is no part of it.
      for (TimeUs at = order_.range.start_us; at < end_us; at += api::kExportPartUs) {
        LB_TRY(AddPart(camera, {at, std::min(end_us, at + api::kExportPartUs)}));
      }
      if (order_.native) LB_TRY(AddSegments(camera));
    }
    return std::move(plan_);
  }

 private:
  std::vector<std::pair<std::string, std::string>> RangeQuery(TimeRange range) const {
    return {{"start", FormatTime(range.start_us)},
            {"end", FormatTime(range.end_us)},
            {"stream", order_.stream},
            {"reason", order_.why()}};
  }

  Status AddPart(const std::string& camera, TimeRange range) {
    if (plan_.parts.size() == api::kMaxExportParts) {
      return Fail(Code::kInvalid, fmt::format("these are more than {} clips of an hour each; "
                                              "export less at a time",
                                              api::kMaxExportParts));
    }
    ExportPart part;
    part.camera = camera;
    part.range = range;
    part.file = api::ExportClipName(camera, order_.stream == "sub" ? Stream::kSub : Stream::kMain,
                                    range.start_us);
    part.query = RangeQuery(range);
    part.query.insert(part.query.begin() + 3, {{"gaps", "keep"},
                                               {"audio", order_.audio ? "1" : "0"},
                                               {"subtitles", order_.subtitles.empty() ? "" : "1"},
                                               {"tz", order_.subtitles}});
    HttpAsk ask;
    ask.path = WithQuery(CameraPath(camera) + "/clip.json", part.query);
    LB_TRY_ASSIGN(answer, api_.Send(ask));
    const bool nothing = ProblemType(answer) == "no-footage";
    if (!answer.good() && !nothing) return Pass(ProblemIn(answer, api_.server()));
    LB_TRY_ASSIGN(description, ParseJson(answer.body));
    part.missing = ListOf(description, "missing");
    if (!nothing) {
      part.shown = description.value("shown", Json());
      part.bytes = static_cast<uint64_t>(std::max<int64_t>(0, NumberOf(description, "size_bytes")));
      if (part.bytes == 0) return Fail(Code::kUnsupported, "the server describes an empty clip");
    }
    if (order_.fat32 && part.bytes > kMaxFatFileBytes &&
        range.duration_us() >= 2 * kShortestPartUs) {
      // Half of it, to the second, so that names tell the parts apart.
      const TimeUs middle_us =
          range.start_us + range.duration_us() / 2 / kUsPerSecond * kUsPerSecond;
      LB_TRY(AddPart(camera, {range.start_us, middle_us}));
      return AddPart(camera, {middle_us, range.end_us});
    }
    plan_.parts.push_back(std::move(part));
    on_progress_(fmt::format("{}: {}", camera, Count(plan_.parts.size(), "clip")));
    return Ok();
  }

  Status AddSegments(const std::string& camera) {
    std::string after;
    do {
      auto query = RangeQuery(order_.range);
      query.emplace_back("limit", std::to_string(kSegmentsAtOnce));
      query.emplace_back("after", after);
      LB_TRY_ASSIGN(page, api_.Get(WithQuery(CameraPath(camera) + "/segments", query)));
      for (const Json& segment : ListOf(page, "segments")) {
        ExportSegment one{camera,
                          order_.stream,
                          "",
                          TextOf(segment, "name"),
                          TextOf(segment, "sha256"),
                          static_cast<uint64_t>(NumberOf(segment, "bytes")),
                          TextOf(segment, "start"),
                          TextOf(segment, "end")};
        if (!IsSegmentName(one.name)) {
          return Fail(Code::kUnsupported, "\"" + Printable(one.name) + "\" is no segment's name");
        }
        one.file = fmt::format("native/{}_{}/{}", camera, order_.stream, one.name);
        plan_.segments.push_back(std::move(one));
      }
      const std::string next = TextOf(page, "next");
      if (next == after && !next.empty()) {
        return Fail(Code::kUnsupported, "the list of segments does not go on");
      }
      after = next;
    } while (!after.empty());
    return Ok();
  }

  ApiClient& api_;
  const ExportOrder& order_;
  const std::function<void(std::string_view)>& on_progress_;
  ExportPlan plan_;
};

}  // namespace

std::string ExportOrder::why() const { return api::ExportReason(case_name, reason); }

Json ExportPlan::MissingOf(const std::string& camera) const {
  Json missing = Json::array();
  for (const ExportPart& part : parts) {
    if (part.camera == camera) api::AppendMissing(part.missing, missing);
  }
  return missing;
}

uint64_t ExportPlan::bytes() const {
  uint64_t sum = 0;
  for (const ExportPart& part : parts) sum += part.bytes;
  for (const ExportSegment& segment : segments) sum += segment.bytes;
  return sum;
}

size_t ExportPlan::files() const {
  const auto with_footage = std::count_if(parts.begin(), parts.end(),
                                          [](const ExportPart& part) { return part.bytes > 0; });
  return static_cast<size_t>(with_footage) + segments.size();
}

Result<ExportPlan> PlanExport(ApiClient& api, const ExportOrder& order,
                              const std::function<void(std::string_view)>& on_progress) {
  return Planner(api, order, on_progress).Run();
}

}  // namespace lookback::app
