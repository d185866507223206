// `lookback camera clock`, `camera note` and `camera notes`: what people put on a camera's record.

#include <fmt/format.h>

#include <cstdlib>

#include "apps/lookback/camera_clock.h"
#include "apps/lookback/command.h"

namespace lookback::app {
namespace {

// Two local times of one day that are further apart are rather of two days.
constexpr int64_t kMaxLocalOffsetUs = 12 * kUsPerHour;

struct ClockOptions {
  std::string camera, shown, true_time, date, note;
};

struct NoteOptions {
  std::string camera, kind, text, at, date;
};

struct PageOptions {
  uint64_t before = 0;
  uint32_t limit = 0;
};

std::string Path(const std::string& camera, const char* list) {
  return "/api/v1/cameras/" + PercentEncode(camera) + "/" + list;
}

std::string PagePath(const std::string& camera, const char* list, const PageOptions& page) {
  const auto number = [](uint64_t n) { return n == 0 ? std::string() : std::to_string(n); };
  return WithQuery(Path(camera, list),
                   {{"before", number(page.before)}, {"limit", number(page.limit)}});
}

std::string OlderLine(const Json& answer) {
  const int64_t next = NumberOf(answer, "next");
  return next > 0 ? fmt::format("Older ones: --before {}\n", next) : std::string();
}

Result<int> AddClockCheck(Client& client, const ClockOptions& options) {
  LB_TRY_ASSIGN(zone, client.Zone());
  LB_TRY_ASSIGN(shown_us, ResolveTime("--shown", options.shown, options.date, zone));
  LB_TRY_ASSIGN(true_us, ResolveTime("--true", options.true_time, options.date, zone));
  if (!options.date.empty() && std::abs(shown_us - true_us) > kMaxLocalOffsetUs) {
    return Fail(Code::kInvalid,
                fmt::format("--shown and --true are {} apart; were they of two days? then give "
                            "both with date and offset, and no --date",
                            FormatDuration(std::abs(shown_us - true_us))));
  }
  Json body = {{"shown", FormatTime(shown_us)}, {"true", FormatTime(true_us)}};
  if (!options.note.empty()) body["note"] = options.note;
  LB_TRY_ASSIGN(check, client.api().Call("POST", Path(options.camera, "clock-checks"), body));
  if (client.json()) {
    PrintJson(check);
  } else {
    PrintText(fmt::format("{}: the camera showed {} at {}: its clock was {}\n",
                          Printable(options.camera), LocalTimeOf(check, "shown", zone),
                          LocalTimeOf(check, "true", zone),
                          OffsetWords(NumberOf(check, "offset_us"))));
  }
  return kExitOk;
}

Result<int> ListClockChecks(Client& client, const ClockOptions& options, const PageOptions& page) {
  LB_TRY_ASSIGN(answer, client.api().Get(PagePath(options.camera, "clock-checks", page)));
  if (client.json()) {
    PrintJson(answer);
    return kExitOk;
  }
  LB_TRY_ASSIGN(zone, client.Zone());
  const auto now = answer.find("camera_offset_us");
  std::string text =
      now != answer.end() && now->is_number_integer()
          ? fmt::format("by its sender reports the camera is {}\n", OffsetWords(*now))
          : std::string("its sender reports tell no time (yet)\n");
  Table table({"SHOWN", "TRUE", "THE CAMERA WAS", "BY", "NOTE"});
  for (const Json& check : ListOf(answer, "checks")) {
    table.Add({LocalTimeOf(check, "shown", zone), LocalTimeOf(check, "true", zone),
               OffsetWords(NumberOf(check, "offset_us")), TextOf(check, "person"),
               TextOf(check, "note")});
  }
  text += table.empty() ? "Nobody has looked at its clock; --shown T --true T puts it on record.\n"
                        : table.TextFor(ScreenColumns());
  PrintText(text + OlderLine(answer));
  return kExitOk;
}

Result<int> Clock(Client& client, const ClockOptions& options, const PageOptions& page) {
  if (options.shown.empty() != options.true_time.empty()) {
    return Fail(Code::kInvalid,
                "--shown and --true go together: what the camera showed, and what a clock that is "
                "right showed at that instant");
  }
  if (options.shown.empty()) return ListClockChecks(client, options, page);
  return AddClockCheck(client, options);
}

Result<int> AddNote(Client& client, const NoteOptions& options) {
  Json body = {{"kind", options.kind}, {"text", options.text}};
  LB_TRY_ASSIGN(zone, client.Zone());
  if (!options.at.empty()) {
    LB_TRY_ASSIGN(at_us, ResolveTime("--at", options.at, options.date, zone));
    body["at"] = FormatTime(at_us);
  }
  LB_TRY_ASSIGN(note, client.api().Call("POST", Path(options.camera, "notes"), body));
  if (client.json()) {
    PrintJson(note);
  } else {
    PrintText(fmt::format("{}: {} of {} is on record\n", Printable(options.camera),
                          Printable(TextOf(note, "kind")), LocalTimeOf(note, "at", zone)));
  }
  return kExitOk;
}

Result<int> ListNotes(Client& client, const NoteOptions& options, const PageOptions& page) {
  LB_TRY_ASSIGN(answer, client.api().Get(PagePath(options.camera, "notes", page)));
  if (client.json()) {
    PrintJson(answer);
    return kExitOk;
  }
  LB_TRY_ASSIGN(zone, client.Zone());
  Table table({"NUMBER", "AT", "KIND", "TEXT", "BY", "NOTED"});
  for (const Json& note : ListOf(answer, "notes")) {
    std::string text = TextOf(note, "text");
    if (note.contains("offset_us")) {
      text = "the camera was " + OffsetWords(NumberOf(note, "offset_us")) +
             (text.empty() ? "" : ": " + text);
    }
    table.Add({std::to_string(NumberOf(note, "number")), LocalTimeOf(note, "at", zone),
               TextOf(note, "kind"), text, TextOf(note, "person"),
               LocalTimeOf(note, "noted", zone)});
  }
  PrintText((table.empty() ? "There are no notes.\n" : table.TextFor(ScreenColumns())) +
            OlderLine(answer));
  return kExitOk;
}

void AddPageOptions(CLI::App* command, PageOptions& page) {
  command->add_option("--limit", page.limit, "at most so many (100)");
  command->add_option("--before", page.before, "older than this number");
}

constexpr const char* kDateHelp = "YYYY-MM-DD in the store's zone, or that of --tz";
constexpr const char* kTimeHelp = "RFC 3339 with offset; beside --date a local HH:MM[:SS]";

}  // namespace

void AddUpkeepCommands(Commands& commands, CLI::App* group) {
  auto clock = std::make_shared<ClockOptions>();
  auto checks = std::make_shared<PageOptions>();
  CLI::App* check = commands.AddClient(
      group, "clock",
      "What looks at a camera's clock found; with --shown and --true, put one on "
      "record.",
      [clock, checks](Client& client) { return Clock(client, *clock, *checks); });
  check->add_option("id", clock->camera)->required();
  check->add_option("--shown", clock->shown, std::string("what the camera showed: ") + kTimeHelp);
  check->add_option("--true", clock->true_time, "what a right clock showed at that instant");
  check->add_option("--date", clock->date, kDateHelp);
  check->add_option("--note", clock->note, "how it was measured");
  AddPageOptions(check, *checks);

  auto note = std::make_shared<NoteOptions>();
  CLI::App* add =
      commands.AddClient(group, "note", "Put a note, a fault or a repair on a camera's record.",
                         [note](Client& client) { return AddNote(client, *note); });
  add->add_option("id", note->camera)->required();
  add->add_option("--kind", note->kind, "note, fault or repair")
      ->check(CLI::IsMember({"note", "fault", "repair"}))
      ->required();
  add->add_option("--text", note->text, "what was found or done")->required();
  add->add_option("--at", note->at, std::string("when it was (now): ") + kTimeHelp);
  add->add_option("--date", note->date, kDateHelp);

  auto notes = std::make_shared<PageOptions>();
  CLI::App* list = commands.AddClient(
      group, "notes", "What people put on a camera's record, newest first.",
      [note, notes](Client& client) { return ListNotes(client, *note, *notes); });
  list->add_option("id", note->camera)->required();
  AddPageOptions(list, *notes);
}

}  // namespace lookback::app
