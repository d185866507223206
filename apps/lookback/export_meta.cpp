#include "apps/lookback/export_meta.h"

namespace lookback::app {
namespace {

Result<Json> ClockChecksOf(ApiClient& api, const std::string& camera) {
  LB_TRY_ASSIGN(answer,
                api.Get("/api/v1/cameras/" + PercentEncode(camera) + "/clock-checks?limit=1000"));
  return ListOf(answer, "checks");
}

Status AddMarkers(ApiClient& api, const ExportOrder& order, const char* list, bool holds,
                  api::ExportTables& tables) {
  for (const std::string& camera : order.cameras) {
    std::string after;
    do {
      LB_TRY_ASSIGN(page, api.Get(WithQuery(std::string("/api/v1/") + list,
                                            {{"camera", camera},
                                             {"start", FormatTime(order.range.start_us)},
                                             {"end", FormatTime(order.range.end_us)},
                                             {"after", after}})));
      tables.AddMarkers(ListOf(page, list), holds);
      after = TextOf(page, "next");
    } while (!after.empty());
  }
  return Ok();
}

std::string SegmentsCsv(const ExportPlan& plan) {
  using api::CsvLine;
  std::string text = CsvLine({"file", "camera", "stream", "start", "end", "bytes", "sha256"});
  for (const ExportSegment& segment : plan.segments) {
    text += CsvLine({segment.file, segment.camera, segment.stream, segment.start, segment.end,
                     std::to_string(segment.bytes), segment.sha256});
  }
  return text;
}

}  // namespace

Result<std::vector<api::ExportFile>> MakeMeta(ApiClient& api, const ExportOrder& order,
                                              const ExportPlan& plan, const Json& request) {
  api::ExportTables tables;
  for (const ExportPart& part : plan.parts) {
    tables.AddClip({{"file", part.bytes == 0 ? "" : part.file},
                    {"camera", part.camera},
                    {"stream", order.stream},
                    {"start", FormatTime(part.range.start_us)},
                    {"end", FormatTime(part.range.end_us)},
                    {"shown", part.shown},
                    {"missing", part.missing}});
  }
  for (const Json& timeline : plan.timelines) {
    LB_TRY_ASSIGN(checks, ClockChecksOf(api, TextOf(timeline, "camera")));
    tables.AddCamera(timeline, checks);
  }
  LB_TRY(AddMarkers(api, order, "markers", /*holds=*/false, tables));
  LB_TRY(AddMarkers(api, order, "holds", /*holds=*/true, tables));
  auto files = std::move(tables).Finish(request);
  if (order.native) files.push_back({"meta/segments.csv", SegmentsCsv(plan)});
  return files;
}

}  // namespace lookback::app
