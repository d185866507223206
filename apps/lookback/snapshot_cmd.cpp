// `lookback snapshot`: the newest snapshot of the catalog, and one that is asked for.

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "apps/lookback/command.h"
#include "base/words.h"

namespace lookback::app {
namespace {

constexpr const char* kSnapshotPath = "/api/v1/snapshot";

bool IsBeingWritten(const Json& snapshot) {
  const auto running = snapshot.find("running");
  return running != snapshot.end() && running->is_boolean() && running->get<bool>();
}

Result<Json> AwaitSnapshot(Client& client, Json snapshot) {
  ProgressLine progress;
  while (IsBeingWritten(snapshot)) {
    progress.Update("snapshot: being written");
    std::this_thread::sleep_for(kPollEvery);
    LB_TRY_ASSIGN(next, client.api().Get(kSnapshotPath));
    snapshot = std::move(next);
  }
  return snapshot;
}

std::string SnapshotText(const Json& snapshot, const TimeZone& zone) {
  std::string text;
  const auto newest = snapshot.find("newest");
  if (newest == snapshot.end() || !newest->is_object()) {
    text = "There is no snapshot yet.\n";
  } else {
    text = fmt::format("{}, of {}: a rebuild reads it, and {} after it.\n",
                       Printable(TextOf(*newest, "path")), LocalTimeOf(*newest, "time", zone),
                       Count(static_cast<uint64_t>(NumberOf(snapshot, "ledger_records") -
                                                   NumberOf(*newest, "ledger_records")),
                             "ledger record"));
  }
  if (IsBeingWritten(snapshot)) text += "A new one is being written.\n";
  if (const std::string trouble = TextOf(snapshot, "trouble"); !trouble.empty()) {
    text += "The last try failed: " + Printable(trouble) + "\n";
  }
  return text;
}

Result<int> ShowSnapshot(Client& client, bool now) {
  LB_TRY_ASSIGN(zone, client.Zone());
  auto snapshot =
      now ? client.api().Call("POST", kSnapshotPath, Json()) : client.api().Get(kSnapshotPath);
  if (snapshot && now) snapshot = AwaitSnapshot(client, *std::move(snapshot));
  if (!snapshot) return Pass(snapshot.error());
  if (client.json()) {
    PrintJson(*snapshot);
  } else {
    PrintText(SnapshotText(*snapshot, zone));
  }
  return TextOf(*snapshot, "trouble").empty() ? kExitOk : kExitNegative;
}

}  // namespace

void AddSnapshotCommand(Commands& commands) {
  auto now = std::make_shared<bool>(false);
  CLI::App* snapshot = commands.AddClient(
      &commands.app, "snapshot", "The newest snapshot of the catalog, from which a rebuild begins.",
      [now](Client& client) { return ShowSnapshot(client, *now); });
  snapshot->add_flag("--now", *now, "write one, and wait for it; takes an admin");
}

}  // namespace lookback::app
