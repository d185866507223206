// The footage search: by camera, group, tag, place and time of day, or along a route.

#include "api/routes_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "api/chosen_cameras.h"
#include "api/search_input.h"
#include "api/viewing.h"
#include "query/footage_search.h"

namespace lookback::api {
namespace {

constexpr size_t kWindowsAPage = 100;
constexpr size_t kMaxWindowsAPage = 1'000;

// "1777932000000000-gate": the camera last, for its id may have hyphens.
std::string CursorOf(const query::SearchPlace& place) {
  return fmt::format("{}-{}", place.start_us, place.camera.text());
}

query::SearchPlace ReadCursor(const std::string& text, const char* fault) {
  TimeUs start_us = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, start_us);
  if (error == std::errc() && stop != end && start_us >= kTimeMinUs && start_us <= kTimeMaxUs) {
    const auto camera = CameraId::Parse({stop + 1, end});
    // What is written otherwise was no cursor, whatever it can be read as.
    if (camera && CursorOf({*camera, start_us}) == text) return {*camera, start_us};
  }
  throw FieldProblem(fault, "after", "after takes what \"next\" of an answer was");
}

Json RangeToJson(TimeRange range) {
  return {{"start", FormatTime(range.start_us)}, {"end", FormatTime(range.end_us)}};
}

Json ToJson(const query::FoundWindow& found) {
  Json json = {{"camera", found.stream.camera.text()}};
  json.update(RangeToJson(found.range));
  json["covered_us"] = found.covered_us;
  json["missing_us"] = found.missing_us;
  json["imported"] = found.imported;
  json["covered"] = Json::array();
  for (const TimeRange& range : found.covered) json["covered"].push_back(RangeToJson(range));
  json["missing"] = Json::array();
  for (const auto& [why, missing] : found.missing) {
    const auto& [cause, detail] = why;
    json["missing"].push_back({{"cause", index::GapCauseName(cause)},
                               {"detail", detail},
                               {"gaps", missing.gaps},
                               {"missing_us", missing.duration_us}});
  }
  json["markers"] = Json::array();
  for (const index::Marker& marker : found.markers) {
    Json one = {{"id", marker.id.text()}, {"label", marker.label}, {"hold", marker.hold}};
    one.update(RangeToJson(marker.range));
    json["markers"].push_back(std::move(one));
  }
  return json;
}

// Windows are looked at while the answer is sent, a piece each.
class SearchBody final : public net::HttpBody {
 public:
  SearchBody(std::unique_ptr<query::FootageSearch> search, const Json& head)
      : search_(std::move(search)), pending_(head.dump()) {
    pending_.back() = ',';
    pending_ += "\"windows\":[";
  }

  // The first window before the answer begins, so that a failing store is told as a problem.
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
    LB_TRY_ASSIGN(found, search_->Next());
    if (found) {
      pending_ += (first_ ? "" : ",") + Dump(ToJson(*found));
      first_ = false;
      return Ok();
    }
    const auto& next = search_->next();
    pending_ += "],\"next\":" + (next ? Json(CursorOf(*next)) : Json()).dump() + "}";
    over_ = true;
    return Ok();
  }

  const std::unique_ptr<query::FootageSearch> search_;
  std::string pending_;
  size_t sent_ = 0;
  bool first_ = true;
  bool over_ = false;
};

net::HttpResponse AnswerSearch(Context& context, query::SearchPlan plan, const Json& head) {
  auto find_markers = [&context](const CameraId& camera, TimeRange range) {
    return context.store.catalog().Markers(camera, range);
  };
  auto body = std::make_unique<SearchBody>(
      std::make_unique<query::FootageSearch>(context.store.archive(), std::move(find_markers),
                                             std::move(plan), context.clock.NowUs()),
      head);
  OrThrow(body->Begin());
  net::HttpResponse response;
  response.headers.emplace_back("Content-Type", "application/json");
  response.headers.emplace_back("Cache-Control", "private, no-cache");
  response.stream = std::move(body);
  return response;
}

Json HeadOf(const Chosen& chosen, TimeRange range) {
  Json head = RangeToJson(range);
  head["cameras"] = chosen.cameras.size();
  head["without_place"] = chosen.without_place;
  return head;
}

// "footage daily=22:00-05:00 tz=Europe/Berlin": what of the query the record
// does not have elsewhere.
std::string WhatOf(const net::HttpRequest& http) {
  constexpr std::array<std::string_view, 6> kElsewhere = {"start", "end",   "camera",
                                                          "limit", "after", "reason"};
  std::string what = "footage";
  for (const auto& [name, value] : http.query) {
    if (std::find(kElsewhere.begin(), kElsewhere.end(), name) == kElsewhere.end()) {
      what += fmt::format(" {}={}", name, value);
    }
  }
  return what;
}

}  // namespace

