#include "api/search_input.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "api/settings.h"
#include "base/lists.h"
#include "storage/retention.h"

namespace lookback::api {
namespace {

constexpr double kKmhPerMps = 3.6;
constexpr std::array<std::string_view, 7> kWeekdays = {"mon", "tue", "wed", "thu",
                                                       "fri", "sat", "sun"};

[[noreturn]] void Refuse(std::string_view name, const std::string& why) {
  throw FieldProblem("bad-parameter", std::string(name), fmt::format("{}: {}", name, why));
}

bool OnEarth(query::Point point) {
  return point.latitude >= -90 && point.latitude <= 90 && point.longitude >= -180 &&
         point.longitude <= 180;
}

std::vector<std::string> ReadWords(const Query& query, std::string_view name) {
  const auto text = query.Text(name, kMaxReasonBytes);
  if (!text) return {};
  auto words = SplitAtCommas(*text);
  if (words.empty() || words.size() > kMaxChosen) {
    Refuse(name, fmt::format("between 1 and {} are taken, with commas between", kMaxChosen));
  }
  return words;
}

// Exactly as many as there are names.
std::vector<double> ReadCoordinates(const Query& query, std::string_view name, size_t count,
                                    std::string_view form) {
  auto numbers = ReadNumbers(query.Text(name).value_or(""));
  if (!numbers) Refuse(name, numbers.message());
  if (numbers->size() != count) {
    Refuse(name, fmt::format("{} are taken, in degrees, with commas between", form));
  }
  return *std::move(numbers);
}

Circle ReadCircle(const Query& query) {
  const auto numbers = ReadCoordinates(query, "near", 3, "latitude,longitude and metres");
  const Circle circle{{numbers[0], numbers[1]}, numbers[2]};
  if (!OnEarth(circle.centre)) {
    Refuse("near", "a latitude is from -90 to 90, a longitude from -180 to 180");
  }
  if (circle.radius_m <= 0 || circle.radius_m > kMaxRadiusM) {
    Refuse("near", fmt::format("the radius is above 0 and at most {} metres", kMaxRadiusM));
  }
  return circle;
}

query::Box ReadBox(const Query& query) {
  const auto numbers = ReadCoordinates(query, "box", 4, "south,west,north,east");
  const query::Box box{numbers[0], numbers[1], numbers[2], numbers[3]};
  if (!OnEarth({box.south, box.west}) || !OnEarth({box.north, box.east}) || box.south > box.north) {
    Refuse("box",
           "south,west,north,east are latitudes from -90 to 90, the south below the north, and "
           "longitudes from -180 to 180");
  }
  return box;
}

// "22:00" or "22:00:30"; "24:00" is the day's end. Nothing: it is neither.
std::optional<int64_t> ReadTimeOfDay(std::string_view text) {
  constexpr std::string_view kForm = "00:00:00";
  if (text.size() != kForm.size() && text.size() != kForm.find_last_of(':')) return std::nullopt;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool fits = kForm[i] == ':' ? text[i] == ':' : text[i] >= '0' && text[i] <= '9';
    if (!fits) return std::nullopt;
  }
  // Of a day that no zone does anything to, the same clock as everywhere else.
  static const TimeZone utc = *TimeZone::Find("UTC");
  const auto instants = utc.Resolve("1970-01-01", text);
  if (!instants || instants->size() != 1) return std::nullopt;
  return instants->front();
}

void ReadDaily(std::string_view text, query::WallClockRule& rule) {
  const size_t dash = text.find('-');
  const auto from = ReadTimeOfDay(text.substr(0, dash));
  const auto to = dash == text.npos ? std::nullopt
                                    : ReadTimeOfDay(text.substr(std::min(dash + 1, text.size())));
  if (!from || !to || *from == kUsPerDay) {
    Refuse("daily", "a time of day from and to is taken, two digits each, as 22:00-05:00");
  }
  if (*from == *to) {
    Refuse("daily", fmt::format("it ends when it begins; the whole day is 00:00-24:00"));
  }
  rule.from_us = *from;
  rule.to_us = *to;
}

uint8_t ReadWeekdays(const Query& query) {
  uint8_t days = 0;
  for (const std::string& word : ReadWords(query, "weekdays")) {
    const auto* const found = std::find(kWeekdays.begin(), kWeekdays.end(), word);
    if (found == kWeekdays.end()) {
      Refuse("weekdays", "mon, tue, wed, thu, fri, sat and sun are taken, with commas between");
    }
    days |= static_cast<uint8_t>(1 << (found - kWeekdays.begin()));
  }
  return days;
}

std::vector<query::Point> ReadRoute(const Body& body) {
  const size_t count = body.Count("points");
  if (count < 2 || count > kMaxRoutePoints) {
    throw FieldProblem("bad-field", "points",
                       fmt::format("a route has 2 to {} points", kMaxRoutePoints));
  }
  std::vector<query::Point> route;
  for (size_t i = 0; i < count; ++i) {
    const Body point = body.Element("points", i, {"latitude", "longitude"});
    route.push_back({point.Real("latitude", -90, 90), point.Real("longitude", -180, 180)});
    if (i > 0 && query::DistanceM(route[i - 1], route[i]) > kMaxLegM) {
      throw FieldProblem(
          "bad-field", "points",
          fmt::format("points {} and {} are more than {:.0f} km apart; draw the road "
                      "between them",
                      i, i + 1, kMaxLegM / 1'000));
    }
  }
  return route;
}

}  // namespace

CameraChoice ReadCameraChoice(const Query& query) {
  CameraChoice choice;
  choice.cameras = query.Cameras();
  if (!choice.cameras.empty()) choice.cameras = CheckCameras(choice.cameras, "camera");
  choice.groups = ReadWords(query, "group");
  for (const std::string& group : choice.groups) {
    if (const Status status = storage::CheckGroupName(group); !status) {
      Refuse("group", status.message());
    }
  }
  choice.tags = ReadWords(query, "tag");
  for (const std::string& tag : choice.tags) CheckTag(tag, "tag", "bad-parameter");
  if (query.Text("near")) choice.near = ReadCircle(query);
  if (query.Text("box")) choice.box = ReadBox(query);
  return choice;
}

TimeZone ReadZone(const Query& query) {
  const auto name = query.Text("tz");
  if (!name) return TimeZone::Local();
  auto zone = TimeZone::Find(*name);
  if (!zone) Refuse("tz", zone.message());
  return *std::move(zone);
}

std::optional<TimeZone> ReadSubtitles(const Query& query) {
  if (query.Flag("subtitles", false)) return ReadZone(query);
  if (query.Text("tz")) {
    throw FieldProblem("bad-parameter", "tz",
                       "tz is the zone of subtitles: it goes with subtitles=1");
  }
  return std::nullopt;
}

WhenAsked ReadWhen(const Query& query) {
  WhenAsked when{{}, ReadZone(query)};
  if (const auto daily = query.Text("daily")) ReadDaily(*daily, when.rule);
  if (query.Text("weekdays")) when.rule.weekdays = ReadWeekdays(query);
  return when;
}

query::Journey ReadJourney(const Body& body) {
  query::Journey journey;
  journey.route = ReadRoute(body);
  journey.buffer_m = body.Real("buffer_m", 1, kMaxBufferM);
  journey.departure = CheckRange({body.Time("start"), body.Time("end")});
  const double slowest = body.Real("min_kmh", kMinSpeedKmh, kMaxSpeedKmh);
  const double fastest = body.Real("max_kmh", slowest, kMaxSpeedKmh);
  journey.slowest_m_per_s = slowest / kKmhPerMps;
  journey.fastest_m_per_s = fastest / kKmhPerMps;
  const double longest_s =
      static_cast<double>(journey.departure.duration_us()) / static_cast<double>(kUsPerSecond) +
      query::LengthM(journey.route) / journey.slowest_m_per_s;
  const auto longest_us = static_cast<int64_t>(longest_s * static_cast<double>(kUsPerSecond));
  if (longest_us > kMaxJourneyUs || journey.departure.start_us + longest_us >= kTimeMaxUs) {
    throw FieldProblem(
        "range-too-long", "min_kmh",
        fmt::format("at {} km/h the last point is reached {} after `start` at the latest; at most "
                    "{} are searched",
                    slowest, FormatDuration(longest_us), FormatDuration(kMaxJourneyUs)));
  }
  return journey;
}

}  // namespace lookback::api
