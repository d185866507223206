// `lookback user` and `lookback custody`: who may come in, and who did what.

#include <fmt/format.h>

#include "apps/lookback/command.h"

namespace lookback::app {
namespace {

struct UserOptions {
  std::string name;
  std::string display_name;
  bool admin = false;
  bool revoke = false;
};

struct CustodyOptions {
  uint64_t before = 0;
  uint32_t limit = 0;
  std::string person;
  std::string camera;
};

Result<int> AddUser(Client& client, const UserOptions& options) {
  Json body = {{"name", options.name}, {"admin", options.admin}};
  if (!options.display_name.empty()) body["display_name"] = options.display_name;
  LB_TRY_ASSIGN(user, client.api().Call("POST", "/api/v1/users", body));
  if (client.json()) {
    PrintJson(user);
  } else {
    const std::string name = Printable(TextOf(user, "name"));
    PrintText(
        fmt::format("user {} is added; `lookback user token {}` makes a token\n", name, name));
  }
  return kExitOk;
}

Result<int> ListUsers(Client& client) {
  LB_TRY_ASSIGN(answer, client.api().Get("/api/v1/users"));
  if (client.json()) {
    PrintJson(answer);
    return kExitOk;
  }
  Table table({"NAME", "DISPLAY NAME", "ADMIN", "DISABLED", "TOKENS"});
  for (const Json& user : ListOf(answer, "users")) {
    table.Add({TextOf(user, "name"), TextOf(user, "display_name"),
               FlagOf(user, "admin") ? "yes" : "no", FlagOf(user, "disabled") ? "yes" : "no",
               std::to_string(NumberOf(user, "tokens"))});
  }
  PrintText(table.TextFor(ScreenColumns()));
  return kExitOk;
}

// The token alone on standard output, so that `> FILE` makes a token file.
Result<int> Token(Client& client, const UserOptions& options) {
  const std::string path = "/api/v1/users/" + PercentEncode(options.name) + "/tokens";
  LB_TRY_ASSIGN(answer, client.api().Call(options.revoke ? "DELETE" : "POST", path));
  if (options.revoke) {
    if (client.json()) {
      PrintJson({{"name", options.name}, {"revoked", true}});
    } else {
      PrintText(fmt::format("all tokens of {} are revoked\n", Printable(options.name)));
    }
  } else if (client.json()) {
    PrintJson(answer);
  } else {
    PrintText(Printable(TextOf(answer, "token")) + "\n");
  }
  return kExitOk;
}

Result<int> Custody(Client& client, const CustodyOptions& options) {
  const auto number = [](uint64_t n) { return n == 0 ? std::string() : std::to_string(n); };
  LB_TRY_ASSIGN(answer,
                client.api().Get(WithQuery("/api/v1/custody", {{"before", number(options.before)},
                                                               {"limit", number(options.limit)},
                                                               {"person", options.person},
                                                               {"camera", options.camera}})));
  if (client.json()) {
    PrintJson(answer);
    return kExitOk;
  }
  LB_TRY_ASSIGN(zone, client.Zone());
  Table table(
      {"NUMBER", "TIME", "PERSON", "CLIENT", "KIND", "WHAT", "CAMERAS", "START", "END", "REASON"});
  for (const Json& act : ListOf(answer, "acts")) {
    table.Add({std::to_string(NumberOf(act, "number")), LocalTimeOf(act, "time", zone),
               TextOf(act, "person"), TextOf(act, "client"),
               TextOf(act, "kind") + (FlagOf(act, "refused") ? " (refused)" : ""),
               TextOf(act, "what"), WordsOf(act, "cameras"), LocalTimeOf(act, "start", zone),
               LocalTimeOf(act, "end", zone), TextOf(act, "reason")});
  }
  std::string text = table.TextFor(ScreenColumns());
  if (const int64_t next = NumberOf(answer, "next"); next > 0) {
    text += fmt::format("Older ones: --before {}\n", next);
  }
  PrintText(text);
  return kExitOk;
}

}  // namespace

void AddUserCommands(Commands& commands) {
  CLI::App* group = commands.Group("user", "Who may come in.");
  auto options = std::make_shared<UserOptions>();
  CLI::App* add = commands.AddClient(group, "add", "Add a user; a token is made apart.",
                                     [options](Client& c) { return AddUser(c, *options); });
  add->add_option("name", options->name, "[a-z0-9._-], 1 to 64")->required();
  add->add_option("--display-name", options->display_name, "as people write it");
  add->add_flag("--admin", options->admin, "may change cameras, policies and users");
  commands.AddClient(group, "list", "All users.", &ListUsers);
  CLI::App* token =
      commands.AddClient(group, "token", "Make a token for a user; it is shown this once.",
                         [options](Client& c) { return Token(c, *options); });
  token->add_option("name", options->name)->required();
  token->add_flag("--revoke", options->revoke, "instead, end all tokens of the user");

  auto custody = std::make_shared<CustodyOptions>();
  CLI::App* log = commands.AddClient(&commands.app, "custody", "Who did what, newest first.",
                                     [custody](Client& c) { return Custody(c, *custody); });
  log->add_option("--limit", custody->limit, "at most so many (100)");
  log->add_option("--before", custody->before, "older than this number");
  log->add_option("--person", custody->person, "of this person alone");
  log->add_option("--camera", custody->camera, "on this camera alone");
}

}  // namespace lookback::app
