// `lookback search`: which cameras have footage of a place, at which times of day, or along a road.

#include <fmt/format.h>

#include <algorithm>

#include "apps/lookback/command.h"
#include "apps/lookback/coverage.h"
#include "base/lists.h"
#include "base/words.h"

namespace lookback::app {
namespace {

constexpr uint64_t kMaxRouteFileBytes = 64 << 10;
constexpr size_t kWindowsAtOnce = 1'000;  // Of one answer.
constexpr size_t kWindowsShown = 1'000;
constexpr size_t kMaxWindowsShown = 100'000;

struct SearchOptions {
  std::vector<std::string> cameras;
  std::string group, tag, near, box;
  WrittenRange range;
  std::string daily, weekdays, stream = "main", marker, reason, after;
  bool with_footage = false;
  size_t limit = kWindowsShown;
  std::string route_file, speed;
  double buffer_m = 50;
};

// Of lines "52.5163,13.3777"; what follows a # is not read.
Result<Json> ReadRoute(FileSystem& files, const std::string& path) {
  LB_TRY_ASSIGN(bytes, ReadFile(files, path, kMaxRouteFileBytes));
  std::string_view text = AsText(bytes);
  Json points = Json::array();
  for (size_t line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string point(text.substr(0, std::min(text.find('#'), end)));
    text.remove_prefix(std::min(end + 1, text.size()));
    std::erase_if(point, [](char c) { return c == ' ' || c == '\t' || c == '\r'; });
    if (point.empty()) continue;
    const auto numbers = ReadNumbers(point);
    if (!numbers || numbers->size() != 2) {
      return Fail(Code::kInvalid,
                  fmt::format("{}:{}: a point is LATITUDE,LONGITUDE in degrees", path, line));
    }
    points.push_back({{"latitude", numbers->front()}, {"longitude", numbers->back()}});
  }
  return points;
}

Result<Json> RouteBody(FileSystem& files, const SearchOptions& options, TimeRange range) {
  LB_TRY_ASSIGN(points, ReadRoute(files, options.route_file));
  std::string speed = options.speed;
  std::replace(speed.begin(), speed.end(), '-', ',');
  const auto kmh = ReadNumbers(speed);
  if (!kmh || kmh->size() != 2 || kmh->front() > kmh->back()) {
    return Fail(Code::kInvalid, fmt::format("--speed {} is not SLOWEST-FASTEST in km/h, as 20-60",
                                            Printable(options.speed)));
  }
  Json body = {{"points", std::move(points)},
               {"buffer_m", options.buffer_m},
               {"start", FormatTime(range.start_us)},
               {"end", FormatTime(range.end_us)},
               {"min_kmh", kmh->front()},
               {"max_kmh", kmh->back()},
               {"with_footage", options.with_footage}};
  if (!options.marker.empty()) body["marker"] = options.marker;
  return body;
}

std::string QueryPath(const SearchOptions& options, TimeRange range, const TimeZone& zone,
                      size_t limit, const std::string& after) {
  std::vector<std::pair<std::string, std::string>> query;
  for (const std::string& camera : options.cameras) query.emplace_back("camera", camera);
  query.insert(query.end(), {{"group", options.group},
                             {"tag", options.tag},
                             {"near", options.near},
                             {"box", options.box},
                             {"start", FormatTime(range.start_us)},
                             {"end", FormatTime(range.end_us)},
                             {"daily", options.daily},
                             {"weekdays", options.weekdays},
                             {"tz", zone.name()},
                             {"stream", options.stream},
                             {"with_footage", options.with_footage ? "1" : ""},
                             {"marker", options.marker},
                             {"reason", options.reason},
                             {"limit", std::to_string(limit)},
                             {"after", after}});
  return WithQuery("/api/v1/footage", query);
}

// Page after page, up to as many windows as are to be shown.
Result<Json> AskAll(Client& client, const SearchOptions& options, TimeRange range,
                    const TimeZone& zone, FileSystem& files) {
  Json body;
  if (!options.route_file.empty()) {
    LB_TRY_ASSIGN(route, RouteBody(files, options, range));
    body = std::move(route);
  }
  ProgressLine line;
  Json all;
  std::string after = options.after;
  while (true) {
    const size_t found = all.is_null() ? 0 : all["windows"].size();
    const size_t limit = std::min(kWindowsAtOnce, options.limit - found);
    Json page;
    if (body.is_null()) {
      LB_TRY_ASSIGN(answer, client.api().Get(QueryPath(options, range, zone, limit, after)));
      page = std::move(answer);
    } else {
      body["limit"] = limit;
      if (!after.empty()) body["after"] = after;
      LB_TRY_ASSIGN(
          answer,
          client.api().Call(
              "POST", WithQuery("/api/v1/footage/route", {{"reason", options.reason}}), body));
      page = std::move(answer);
    }
    after = TextOf(page, "next");
    if (all.is_null()) {
      all = std::move(page);
    } else {
      for (const Json& window : ListOf(page, "windows")) all["windows"].push_back(window);
    }
    if (!all.contains("windows")) return Fail(Code::kUnsupported, "the answer has no windows");
    all["next"] = after.empty() ? Json() : Json(after);
    if (after.empty() || all["windows"].size() >= options.limit) return all;
    line.Update(fmt::format("{} so far", CountOf({{"n", all["windows"].size()}}, "n", "window")));
  }
}

// "network 12.000 s (2 gaps), retention …"
std::string MissingText(const Json& window) {
  std::string text;
  for (const Json& missing : ListOf(window, "missing")) {
    text += fmt::format("{}{} {} ({})", text.empty() ? "" : ", ", CauseText(missing),
                        ScreenDuration(NumberOf(missing, "missing_us")),
                        CountOf(missing, "gaps", "gap"));
  }
  return text.empty() ? "-" : text;
}

std::string CoveredText(const Json& window) {
  return ScreenDuration(NumberOf(window, "covered_us")) +
         (FlagOf(window, "imported") ? " (imported)" : "");
}

std::string MarkersText(const Json& window) {
  std::string text;
  for (const Json& marker : ListOf(window, "markers")) {
    const std::string label = TextOf(marker, "label");
    text += (text.empty() ? "" : "; ") + (label.empty() ? "(no label)" : label);
  }
  return text;
}

std::string ResultText(const Json& answer, const SearchOptions& options, const TimeZone& zone) {
  const Json& windows = ListOf(answer, "windows");
  Table table({"CAMERA", "FROM", "TO", "COVERED", "MISSING", "MARKERS"});
  int64_t covered_us = 0;
  for (const Json& window : windows) {
    covered_us += NumberOf(window, "covered_us");
    table.Add({TextOf(window, "camera"), LocalTimeOf(window, "start", zone),
               LocalTimeOf(window, "end", zone), CoveredText(window), MissingText(window),
               MarkersText(window)});
  }
  std::string text = table.empty() ? "" : table.TextFor(ScreenColumns());
  const bool asked_for_less = options.with_footage || !options.marker.empty();
  if (NumberOf(answer, "cameras") == 0) {
    text += "No camera is meant by that.\n";
  } else if (windows.empty()) {
    text +=
        fmt::format("{} {} meant, and nothing is found{}.\n", CountOf(answer, "cameras", "camera"),
                    NumberOf(answer, "cameras") == 1 ? "is" : "are",
                    asked_for_less ? ": no footage, or no such marker" : " in that time");
  } else {
    text += fmt::format("{} of {}: {} of footage\n", Count(windows.size(), "window"),
                        CountOf(answer, "cameras", "camera"), ScreenDuration(covered_us));
  }
  if (const int64_t without = NumberOf(answer, "without_place"); without > 0) {
    text += fmt::format(
        "Left out, since nobody said where {}: {}; `lookback camera set ID --place` does.\n",
        without == 1 ? "it stands" : "they stand", CountOf(answer, "without_place", "camera"));
  }
  if (const std::string next = TextOf(answer, "next"); !next.empty()) {
    text += fmt::format("There is more: --after {} goes on.\n", Printable(next));
  }
  return text;
}

Result<int> Search(Client& client, const SearchOptions& options, FileSystem& files) {
  LB_TRY(CheckGiven(options.range));
  LB_TRY_ASSIGN(zone, client.Zone());
  LB_TRY_ASSIGN(range, ResolveRange(options.range, zone));
  LB_TRY_ASSIGN(answer, AskAll(client, options, range, zone, files));
  if (client.json()) {
    answer["asked"] = {{"start", zone.Format(range.start_us)},
                       {"end", zone.Format(range.end_us)},
                       {"time_zone", zone.name()}};
    PrintJson(answer);
    return kExitOk;
  }
  const bool route = !options.route_file.empty();
  PrintText(fmt::format("{}{}, times of {}\n", route ? "at the first point " : "",
                        ScreenRange(range, zone), zone.name()) +
            ResultText(answer, options, zone));
  return kExitOk;
}

void AddWhere(CLI::App* command, SearchOptions& options) {
  CLI::Option* const route =
      command->add_option("--route", options.route_file,
                          "a file with a LATITUDE,LONGITUDE a line: cameras along it, each when "
                          "one can have passed who "
                          "was at the first point between --start and --end");
  command->add_option("--speed", options.speed, "with --route: SLOWEST-FASTEST in km/h, as 20-60")
      ->needs(route);
  route->needs("--speed");
  command->add_option("--buffer", options.buffer_m, "with --route: how near, in metres")
      ->needs(route)
      ->capture_default_str();
  command->add_option("--camera", options.cameras, "again for each")->excludes(route);
  command->add_option("--group", options.group, "cameras of these groups: NAME,NAME")
      ->excludes(route);
  command->add_option("--tag", options.tag, "cameras with any of these: TAG,TAG")->excludes(route);
  command->add_option("--near", options.near, "LATITUDE,LONGITUDE,METRES")->excludes(route);
  command->add_option("--box", options.box, "SOUTH,WEST,NORTH,EAST in degrees")->excludes(route);
  command->add_option("--daily", options.daily, "a time of day in that zone, as 22:00-05:00")
      ->excludes(route);
  command
      ->add_option("--weekdays", options.weekdays,
                   "mon,tue,…: of a night the day on which it begins")
      ->excludes(route);
  command->add_option("--stream", options.stream, "main, or sub, the light one")
      ->check(CLI::IsMember({"main", "sub"}))
      ->capture_default_str()
      ->excludes(route);
}

}  // namespace

void AddSearchCommand(Commands& commands) {
  auto options = std::make_shared<SearchOptions>();
  CLI::App* search = commands.AddClient(
      &commands.app, "search",
      "Find footage by camera, place, time of day, marker, or along a road.",
      [&commands, options](Client& client) { return Search(client, *options, commands.files); });
  AddRangeOptions(search, options->range, /*required=*/false);
  AddDayOptions(search, options->range);
  AddWhere(search, *options);
  search->add_option("--marker", options->marker,
                     "only what is marked, or held, with this in label, note or case");
  search->add_flag("--with-footage", options->with_footage, "leave out windows without any");
  search->add_option("--limit", options->limit, "at most so many windows")
      ->check(CLI::Range(size_t{1}, kMaxWindowsShown))
      ->capture_default_str();
  search->add_option("--after", options->after, "go on where an earlier search ended");
  search->add_option("--reason", options->reason, "why: it stands in the record of the access");
}

}  // namespace lookback::app
