// Policies, what a change of them would delete and thin, and how far back footage will reach.
#include "api/clip_cache.h"
#include "tests/api/service_fixture.h"

namespace lookback::api {
namespace {

using RoutesTest = ServiceTest;

TEST_F(RoutesTest, APolicyMustSayWhatGivesAtItsFloor) {
  AddCamera("gate");
  const auto put = [this](const std::string& scope, const Json& body) {
    return Ask("PUT", "/api/v1/retention/policies/" + scope, body);
  };
  EXPECT_EQ(ProblemIn(put("default", {{"min_days", 30}})), "bad-policy");
  EXPECT_EQ(ProblemIn(put("default", {{"min_days", 30}, {"at_floor", "maybe"}})), "bad-field");
  EXPECT_EQ(ProblemIn(put("default", {{"min_days", -1}})), "bad-field");
  EXPECT_EQ(ProblemIn(put("Gate", {{"max_days", 3}})), "bad-camera-id");
  EXPECT_EQ(ProblemIn(put("yard", {{"max_days", 3}})), "unknown-camera");
  EXPECT_EQ(put("default", {{"min_days", 30}, {"at_floor", "stop"}}).status, 200);
  EXPECT_EQ(put("gate", {{"min_days", 0}, {"max_days", 3}, {"at_floor", nullptr}}).status, 200);
  const auto again = put("default", {{"max_days", 60}});
  EXPECT_EQ(Json::parse(again.body)["version"], 2);
  const Json list = Get("/api/v1/retention/policies");
  EXPECT_EQ(list["policies"].size(), 2u);
  EXPECT_EQ(list["policies"][0]["at_floor"], "stop");  // What was not said again.
  EXPECT_EQ(list["policies"][1]["at_floor"], nullptr);
  EXPECT_EQ(list["confirmed"], true);
  EXPECT_EQ(Ask("POST", "/api/v1/retention/confirm").status, 200);
  EXPECT_EQ(ProblemIn(Ask("POST", "/api/v1/retention/preview")), "unavailable");
}

TEST_F(RoutesTest, APreviewSaysWhatAChangeWouldDeleteAndDeletesNothing) {
  AddCamera("gate");
  AddFootage("gate", test::kEvening, 10);
  clock_.Advance(3 * kUsPerDay);
  const auto purger = storage::Purger::Start(*store_, clock_, {});
  service_->SetPurger(purger.get());
  const auto response =
      Ask("POST", "/api/v1/retention/preview", {{"scope", "default"}, {"max_days", 1}});
  service_->SetPurger(nullptr);
  ASSERT_EQ(response.status, 200) << response.body;
  const Json plan = Json::parse(response.body);
  EXPECT_EQ(plan["segments"], 1);
  EXPECT_EQ(plan["cameras"][0]["camera"], "gate");
  EXPECT_EQ(plan["cameras"][0]["oldest"], "2026-05-04T22:00:00Z");
  EXPECT_EQ(plan["duration_us"], 10'000'000);
  EXPECT_EQ(Get("/api/v1/cameras/gate/timeline?start=2026-05-04T22:00:00Z&end=2026-05-04T22:00:10Z")
                ["covered_us"],
            10'000'000);
}

TEST_F(RoutesTest, WhatAChangeWouldThinIsToldApartFromWhatItDeletesAndThenShownAsThinned) {
  AddCamera("gate");
  AddFootage("gate", test::kEvening, 10);
  clock_.Advance(3 * kUsPerDay);
  const auto purger = storage::Purger::Start(*store_, clock_, {});
  service_->SetPurger(purger.get());
  const Json change = {{"thin_days", 2}, {"max_days", 9}};
  Json asked = change;
  asked["scope"] = "default";
  const Json plan = Json::parse(Ask("POST", "/api/v1/retention/preview", asked).body);
  EXPECT_EQ(plan["segments"], 0);
  EXPECT_EQ(plan["thinned"]["segments"], 1);
  EXPECT_EQ(plan["thinned"]["anyway"]["segments"], 0);
  EXPECT_EQ(plan["thinned"]["duration_us"], 10'000'000);
  EXPECT_EQ(plan["thinned"]["cameras"][0]["reason"], "older than 2 days");
  EXPECT_EQ(ProblemIn(Ask("PUT", "/api/v1/retention/policies/default",
                          {{"thin_days", 9}, {"max_days", 9}})),
            "bad-policy");
  const auto put = Ask("PUT", "/api/v1/retention/policies/default", change);
  ASSERT_EQ(put.status, 200) << put.body;
  EXPECT_EQ(Json::parse(put.body)["thin_days"], 2);
  EXPECT_EQ(Get("/api/v1/retention/policies")["policies"][0]["thin_days"], 2);
  const std::string range = "?start=2026-05-04T22:00:00Z&end=2026-05-04T22:00:10Z";
  const auto span = [&] {
    const Json timeline = Get("/api/v1/cameras/gate/timeline" + range);
    EXPECT_EQ(timeline["covered_us"], 10'000'000);
    EXPECT_EQ(timeline["gaps"].size(), 0u);
    return timeline["spans"][0];
  };
  EXPECT_EQ(span()["thinned"], false);
  EXPECT_EQ(Get("/api/v1/cameras/gate/clip.json" + range)["thinned"].size(), 0u);
  // Whoever was told of the clip may fetch it as it is for ten minutes.
  ASSERT_TRUE(purger->RunOnce());
  EXPECT_EQ(span()["thinned"], false);
  clock_.Advance(kPlanKeptUs + 1);
  service_->LookAtAlarms();
  ASSERT_TRUE(purger->RunOnce());
  EXPECT_EQ(span()["thinned"], true);
  const Json clip = Get("/api/v1/cameras/gate/clip.json" + range);
  EXPECT_EQ(clip["thinned"][0]["start"], "2026-05-04T22:00:00Z");
  EXPECT_EQ(clip["missing_us"], 0);
  const auto metrics = Ask("GET", "/metrics");
  EXPECT_NE(metrics.body.find("lookback_thinned_segments_total 1\n"), std::string::npos);
  service_->SetPurger(nullptr);
}

TEST_F(RoutesTest, AForecastTellsEachCamerasPromiseAndWhatIfAVolumeBroke) {
  AddCamera("gate");
  AddFootage("gate", test::kEvening, 10);
  clock_.Advance(kUsPerHour);
  EXPECT_EQ(Ask("PUT", "/api/v1/retention/policies/default",
                {{"target_days", 40}, {"class", 2}, {"quota_bytes", 5'000'000'000'000}})
                .status,
            200);
  EXPECT_EQ(ProblemIn(Ask("PUT", "/api/v1/retention/policies/gate", {{"class", 4}})), "bad-field");
  EXPECT_EQ(ProblemIn(Ask("PUT", "/api/v1/retention/policies/gate", {{"max_days", 39}})),
            "bad-policy");
  const Json forecast = Get("/api/v1/retention/forecast?add_cameras=2");
  ASSERT_EQ(forecast["cameras"].size(), 3u);
  for (const Json& camera : forecast["cameras"]) EXPECT_EQ(camera["promised_days"], 40);
  EXPECT_EQ(forecast["sentence"].get<std::string>().find("every promise is kept"), 0u);
  const std::string volume = forecast["volumes"][0]["root"];
  const Json broken = Get("/api/v1/retention/forecast?without=" + volume);
  EXPECT_EQ(broken["cameras"][0]["breaks"], FormatTime(clock_.NowUs()));
  EXPECT_EQ(ProblemIn(Ask("GET", "/api/v1/retention/forecast?without=none")), "unknown-volume");
}

TEST_F(RoutesTest, AForecastDoesNotReassureBeforeItKnowsWhatCamerasRecord) {
  AddCamera("gate");
  EXPECT_EQ(Ask("PUT", "/api/v1/retention/policies/default", {{"target_days", 40}}).status, 200);
  const auto sentence = [this] {
    return Get("/api/v1/retention/forecast?add_cameras=2")["sentence"].get<std::string>();
  };
  EXPECT_EQ(sentence().find("nothing can be foreseen yet"), 0u) << sentence();
  AddCamera("yard");
  AddFootage("gate", test::kEvening, 10);
  clock_.Advance(kUsPerHour);
  EXPECT_NE(sentence().find("without 1 camera of which"), std::string::npos) << sentence();
}

TEST_F(RoutesTest, WhatAPolicyDoesNotSayStaysInForce) {
  AddCamera("gate");
  const auto put = [&](const std::string& scope, const Json& body) {
    return Ask("PUT", "/api/v1/retention/policies/" + scope, body);
  };
  EXPECT_EQ(put("default", {{"min_days", 30}, {"at_floor", "stop"}}).status, 200);
  EXPECT_EQ(put("default", Json::object()).status, 400);
  // A ceiling alone does not take the floor away, of which the camera's policy is made a copy.
  EXPECT_EQ(put("gate", {{"max_days", 1}}).status, 400);
  const Json gate = Json::parse(put("gate", {{"max_days", 60}}).body);
  EXPECT_EQ(gate["min_days"], 30);
  EXPECT_EQ(gate["at_floor"], "stop");
  EXPECT_EQ(gate["version"], 1);
  EXPECT_EQ(Ask("DELETE", "/api/v1/retention/policies/default").status, 409);
  EXPECT_EQ(Ask("DELETE", "/api/v1/retention/policies/gate").status, 204);
  EXPECT_EQ(Ask("DELETE", "/api/v1/retention/policies/gate").status, 404);
  EXPECT_EQ(Get("/api/v1/retention/policies")["policies"].size(), 1u);
  // "gate/1" names one policy for ever.
  EXPECT_EQ(Json::parse(put("gate", {{"max_days", 90}}).body)["version"], 3);
}

TEST_F(RoutesTest, WhatRetentionDeletedIsCountedNotWhatItPlanned) {
  storage::RetentionRound round;
  round.plan.victims.resize(3);
  round.plan.bytes = 300;
  round.deleted_segments = 2;
  round.deleted_bytes = 200;
  service_->OnRetentionRound(round);
  const std::string metrics = Ask("GET", "/metrics").body;
  EXPECT_NE(metrics.find("\nlookback_purged_segments_total 2\n"), std::string::npos);
  EXPECT_NE(metrics.find("\nlookback_purged_bytes_total 200\n"), std::string::npos);
}

}  // namespace
}  // namespace lookback::api
