// `lookback events`: alarms that stand and that stood, and who has seen them.

#include <fmt/format.h>

#include "apps/lookback/command.h"

namespace lookback::app {
namespace {

struct EventsAsked {
  bool all = false;
  std::string camera;
  int limit = 100;
  std::string before;
  std::string id;
  std::string note;
};

// "li.wei: lens is dirty"
std::string SeenBy(const Json& event) {
  const auto seen = event.find("acknowledged");
  if (seen == event.end() || !seen->is_object()) return "-";
  const std::string note = TextOf(*seen, "note");
  return TextOf(*seen, "person") + (note.empty() ? "" : ": " + note);
}

Result<int> ListEvents(Client& client, const EventsAsked& asked) {
  const std::string path = WithQuery("/api/v1/events", {{"state", asked.all ? "all" : "open"},
                                                        {"camera", asked.camera},
                                                        {"before", asked.before},
                                                        {"limit", std::to_string(asked.limit)}});
  LB_TRY_ASSIGN(answer, client.api().Get(path));
  if (client.json()) {
    PrintJson(answer);
    return kExitOk;
  }
  LB_TRY_ASSIGN(zone, client.Zone());
  PrintText(EventsText(ListOf(answer, "events"), zone));
  if (const std::string next = TextOf(answer, "next"); !next.empty()) {
    PrintText("There are more: --before " + Printable(next) + "\n");
  }
  return kExitOk;
}

Result<int> Acknowledge(Client& client, const EventsAsked& asked) {
  Json body = Json::object();
  if (!asked.note.empty()) body["note"] = asked.note;
  LB_TRY_ASSIGN(
      event, client.api().Call("POST", "/api/v1/events/" + PercentEncode(asked.id) + "/acknowledge",
                               body));
  if (client.json()) {
    PrintJson(event);
  } else {
    const std::string subject = Printable(TextOf(event, "subject"));
    PrintText(fmt::format("{}{} is acknowledged, on record\n", Printable(TextOf(event, "kind")),
                          subject.empty() ? "" : " of " + subject));
  }
  return kExitOk;
}

}  // namespace

std::string EventsText(const Json& events, const TimeZone& zone) {
  Table table({"ALARM", "SEVERITY", "SINCE", "UNTIL", "SEEN BY", "WHAT", "ID"});
  for (const Json& event : events) {
    table.Add({TextOf(event, "kind"), TextOf(event, "severity"), LocalTimeOf(event, "since", zone),
               LocalTimeOf(event, "until", zone), SeenBy(event), TextOf(event, "sentence"),
               TextOf(event, "id")});
  }
  return table.empty() ? "There are no alarms.\n" : table.TextFor(ScreenColumns());
}

void AddEventCommands(Commands& commands) {
  auto asked = std::make_shared<EventsAsked>();
  // Both the group and what is in it do something; what is named last does it.
  auto ack = std::make_shared<CLI::App*>(nullptr);
  CLI::App* events = commands.AddClient(
      &commands.app, "events", "Alarms that stand, or all there were; acknowledge one.",
      [asked, ack](Client& client) {
        return (*ack)->parsed() ? Acknowledge(client, *asked) : ListEvents(client, *asked);
      });
  events->add_flag("--all", asked->all, "ended ones too, the newest first");
  events->add_option("--camera", asked->camera, "of one camera");
  events->add_option("--limit", asked->limit, "with --all: so many at most")
      ->check(CLI::Range(1, 1'000))
      ->capture_default_str();
  events->add_option("--before", asked->before, "with --all: older than this id");
  *ack = commands.AddClient(events, "ack", "Say, on record, that you have seen an alarm.",
                            [asked](Client& client) { return Acknowledge(client, *asked); });
  (*ack)->add_option("id", asked->id, "as `lookback events` shows it")->required();
  (*ack)->add_option("--note", asked->note, "what is being done about it");
}

}  // namespace lookback::app
