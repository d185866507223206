// `lookback status`: how the server does: itself, its volumes, and what is wrong.

#include <fmt/format.h>

#include "apps/lookback/command.h"

namespace lookback::app {
namespace {

std::string ServerText(const Json& status, const std::string& server, const TimeZone& zone) {
  std::string text = fmt::format(
      "lookback {} at {}, up {}, since {}\n", Printable(TextOf(status, "version")), server,
      ScreenDuration(NumberOf(status, "uptime_us")), LocalTimeOf(status, "started", zone));
  text += fmt::format("store {}, epoch {}, zone {}, clock {}\n", Printable(TextOf(status, "store")),
                      NumberOf(status, "epoch"), Printable(TextOf(status, "time_zone")),
                      FlagOf(status, "clock_synchronised") ? "synchronised" : "not synchronised");
  text += fmt::format("you are {}{}\n", Printable(TextOf(status, "person")),
                      FlagOf(status, "admin") ? ", an admin" : "");
  const auto recovery = status.find("recovery");
  if (recovery == status.end()) return text;
  for (const Json& note : ListOf(*recovery, "notes")) {
    if (note.is_string()) text += "at the start: " + Printable(note.get<std::string>()) + "\n";
  }
  return text;
}

// What is held and has no copy on a second volume, and why; "" while nothing is held.
std::string HeldText(const Json& status) {
  const auto held = status.find("held_copies");
  if (held == status.end() || !held->is_object() || NumberOf(*held, "segments") == 0) return {};
  std::string text = "held: " + CountOf(*held, "segments", "segment");
  if (NumberOf(*held, "lacking") == 0) return text + ", each on two volumes\n";
  text += fmt::format(", {} of them without a copy on a second volume", NumberOf(*held, "lacking"));
  const std::pair<const char*, const char*> why[] = {{"waiting", "wait for their turn"},
                                                     {"one_volume", "find no other volume"},
                                                     {"no_space", "find no space"},
                                                     {"unreadable", "cannot be read"}};
  const char* before = ": ";
  for (const auto& [name, words] : why) {
    if (NumberOf(*held, name) == 0) continue;
    text += fmt::format("{}{} {}", before, NumberOf(*held, name), words);
    before = ", ";
  }
  const std::string trouble = TextOf(*held, "trouble");
  return text + (trouble.empty() ? "\n" : " (" + Printable(trouble) + ")\n");
}

// A size that the server does not know is null.
std::string Size(const Json& volume, const char* name) {
  const auto found = volume.find(name);
  const bool known = found != volume.end() && found->is_number_unsigned();
  return known ? FormatBytes(found->get<uint64_t>()) : "-";
}

std::string VolumesText(const Json& volumes) {
  Table table({"VOLUME", "STATE", "FREE", "OF"});
  for (const Json& volume : volumes) {
    const std::string state = TextOf(volume, "state");
    table.Add({TextOf(volume, "root"), FlagOf(volume, "draining") ? state + ", draining" : state,
               Size(volume, "free_bytes"), Size(volume, "total_bytes")});
  }
  return table.Text();
}

Result<int> ShowServer(Client& client) {
  LB_TRY_ASSIGN(status, client.api().Get("/api/v1/status"));
  LB_TRY_ASSIGN(answer, client.api().Get("/api/v1/volumes"));
  if (client.json()) {
    status["volumes"] = ListOf(answer, "volumes");
    PrintJson(status);
    return kExitOk;
  }
  LB_TRY_ASSIGN(zone, client.Zone());
  PrintText(ServerText(status, client.api().server(), zone) + HeldText(status) + "\n" +
            VolumesText(ListOf(answer, "volumes")) + "\n" +
            EventsText(ListOf(status, "alarms"), zone));
  return kExitOk;
}

}  // namespace

void AddStatusCommand(Commands& commands) {
  commands.AddClient(&commands.app, "status", "How the server does: volumes and alarms.",
                     &ShowServer);
}

}  // namespace lookback::app