net::HttpResponse SearchFootage(Context& context, const Call& call) {
  const Query query(call.http,
                    {"camera", "group", "tag", "near", "box", "start", "end", "daily", "weekdays",
                     "tz", "stream", "with_footage", "marker", "limit", "after"},
                    "camera");
  const CameraChoice choice = ReadCameraChoice(query);
  const TimeRange range = query.Range();
  if (range.duration_us() > kMaxSearchUs) {
    throw FieldProblem("range-too-long", "end", "a search goes over at most 366 days");
  }
  const WhenAsked when = ReadWhen(query);
  const Stream stream = query.WhichStream();
  query::SearchPlan plan;
  plan.with_footage = query.Flag("with_footage", false);
  plan.marker_text = query.Text("marker").value_or("");
  plan.limit = query.Number("limit", kWindowsAPage, kMaxWindowsAPage);
  if (const auto after = query.Text("after")) plan.after = ReadCursor(*after, "bad-parameter");
  const std::string reason = query.Reason();
  const Chosen chosen = ChooseCameras(context, choice);
  RecordAccess(context, call, index::ActKind::kSearch, WhatOf(call.http), chosen.ids(), range,
               reason, /*continues=*/plan.after.has_value());
  const auto windows = std::make_shared<const std::vector<TimeRange>>(
      query::FindWindows(when.rule, range, when.zone));
  for (const index::Camera& camera : chosen.cameras) {
    plan.targets.push_back({{camera.id, stream}, windows});
  }
  Json head = HeadOf(chosen, range);
  head["time_zone"] = when.zone.name();
  return AnswerSearch(context, std::move(plan), head);
}

net::HttpResponse SearchRoute(Context& context, const Call& call) {
  const Query query(call.http, {});
  const std::string reason = query.Reason();
  const Body body(call.http, {"points", "buffer_m", "start", "end", "min_kmh", "max_kmh",
                              "with_footage", "marker", "limit", "after"});
  const query::Journey journey = ReadJourney(body);
  query::SearchPlan plan;
  plan.with_footage = body.FlagOr("with_footage", false);
  plan.marker_text = body.TextOr("marker", kMaxLineBytes, "");
  plan.limit = body.Has("limit") ? body.Number("limit") : kWindowsAPage;
  if (plan.limit < 1 || plan.limit > kMaxWindowsAPage) {
    throw FieldProblem("bad-field", "limit", fmt::format("limit is 1 to {}", kMaxWindowsAPage));
  }
  if (!body.IsNull("after")) {
    plan.after = ReadCursor(body.Text("after", kMaxLineBytes), "bad-field");
  }
  Chosen chosen;
  TimeRange range = journey.departure;
  for (index::Camera& camera : OrThrow(context.store.catalog().Cameras())) {
    if (!camera.place) {
      ++chosen.without_place;
      continue;
    }
    auto passes = query::FindPasses(journey, PointOf(*camera.place));
    if (passes.empty()) continue;
    range.end_us = std::max(range.end_us, passes.back().end_us);
    plan.targets.push_back({{camera.id, Stream::kMain},
                            std::make_shared<const std::vector<TimeRange>>(std::move(passes))});
    chosen.cameras.push_back(std::move(camera));
  }
  if (chosen.cameras.size() > index::kMaxRecordCameras) {
    throw FieldProblem("bad-field", "buffer_m",
                       fmt::format("{} cameras are that near to the route; at most {} are searched "
                                   "at once",
                                   chosen.cameras.size(), index::kMaxRecordCameras));
  }
  const query::Point from = journey.route.front(), to = journey.route.back();
  RecordAccess(context, call, index::ActKind::kSearch,
               fmt::format("footage along a route of {} points and {:.1f} km from {:.6f},{:.6f} to "
                           "{:.6f},{:.6f}, within {} m, {:.0f} to {:.0f} km/h{}",
                           journey.route.size(), LengthM(journey.route) / 1'000, from.latitude,
                           from.longitude, to.latitude, to.longitude, journey.buffer_m,
                           journey.slowest_m_per_s * 3.6, journey.fastest_m_per_s * 3.6,
                           plan.marker_text.empty() ? "" : " marker=" + plan.marker_text),
               chosen.ids(), range, reason, /*continues=*/plan.after.has_value());
  Json head = HeadOf(chosen, range);
  head["length_m"] = std::llround(LengthM(journey.route));
  return AnswerSearch(context, std::move(plan), head);
}

}  // namespace lookback::api
