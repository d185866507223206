// Footage: the timeline and the clip. Each access is on record before anything is looked up.

#include <fmt/format.h>

#include <algorithm>

#include "api/context.h"
#include "api/search_input.h"
#include "api/upkeep.h"
#include "api/viewing.h"
#include "base/words.h"
#include "query/clip.h"
#include "query/timeline.h"

namespace lookback::api {
namespace {

constexpr int64_t kMaxTimelineUs = 366 * kUsPerDay;
constexpr size_t kMaxGapsInHeader = 16;

Json RangesToJson(const std::vector<TimeRange>& ranges) {
  Json list = Json::array();
  for (const TimeRange& range : ranges) {
    list.push_back({{"start", FormatTime(range.start_us)}, {"end", FormatTime(range.end_us)}});
  }
  return list;
}

Json ToJson(const std::vector<index::Import>& imports) {
  Json list = Json::array();
  for (const index::Import& import : imports) {
    list.push_back({{"import", import.id.text()},
                    {"file", import.file},
                    {"sha256", HexEncode(import.sha256)},
                    {"start", FormatTime(import.range.start_us)},
                    {"end", FormatTime(import.range.end_us)},
                    {"complete", import.complete}});
  }
  return list;
}

// As its segments tell; a camera's first reports come after its first segment began, and until the
// next one they are the recorder's alone.
std::optional<query::Span::CameraOffset> OffsetOf(Context& context, const StreamId& stream,
                                                  const query::Span& span) {
  if (span.camera_offset || !span.open || span.imported) return span.camera_offset;
  const auto status = context.recorder.StatusOf(stream);
  if (!status || !status->has_camera_offset) return std::nullopt;
  return query::Span::CameraOffset{status->camera_offset_us, status->camera_offset_us};
}

std::vector<query::Timeline> BuildTimelines(Context& context, const Call& call, const Query& query,
                                            const std::vector<CameraId>& cameras) {
  const Stream stream = query.WhichStream();
  const TimeRange range = query.Range();
  const std::string reason = query.Reason();
  if (range.duration_us() > kMaxTimelineUs) {
    throw FieldProblem("range-too-long", "end", "a timeline is given over at most 366 days");
  }
  for (const CameraId& camera : cameras) (void)FindCamera(context, camera);
  RecordAccess(context, call, index::ActKind::kSearch, Variant("timeline", stream), cameras, range,
               reason);
  std::vector<query::Timeline> timelines;
  for (const CameraId& camera : cameras) {
    timelines.push_back(OrThrow(query::BuildTimeline(context.store.archive(), {camera, stream},
                                                     range, context.clock.NowUs())));
  }
  return timelines;
}

struct AskedClip {
  query::ClipRequest request;
  std::string reason;
  std::string variant;  // ", gaps closed, sub stream": what tells it from the usual.
};

void CheckLength(const query::ClipRequest& request) {
  const int64_t most_us = request.subtitles ? query::kMaxFlatClipUs : query::kMaxClipUs;
  if (request.range.duration_us() <= most_us) return;
  throw FieldProblem(
      "range-too-long", "end",
      fmt::format("a clip {}is made of at most {}; from {} to {} it is {}",
                  request.subtitles ? "with subtitles " : "", FormatDuration(most_us),
                  FormatTime(request.range.start_us), FormatTime(request.range.end_us),
                  FormatDuration(request.range.duration_us())));
}

AskedClip ReadClipRequest(Context& context, const Call& call) {
  const Query query(call.http, {"start", "end", "gaps", "audio", "stream", "subtitles", "tz"});
  AskedClip asked;
  const CameraId camera = ReadCameraId(call.names[0], "camera");
  asked.request.stream = {camera, query.WhichStream()};
  asked.request.range = query.Range();
  asked.request.gaps =
      query.OneOf("gaps", {"keep", "close"}) == 1 ? query::GapMode::kClose : query::GapMode::kKeep;
  asked.request.audio = query.Flag("audio", true);
  asked.request.subtitles = ReadSubtitles(query);
  asked.reason = query.Reason();
  CheckLength(asked.request);
  (void)FindCamera(context, camera);
  RefuseFuture(context, asked.request.range);
  if (asked.request.gaps == query::GapMode::kClose) asked.variant += ", gaps closed";
  if (!asked.request.audio) asked.variant += ", without audio";
  if (asked.request.subtitles) asked.variant += ", with subtitles";
  asked.variant = Variant(asked.variant, asked.request.stream.stream);
  return asked;
}

std::shared_ptr<const query::Clip> PlanClip(Context& context, const Call& call,
                                            const query::ClipRequest& request) {
  auto clip =
      query::Clip::Plan(context.store.archive(), request, context.clock.NowUs(), context.readers);
  if (clip) {
    auto kept = context.clips.Put(request, call.person.name, std::move(*clip));
    if (!kept) throw Problem{503, "busy", kept.message()};
    return std::move(*kept);
  }
  if (clip.code() == Code::kNotFound) {
    ThrowNoFootage(context, request.stream, request.range, clip.error(), request.audio);
  }
  throw ProblemOf(clip.error());
}

// The plan that this request means: the one that its tags name while it is held, for a piece the
// newest one held, for the whole a new one.
std::shared_ptr<const query::Clip> ChooseClip(Context& context, const Call& call,
                                              const query::ClipRequest& request) {
  const net::HttpRequest& http = call.http;
  std::string tags = http.List("if-match");
  if (tags.empty()) tags = http.Header("if-range");
  if (!tags.empty() || !http.Header("range").empty()) {
    if (auto held = context.clips.Find(request, tags)) return held;
  }
  return PlanClip(context, call, request);
}

std::string FileName(const std::string& camera, const query::ClipRequest& request) {
  // 20260504T220000Z: no colons, which some file systems refuse.
  std::string name = FormatTime(request.range.start_us).substr(0, 19) + "Z";
  std::erase_if(name, [](char c) { return c == '-' || c == ':'; });
  const bool sub = request.stream.stream == Stream::kSub;
  name = camera + (sub ? "_sub_" : "_") + name + ".mp4";
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '/' || c == '\\'; }, '_');
  return name;
}

