// `lookback apply`: makes cameras and policies what a file says, after showing what that changes.

#include <fmt/format.h>

#include <algorithm>

#include "apps/lookback/command.h"
#include "apps/lookback/deletion_preview.h"
#include "apps/lookback/fleet_file.h"
#include "base/words.h"

namespace lookback::app {
namespace {

struct ApplyAsked {
  std::string file;
  bool yes = false;
  bool dry_run = false;
  bool remove_others = false;
};

// What a client or a camera may have put into a setting is no more than a word here.
std::string Word(const Json& value) {
  if (value.is_null()) return "none";
  return Printable(value.is_string() ? value.get<std::string>() : value.dump());
}

std::string FieldsText(const Json& change) {
  const bool add = TextOf(change, "action") == "add";
  std::string text;
  for (const Json& field : ListOf(change, "fields")) {
    const std::string name = TextOf(field, "field");
    if (name == "password") {
      text += fmt::format("; {} {}", name, add ? "set" : "changed");
    } else if (!add) {
      text += fmt::format("; {} {} -> {}", name, Word(field["from"]), Word(field["to"]));
    } else if (!field["to"].is_null()) {
      text += fmt::format("; {} {}", name, Word(field["to"]));
    }
  }
  return text.empty() ? text : ":" + text.substr(1);
}

// "~ yard: url rtsp://a/ -> rtsp://b/"
std::string PlanText(const Json& plan, bool remove_others) {
  std::string text;
  for (const Json& change : ListOf(plan, "changes")) {
    const std::string action = TextOf(change, "action");
    const std::string_view sign = action == "add" ? "+" : action == "remove" ? "-" : "~";
    const std::string_view kind = TextOf(change, "kind") == "policy" ? "policy of " : "";
    text += fmt::format("{} {}{}{}\n", sign, kind, Printable(TextOf(change, "name")),
                        FieldsText(change));
  }
  const Json& others = ListOf(plan, "others");
  if (!remove_others && !others.empty()) {
    text +=
        fmt::format("Not in the file, and {}: {}\n", others.size() == 1 ? "it stays" : "they stay",
                    Printable(WordsOf(plan, "others")));
  }
  return text;
}

// Each fault with its place in the file. `answer` is the server's: what it misses for want of a
// setting that was at fault already is told by that.
void AddFaults(const Json& answer, FleetFile& file) {
  const bool others = !file.faults.empty();
  for (const Json& fault : ListOf(answer, "faults")) {
    if (others && TextOf(fault, "type") == "/problems/missing-field") continue;
    int place = -1;
    if (fault.contains("camera")) place = static_cast<int>(NumberOf(fault, "camera"));
    if (fault.contains("group")) place = FleetFile::PlaceOfGroup(NumberOf(fault, "group"));
    file.faults.push_back(
        {file.PositionOf(place, TextOf(fault, "field")), TextOf(fault, "detail")});
  }
  SortFaults(file.faults);
}

// Exit code 2, or the fault of a file that cannot be read.
int Refuse(const ApplyAsked& asked, const FleetFile& file) {
  TellFaults(asked.file, file.faults);
  return kExitUsage;
}

// nullopt: the faults that the server found are in `file`.
Result<std::optional<Json>> Send(Client& client, bool dry_run, FleetFile& file) {
  HttpAsk ask;
  ask.method = "POST";
  ask.path = dry_run ? "/api/v1/fleet?dry_run=1" : "/api/v1/fleet";
  ask.body = file.body.dump(-1, ' ', false, Json::error_handler_t::replace);
  LB_TRY_ASSIGN(answer, client.api().Send(ask));
  if (ProblemType(answer) == "bad-fleet") {
    LB_TRY_ASSIGN(problem, ParseJson(answer.body));
    AddFaults(problem, file);
    return std::optional<Json>();
  }
  if (!answer.good()) return tl::unexpected<Error>(ProblemIn(answer, client.api().server()));
  LB_TRY_ASSIGN(plan, ParseJson(answer.body));
  return std::optional<Json>(std::move(plan));
}

Result<int> Apply(Client& client, const ApplyAsked& asked, FileSystem& files) {
  LB_TRY_ASSIGN(file, ReadFleetFile(files, asked.file));
  if (!file.faults.empty()) {
    // What the server finds wrong in the rest is told with it, if there is a server to ask.
    if (file.whole) (void)Send(client, /*dry_run=*/true, file);
    return Refuse(asked, file);
  }
  if (asked.remove_others) file.body["remove_others"] = true;
  LB_TRY_ASSIGN(plan, Send(client, /*dry_run=*/true, file));
  if (!plan) return Refuse(asked, file);
  const bool nothing = ListOf(*plan, "changes").empty();
  if (!client.json()) {
    PrintText(PlanText(*plan, asked.remove_others));
    const auto retention = plan->find("retention");
    if (retention != plan->end() && DeletesMore(*retention)) {
      LB_TRY_ASSIGN(text, PreviewText(client, *retention));
      PrintText(text);
    }
    if (nothing) {
      PrintText(fmt::format("Nothing to change: {} as the file says.\n",
                            CountOf(*plan, "unchanged", "camera")));
    }
  }
  if (nothing || asked.dry_run) {
    if (client.json()) PrintJson(*plan);
    return nothing ? kExitOk : kExitNegative;
  }
  LB_TRY_ASSIGN(confirmed, Confirmed(asked.yes));
  if (!confirmed) return kExitNegative;
  file.body["plan"] = TextOf(*plan, "plan");
  LB_TRY_ASSIGN(done, Send(client, /*dry_run=*/false, file));
  if (!done) return Refuse(asked, file);
  if (client.json()) {
    PrintJson(*done);
  } else {
    PrintText("Done: " + Count(ListOf(*done, "changes").size(), "change") + ".\n");
  }
  return kExitOk;
}

}  // namespace

void AddApplyCommand(Commands& commands) {
  auto asked = std::make_shared<ApplyAsked>();
  CLI::App* apply = commands.AddClient(
      &commands.app, "apply",
      "Make cameras and policies what a file says; shows the changes first.",
      [&commands, asked](Client& client) { return Apply(client, *asked, commands.files); });
  apply->add_option("file", asked->file, "TOML: [policy], [[group]] and [[camera]]")->required();
  CLI::Option* yes = apply->add_flag("--yes", asked->yes, "do not ask");
  apply->add_flag("--dry-run", asked->dry_run, "show only; exit code 1 when there is a change")
      ->excludes(yes);
  apply->add_flag("--remove-others", asked->remove_others,
                  "remove cameras that the file does not name; their footage stays");
}

}  // namespace lookback::app
