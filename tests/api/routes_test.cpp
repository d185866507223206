// What stands around footage: markers, holds, custody, status and metrics.
#include <gmock/gmock.h>

#include <set>
#include <utility>

#include "tests/api/service_fixture.h"

namespace lookback::api {
namespace {

using testing::HasSubstr;
using RoutesTest = ServiceTest;

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

}  // namespace
}  // namespace lookback::api
