// How much there is of many cameras over a long time, hour by hour or day by day.

#include <fmt/format.h>

#include <algorithm>

#include "api/chosen_cameras.h"
#include "api/routes_search.h"
#include "api/viewing.h"
#include "base/words.h"
#include "net/http_finish.h"
#include "query/summary.h"
#include "query/timeline.h"

namespace lookback::api {
namespace {

constexpr int64_t kMaxSummaryUs = 3'660 * kUsPerDay;
constexpr size_t kMaxCells = 200'000;  // Steps of cameras.
constexpr size_t kPieceBytes = 64 << 10;

// Whole seconds, rounded down, but 1 where there is less. As many as `whole_us` is rounded up to
// exactly where nothing is missing.
int64_t Seconds(int64_t part_us, int64_t whole_us) {
  const int64_t whole_s = (whole_us + kUsPerSecond - 1) / kUsPerSecond;
  if (part_us >= whole_us) return whole_s;
  const int64_t part_s = part_us > 0 ? std::max<int64_t>(1, part_us / kUsPerSecond) : 0;
  return std::min(part_s, whole_s - 1);
}

struct SummaryPlan {
  std::vector<CameraId> cameras;
  Stream stream = Stream::kMain;
  std::vector<TimeRange> steps;
  TimeUs now_us = 0;
};

// The cameras are looked at while the answer is sent, one after another.
class SummaryBody final : public net::HttpBody {
 public:
  SummaryBody(Context& context, SummaryPlan plan, const Json& head)
      : context_(context), plan_(std::move(plan)), pending_(head.dump()) {
    pending_.back() = ',';
    pending_ += "\"cameras\":[";
  }

  // The first camera before the answer begins, so that a failing store is told as a problem.
  Status Begin() { return Add(); }

  Result<size_t> Read(std::span<uint8_t> into) override {
    if (sent_ == pending_.size()) {
      pending_.clear();
      sent_ = 0;
      if (!over_) LB_TRY(Add());
    }
    const size_t count = std::min(into.size(), pending_.size() - sent_);
    std::copy_n(pending_.begin() + static_cast<ptrdiff_t>(sent_), count, into.begin());
    sent_ += count;
    return count;
  }

 private:
  Status Add() {
    if (camera_ == plan_.cameras.size()) {
      pending_ += "]}";
      over_ = true;
      return Ok();
    }
    LB_TRY_ASSIGN(json, Describe(plan_.cameras[camera_]));
    pending_ += (camera_ == 0 ? "" : ",") + json.dump();
    ++camera_;
    return Ok();
  }

  Result<Json> Describe(const CameraId& camera) {
    LB_TRY_ASSIGN(sums,
                  query::Summarise(context_.store.archive(), {camera, plan_.stream}, plan_.steps));
    Json covered = Json::array(), thinned = Json::array(), bytes = Json::array();
    for (size_t i = 0; i < sums.size(); ++i) {
      const int64_t whole_us = plan_.steps[i].duration_us();
      covered.push_back(Seconds(sums[i].covered_us, whole_us));
      thinned.push_back(Seconds(sums[i].thinned_us, whole_us));
      bytes.push_back(sums[i].bytes);
    }
    LB_TRY_ASSIGN(held, Held(camera));
    return Json{{"camera", camera.text()},
                {"covered_s", std::move(covered)},
                {"thinned_s", std::move(thinned)},
                {"bytes", std::move(bytes)},
                {"held", std::move(held)}};
  }

  // 1 for each step that a hold in force touches.
  Result<Json> Held(const CameraId& camera) {
    std::vector<int> flags(plan_.steps.size());
    if (flags.empty()) return Json(flags);
    const TimeRange range{plan_.steps.front().start_us, plan_.steps.back().end_us};
    LB_TRY_ASSIGN(markers, context_.store.catalog().Markers(camera, range));
    for (const index::Marker& marker : markers) {
      if (!index::InForce(marker, plan_.now_us)) continue;
      const auto first = std::partition_point(
          plan_.steps.begin(), plan_.steps.end(),
          [&marker](const TimeRange& step) { return step.end_us <= marker.range.start_us; });
      for (auto step = first; step != plan_.steps.end(); ++step) {
        if (step->start_us >= marker.range.end_us) break;
        flags[static_cast<size_t>(step - plan_.steps.begin())] = 1;
      }
    }
    return Json(flags);
  }