// RFC 5987's value: everything but letters, digits and a few marks in %XX.
std::string PercentEncode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '-' || c == '.' || c == '_';
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string GapsHeader(const std::vector<index::Gap>& gaps) {
  std::string text;
  for (size_t i = 0; i < std::min(gaps.size(), kMaxGapsInHeader); ++i) {
    std::string cause(index::GapCauseName(gaps[i].cause));
    std::replace(cause.begin(), cause.end(), ' ', '-');
    text += fmt::format("{}{}/{} {}", i == 0 ? "" : ", ", FormatTime(gaps[i].range.start_us),
                        FormatTime(gaps[i].range.end_us), cause);
  }
  return text;
}

void AddClipHeaders(Context& context, const query::ClipRequest& request, const query::Clip& clip,
                    net::HttpResponse& response) {
  const query::ClipReport& report = clip.report();
  const std::string id = request.stream.camera.text();
  const std::string ascii = FileName(id, request);
  const std::string& named = FindCamera(context, request.stream.camera).name;
  const std::string utf8 = FileName(named.empty() ? id : named, request);
  auto& headers = response.headers;
  // Whoever holds it must ask again, so that each access is on record.
  headers.emplace_back("Cache-Control", "private, no-cache");
  headers.emplace_back(
      "Content-Disposition",
      fmt::format("attachment; filename=\"{}\"; filename*=UTF-8''{}", ascii, PercentEncode(utf8)));
  headers.emplace_back("X-Lookback-Missing-Us", std::to_string(report.missing_us));
  headers.emplace_back("X-Lookback-Gap-Count", std::to_string(report.missing.size()));
  if (!report.thinned.empty()) {
    int64_t thinned_us = 0;
    for (const TimeRange& range : report.thinned) thinned_us += range.duration_us();
    headers.emplace_back("X-Lookback-Thinned-Us", std::to_string(thinned_us));
  }
  if (!report.missing.empty()) {
    headers.emplace_back("X-Lookback-Gaps", GapsHeader(report.missing));
  }
  headers.emplace_back("X-Lookback-Shown",
                       FormatTime(report.shown.start_us) + "/" + FormatTime(report.shown.end_us));
}

}  // namespace

