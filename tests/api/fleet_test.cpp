// A fleet that is set as a whole.
#include <gmock/gmock.h>

#include "tests/api/service_fixture.h"

namespace lookback::api {
namespace {

constexpr char kFleet[] = "/api/v1/fleet";
constexpr char kDryRun[] = "/api/v1/fleet?dry_run=1";

class FleetTest : public ServiceTest {
 protected:
  static Json Camera(const std::string& id, Json more = Json::object()) {
    Json camera = {{"id", id}, {"url", "rtsp://192.0.2.1/" + id}};
    camera.update(more);
    return camera;
  }
  Json Send(const std::string& path, const Json& body) {
    const auto response = Ask("POST", path, body);
    EXPECT_EQ(response.status, 200) << response.body;
    return Json::parse(response.body, nullptr, false);
  }
  static std::vector<std::string> Changes(const Json& plan) {
    std::vector<std::string> changes;
    for (const Json& change : plan["changes"]) {
      std::string text = change["action"].get<std::string>() + " " +
                         change["kind"].get<std::string>() + " " +
                         change["name"].get<std::string>();
      if (change["action"] == "change") {
        for (const Json& field : change["fields"]) text += " " + field["field"].get<std::string>();
      }
      changes.push_back(text);
    }
    return changes;
  }
};

TEST_F(FleetTest, ASecondTimeChangesNothing) {
  const Json fleet = {
      {"policy", {{"min_days", 30}, {"max_days", 90}, {"at_floor", "shorten"}}},
      {"cameras",
       {Camera("gate", {{"user", "viewer"}, {"password", "secret"}, {"audio", true}}),
        Camera("yard", {{"policy", {{"max_days", 7}}}, {"transport", "tcp"}})}}};
  const Json plan = Send(kDryRun, fleet);
  EXPECT_THAT(Changes(plan), testing::ElementsAre("add policy default", "add camera gate",
                                                  "add camera yard", "add policy yard"));
  EXPECT_EQ(plan["applied"], false);
  EXPECT_EQ(Get("/api/v1/cameras")["cameras"].size(), 0u);
  EXPECT_TRUE(recorder_.sources.empty());

  EXPECT_EQ(Send(kFleet, fleet)["applied"], true);
  EXPECT_EQ(recorder_.sources.size(), 2u);
  EXPECT_EQ(recorder_.sources[*CameraId::Parse("gate")].password, "secret");
  EXPECT_EQ(Get("/api/v1/retention/policies")["policies"].size(), 2u);
  const Json again = Send(kFleet, fleet);
  EXPECT_EQ(again["changes"].size(), 0u);
  EXPECT_EQ(again["unchanged"], 2);
}

TEST_F(FleetTest, WhatDiffersIsToldAndWhatTheFileLeavesOutIsTheDefault) {
  Send(kFleet, {{"cameras", {Camera("gate", {{"audio", true}, {"name", "门"}}), Camera("old")}}});
  const Json fleet = {{"cameras", {Camera("gate", {{"transport", "udp"}})}}};
  const Json plan = Send(kDryRun, fleet);
  EXPECT_THAT(Changes(plan), testing::ElementsAre("change camera gate name audio transport"));
  EXPECT_EQ(plan["changes"][0]["fields"][0],
            (Json{{"field", "name"}, {"from", "门"}, {"to", "gate"}}));
  EXPECT_EQ(plan["others"], Json({"old"}));
  Send(kFleet, fleet);
  EXPECT_EQ(Get("/api/v1/cameras")["cameras"].size(), 2u);

  Json only = fleet;
  only["remove_others"] = true;
  EXPECT_THAT(Changes(Send(kFleet, only)), testing::ElementsAre("remove camera old"));
  EXPECT_EQ(recorder_.sources.size(), 1u);
  EXPECT_TRUE(Get("/api/v1/cameras/old")["removed"]);
}

TEST_F(FleetTest, APasswordIsAChangeOnlyWhenItDiffersAndIsNeverTold) {
  Send(kFleet, {{"cameras", {Camera("gate", {{"password", "first"}})}}});
  const auto with = [&](const Json& more) {
    return Ask("POST", kDryRun, Json{{"cameras", {Camera("gate", more)}}}).body;
  };
  EXPECT_EQ(Json::parse(with({{"password", "first"}}))["changes"].size(), 0u);
  EXPECT_EQ(Json::parse(with(Json::object()))["changes"].size(), 0u);  // Not said: it stays.
  const std::string other = with({{"password", "second"}});
  EXPECT_THAT(Changes(Json::parse(other)), testing::ElementsAre("change camera gate password"));
  EXPECT_THAT(other, testing::Not(testing::HasSubstr("second")));
  EXPECT_THAT(other, testing::Not(testing::HasSubstr("first")));
}

TEST_F(FleetTest, EveryFaultIsToldAndNothingIsDone) {
  Send(kFleet, {{"cameras", {Camera("gone")}}});
  Send(kFleet, {{"cameras", Json::array()}, {"remove_others", true}});
  Json bad = Camera("yard", {{"url", "ftp://x/"}, {"transport", "pigeon"}, {"tls", "maybe"}});
  bad["policy"] = {{"min_days", 3}};
  const auto response =
      Ask("POST", kFleet,
          Json{{"policy", {{"min_days", 9}, {"max_days", 3}, {"at_floor", "stop"}}},
               {"cameras",
                {Camera("gate"), bad, Camera("gate"), Camera("Gate"), Camera("gone"),
                 Json{{"id", "x"}}, Camera("z", {{"colour", "red"}})}}});
  ASSERT_EQ(ProblemIn(response), "bad-fleet") << response.body;
  std::vector<std::string> faults;
  const Json problem = Json::parse(response.body);
  for (const Json& fault : problem["faults"]) {
    faults.push_back((fault.contains("camera") ? fault["camera"].dump() : "policy") + " " +
                     fault["field"].get<std::string>());
    EXPECT_FALSE(fault["detail"].get<std::string>().empty());
  }
  EXPECT_THAT(faults, testing::ElementsAre("policy ", "1 url", "1 transport", "1 tls", "1 ", "2 id",
                                           "3 id", "4 id", "5 url", "6 colour"));
  EXPECT_EQ(Get("/api/v1/cameras")["cameras"].size(), 0u);
}

TEST_F(FleetTest, AGroupThatIsNamedTwiceIsAFault) {
  const auto response = Ask("POST", kFleet,
                            Json{{"cameras", {Camera("gate", {{"group", "lane"}})}},
                                 {"groups",
                                  {Json{{"name", "lane"}, {"policy", {{"max_days", 9}}}},
                                   Json{{"name", "lane"}, {"policy", {{"max_days", 3}}}}}}});
  ASSERT_EQ(ProblemIn(response), "bad-fleet") << response.body;
  const Json problem = Json::parse(response.body);
  ASSERT_EQ(problem["faults"].size(), 1u);
  EXPECT_EQ(problem["faults"][0]["group"], 1);
  EXPECT_EQ(problem["faults"][0]["field"], "name");
  EXPECT_EQ(problem["faults"][0]["detail"], "group \"lane\" is named a second time");
}

TEST_F(FleetTest, OnlyThePlanThatWasShownIsDone) {
  const Json fleet = {{"cameras", {Camera("gate")}}};
  Json planned = fleet;
  planned["plan"] = Send(kDryRun, fleet)["plan"];
  AddCamera("gate");  // By somebody else, meanwhile, with another URL.
  EXPECT_EQ(ProblemIn(Ask("POST", kFleet, planned)), "fleet-changed");
  planned["plan"] = Send(kDryRun, fleet)["plan"];
  EXPECT_EQ(Send(kFleet, planned)["applied"], true);
}

TEST_F(FleetTest, WhatIsNotOnRecordDidNotHappen) {
  Send(kFleet, {{"cameras", {Camera("gate", {{"password", "first"}})}}});
  files_.FailNth(test::Op::kWrite, 2, Code::kDiskFull, /*and_all_later=*/true);
  EXPECT_GE(Ask("POST", kFleet,
                Json{{"cameras", {Camera("gate", {{"password", "second"}}), Camera("yard")}}})
                .status,
            500);
  files_.StopFailing();
  EXPECT_EQ(recorder_.sources.size(), 1u);
  EXPECT_EQ(recorder_.sources[*CameraId::Parse("gate")].password, "first");
}

TEST_F(FleetTest, EachChangeStandsInTheCustodyLogWithWhoMadeIt) {
  Send(kFleet, {{"cameras", {Camera("gate"), Camera("yard")}}});
  for (const char* id : {"gate", "yard"}) {
    const Json acts = Get(std::string("/api/v1/custody?camera=") + id)["acts"];
    ASSERT_EQ(acts.size(), 1u);
    EXPECT_EQ(acts[0]["kind"], "camera");
    EXPECT_EQ(acts[0]["person"], "admin");
  }
}

TEST_F(FleetTest, ItTakesTheRightToSetCameras) {
  const std::string token = TokenOfPlainUser("li.wei");
  EXPECT_EQ(ProblemIn(Ask("POST", kDryRun, Json{{"cameras", Json::array()}},
                          {{"authorization", "Bearer " + token}})),
            "forbidden");
}

TEST_F(FleetTest, FiveHundredCamerasAreOneGroupOnTheLedger) {
  Json cameras = Json::array();
  for (int i = 0; i < 500; ++i) {
    cameras.push_back(Camera("cam" + std::to_string(i), {{"password", "p" + std::to_string(i)}}));
  }
  const uint64_t syncs = files_.calls(test::Op::kSync);
  EXPECT_EQ(Send(kFleet, {{"cameras", cameras}})["changes"].size(), 500u);
  EXPECT_LT(files_.calls(test::Op::kSync) - syncs, 20u);
  EXPECT_EQ(recorder_.sources.size(), 500u);
}

TEST_F(FleetTest, ASubStreamIsASettingLikeOthers) {
  Send(kFleet, {{"cameras", {Camera("gate", {{"sub_url", "rtsp://192.0.2.1/light"}})}}});
  EXPECT_EQ(recorder_.sources[*CameraId::Parse("gate")].sub_url, "rtsp://192.0.2.1/light");
  const Json plan = Send(kFleet, {{"cameras", {Camera("gate")}}});
  EXPECT_THAT(Changes(plan), testing::ElementsAre("change camera gate sub_url"));
  EXPECT_TRUE(plan["changes"][0]["fields"][0]["to"].is_null());
  EXPECT_EQ(recorder_.sources[*CameraId::Parse("gate")].sub_url, "");
  const auto refused =
      Ask("POST", kFleet, {{"cameras", {Camera("gate", {{"sub_url", "rtsp://192.0.2.1/gate"}})}}});
  EXPECT_EQ(ProblemIn(refused), "bad-fleet");
  EXPECT_EQ(Json::parse(refused.body)["faults"][0]["field"], "sub_url");
}

}  // namespace
}  // namespace lookback::api
