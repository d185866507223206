// An export as one ZIP, for who has a browser and no command line.

#include "api/routes_export.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/export_layout.h"
#include "api/export_package.h"
#include "api/search_input.h"
#include "api/viewing.h"
#include "base/version.h"
#include "base/words.h"

namespace lookback::api {
namespace {

// Longer ones are `lookback export`'s, which goes on where a connection was cut.
constexpr int64_t kMaxPackageUs = 31 * kUsPerDay;

struct AskedExport {
  ExportOrder order;
  std::string case_name;
  std::string reason;
};

AskedExport ReadExport(Context& context, const Call& call) {
  const Query query(call.http,
                    {"camera", "start", "end", "stream", "audio", "subtitles", "tz", "case"},
                    "camera");
  AskedExport asked;
  ExportOrder& order = asked.order;
  for (const CameraId& camera : CheckCameras(query.Cameras(), "camera")) {
    const auto& known = order.cameras;
    if (std::find(known.begin(), known.end(), camera) != known.end()) continue;
    (void)FindCamera(context, camera);
    order.cameras.push_back(camera);
  }
  order.stream = query.WhichStream();
  order.range = query.Range();
  order.audio = query.Flag("audio", true);
  order.subtitles = ReadSubtitles(query);
  asked.case_name = query.Text("case", kMaxCaseBytes).value_or("");
  asked.reason = query.Reason();
  if (order.range.duration_us() > kMaxPackageUs) {
    throw FieldProblem(
        "range-too-long", "end",
        fmt::format("an export in one file is of at most {}; `lookback export` takes "
                    "more, and goes on when it is interrupted",
                    FormatDuration(kMaxPackageUs)));
  }
  const auto hours = static_cast<size_t>(order.range.duration_us() / kExportPartUs + 1);
  if (hours * order.cameras.size() > kMaxExportParts) {
    throw FieldProblem(
        "range-too-long", "end",
        fmt::format("an export in one file has at most {} clips of an hour each", kMaxExportParts));
  }
  RefuseFuture(context, order.range);
  return asked;
}

// Cuts the range where what has happened ends; refuses one of which nothing can be shown.
void CutToFootage(Context& context, ExportOrder& order) {
  TimeUs end_us = order.range.start_us;
  bool any = false;
  for (const CameraId& camera : order.cameras) {
    const auto timeline = OrThrow(query::BuildTimeline(
        context.store.archive(), {camera, order.stream}, order.range, context.clock.NowUs()));
    end_us = std::max(end_us, timeline.range.end_us);
    any = any || timeline.readable_us > 0;
  }
  if (!any) {
    const Error error{Code::kNotFound, "none of these cameras has footage in that range", 0};
    ThrowNoFootage(context, {order.cameras.front(), order.stream}, order.range, error);
  }
  order.range.end_us = end_us;
}

Json RequestOf(Context& context, const Call& call, const AskedExport& asked, TimeRange range) {
  Json cameras = Json::array();
  for (const CameraId& camera : asked.order.cameras) cameras.push_back(camera.text());
  Json request = {{"cameras", std::move(cameras)},
                  {"stream", StreamName(asked.order.stream)},
                  {"start", FormatTime(range.start_us)},
                  {"end", FormatTime(range.end_us)},
                  {"audio", asked.order.audio},
                  {"native", false},
                  {"view", false},
                  {"case", asked.case_name},
                  {"reason", asked.reason},
                  {"taken_to", FormatTime(asked.order.range.end_us)},
                  {"person", call.person.name},
                  {"store", context.store.id().text()},
                  {"version", Version()},
                  {"exported", FormatTime(context.clock.NowUs())}};
  if (asked.order.subtitles) request["subtitles"] = asked.order.subtitles->name();
  return request;
}

// "gate_20260504T220000Z.zip"; of several cameras "export_…".
std::string FileName(const ExportOrder& order) {
  std::string time = FormatSecond(order.range.start_us);
  std::erase_if(time, [](char c) { return c == '-' || c == ':'; });
  return (order.cameras.size() == 1 ? order.cameras.front().text() : "export") + "_" + time +
         ".zip";
}

}  // namespace

net::HttpResponse GetExport(Context& context, const Call& call) {
  AskedExport asked = ReadExport(context, call);
  const TimeRange range = asked.order.range;
  RecordAccess(context, call, index::ActKind::kExport, Variant("export.zip", asked.order.stream),
               asked.order.cameras, range, ExportReason(asked.case_name, asked.reason));
  CutToFootage(context, asked.order);
  asked.order.request = RequestOf(context, call, asked, range);
  net::HttpResponse response;
  response.headers = {
      {"Content-Type", "application/zip"},
      // Whoever holds it must ask again, so that each access is on record.
      {"Cache-Control", "private, no-store"},
      {"Content-Disposition", fmt::format("attachment; filename=\"{}\"", FileName(asked.order))}};
  response.stream = MakeExportPackage(context, std::move(asked.order));
  return response;
}

}  // namespace lookback::api