Json TimelineToJson(Context& context, const query::Timeline& timeline) {
  Json spans = Json::array();
  for (const query::Span& span : timeline.spans) {
    const auto offset = OffsetOf(context, timeline.stream, span);
    spans.push_back({{"start", FormatTime(span.range.start_us)},
                     {"end", FormatTime(span.range.end_us)},
                     {"run", span.run.text()},
                     {"segments", span.segments},
                     {"open", span.open},
                     {"clock_unsynchronised", span.clock_unsynchronised},
                     {"lost_packets", span.lost_packets},
                     {"imported", span.imported},
                     {"thinned", span.thinned},
                     {"camera_offset_min_us", offset ? Json(offset->min_us) : Json()},
                     {"camera_offset_max_us", offset ? Json(offset->max_us) : Json()}});
  }
  const bool imported = std::any_of(timeline.spans.begin(), timeline.spans.end(),
                                    [](const query::Span& span) { return span.imported; });
  const int64_t asked_us = std::max<int64_t>(0, timeline.range.duration_us());
  return {{"camera", timeline.stream.camera.text()},
          {"stream", StreamName(timeline.stream.stream)},
          {"start", FormatTime(timeline.range.start_us)},
          {"end", FormatTime(std::max(timeline.range.start_us, timeline.range.end_us))},
          {"covered_us", timeline.covered_us},
          {"readable_us", timeline.readable_us},
          {"missing_us", asked_us - timeline.covered_us},
          {"spans", std::move(spans)},
          {"gaps", GapsToJson(timeline.gaps)},
          {"away", GapsToJson(timeline.away)},
          {"imports", imported ? ToJson(FindImports(context, timeline.stream, timeline.range))
                               : Json::array()}};
}

net::HttpResponse GetTimeline(Context& context, const Call& call) {
  const Query query(call.http, {"start", "end", "stream"});
  const CameraId camera = ReadCameraId(call.names[0], "camera");
  return JsonResponse(
      TimelineToJson(context, BuildTimelines(context, call, query, {camera}).front()));
}

net::HttpResponse GetTimelines(Context& context, const Call& call) {
  const Query query(call.http, {"camera", "start", "end", "stream"}, "camera");
  Json list = Json::array();
  for (const query::Timeline& timeline :
       BuildTimelines(context, call, query, CheckCameras(query.Cameras(), "camera"))) {
    list.push_back(TimelineToJson(context, timeline));
  }
  return JsonResponse({{"timelines", std::move(list)}});
}

net::HttpResponse GetClip(Context& context, const Call& call) {
  const AskedClip asked = ReadClipRequest(context, call);
  const bool piece = !call.http.Header("range").empty() || call.http.method == "HEAD";
  RecordAccess(context, call, index::ActKind::kView, "clip.mp4" + asked.variant,
               {asked.request.stream.camera}, asked.request.range, asked.reason, piece);
  const auto clip = ChooseClip(context, call, asked.request);
  net::HttpResponse response = SendFile(context, call.http, clip, "video/mp4");
  if (piece && response.status == 200 && call.http.method == "GET") {
    // No piece after all: such a Range means nothing, or what If-Range names is another clip.
    RecordAccess(context, call, index::ActKind::kView, "clip.mp4" + asked.variant,
                 {asked.request.stream.camera}, asked.request.range, asked.reason);
  }
  if (response.status < 400) AddClipHeaders(context, asked.request, *clip, response);
  return response;
}

net::HttpResponse DescribeClip(Context& context, const Call& call) {
  const AskedClip asked = ReadClipRequest(context, call);
  const query::ClipRequest& request = asked.request;
  RecordAccess(context, call, index::ActKind::kSearch, "clip.json" + asked.variant,
               {request.stream.camera}, request.range, asked.reason);
  const auto clip = PlanClip(context, call, request);
  const query::ClipReport& report = clip->report();
  const ClockChecksAround checks =
      FindClockChecks(context, request.stream.camera, report.shown.start_us);
  return JsonResponse(
      {{"camera", request.stream.camera.text()},
       {"stream", StreamName(request.stream.stream)},
       {"start", FormatTime(request.range.start_us)},
       {"end", FormatTime(request.range.end_us)},
       {"gaps", request.gaps == query::GapMode::kKeep ? "keep" : "close"},
       {"audio", request.audio},
       {"subtitles", request.subtitles.has_value()},
       {"time_zone", request.subtitles ? Json(request.subtitles->name()) : Json()},
       {"shown",
        {{"start", FormatTime(report.shown.start_us)}, {"end", FormatTime(report.shown.end_us)}}},
       {"duration_us", report.duration_us},
       {"missing_us", report.missing_us},
       {"missing", GapsToJson(report.missing)},
       {"thinned", RangesToJson(report.thinned)},
       {"imports", ToJson(FindImports(context, request.stream, report.shown))},
       {"camera_clock",
        {{"offset_us", report.camera_offset_us ? Json(*report.camera_offset_us) : Json()},
         {"check_before", ClockCheckToJson(checks.before)},
         {"check_after", ClockCheckToJson(checks.after)}}},
       {"size_bytes", clip->size()},
       {"etag", "\"" + clip->etag() + "\""},
       {"file_name", FileName(request.stream.camera.text(), request)}});
}

}  // namespace lookback::api
