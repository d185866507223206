// Users: who may come in.

#include <fmt/format.h>

#include <algorithm>

#include "api/context.h"

namespace lookback::api {
namespace {

constexpr size_t kMaxUserNameBytes = 64;

Json ToJson(Context& context, const index::Person& person) {
  return {{"name", person.name},
          {"display_name", person.display_name},
          {"admin", person.admin},
          {"disabled", person.disabled},
          {"tokens", context.tokens->CountOf(person.name)}};
}

std::string ReadUserName(const Body& body) {
  std::string name = body.Text("name", kMaxLineBytes);
  const bool right =
      !name.empty() && name.size() <= kMaxUserNameBytes &&
      std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
      });
  if (right) return name;
  throw FieldProblem("bad-user-name", "name", "a user's name is [a-z0-9._-], 1 to 64 of them");
}

std::optional<index::Person> Find(Context& context, const std::string& name) {
  for (index::Person& person : OrThrow(context.store.catalog().Persons())) {
    if (person.name == name) return std::move(person);
  }
  return std::nullopt;
}

// Whether an admin besides `name` can come in.
bool AnotherAdmin(Context& context, const std::string& name) {
  for (const index::Person& person : OrThrow(context.store.catalog().Persons())) {
    const bool other = person.admin && !person.disabled && person.name != name;
    if (other && context.tokens->CountOf(person.name) > 0) return true;
  }
  return false;
}

index::Person FindUser(Context& context, const Call& call) {
  if (auto person = Find(context, call.names[0])) return std::move(*person);
  throw Problem{404, "unknown-user", "there is no such user"};
}

}  // namespace

net::HttpResponse ListUsers(Context& context, const Call& call) {
  const Query query(call.http, {});
  Json list = Json::array();
  for (const index::Person& person : OrThrow(context.store.catalog().Persons())) {
    list.push_back(ToJson(context, person));
  }
  return JsonResponse({{"users", std::move(list)}});
}

net::HttpResponse AddUser(Context& context, const Call& call) {
  const Query query(call.http, {});
  const Body body(call.http, {"name", "display_name", "admin"});
  index::Person person;
  person.name = ReadUserName(body);
  person.display_name = body.TextOr("display_name", kMaxLineBytes, "");
  person.admin = body.FlagOr("admin", false);
  const std::lock_guard lock(context.settings);
  if (Find(context, person.name)) {
    throw Problem{409, "user-exists", fmt::format("user {} exists", person.name)};
  }
  CommitSetting(context, call, {person});
  return JsonResponse(ToJson(context, person), 201);
}

net::HttpResponse AddToken(Context& context, const Call& call) {
  const Query query(call.http, {});
  const Body body(call.http, {});
  const std::lock_guard lock(context.settings);
  const index::Person person = FindUser(context, call);
  // On record first: a token that nobody wrote down must not open the door.
  CommitSetting(context, call, {});
  const std::string token = OrThrow(context.tokens->Issue(person.name, context.clock.NowUs()));
  return JsonResponse({{"name", person.name}, {"token", token}}, 201);
}

net::HttpResponse RevokeTokens(Context& context, const Call& call) {
  const Query query(call.http, {});
  const std::lock_guard lock(context.settings);
  const index::Person person = FindUser(context, call);
  if (person.admin && !AnotherAdmin(context, person.name)) {
    throw Problem{409, "last-admin",
                  fmt::format("{} is the only admin with a token: nobody could come in any more; "
                              "give another admin a token first",
                              person.name)};
  }
  // Shutting the door does not wait for the ledger.
  OrThrow(context.tokens->Revoke(person.name));
  CommitSetting(context, call, {});
  return NoContent();
}

}  // namespace lookback::api
