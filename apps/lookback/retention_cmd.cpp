// `lookback retention`: what is promised, what a change would delete, and the change.

#include <fmt/format.h>

#include <optional>

#include "apps/lookback/command.h"
#include "apps/lookback/deletion_preview.h"
#include "base/words.h"

namespace lookback::app {
namespace {

struct PolicyOptions {
  std::string scope = "default";
  std::optional<uint32_t> min_days;
  std::optional<uint32_t> target_days;
  std::optional<uint32_t> max_days;
  std::optional<uint32_t> thin_days;
  std::optional<uint32_t> keep_class;
  std::optional<uint64_t> quota_bytes;
  std::string at_floor;
  bool yes = false;

  bool empty() const {
    return !min_days && !target_days && !max_days && !thin_days && !keep_class && !quota_bytes &&
           at_floor.empty();
  }
};

// What is not said stays what it is.
Json BodyOf(const PolicyOptions& options) {
  Json body = Json::object();
  if (options.min_days) body["min_days"] = *options.min_days;
  if (options.target_days) body["target_days"] = *options.target_days;
  if (options.max_days) body["max_days"] = *options.max_days;
  if (options.thin_days) body["thin_days"] = *options.thin_days;
  if (options.keep_class) body["class"] = *options.keep_class;
  if (options.quota_bytes) body["quota_bytes"] = *options.quota_bytes;
  if (!options.at_floor.empty()) body["at_floor"] = options.at_floor;
  return body;
}

std::string Days(const Json& policy, const char* name) {
  const int64_t days = NumberOf(policy, name);
  return days == 0 ? "none" : CountOf(policy, name, "day");
}

void AddRow(Table& table, const Json& policy) {
  const std::string at_floor = TextOf(policy, "at_floor");
  const auto quota = static_cast<uint64_t>(NumberOf(policy, "quota_bytes"));
  table.Add({TextOf(policy, "scope"), Days(policy, "min_days"), Days(policy, "target_days"),
             Days(policy, "max_days"), Days(policy, "thin_days"),
             std::to_string(NumberOf(policy, "class")), quota == 0 ? "none" : FormatBytes(quota),
             at_floor.empty() ? "-" : at_floor, std::to_string(NumberOf(policy, "version")),
             TextOf(policy, "person")});
}

Table PolicyTable() {
  return Table({"SCOPE", "AT LEAST", "TARGET", "AT MOST", "THINNED AFTER", "CLASS", "QUOTA",
                "AT FLOOR", "VERSION", "BY"});
}

Result<int> ShowPolicies(Client& client) {
  LB_TRY_ASSIGN(answer, client.api().Get("/api/v1/retention/policies"));
  if (client.json()) {
    PrintJson(answer);
    return kExitOk;
  }
  Table table = PolicyTable();
  for (const Json& policy : ListOf(answer, "policies")) AddRow(table, policy);
  PrintText(table.empty() ? "No policy is set: footage is kept until the disk is nearly full.\n"
                          : table.TextFor(ScreenColumns()));
  if (!FlagOf(answer, "confirmed")) {
    PrintText(
        "Nothing is deleted: the catalog was rebuilt, or much footage is missing, and the policies "
        "await `lookback retention "
        "confirm`.\n");
  }
  return kExitOk;
}

// The change as the preview takes it.
Json ChangeOf(const PolicyOptions& options) {
  Json change = BodyOf(options);
  change["scope"] = options.scope;
  return change;
}

Result<int> Set(Client& client, const PolicyOptions& options) {
  if (options.empty()) {
    return Fail(
        Code::kInvalid,
        "say what is to change: --min-days, --target-days, --max-days, --thin-days, --class, "
        "--quota or --at-floor");
  }
  const Json change = ChangeOf(options);
  LB_TRY_ASSIGN(agreed, AgreedToDeletion(client, change, options.yes));
  if (!agreed) return kExitNegative;
  const std::string path = "/api/v1/retention/policies/" + PercentEncode(options.scope);
  LB_TRY_ASSIGN(policy, client.api().Call("PUT", path, BodyOf(options)));
  if (client.json()) {
    PrintJson(policy);
  } else {
    Table table = PolicyTable();
    AddRow(table, policy);
    PrintText(table.TextFor(ScreenColumns()));
  }
  return kExitOk;
}

Result<int> Clear(Client& client, const std::string& scope, bool yes) {
  LB_TRY_ASSIGN(agreed, AgreedToDeletion(client, {{"scope", scope}, {"remove", true}}, yes));
  if (!agreed) return kExitNegative;
  LB_TRY_ASSIGN(answer,
                client.api().Call("DELETE", "/api/v1/retention/policies/" + PercentEncode(scope)));
  if (client.json()) {
    PrintJson(Json::object());
  } else {
    PrintText(fmt::format(
        "{} has no policy of its own any more; that of its group holds, or the default\n",
        Printable(scope)));
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
  if (change) body = ChangeOf(options);
  LB_TRY_ASSIGN(plan, client.api().Call("POST", "/api/v1/retention/preview", body));
  if (client.json()) {
    PrintJson(plan);
    return kExitOk;
  }
  LB_TRY_ASSIGN(text, PreviewText(client, plan));
  PrintText(text);
  return kExitOk;
}

void AddPolicyOptions(CLI::App* command, PolicyOptions& options) {
  command
      ->add_option("scope", options.scope,
                   "a camera's id, \"group:\" and a group's name, or \"default\"")
      ->capture_default_str();
  command->add_option("--min-days", options.min_days, "the floor: kept at least so long (0: none)");
  command->add_option("--target-days", options.target_days,
                      "the promise beyond the floor, while there is room (0: none)");
  command->add_option("--max-days", options.max_days, "deleted after so long (0: none)");
  command->add_option("--thin-days", options.thin_days,
                      "after so long only sync samples are kept, without sound (0: never)");
  command
      ->add_option("--class", options.keep_class,
                   "under disk pressure the lowest class gives first")
      ->check(CLI::Range(0, 3));
  command
      ->add_option("--quota", options.quota_bytes,
                   "most bytes of a camera, as 500GB or 2TB (0: none)")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true));
  command
      ->add_option("--at-floor", options.at_floor,
                   "when the disk is full and only footage below the floor is left: `shorten` "
                   "the floor, or `stop` recording")
      ->check(CLI::IsMember({"shorten", "stop"}));
}

}  // namespace

