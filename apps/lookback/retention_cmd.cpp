// `lookback retention`: what is promised, what a change would delete, and the change.

#include <fmt/format.h>

#include <optional>

#include "apps/lookback/command.h"

namespace lookback::app {
namespace {

struct PolicyOptions {
  std::string scope = "default";
  std::optional<uint32_t> min_days;
  std::optional<uint32_t> max_days;
  std::string at_floor;

  bool empty() const { return !min_days && !max_days && at_floor.empty(); }
};

Status CheckFloor(const PolicyOptions& options) {
  if (options.min_days.value_or(0) > 0 && options.at_floor.empty()) {
    return Fail(Code::kInvalid,
                "a floor (--min-days) needs --at-floor shorten|stop: what gives when the disk is "
                "full and only footage below the floor is left, the floor or the recording");
  }
  return Ok();
}

// What is not said stays what it is.
Json BodyOf(const PolicyOptions& options) {
  Json body = Json::object();
  if (options.min_days) body["min_days"] = *options.min_days;
  if (options.max_days) body["max_days"] = *options.max_days;
  if (!options.at_floor.empty()) body["at_floor"] = options.at_floor;
  return body;
}

std::string Days(const Json& policy, const char* name) {
  const int64_t days = NumberOf(policy, name);
  return days == 0 ? "none" : fmt::format("{} days", days);
}

void AddRow(Table& table, const Json& policy) {
  const std::string at_floor = TextOf(policy, "at_floor");
  table.Add({TextOf(policy, "scope"), Days(policy, "min_days"), Days(policy, "max_days"),
             at_floor.empty() ? "-" : at_floor, std::to_string(NumberOf(policy, "version")),
             TextOf(policy, "person")});
}

Table PolicyTable() { return Table({"SCOPE", "AT LEAST", "AT MOST", "AT FLOOR", "VERSION", "BY"}); }

Result<int> Show(Client& client) {
  LB_TRY_ASSIGN(answer, client.api().Get("/api/v1/retention/policies"));
  if (client.json()) {
    PrintJson(answer);
    return kExitOk;
  }
  Table table = PolicyTable();
  for (const Json& policy : ListOf(answer, "policies")) AddRow(table, policy);
  PrintText(table.empty() ? "No policy is set: footage is kept until the disk is nearly full.\n"
                          : table.Text());
  if (!FlagOf(answer, "confirmed")) {
    PrintText(
        "Nothing is deleted: the catalog was rebuilt, or much footage is missing, and the policies "
        "await `lookback retention "
        "confirm`.\n");
  }
  return kExitOk;
}

Result<int> Set(Client& client, const PolicyOptions& options) {
  if (options.empty()) {
    return Fail(Code::kInvalid,
                "say what is to change: --min-days N, --max-days N or --at-floor shorten|stop");
  }
  LB_TRY(CheckFloor(options));
  const std::string path = "/api/v1/retention/policies/" + PercentEncode(options.scope);
  LB_TRY_ASSIGN(policy, client.api().Call("PUT", path, BodyOf(options)));
  if (client.json()) {
    PrintJson(policy);
  } else {
    Table table = PolicyTable();
    AddRow(table, policy);
    PrintText(table.Text());
  }
  return kExitOk;
}

Result<int> Clear(Client& client, const std::string& camera) {
  LB_TRY_ASSIGN(answer,
                client.api().Call("DELETE", "/api/v1/retention/policies/" + PercentEncode(camera)));
  if (client.json()) {
    PrintJson(Json::object());
  } else {
    PrintText(fmt::format("{} has no policy of its own any more; the default holds\n", camera));
  }
  return kExitOk;
}

Result<int> Confirm(Client& client) {
  LB_TRY_ASSIGN(answer, client.api().Call("POST", "/api/v1/retention/confirm"));
  if (client.json()) {
    PrintJson(answer);
  } else {
    PrintText("the policies are confirmed; deletion goes on\n");
  }
  return kExitOk;
}

Result<int> Preview(Client& client, const PolicyOptions& options, bool change) {
  Json body;
  if (change) {
    LB_TRY(CheckFloor(options));
    body = BodyOf(options);
    body["scope"] = options.scope;
  }
  LB_TRY_ASSIGN(plan, client.api().Call("POST", "/api/v1/retention/preview", body));
  if (client.json()) {
    PrintJson(plan);
    return kExitOk;
  }
  LB_TRY_ASSIGN(zone, client.Zone());
  std::string text = Printable(TextOf(plan, "sentence"));
  if (!text.empty()) text += "\n";
  text += fmt::format("The next round would delete {} segments, {}, {}.\n",
                      NumberOf(plan, "segments"), ScreenDuration(NumberOf(plan, "duration_us")),
                      FormatBytes(static_cast<uint64_t>(NumberOf(plan, "bytes"))));
  Table table({"CAMERA", "SEGMENTS", "DURATION", "BYTES", "OLDEST", "NEWEST", "REASON"});
  for (const Json& camera : ListOf(plan, "cameras")) {
    table.Add({TextOf(camera, "camera"), std::to_string(NumberOf(camera, "segments")),
               ScreenDuration(NumberOf(camera, "duration_us")),
               FormatBytes(static_cast<uint64_t>(NumberOf(camera, "bytes"))),
               LocalTimeOf(camera, "oldest", zone), LocalTimeOf(camera, "newest", zone),
               TextOf(camera, "reason")});
  }
  PrintText(text + (table.empty() ? "" : table.Text()));
  return kExitOk;
}

void AddPolicyOptions(CLI::App* command, PolicyOptions& options) {
  command->add_option("scope", options.scope, "a camera's id, or \"default\"")
      ->capture_default_str();
  command->add_option("--min-days", options.min_days, "the floor: kept at least so long (0: none)");
  command->add_option("--max-days", options.max_days, "deleted after so long (0: none)");
  command
      ->add_option("--at-floor", options.at_floor,
                   "when the disk is full and only footage below the floor is left: `shorten` "
                   "the floor, or `stop` recording")
      ->check(CLI::IsMember({"shorten", "stop"}));
}

}  // namespace

void AddRetentionCommands(Commands& commands) {
  CLI::App* group = commands.Group("retention", "How long footage is kept.");
  commands.AddClient(group, "show", "The policies in force.", &Show);
  auto options = std::make_shared<PolicyOptions>();
  CLI::App* set =
      commands.AddClient(group, "set", "Set a policy; what is not said of it stays as it is.",
                         [options](Client& client) { return Set(client, *options); });
  AddPolicyOptions(set, *options);
  auto camera = std::make_shared<std::string>();
  CLI::App* clear =
      commands.AddClient(group, "clear", "Take a camera's own policy away; the default holds then.",
                         [camera](Client& client) { return Clear(client, *camera); });
  clear->add_option("camera", *camera, "the camera's id")->required();
  commands.AddClient(group, "confirm", "Let deletion go on after a rebuild.", &Confirm);
  auto preview = std::make_shared<CLI::App*>(nullptr);
  *preview = commands.AddClient(
      group, "preview", "What the next round would delete, as if such a policy were in force.",
      [options, preview](Client& client) {
        const CLI::App& said = **preview;
        const bool change = said.count("scope") + said.count("--min-days") +
                                said.count("--max-days") + said.count("--at-floor") >
                            0;
        return Preview(client, *options, change);
      });
  AddPolicyOptions(*preview, *options);
}

}  // namespace lookback::app
