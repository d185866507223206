// Settings and what stands around footage: cameras, markers, holds, policies, custody.
#include <dirent.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "api/clip_cache.h"
#include "tests/api/service_fixture.h"

namespace lookback::api {
namespace {

using testing::HasSubstr;
using RoutesTest = ServiceTest;

constexpr char kPassword[] = "s3cret-of-the-gate";

TEST_F(RoutesTest, ACameraIsAddedChangedAndRemovedForGood) {
  const Json camera = {{"id", "gate"},          {"url", "rtsp://192.0.2.7:8554/s"},
                       {"name", "市场"},        {"user", "u"},
                       {"password", kPassword}, {"audio", true}};
  auto response = Ask("POST", "/api/v1/cameras", camera);
  ASSERT_EQ(response.status, 201) << response.body;
  EXPECT_EQ(HeaderOf(response, "Location"), "/api/v1/cameras/gate");
  const CameraId id = CameraId::Parse("gate").value();
  EXPECT_EQ(recorder_.sources[id].password, kPassword);
  EXPECT_TRUE(recorder_.sources[id].audio);
  EXPECT_EQ(Get("/api/v1/cameras")["cameras"].size(), 1u);
  EXPECT_EQ(Get("/api/v1/cameras/gate")["name"], "市场");
  EXPECT_EQ(ProblemIn(Ask("POST", "/api/v1/cameras", camera)), "camera-exists");

  EXPECT_EQ(Ask("PATCH", "/api/v1/cameras/gate", {{"enabled", false}}).status, 200);
  EXPECT_EQ(recorder_.sources.size(), 0u);
  EXPECT_EQ(Get("/api/v1/cameras/gate/status")["state"], "stopped");
  EXPECT_EQ(Ask("PATCH", "/api/v1/cameras/gate", {{"enabled", true}}).status, 200);
  EXPECT_EQ(recorder_.sources[id].password, kPassword);

  recorder_.sources.clear();
  Close();
  Open();
  Serve();
  EXPECT_EQ(recorder_.sources[id].password, kPassword);

  EXPECT_EQ(Ask("DELETE", "/api/v1/cameras/gate").status, 204);
  EXPECT_EQ(recorder_.sources.size(), 0u);
  EXPECT_EQ(Get("/api/v1/cameras")["cameras"].size(), 0u);
  EXPECT_EQ(Get("/api/v1/cameras?removed=1")["cameras"][0]["removed"], true);
  EXPECT_EQ(ProblemIn(Ask("POST", "/api/v1/cameras", camera)), "camera-id-used");
  EXPECT_EQ(ProblemIn(Ask("DELETE", "/api/v1/cameras/gate")), "unknown-camera");
}

TEST_F(RoutesTest, HowACameraIsReachedIsKeptAndHandedToTheRecorder) {
  const std::string pin = "pin:" + std::string(64, 'a');
  const auto response = Ask("POST", "/api/v1/cameras",
                            {{"id", "gate"}, {"url", "rtsps://192.0.2.7/s"}, {"tls", pin}});
  ASSERT_EQ(response.status, 201) << response.body;
  const CameraId id = CameraId::Parse("gate").value();
  EXPECT_EQ(recorder_.sources[id].tls.substr(0, 10), "pin:AA:AA:");
  EXPECT_EQ(Get("/api/v1/cameras/gate")["transport"], "auto");
  EXPECT_EQ(ProblemIn(Ask("PATCH", "/api/v1/cameras/gate", {{"transport", "udp"}})),
            "bad-transport");
  EXPECT_EQ(ProblemIn(Ask("PATCH", "/api/v1/cameras/gate", {{"transport", "carrier pigeon"}})),
            "bad-transport");
  EXPECT_EQ(ProblemIn(Ask("PATCH", "/api/v1/cameras/gate", {{"tls", "pin:12"}})), "bad-tls-policy");
  const Json open = {{"url", "rtsp://192.0.2.7/s"}, {"transport", "udp"}, {"tls", "verify"}};
  EXPECT_EQ(Ask("PATCH", "/api/v1/cameras/gate", open).status, 200);
  Close();
  Open();
  Serve();
  EXPECT_EQ(recorder_.sources[id].transport, index::Transport::kUdp);
  EXPECT_EQ(Get("/api/v1/cameras/gate")["transport"], "udp");
  EXPECT_EQ(Get("/api/v1/cameras/gate")["tls"], "verify");
}

TEST_F(RoutesTest, BadCamerasAreRefusedInWords) {
  const auto problem = [this](const Json& body) {
    return ProblemIn(Ask("POST", "/api/v1/cameras", body));
  };
  const std::string url = "rtsp://192.0.2.7/s";
  EXPECT_EQ(problem({{"id", "Gate"}, {"url", url}}), "bad-camera-id");
  EXPECT_EQ(problem({{"id", "default"}, {"url", url}}), "bad-camera-id");
  EXPECT_EQ(problem({{"id", "../gate"}, {"url", url}}), "bad-camera-id");
  EXPECT_EQ(problem({{"id", "gate"}}), "missing-field");
  EXPECT_EQ(problem({{"id", "gate"}, {"url", "ftp://192.0.2.7"}}), "bad-camera-url");
  EXPECT_EQ(problem({{"id", "gate"}, {"url", url}, {"colour", "red"}}), "unknown-field");
  EXPECT_EQ(problem({{"id", "gate"}, {"url", url}, {"audio", 1}}), "bad-field");
  EXPECT_EQ(problem({{"id", "gate"}, {"url", url}, {"name", std::string(257, 'a')}}), "bad-field");
  EXPECT_EQ(problem({{"id", "gate"}, {"url", url}, {"name", "a\nb"}}), "bad-field");
  EXPECT_EQ(problem("{\"id\": "), "bad-json");
  EXPECT_EQ(problem("[1]"), "bad-json");
  EXPECT_EQ(problem(std::string(100'000, '[')), "bad-json");
  EXPECT_EQ(problem("{\"id\": \"\xff\"}"), "bad-json");
  EXPECT_EQ(problem(R"({"id": "a", "url": "rtsp://h/", "id": "b"})"), "bad-json");
  const auto response =
      Ask("POST", "/api/v1/cameras",
          {{"id", "gate"}, {"url", std::string("rtsp://u:") + kPassword + "@192.0.2.7/s"}});
  EXPECT_EQ(ProblemIn(response), "bad-camera-url");
  EXPECT_EQ(response.body.find(kPassword), std::string::npos);
  EXPECT_EQ(Get("/api/v1/cameras")["cameras"].size(), 0u);
}

TEST_F(RoutesTest, ABodyThatIsNotTakenSaysWhy) {
  const auto detail = [this](const std::string& body) {
    return Json::parse(Ask("POST", "/api/v1/cameras", Json(body)).body)["detail"]
        .get<std::string>();
  };
  EXPECT_THAT(detail(R"({"id": "a", "x": {"y": 1, "z": {"y": 1}, "y": 2}})"),
              HasSubstr("\"y\" stands twice"));
  const auto nested = [](size_t levels) {
    return "{\"url\": " + std::string(levels - 1, '[') + std::string(levels - 1, ']') + "}";
  };
  EXPECT_THAT(detail(nested(17)), HasSubstr("deeper than 16 levels"));
  EXPECT_THAT(detail(nested(16)), HasSubstr("id is needed"));
  EXPECT_EQ(ProblemIn(Ask("POST", "/api/v1/cameras?reason=\xff", {{"id", "a"}})), "bad-field");
}

TEST_F(RoutesTest, AnEmptyRangeIsRefusedInWordsForPeople) {
  const auto response =
      Ask("GET", "/api/v1/markers?start=2026-05-04T22:00:00Z&end=2026-05-04T22:00:00Z");
  EXPECT_EQ(ProblemIn(response), "empty-range");
  EXPECT_THAT(response.body, HasSubstr("the end (2026-05-04T22:00:00Z) must be later than"));
}

TEST_F(RoutesTest, APasswordStandsInOneFileAndInNoAnswer) {
  const std::string answers =
      Ask("POST", "/api/v1/cameras",
          {{"id", "gate"}, {"url", "rtsp://192.0.2.7/s"}, {"user", "u"}, {"password", kPassword}})
          .body +
      Ask("GET", "/api/v1/cameras").body + Ask("GET", "/api/v1/cameras/gate").body +
      Ask("GET", "/api/v1/cameras/gate/status").body + Ask("GET", "/api/v1/status").body +
      Ask("GET", "/api/v1/custody").body + Ask("GET", "/metrics").body;
  EXPECT_EQ(answers.find(kPassword), std::string::npos);
  EXPECT_EQ(answers.find(token_), std::string::npos);
  Close();
  size_t searched = 0;
  std::set<std::string> holding;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_.Path("data"))) {
    if (!entry.is_regular_file()) continue;
    const std::string text = ReadText(entry.path());
    ++searched;
    if (text.find(kPassword) != std::string::npos) holding.insert(entry.path().filename());
    EXPECT_EQ(text.find(token_), std::string::npos) << entry.path();
  }
  EXPECT_GT(searched, 3u);
  EXPECT_EQ(holding, std::set<std::string>{"cameras.json"});
  Open();
  Serve();
}

TEST_F(RoutesTest, ASettingThatIsNotOnRecordDidNotHappen) {
  AddCamera("gate");
  files_.FailNth(test::Op::kWrite, 2, Code::kDiskFull, /*and_all_later=*/true);
  const auto response = Ask("PATCH", "/api/v1/cameras/gate", {{"password", kPassword}});
  EXPECT_GE(response.status, 500);
  files_.StopFailing();
  EXPECT_EQ(recorder_.sources[CameraId::Parse("gate").value()].password, "");
}

TEST_F(RoutesTest, MarkersAreListedByOverlapInPages) {
  AddCamera("gate");
  for (int i = 0; i < 5; ++i) {
    const auto response = Ask("POST", "/api/v1/markers",
                              {{"cameras", {"gate"}},
                               {"start", FormatTime(test::kEvening + i * kUsPerMinute)},
                               {"end", FormatTime(test::kEvening + (i + 2) * kUsPerMinute)},
                               {"label", "m" + std::to_string(i)},
                               {"note", "two\nlines"}});
    ASSERT_EQ(response.status, 201) << response.body;
  }
  const Json some =
      Get("/api/v1/markers?start=2026-05-04T22:01:59Z&end=2026-05-04T22:02:00Z&camera=gate");
  ASSERT_EQ(some["markers"].size(), 2u);
  EXPECT_EQ(some["markers"][0]["label"], "m0");
  EXPECT_EQ(some["markers"][0]["person"], "admin");
  EXPECT_EQ(some["next"], nullptr);
  std::string labels;
  std::string after;
  for (int page = 0; page < 3; ++page) {
    const Json list = Get("/api/v1/markers?limit=2" + after);
    for (const Json& marker : list["markers"]) labels += marker["label"].get<std::string>();
    if (!list["next"].is_null()) after = "&after=" + list["next"].get<std::string>();
    EXPECT_EQ(list["next"].is_null(), page == 2);
  }
  EXPECT_EQ(labels, "m0m1m2m3m4");
  EXPECT_EQ(ProblemIn(Ask("GET", "/api/v1/markers?after=7")), "bad-parameter");
  EXPECT_EQ(ProblemIn(Ask("GET", "/api/v1/markers?limit=0")), "bad-parameter");
  EXPECT_EQ(Get("/api/v1/holds")["holds"].size(), 0u);
}

TEST_F(RoutesTest, AMarkerIsRemovedByItsOwnerOrAnAdmin) {
  AddCamera("gate");
  const Headers li = {{"authorization", "Bearer " + TokenOfPlainUser("li")}};
  const Headers wang = {{"authorization", "Bearer " + TokenOfPlainUser("wang")}};
  const auto put = [&] {
    const auto response = Ask("POST", "/api/v1/markers",
                              {{"cameras", {"gate"}},
                               {"start", "2026-05-04T22:00:00Z"},
                               {"end", "2026-05-04T22:01:00Z"},
                               {"label", "van"}},
                              li);
    return HeaderOf(response, "Location");
  };
  const std::string first = put();
  EXPECT_EQ(ProblemIn(Ask("DELETE", first, {}, wang)), "forbidden");
  EXPECT_EQ(Ask("DELETE", first, {}, li).status, 204);
  EXPECT_EQ(ProblemIn(Ask("DELETE", first, {}, li)), "unknown-marker");
  EXPECT_EQ(Ask("DELETE", put()).status, 204);
}

TEST_F(RoutesTest, AHoldNeedsACauseAndItsReleaseAReason) {
  AddCamera("gate");
  Json hold = {
      {"cameras", {"gate"}}, {"start", "2026-05-04T22:00:00Z"}, {"end", "2026-05-04T22:01:00Z"}};
  EXPECT_EQ(ProblemIn(Ask("POST", "/api/v1/holds", hold)), "reason-required");
  hold["case"] = "2026-114";
  hold["expires"] = "2026-05-04T22:59:00Z";
  EXPECT_EQ(ProblemIn(Ask("POST", "/api/v1/holds", hold)), "bad-field");
  hold["expires"] = "2027-05-04T22:59:00Z";
  const auto response = Ask("POST", "/api/v1/holds", hold);
  ASSERT_EQ(response.status, 201) << response.body;
  const std::string path = HeaderOf(response, "Location");
  EXPECT_EQ(Get("/api/v1/holds")["holds"][0]["expires"], "2027-05-04T22:59:00Z");
  EXPECT_EQ(Get("/api/v1/markers")["markers"].size(), 0u);
  EXPECT_EQ(ProblemIn(Ask("DELETE", path)), "reason-required");
  EXPECT_EQ(ProblemIn(Ask("DELETE", "/api/v1/markers" + path.substr(path.rfind('/')))),
            "unknown-marker");
  EXPECT_EQ(Ask("DELETE", path + "?reason=case closed").status, 204);
  EXPECT_EQ(Get("/api/v1/holds")["holds"].size(), 0u);
  EXPECT_EQ(Acts().front().reason, "case closed");
}

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

TEST_F(RoutesTest, CustodyIsPagedNewestFirst) {
  for (int i = 0; i < 4; ++i) AddCamera("camera-" + std::to_string(i));
  Json all = Json::array();
  std::string before;
  for (int page = 0; page < 3; ++page) {
    const Json list = Get("/api/v1/custody?limit=2" + before);
    for (const Json& act : list["acts"]) all.push_back(act);
    EXPECT_EQ(list["next"].is_null(), page == 2);
    before = "&before=" + list["next"].dump();
  }
  // Each camera with who set it, in one line; first of all, the admin.
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(all[0]["kind"], "camera");
  EXPECT_EQ(all[0]["what"], "set");
  EXPECT_EQ(all[0]["person"], "admin");
  EXPECT_EQ(all[0]["cameras"][0], "camera-3");
  EXPECT_EQ(all[0]["start"], nullptr);
  EXPECT_EQ(all[3]["cameras"][0], "camera-0");
  EXPECT_EQ(all[4]["kind"], "person");
  for (size_t i = 1; i < all.size(); ++i) EXPECT_LT(all[i]["number"], all[i - 1]["number"]);
}

TEST_F(RoutesTest, CustodyCanBeAskedForOneCameraOrOnePerson) {
  AddCamera("gate");
  AddCamera("yard");
  const Json hold = Json::parse(Ask("POST", "/api/v1/holds",
                                    {{"cameras", {"gate"}},
                                     {"start", "2026-05-04T22:00:00Z"},
                                     {"end", "2026-05-04T23:00:00Z"},
                                     {"case", "2026-114"}})
                                    .body);
  EXPECT_EQ(hold["without_footage"], Json::array({"gate"}));
  const std::string id = hold["id"];
  EXPECT_EQ(Ask("DELETE", "/api/v1/holds/" + id + "?reason=closed").status, 204);

  const Json acts = Get("/api/v1/custody?camera=gate")["acts"];
  ASSERT_EQ(acts.size(), 3u);
  EXPECT_EQ(acts[0]["kind"], "release");
  EXPECT_EQ(acts[0]["person"], "admin");
  EXPECT_EQ(acts[0]["cameras"], Json::array({"gate"}));
  EXPECT_EQ(acts[0]["start"], "2026-05-04T22:00:00Z");
  EXPECT_EQ(acts[0]["reason"], "closed");
  EXPECT_EQ(acts[1]["kind"], "hold");
  EXPECT_EQ(acts[1]["what"], id + ", case 2026-114");
  EXPECT_EQ(acts[2]["kind"], "camera");
  EXPECT_TRUE(Get("/api/v1/custody?person=nobody")["acts"].empty());
}

TEST_F(RoutesTest, TheLastAdminKeepsAToken) {
  const auto refused = Ask("DELETE", "/api/v1/users/admin/tokens");
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(ProblemIn(refused), "last-admin");
  EXPECT_EQ(Ask("POST", "/api/v1/users", {{"name", "li"}, {"admin", true}}).status, 201);
  // An admin without a token cannot come in either.
  EXPECT_EQ(Ask("DELETE", "/api/v1/users/admin/tokens").status, 409);
  EXPECT_EQ(Ask("POST", "/api/v1/users/li/tokens").status, 201);
  EXPECT_EQ(Ask("DELETE", "/api/v1/users/admin/tokens").status, 204);
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

TEST_F(RoutesTest, TheStatusTellsWhatToDoSomethingAbout) {
  AddCamera("gate");
  clock_.SetSynchronised(false);
  recorder_.sources.clear();
  storage::RetentionRound round;
  round.plan.must_stop = true;
  round.plan.sentence = "only held footage is left";
  service_->OnRetentionRound(round);
  service_->LookAtAlarms();
  clock_.Advance(2 * kUsPerMinute);
  service_->LookAtAlarms();
  const Json status = Get("/api/v1/status");
  std::set<std::string> kinds;
  for (const Json& alarm : status["alarms"]) kinds.insert(alarm["kind"].get<std::string>());
  EXPECT_EQ(kinds,
            (std::set<std::string>{"camera-down", "clock-unsynchronised", "disk-nearly-full"}));
  EXPECT_EQ(status["person"], "admin");
  EXPECT_EQ(status["store"], store_->id().text());
  EXPECT_EQ(Get("/api/v1/volumes")["volumes"][0]["state"], "online");
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

TEST_F(RoutesTest, UnknownRoutesAndMethodsAreToldApart) {
  EXPECT_EQ(ProblemIn(Ask("GET", "/nothing")), "unknown-route");
  EXPECT_EQ(ProblemIn(Ask("GET", "/api/v1/cameras/")), "unknown-route");
  EXPECT_EQ(ProblemIn(Ask("GET", "/api/v1/cameras/a/b/status")), "unknown-route");
  const auto response = Ask("DELETE", "/api/v1/cameras");
  EXPECT_EQ(ProblemIn(response), "method-not-allowed");
  EXPECT_EQ(HeaderOf(response, "Allow"), "GET, HEAD, POST");
  EXPECT_EQ(ProblemIn(Ask("POST", "/api/v1/cameras", {}, {{"content-type", "x"}})),
            "missing-field");
}

TEST_F(RoutesTest, EveryMetricHasHelpAndTypeOnce) {
  AddCamera("gate");
  EXPECT_EQ(Ask("PATCH", "/api/v1/cameras/gate", {{"sub_url", "rtsp://192.0.2.1/2"}}).status, 200);
  AddFootage("gate", test::kEvening, 3);
  std::istringstream lines(Ask("GET", "/metrics").body);
  std::set<std::string> families;
  std::set<std::string> series;
  std::string line;
  while (std::getline(lines, line)) {
    if (line.starts_with("# TYPE ")) {
      EXPECT_TRUE(families.insert(line.substr(7, line.find(' ', 7) - 7)).second) << line;
    } else if (!line.starts_with("#")) {
      EXPECT_EQ(families.count(line.substr(0, line.find_first_of("{ "))), 1u) << line;
      EXPECT_TRUE(series.insert(line.substr(0, line.rfind(' '))).second) << line;
    }
  }
  EXPECT_EQ(series.count("lookback_camera_recording{camera=\"gate\",stream=\"main\"}"), 1u);
  EXPECT_EQ(series.count("lookback_camera_recording{camera=\"gate\",stream=\"sub\"}"), 1u);
  EXPECT_EQ(series.count("lookback_stored_segments{camera=\"gate\",stream=\"main\"}"), 1u);
}

// What is not recorded because somebody wants it so must not look like what is down.
TEST_F(RoutesTest, AMetricTellsWhichCamerasAreToBeRecorded) {
  AddCamera("gate");
  AddCamera("yard");
  EXPECT_EQ(Ask("PATCH", "/api/v1/cameras/yard", {{"enabled", false}}).status, 200);
  const Json files = {{"id", "shop"}, {"imported", true}};
  ASSERT_EQ(Ask("POST", "/api/v1/cameras", files).status, 201);
  const std::string text = Ask("GET", "/metrics").body;
  for (const auto& [camera, value] : {std::pair("gate", "1"), {"yard", "0"}, {"shop", "0"}}) {
    const std::string labels = std::string("{camera=\"") + camera + "\",stream=\"main\"} ";
    for (const char* name : {"\nlookback_camera_enabled", "\nlookback_camera_recording"}) {
      EXPECT_THAT(text, HasSubstr(name + labels + value + "\n"));
    }
  }
}

TEST_F(RoutesTest, ASubStreamIsSetChangedAndTakenAway) {
  const Json camera = {
      {"id", "gate"}, {"url", "rtsp://192.0.2.7/1"}, {"sub_url", "rtsp://192.0.2.7/2"}};
  ASSERT_EQ(Ask("POST", "/api/v1/cameras", camera).status, 201);
  const CameraId id = CameraId::Parse("gate").value();
  EXPECT_EQ(recorder_.sources[id].sub_url, "rtsp://192.0.2.7/2");
  Close();
  Open();
  Serve();
  EXPECT_EQ(recorder_.sources[id].sub_url, "rtsp://192.0.2.7/2");
  EXPECT_EQ(Get("/api/v1/cameras/gate")["sub_url"], "rtsp://192.0.2.7/2");
  const Json both = Get("/api/v1/cameras/gate/status");
  Json main = both;
  EXPECT_EQ(main["camera"], "gate");
  main.erase("camera");
  main.erase("sub");
  for (const auto& field : main.items()) EXPECT_TRUE(both["sub"].contains(field.key()));
  EXPECT_EQ(both["sub"].size(), main.size());
  EXPECT_EQ(both["sub"]["state"], "recording");

  EXPECT_EQ(Ask("PATCH", "/api/v1/cameras/gate", {{"sub_url", "rtsp://192.0.2.7/3"}}).status, 200);
  EXPECT_EQ(recorder_.sources[id].sub_url, "rtsp://192.0.2.7/3");
  EXPECT_EQ(Ask("PATCH", "/api/v1/cameras/gate", {{"name", "Gate"}}).status, 200);
  EXPECT_EQ(recorder_.sources[id].sub_url, "rtsp://192.0.2.7/3");
  EXPECT_EQ(Ask("PATCH", "/api/v1/cameras/gate", {{"sub_url", ""}}).status, 200);
  EXPECT_EQ(recorder_.sources[id].sub_url, "");
  EXPECT_TRUE(Get("/api/v1/cameras/gate/status")["sub"].is_null());
}

TEST_F(RoutesTest, ASubStreamsUrlIsCheckedAsTheMainOnes) {
  ASSERT_NO_FATAL_FAILURE(AddCamera("gate"));
  const auto fault = [&](const Json& body) {
    const auto response = Ask("PATCH", "/api/v1/cameras/gate", body);
    const Json problem = Json::parse(response.body, nullptr, false);
    EXPECT_EQ(response.status, 400) << response.body;
    return ProblemIn(response) + " " + problem.value("field", "");
  };
  EXPECT_EQ(fault({{"sub_url", "ftp://192.0.2.1/s"}}), "bad-camera-url sub_url");
  EXPECT_EQ(fault({{"sub_url", "rtsp://u:p@192.0.2.1/2"}}), "bad-camera-url sub_url");
  EXPECT_EQ(fault({{"sub_url", 7}}), "bad-field sub_url");
  EXPECT_EQ(fault({{"sub_url", "rtsp://192.0.2.1:554/s"}}), "bad-camera-url sub_url");
  EXPECT_EQ(fault({{"sub_url", "rtsps://192.0.2.1/2"}, {"transport", "udp"}}),
            "bad-transport transport");
  EXPECT_EQ(Ask("PATCH", "/api/v1/cameras/gate", {{"sub_url", "rtsp://192.0.2.1/2"}}).status, 200);
  EXPECT_EQ(fault({{"url", "rtsp://192.0.2.1/2"}}), "bad-camera-url sub_url");
  EXPECT_EQ(ProblemIn(Ask("POST", "/api/v1/cameras",
                          {{"id", "shop"}, {"imported", true}, {"sub_url", "rtsp://192.0.2.1/2"}})),
            "bad-field");
}

}  // namespace
}  // namespace lookback::api