  Context& context_;
  const SummaryPlan plan_;
  std::string pending_;
  size_t sent_ = 0;
  size_t camera_ = 0;
  bool over_ = false;
};

std::string ReadAll(net::HttpBody& body) {
  std::string all;
  while (true) {
    const size_t before = all.size();
    all.resize(before + kPieceBytes);
    const size_t count =
        OrThrow(body.Read({reinterpret_cast<uint8_t*>(all.data()) + before, kPieceBytes}));
    all.resize(before + count);
    if (count == 0) return all;
  }
}

Json HeadOf(const SummaryPlan& plan, TimeRange range, query::Step step, const TimeZone& zone) {
  Json begins = Json::array(), lengths = Json::array();
  for (const TimeRange& one : plan.steps) {
    begins.push_back(FormatTime(one.start_us));
    lengths.push_back(Seconds(one.duration_us(), one.duration_us()));
  }
  return {{"start", FormatTime(range.start_us)},
          {"end", FormatTime(std::max(range.start_us, range.end_us))},
          {"stream", StreamName(plan.stream)},
          {"step", step == query::Step::kHour ? "hour" : "day"},
          {"time_zone", zone.name()},
          {"steps", std::move(begins)},
          {"step_s", std::move(lengths)}};
}

}  // namespace

net::HttpResponse GetSummary(Context& context, const Call& call) {
  const Query query(
      call.http, {"camera", "group", "tag", "near", "box", "start", "end", "step", "tz", "stream"},
      "camera");
  const CameraChoice choice = ReadCameraChoice(query);
  TimeRange range = query.Range();
  const query::Step step =
      query.OneOf("step", {"day", "hour"}) == 1 ? query::Step::kHour : query::Step::kDay;
  const TimeZone zone = ReadZone(query);
  SummaryPlan plan;
  plan.stream = query.WhichStream();
  plan.now_us = context.clock.NowUs();
  const std::string reason = query.Reason();
  if (range.duration_us() > kMaxSummaryUs) {
    throw FieldProblem("range-too-long", "end", "a summary goes over at most 3,660 days");
  }
  const Chosen chosen = ChooseCameras(context, choice);
  plan.cameras = chosen.ids();
  // What is being recorded this instant is neither footage nor missing yet.
  const TimeUs until_us = (plan.now_us - query::kAssemblyUs) / kUsPerSecond * kUsPerSecond;
  const TimeRange asked = range;
  range.end_us = std::max(range.start_us, std::min(range.end_us, until_us));
  plan.steps = query::FindSteps(step, range, zone);
  if (plan.steps.size() * plan.cameras.size() > kMaxCells) {
    throw FieldProblem(
        "range-too-long", "end",
        fmt::format("{} steps of {} are {}; at most {} are given at once: ask for fewer cameras, a "
                    "shorter time or step=day",
                    plan.steps.size(), Count(plan.cameras.size(), "camera"),
                    plan.steps.size() * plan.cameras.size(), kMaxCells));
  }
  std::string what = step == query::Step::kHour ? "timeline by hour" : "timeline by day";
  if (plan.stream == Stream::kSub) what += ", sub stream";
  RecordAccess(context, call, index::ActKind::kSearch, what, plan.cameras, asked, reason);

  const Json head = HeadOf(plan, range, step, zone);
  auto body = std::make_unique<SummaryBody>(context, std::move(plan), head);
  OrThrow(body->Begin());
  net::HttpResponse response;
  response.headers.emplace_back("Content-Type", "application/json");
  response.headers.emplace_back("Cache-Control", "private, no-cache");
  // A stream is never compressed, and of this little is left then.
  if (net::AcceptsGzip(call.http.List("accept-encoding"))) {
    response.body = ReadAll(*body);
  } else {
    response.stream = std::move(body);
  }
  return response;
}

}  // namespace lookback::api