void AddRetentionCommands(Commands& commands) {
  CLI::App* group = commands.Group("retention", "How long footage is kept.");
  commands.AddClient(group, "show", "The policies in force.", &ShowPolicies);
  auto options = std::make_shared<PolicyOptions>();
  CLI::App* set =
      commands.AddClient(group, "set", "Set a policy; what is not said of it stays as it is.",
                         [options](Client& client) { return Set(client, *options); });
  AddPolicyOptions(set, *options);
  set->add_flag("--yes", options->yes, "delete and thin what the new policy does without asking");
  auto scope = std::make_shared<std::string>();
  auto yes = std::make_shared<bool>(false);
  CLI::App* clear = commands.AddClient(
      group, "clear",
      "Take the policy of a camera or group away; its group's, or the default, holds then.",
      [scope, yes](Client& client) { return Clear(client, *scope, *yes); });
  clear->add_option("scope", *scope, "a camera's id, or \"group:\" and a group's name")->required();
  clear->add_flag("--yes", *yes, "delete what that deletes without asking");
  commands.AddClient(group, "confirm", "Let deletion go on after a rebuild.", &Confirm);
  auto preview = std::make_shared<CLI::App*>(nullptr);
  *preview = commands.AddClient(
      group, "preview",
      "What the next rounds would delete and thin, as if such a policy were in force.",
      [options, preview](Client& client) {
        const CLI::App& said = **preview;
        const bool change = said.count("scope") + said.count("--min-days") +
                                said.count("--target-days") + said.count("--max-days") +
                                said.count("--thin-days") + said.count("--class") +
                                said.count("--quota") + said.count("--at-floor") >
                            0;
        return Preview(client, *options, change);
      });
  AddPolicyOptions(*preview, *options);
  AddForecastCommand(commands, group);
}

}  // namespace lookback::app
