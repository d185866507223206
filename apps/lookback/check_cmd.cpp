// `lookback check`: what the running server's check of disk, ledger and catalog found.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>

#include "apps/lookback/check_text.h"
#include "apps/lookback/command.h"
#include "base/words.h"

namespace lookback::app {
namespace {

constexpr const char* kCheckPath = "/api/v1/check";

std::string CheckProgressText(const Json& check) {
  const auto progress = check.find("progress");
  if (progress == check.end() || !progress->is_object()) return "check: begins";
  std::string text =
      fmt::format("check: {}, {}", TextOf(*progress, "step"), NumberOf(*progress, "done"));
  const int64_t total = NumberOf(*progress, "total");
  if (total > 0) text += fmt::format(" of {}", total);
  return text;
}

Result<Json> AwaitCheck(Client& client, Json check) {
  ProgressLine progress;
  while (FlagOf(check, "running")) {
    progress.Update(CheckProgressText(check));
    std::this_thread::sleep_for(kPollEvery);
    LB_TRY_ASSIGN(next, client.api().Get(kCheckPath));
    check = std::move(next);
  }
  return check;
}

std::string LastCheckText(const Json& check, const TimeZone& zone) {
  std::string text;
  const auto last = check.find("last");
  if (last == check.end() || !last->is_object()) {
    text = "The server has not checked its store since it started: --now does.\n";
  } else if (const std::string trouble = TextOf(*last, "trouble"); !trouble.empty()) {
    text = "The last check could not be made: " + Printable(trouble) + "\n";
  } else {
    text = CheckText(*last);
    const auto shown = static_cast<int64_t>(ListOf(*last, "findings").size());
    const int64_t all = NumberOf(*last, "all_findings");
    if (all > shown) text += fmt::format("and {} more findings\n", all - shown);
    text += fmt::format("from {} to {}\n", LocalTimeOf(*last, "began", zone),
                        LocalTimeOf(*last, "ended", zone));
  }
  if (FlagOf(check, "running")) text += "One is under way: " + CheckProgressText(check) + "\n";
  return text;
}

bool IsClean(const Json& check) {
  const auto last = check.find("last");
  if (last == check.end() || !last->is_object()) return true;
  return TextOf(*last, "trouble").empty() && NumberOf(*last, "faults") == 0;
}

Result<int> ShowCheck(Client& client, bool now, bool wait) {
  LB_TRY_ASSIGN(zone, client.Zone());
  auto check = now ? client.api().Call("POST", kCheckPath, Json()) : client.api().Get(kCheckPath);
  if (check && wait) check = AwaitCheck(client, *std::move(check));
  if (!check) return Pass(check.error());
  if (client.json()) {
    PrintJson(*check);
  } else {
    PrintText(LastCheckText(*check, zone));
  }
  return IsClean(*check) ? kExitOk : kExitNegative;
}

}  // namespace

std::string CheckText(const Json& report) {
  Table table({"KIND", "WHAT"});
  uint64_t faults = 0;
  std::map<std::string, uint64_t> told;  // By kind, of those that are no faults.
  for (const Json& finding : ListOf(report, "findings")) {
    const bool fault = FlagOf(finding, "fault");
    faults += fault ? 1 : 0;
    if (!fault && ++told[TextOf(finding, "kind")] > kShownOfNoFault) continue;
    std::string what = TextOf(finding, "sentence");
    // A sentence may name the file already; scripts and people look for its path in any case.
    const std::string path = TextOf(finding, "path");
    if (what.find(path) == std::string::npos) what += " (" + path + ")";
    table.Add({TextOf(finding, "kind") + (fault ? "" : " (no fault)"), Printable(what)});
  }
  for (const auto& [kind, count] : told) {
    if (count <= kShownOfNoFault) continue;
    table.Add({kind + " (no fault)",
               fmt::format("and {} more: --json names each", count - kShownOfNoFault)});
  }
  if (report.contains("faults")) faults = static_cast<uint64_t>(NumberOf(report, "faults"));
  return (table.empty() ? "" : table.TextFor(ScreenColumns())) +
         fmt::format("{} and {} checked: {}\n", CountOf(report, "segments", "segment"),
                     CountOf(report, "ledger_records", "ledger record"),
                     faults == 0 ? "disk, ledger and catalog agree" : Count(faults, "fault"));
}

void AddCheckCommand(Commands& commands) {
  struct Asked {
    bool now = false;
    bool wait = false;
  };
  auto asked = std::make_shared<Asked>();
  CLI::App* check = commands.AddClient(
      &commands.app, "check",
      "What the server's check of disk, ledger and catalog against each other found.",
      [asked](Client& client) { return ShowCheck(client, asked->now, asked->wait); });
  check->add_flag("--now", asked->now, "begin one, unless one is under way; takes an admin");
  check->add_flag("--wait", asked->wait, "wait until the one under way ends");
}

}  // namespace lookback::app
