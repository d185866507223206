// `lookback marker` and `lookback hold`: labelled ranges, and those that forbid deletion.

#include <fmt/format.h>

#include "apps/lookback/command.h"

namespace lookback::app {
namespace {

struct MarkerOptions {
  std::vector<std::string> cameras;
  WrittenRange range;
  std::string label, note, case_name, reason, expires, id;
};

// What tells the two kinds apart.
struct MarkerKind {
  bool hold;
  const char* noun;
  const char* path;
  const char* list;  // The member of an answer that has them.
};
constexpr MarkerKind kMarker{false, "marker", "/api/v1/markers", "markers"};
constexpr MarkerKind kHold{true, "hold", "/api/v1/holds", "holds"};

void AddIfSaid(Json& body, const char* name, const std::string& text) {
  if (!text.empty()) body[name] = text;
}

// A date is that day to its end, in the zone that times are shown in.
Result<TimeUs> ResolveExpiry(const std::string& text, const TimeZone& zone) {
  if (text.find_first_of("Tt ") != std::string::npos) {
    return ResolveTime("--expires", text, "", zone);
  }
  return ResolveTime("--expires", "24:00", text, zone);
}

Result<int> AddMarker(Client& client, const MarkerKind& kind, const MarkerOptions& options) {
  LB_TRY_ASSIGN(zone, client.Zone());
  LB_TRY_ASSIGN(range, ResolveRange(options.range, zone));
  Json body = {{"cameras", options.cameras},
               {"start", FormatTime(range.start_us)},
               {"end", FormatTime(range.end_us)}};
  AddIfSaid(body, "label", options.label);
  AddIfSaid(body, "note", options.note);
  AddIfSaid(body, "case", options.case_name);
  AddIfSaid(body, "reason", options.reason);
  if (!options.expires.empty()) {
    LB_TRY_ASSIGN(expires_us, ResolveExpiry(options.expires, zone));
    body["expires"] = FormatTime(expires_us);
  }
  LB_TRY_ASSIGN(added, client.api().Call("POST", kind.path, body));
  if (client.json()) {
    PrintJson(added);
  } else {
    PrintText(fmt::format("{} {}: {}, {} to {}\n", kind.noun, Printable(TextOf(added, "id")),
                          Printable(WordsOf(added, "cameras")), LocalTimeOf(added, "start", zone),
                          LocalTimeOf(added, "end", zone)));
    if (const std::string warning = TextOf(added, "warning"); !warning.empty()) {
      Complain(Printable(warning));
    }
    if (const std::string empty = WordsOf(added, "without_footage"); kind.hold && !empty.empty()) {
      PrintText(fmt::format("note: {} has no footage in that range now\n", Printable(empty)));
    }
  }
  return kExitOk;
}

// Follows `next` to the end.
Result<Json> FetchAll(Client& client, const MarkerKind& kind, const std::string& camera,
                      const std::string& start, const std::string& end) {
  Json all = Json::array();
  std::string after;
  for (;;) {
    const std::string path = WithQuery(
        kind.path, {{"camera", camera}, {"start", start}, {"end", end}, {"after", after}});
    LB_TRY_ASSIGN(page, client.api().Get(path));
    for (const Json& marker : ListOf(page, kind.list)) all.push_back(marker);
    std::string next = TextOf(page, "next");
    if (next.empty() || next == after) return all;
    after = std::move(next);
  }
}

// "117 of 120": so many of its segments are on two volumes; "-" until they are counted.
std::string CopiesOf(const Json& hold) {
  const auto copies = hold.find("copies");
  if (copies == hold.end() || !copies->is_object()) return "-";
  const auto segments = NumberOf(*copies, "segments");
  return fmt::format("{} of {}", segments - NumberOf(*copies, "lacking"), segments);
}

void PrintMarkers(const MarkerKind& kind, const Json& list, const TimeZone& zone) {
  std::vector<std::string> head = {"ID", "CAMERAS", "START", "END", "LABEL", "CASE"};
  head.emplace_back(kind.hold ? "REASON" : "NOTE");
  head.emplace_back("BY");
  if (kind.hold) head.insert(head.end(), {"EXPIRES", "ON TWO VOLUMES"});
  Table table(std::move(head));
  for (const Json& marker : list) {
    std::vector<std::string> row = {TextOf(marker, "id"),
                                    WordsOf(marker, "cameras"),
                                    LocalTimeOf(marker, "start", zone),
                                    LocalTimeOf(marker, "end", zone),
                                    TextOf(marker, "label"),
                                    TextOf(marker, "case"),
                                    TextOf(marker, kind.hold ? "reason" : "note"),
                                    TextOf(marker, "person")};
    if (kind.hold) {
      row.push_back(LocalTimeOf(marker, "expires", zone, "never"));
      row.push_back(CopiesOf(marker));
    }
    table.Add(std::move(row));
  }
  PrintText(table.empty() ? fmt::format("There are no {}.\n", kind.list)
                          : table.TextFor(ScreenColumns()));
}

Result<int> ListMarkers(Client& client, const MarkerKind& kind, const MarkerOptions& options) {
  LB_TRY_ASSIGN(zone, client.Zone());
  std::string start, end;
  if (!options.range.start.empty() || !options.range.end.empty()) {
    if (options.range.start.empty() || options.range.end.empty()) {
      return Fail(Code::kInvalid, "--start and --end go together; without both, all are listed");
    }
    LB_TRY_ASSIGN(range, ResolveRange(options.range, zone));
    start = FormatTime(range.start_us);
    end = FormatTime(range.end_us);
  }
  const std::string camera = options.cameras.empty() ? "" : options.cameras.front();
  LB_TRY_ASSIGN(list, FetchAll(client, kind, camera, start, end));
  if (client.json()) {
    PrintJson({{kind.list, list}});
  } else {
    PrintMarkers(kind, list, zone);
  }
  return kExitOk;
}

Result<int> RemoveMarker(Client& client, const MarkerKind& kind, const MarkerOptions& options) {
  const std::string path = WithQuery(std::string(kind.path) + "/" + PercentEncode(options.id),
                                     {{"reason", options.reason}});
  LB_TRY_ASSIGN(nothing, client.api().Call("DELETE", path));
  const char* done = kind.hold ? "released" : "removed";
  if (client.json()) {
    PrintJson({{"id", options.id}, {done, true}});
  } else {
    PrintText(fmt::format("{} {} is {}\n", kind.noun, Printable(options.id), done));
  }
  return kExitOk;
}

void AddKind(Commands& commands, const MarkerKind& kind, const std::string& description,
             const std::string& remove_name) {
  CLI::App* group = commands.Group(kind.noun, description);
  auto options = std::make_shared<MarkerOptions>();
  const std::string noun = kind.noun;
  CLI::App* add =
      commands.AddClient(group, "add", "Put a " + noun + " on a range.",
                         [&kind, options](Client& c) { return AddMarker(c, kind, *options); });
  add->add_option("--camera", options->cameras, "whose footage; again for each")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->required();
  AddRangeOptions(add, options->range, /*required=*/true);
  add->add_option("--label", options->label, "a few words")->required(!kind.hold);
  add->add_option("--case", options->case_name, "what it belongs to");
  if (kind.hold) {
    add->add_option("--reason", options->reason, "needed where there is no --case");
    add->add_option("--expires", options->expires,
                    "a date, to the end of which it lasts, or RFC 3339 with offset (never)");
  } else {
    add->add_option("--note", options->note, "more words");
  }

  CLI::App* list =
      commands.AddClient(group, "list", "Those that overlap a range, or all.",
                         [&kind, options](Client& c) { return ListMarkers(c, kind, *options); });
  list->add_option("--camera", options->cameras, "of this one only")->expected(1);
  AddRangeOptions(list, options->range, /*required=*/false);

  CLI::App* remove =
      commands.AddClient(group, remove_name, "End a " + noun + ".",
                         [&kind, options](Client& c) { return RemoveMarker(c, kind, *options); });
  remove->add_option("id", options->id)->required();
  remove->add_option("--reason", options->reason, "for the record")->required(kind.hold);
}

}  // namespace

void AddMarkerCommands(Commands& commands) {
  AddKind(commands, kMarker, "Mark what happened when.", "remove");
  AddKind(commands, kHold, "Forbid deletion of a range.", "release");
}

}  // namespace lookback::app
