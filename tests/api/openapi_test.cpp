// docs/openapi.json, held against the program: which routes there are, who may use them, and what
// they take is asked of the program itself.
#include <gmock/gmock.h>

#include <functional>

#include "tests/api/openapi_document.h"
#include "tests/api/service_fixture.h"

namespace lookback::api {
namespace {

using ::testing::ContainerEq;
using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::string_view kSomeId = "019df501-5b00-7c1e-9d5b-5d0f3a8f7a11";
// These read no query: what watches a server may send one, and is answered all the same.
const Names kWithoutQuery = {"GET /healthz", "GET /readyz", "GET /metrics"};
// These take bytes, and no JSON.
const Names kWithBytes = {"PUT /api/v1/imports/{id}/parts"};

// A path with something in its holes.
std::string Filled(std::string path) {
  for (size_t hole = path.find('{'); hole != std::string::npos; hole = path.find('{')) {
    const size_t end = path.find('}', hole);
    const std::string name = path.substr(hole + 1, end - hole - 1);
    const std::string_view with = name == "camera" ? "gate" : name == "id" ? kSomeId : "main";
    path.replace(hole, end + 1 - hole, with);
  }
  return path;
}

// What a refusal says is known: "...; known are: start, end".
Names KnownIn(const std::string& detail) {
  constexpr std::string_view kBefore = "known are: ";
  const size_t at = detail.find(kBefore);
  EXPECT_NE(at, std::string::npos) << detail;
  Names names;
  for (size_t from = at + kBefore.size(); at != std::string::npos && from < detail.size();) {
    const size_t end = std::min(detail.find(", ", from), detail.size());
    names.insert(detail.substr(from, end - from));
    from = end + 2;
  }
  return names;
}

class OpenApiTest : public ServiceTest {
 protected:
  void SetUp() override {
    ServiceTest::SetUp();
    AddCamera("gate");
    AddFootage("gate", test::kEvening, 10);
  }
  // As the admin; a login without the header, since it is its body that is asked for then.
  net::HttpResponse Try(const Operation& operation, const std::string& query,
                        const Json& body = {}) {
    if (operation.id() != "beginSession" || body.is_null()) {
      return Ask(operation.method, Filled(operation.path) + query, body);
    }
    net::HttpRequest request;
    request.method = operation.method;
    request.path = operation.path;
    request.headers = {{"content-type", "application/json"}};
    request.body = body.dump();
    return service_->Handle(request);
  }
  static std::string MemberOf(const net::HttpResponse& response, const char* name) {
    return TextOf(Json::parse(response.body, nullptr, false), name);
  }
  // A query of what the operation needs, but for one.
  static std::string Needed(const Operation& operation, const std::string& without = "") {
    const std::map<std::string, std::string> kValues = {{"start", "2026-05-04T22:00:00Z"},
                                                        {"end", "2026-05-04T22:00:10Z"},
                                                        {"time", "2026-05-04T22:00:05Z"},
                                                        {"camera", "gate"},
                                                        {"record", "0"},
                                                        {"from", "0"}};
    // What stands is a list by itself, and neither paged nor filtered.
    std::string query = operation.id() == "listEvents" ? "?state=all" : "";
    for (const auto& [name, parameter] : operation.Parameters("query")) {
      if (!parameter.value("required", false) || name == without) continue;
      query += (query.empty() ? "?" : "&") + name + "=" + kValues.at(name);
    }
    return query;
  }
};

TEST_F(OpenApiTest, TheDocumentHasEachRouteWithItsRightAndNoOther) {
  Names said, served;
  for (const Operation& operation : Operations()) {
    std::string form = operation.path;
    for (size_t hole = form.find('{'); hole != std::string::npos; hole = form.find('{', hole + 1)) {
      form.erase(hole + 1, form.find('}', hole) - hole - 1);
    }
    said.insert(operation.method + " " + form + " " + operation.said->value("x-right", ""));
  }
  for (const RouteShape& route : Routes()) {
    served.insert(fmt::format("{} {} {}", route.method, route.path, route.right));
  }
  EXPECT_THAT(said, ContainerEq(served));
  EXPECT_THAT(said, SizeIs(Routes().size()));
}

TEST_F(OpenApiTest, EachOperationNamesTheQueryParametersThatItsRouteTakes) {
  for (const Operation& operation : Operations()) {
    SCOPED_TRACE(operation.name());
    Names said = NamesOf(operation.Parameters("query"));
    const auto response = Try(operation, "?no_such_parameter=1");
    if (kWithoutQuery.contains(operation.name())) {
      EXPECT_THAT(said, IsEmpty());
      EXPECT_EQ(response.status, 200);
      continue;
    }
    EXPECT_EQ(ProblemIn(response), "unknown-parameter");
    EXPECT_EQ(said.erase("reason"), 1u) << "a reason goes with any request";
    EXPECT_THAT(said, ContainerEq(KnownIn(MemberOf(response, "detail"))));
  }
}

TEST_F(OpenApiTest, WhatAQueryNeedsIsNeeded) {
  for (const Operation& operation : Operations()) {
    SCOPED_TRACE(operation.name());
    Names needed;
    for (const auto& [name, parameter] : operation.Parameters("query")) {
      if (parameter.value("required", false)) needed.insert(name);
    }
    const auto bare = Try(operation, "");
    EXPECT_EQ(needed.empty(), bare.status < 400 || ProblemIn(bare) != "missing-parameter");
    for (const std::string& name : needed) {
      const std::string query = Needed(operation, name);
      const auto response = Try(operation, query);
      EXPECT_EQ(ProblemIn(response), "missing-parameter") << query;
      EXPECT_EQ(MemberOf(response, "field"), name);
    }
  }
}

TEST_F(OpenApiTest, WhatAParameterMayBeIsWhatItMayBe) {
  int tried = 0;
  for (const Operation& operation : Operations()) {
    for (const auto& [name, parameter] : operation.Parameters("query")) {
      const Json schema = parameter["schema"].contains("allOf")
                              ? Resolve(parameter["schema"]["allOf"][0])
                              : Resolve(parameter["schema"]);
      std::vector<std::string> wrong;
      if (schema.contains("enum")) wrong.emplace_back("other");
      if (schema.contains("minimum")) {
        const auto least = schema["minimum"].get<uint64_t>();
        wrong.push_back(least == 0 ? "-1" : std::to_string(least - 1));
      }
      if (schema.contains("maximum")) {
        wrong.push_back(std::to_string(schema["maximum"].get<uint64_t>() + 1));
      }
      if (schema.contains("maxLength")) {
        wrong.emplace_back(schema["maxLength"].get<size_t>() + 1, 'a');
      }
      for (const std::string& value : wrong) {
        const std::string needed = Needed(operation);
        // Of one that is needed, or is there already, the wrong one alone.
        if (needed.find(name + "=") != std::string::npos) continue;
        const auto response =
            Try(operation, needed + (needed.empty() ? "?" : "&") + name + "=" + value);
        EXPECT_THAT((Names{"bad-parameter", "bad-field"}), Contains(ProblemIn(response)))
            << operation.name() << " " << name << "=" << value;
        EXPECT_EQ(MemberOf(response, "field"), name) << operation.name();
        ++tried;
      }
    }
  }
  EXPECT_GT(tried, 100);
}

TEST_F(OpenApiTest, EachOperationNamesTheMembersThatItsBodyMayHave) {
  for (const Operation& operation : Operations()) {
    const bool reads =
        operation.method == "POST" || operation.method == "PUT" || operation.method == "PATCH";
    SCOPED_TRACE(operation.name());
    if (!reads || kWithBytes.contains(operation.name())) {
      EXPECT_TRUE(operation.Body().is_null());
      continue;
    }
    const auto response = Try(operation, "", {{"no_such_member", 1}});
    EXPECT_EQ(ProblemIn(response), "unknown-field");
    const Members members = MembersOf(operation.Body());
    EXPECT_THAT(NamesOf(members.all), ContainerEq(KnownIn(MemberOf(response, "detail"))));
    if (members.needed.empty()) continue;
    const auto bare = Try(operation, "", Json::object());
    EXPECT_THAT((Names{"missing-field", "bad-field"}), Contains(ProblemIn(bare)));
    EXPECT_THAT(members.needed, Contains(MemberOf(bare, "field")));
  }
}

TEST_F(OpenApiTest, ObjectsInABodyNameTheirMembersToo) {
  const Json wrong = {{"no_such_member", 1}};
  const auto schema = [](const std::string& name) {
    return MembersOf(Document()["components"]["schemas"][name]);
  };
  const Members fleet = schema("Fleet");
  const auto fault_in_fleet = [this](const Json& body) {
    const auto response = Ask("POST", "/api/v1/fleet", body);
    EXPECT_EQ(ProblemIn(response), "bad-fleet");
    return KnownIn(Json::parse(response.body)["faults"].at(0)["detail"].get<std::string>());
  };
  EXPECT_EQ(NamesOf(schema("FleetCamera").all), fault_in_fleet({{"cameras", {wrong}}}));
  EXPECT_EQ(NamesOf(schema("PolicySettings").all), fault_in_fleet({{"policy", wrong}}));
  EXPECT_EQ(NamesOf(MembersOf(fleet.all.at("groups")["items"]).all),
            fault_in_fleet({{"groups", {wrong}}}));
  const auto place = Ask("PATCH", "/api/v1/cameras/gate", {{"place", wrong}});
  EXPECT_EQ(NamesOf(schema("Place").all), KnownIn(MemberOf(place, "detail")));
  const auto point = Ask("POST", "/api/v1/footage/route", {{"points", {wrong, wrong}}});
  EXPECT_EQ(NamesOf(MembersOf(schema("Journey").all.at("points")["items"]).all),
            KnownIn(MemberOf(point, "detail")));
}

// Every object in the document, with where it stands.
void Walk(const Json& json, const std::string& where,
          const std::function<void(const std::string&, const Json&)>& visit) {
  if (json.is_object()) visit(where, json);
  if (!json.is_structured()) return;
  for (const auto& item : json.items()) Walk(item.value(), where + "/" + item.key(), visit);
}

TEST_F(OpenApiTest, EachReferenceLeadsSomewhereAndEachPartIsReferredTo) {
  Names referred;
  Walk(Document(), "", [&](const std::string& where, const Json& object) {
    if (!object.contains("$ref")) return;
    const std::string target = object["$ref"].get<std::string>();
    ASSERT_TRUE(target.starts_with("#/components/")) << where;
    EXPECT_TRUE(Document().contains(Json::json_pointer(target.substr(1)))) << where << target;
    EXPECT_THAT(object, SizeIs(1)) << where << ": what stands beside a reference is ignored";
    referred.insert(target);
  });
  for (const char* kind : {"parameters", "responses", "schemas"}) {
    for (const auto& part : Document()["components"][kind].items()) {
      const std::string target = fmt::format("#/components/{}/{}", kind, part.key());
      EXPECT_TRUE(referred.contains(target)) << target << " is used nowhere";
    }
  }
}

TEST_F(OpenApiTest, EachOperationIsWhole) {
  Names ids;
  for (const Operation& operation : Operations()) {
    SCOPED_TRACE(operation.name());
    const std::string id = operation.id(), summary = operation.said->value("summary", "");
    EXPECT_FALSE(id.empty());
    EXPECT_TRUE(ids.insert(id).second) << id << " stands twice";
    EXPECT_TRUE(summary.ends_with('.')) << "a summary is a sentence";
    Names holes;
    for (size_t at = operation.path.find('{'); at != std::string::npos;) {
      const size_t end = operation.path.find('}', at);
      holes.insert(operation.path.substr(at + 1, end - at - 1));
      at = operation.path.find('{', end);
    }
    EXPECT_EQ(NamesOf(operation.Parameters("path")), holes);
    const Json& answers = operation.said->at("responses");
    EXPECT_EQ(answers.at("default").at("$ref"), "#/components/responses/Problem");
    EXPECT_GE(answers.size(), 2u) << "what it answers when all is well";
  }
}

TEST_F(OpenApiTest, WhatASchemaNeedsItNames) {
  Walk(Document(), "", [](const std::string& where, const Json& object) {
    if (!object.contains("properties")) return;  // A parameter or a body is needed, or is not.
    const Members members = MembersOf(object);
    for (const std::string& name : members.needed) {
      EXPECT_TRUE(members.all.contains(name)) << where << " needs " << name;
    }
  });
}

}  // namespace
}  // namespace lookback::api
