// The footage search over the API: whom it finds, what it refuses, and that it is on record.
#include <gmock/gmock.h>

#include "tests/api/service_fixture.h"

namespace lookback::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Four cameras with ten seconds each; two of them stand somewhere.
class SearchTest : public ServiceTest {
 protected:
  void SetUp() override {
    ServiceTest::SetUp();
    for (const char* camera : {"gate", "lane", "market", "yard"}) {
      AddCamera(camera);
      AddFootage(camera, test::kEvening, 10);
    }
    Patch("gate", {{"place", {{"latitude", 52.516275}, {"longitude", 13.377704}, {"bearing", 90}}},
                   {"tags", {"crossing", "north"}}});
    Patch("lane", {{"group", "lane"}, {"tags", {"crossing"}}});
    Patch("market",
          {{"place", {{"latitude", 52.520815}, {"longitude", 13.409419}}}, {"group", "lane"}});
  }
  Json Patch(const std::string& camera, const Json& body, int status = 200) {
    const auto response = Ask("PATCH", "/api/v1/cameras/" + camera, body);
    EXPECT_EQ(response.status, status) << response.body;
    return Json::parse(response.body);
  }
  std::string Range() const {
    return "start=" + FormatTime(test::kEvening) + "&end=" + FormatTime(test::kEvening + kMinute);
  }
  Json Search(const std::string& query) {
    auto response = Ask("GET", "/api/v1/footage?" + Range() + query);
    EXPECT_EQ(response.status, 200) << response.body;
    return Json::parse(BodyOf(response), nullptr, false);
  }
  std::vector<std::string> Found(const std::string& query) {
    const Json answer = Search(query);
    std::vector<std::string> cameras;
    for (const Json& window : answer["windows"]) cameras.push_back(window["camera"]);
    return cameras;
  }
  std::string Refusal(const std::string& query) {
    return ProblemIn(Ask("GET", "/api/v1/footage?" + Range() + query));
  }
  Json Route() const {
    return {{"points",
             {{{"latitude", 52.516275}, {"longitude", 13.377704}},
              {{"latitude", 52.520815}, {"longitude", 13.409419}}}},
            {"buffer_m", 50},
            {"start", FormatTime(test::kEvening)},
            {"end", FormatTime(test::kEvening + kMinute)},
            {"min_kmh", 20},
            {"max_kmh", 60}};
  }
  static constexpr int64_t kMinute = kUsPerMinute;
};

TEST_F(SearchTest, EachKindOfChoiceNarrowsAndOfOneKindAnyWillDo) {
  EXPECT_THAT(Found(""), ElementsAre("gate", "lane", "market", "yard"));
  EXPECT_THAT(Found("&camera=yard&camera=gate"), ElementsAre("gate", "yard"));
  EXPECT_THAT(Found("&group=lane"), ElementsAre("lane", "market"));
  EXPECT_THAT(Found("&tag=north,crossing"), ElementsAre("gate", "lane"));
  EXPECT_THAT(Found("&tag=crossing&group=lane"), ElementsAre("lane"));
  // 2,204.5 m lie between the two.
  EXPECT_THAT(Found("&near=52.516275,13.377704,2204"), ElementsAre("gate"));
  EXPECT_THAT(Found("&near=52.516275,13.377704,2205"), ElementsAre("gate", "market"));
  EXPECT_THAT(Found("&box=52.52,13.4,52.53,13.5"), ElementsAre("market"));
}

TEST_F(SearchTest, ACameraOnTheDateLineIsFoundFromEitherSide) {
  Patch("yard", {{"place", {{"latitude", 0}, {"longitude", 180}}}});
  Patch("lane", {{"place", {{"latitude", 0}, {"longitude", -180}}}});
  EXPECT_THAT(Found("&box=0,-180,0,-180"), ElementsAre("lane", "yard"));
  EXPECT_THAT(Found("&box=-1,-180,1,-170"), ElementsAre("lane", "yard"));
  EXPECT_THAT(Found("&box=-1,170,1,180"), ElementsAre("lane", "yard"));
}

TEST_F(SearchTest, SecondsMayStandInATimeOfDay) {
  EXPECT_EQ(Search("&camera=gate&daily=22:00:05-24:00&tz=UTC")["windows"][0]["start"],
            FormatTime(test::kEvening + 5 * kUsPerSecond));
}

TEST_F(SearchTest, CamerasThatCannotBeFoundByPlaceAreCounted) {
  const Json answer = Search("&near=52.5,13.4,100000");
  EXPECT_EQ(answer["cameras"], 2);
  EXPECT_EQ(answer["without_place"], 2);
}

TEST_F(SearchTest, AWindowHasWhatIsThereAndWhyTheRestIsNot) {
  const Json answer = Search("&camera=gate");
  ASSERT_EQ(answer["windows"].size(), 1U) << answer.dump();
  const Json window = answer["windows"][0];
  EXPECT_EQ(window["covered_us"], 10 * kUsPerSecond);
  EXPECT_EQ(window["missing_us"], 50 * kUsPerSecond);
  EXPECT_EQ(window["covered"][0]["start"], FormatTime(test::kEvening));
  EXPECT_EQ(window["missing"][0]["gaps"], 1);
  EXPECT_EQ(window["imported"], false);
  EXPECT_TRUE(answer["next"].is_null());
}

TEST_F(SearchTest, WhatTheTimelineKnowsOfAnUnknownCauseTheSearchSaysToo) {
  auto response =
      Ask("GET", "/api/v1/footage?camera=yard&start=" + FormatTime(test::kEvening - kMinute) +
                     "&end=" + FormatTime(test::kEvening));
  const Json answer = Json::parse(BodyOf(response), nullptr, false);
  const Json missing = answer["windows"][0]["missing"];
  ASSERT_EQ(missing.size(), 1U) << answer.dump();
  EXPECT_EQ(missing[0]["cause"], "unknown");
  EXPECT_EQ(missing[0]["detail"], "before the first recording");
}

TEST_F(SearchTest, ARemovedCameraIsFoundSinceItsFootageStays) {
  ASSERT_EQ(Ask("DELETE", "/api/v1/cameras/yard").status, 204);
  EXPECT_THAT(Found("&camera=yard&with_footage=1"), ElementsAre("yard"));
}

TEST_F(SearchTest, ItIsOnRecordBeforeAnythingIsLookedUpAndOnceForAllPages) {
  const size_t before = Acts().size();
  const Json first = Search("&group=lane&limit=1");
  ASSERT_TRUE(first["next"].is_string()) << first.dump();
  EXPECT_EQ(Search("&group=lane&limit=1&after=" +
                   first["next"].get<std::string>())["windows"][0]["camera"],
            "market");
  ASSERT_EQ(Acts().size(), before + 1);
  const index::Act act = Acts().front();
  EXPECT_EQ(act.kind, index::ActKind::kSearch);
  EXPECT_EQ(act.what, "footage group=lane");
  EXPECT_EQ(act.cameras.size(), 2U);
  EXPECT_EQ(act.range.start_us, test::kEvening);
}

TEST_F(SearchTest, WhatCannotBePutOnRecordIsNotAnswered) {
  files_.FailNth(test::Op::kSync, 1, Code::kDiskFull, /*and_all_later=*/true);
  auto response = Ask("GET", "/api/v1/footage?" + Range());
  EXPECT_EQ(ProblemIn(response), "not-on-record");
  EXPECT_EQ(BodyOf(response).find("windows"), std::string::npos);
}

TEST_F(SearchTest, DailyWindowsAreOfTheZoneThatIsNamed) {
  const Json answer = Json::parse([&] {
    auto response = Ask("GET",
                        "/api/v1/footage?camera=gate&start=2026-03-28T00:00:00Z&end=2026-03-31T00:"
                        "00:00Z&daily=22:00-05:00&weekdays=sat&tz=Europe/Berlin");
    EXPECT_EQ(response.status, 200) << response.body;
    return BodyOf(response);
  }());
  EXPECT_EQ(answer["time_zone"], "Europe/Berlin");
  ASSERT_EQ(answer["windows"].size(), 1U) << answer.dump();
  EXPECT_EQ(answer["windows"][0]["start"], "2026-03-28T21:00:00Z");
  EXPECT_EQ(answer["windows"][0]["end"], "2026-03-29T03:00:00Z") << "clocks went forward";
}

TEST_F(SearchTest, WhatMakesNoSenseIsRefusedInWords) {
  EXPECT_EQ(Refusal("&camera=nobody"), "unknown-camera");
  for (const char* bad : {"&near=91,0,5",
                          "&near=0,0,0",
                          "&near=0,0",
                          "&near=0,0,nan",
                          "&near=0,0,1e9",
                          "&box=1,2,0,3",
                          "&box=1,2,3",
                          "&daily=22:00",
                          "&daily=22:00-22:00",
                          "&daily=24:00-01:00",
                          "&daily=25:00-01:00",
                          "&weekdays=",
                          "&weekdays=monday",
                          "&tz=Europe/Atlantis",
                          "&tag=",
                          "&group=A",
                          "&limit=0",
                          "&limit=1001",
                          "&after=gate",
                          "&after=1-",
                          "&after=x-gate",
                          "&after=--gate",
                          "&after=+5-gate",
                          "&after=  5-gate",
                          "&after=05-gate",
                          "&after=-5-gate",
                          "&after=5",
                          "&after=5 -gate",
                          "&after=99999999999999999999999-gate",
                          "&after=9223372036854775807-gate",
                          "&daily=+1:00-05:00",
                          "&daily=1:2- 5:3",
                          "&daily=1:00-05:00",
                          "&daily=01:00-5:00",
                          "&daily=01:00:0-05:00",
                          "&daily=01:00:00.5-05:00",
                          "&daily=01.00-05.00"}) {
    EXPECT_EQ(Refusal(bad), "bad-parameter") << bad;
  }
  EXPECT_EQ(ProblemIn(Ask("GET",
                          "/api/v1/footage?start=2024-01-01T00:00:00Z&end=2026-01-01T00:00:"
                          "00Z")),
            "range-too-long");
}

TEST_F(SearchTest, ARouteFindsEachCameraWhenTheVehicleCanHavePassed) {
  auto response = Ask("POST", "/api/v1/footage/route", Route());
  ASSERT_EQ(response.status, 200) << response.body;
  const Json answer = Json::parse(BodyOf(response));
  EXPECT_EQ(answer["length_m"], 2'205);
  EXPECT_EQ(answer["without_place"], 2);
  ASSERT_EQ(answer["windows"].size(), 2U) << answer.dump();
  EXPECT_EQ(answer["windows"][0]["camera"], "gate");
  EXPECT_EQ(answer["windows"][0]["start"], FormatTime(test::kEvening));
  // 50 m at 20 km/h are 9 s, after a minute.
  const TimeUs gone_us = *ParseTime(answer["windows"][0]["end"].get<std::string>());
  EXPECT_NEAR(static_cast<double>(gone_us - test::kEvening), 69e6, 1e5);
  // 2,154.5 m at 60 km/h are 129.27 s.
  const TimeUs there_us = *ParseTime(answer["windows"][1]["start"].get<std::string>());
  EXPECT_NEAR(static_cast<double>(there_us - test::kEvening), 129.27e6, 1e5);
  EXPECT_THAT(Acts().front().what, HasSubstr("route of 2 points and 2.2 km"));
}

TEST_F(SearchTest, ARouteThatMakesNoSenseIsRefusedInWords) {
  const auto refused = [this](const char* member, const Json& value) {
    Json route = Route();
    route[member] = value;
    return ProblemIn(Ask("POST", "/api/v1/footage/route", route));
  };
  EXPECT_EQ(refused("points", Json::array()), "bad-field");
  EXPECT_EQ(
      refused("points", {{{"latitude", 0}, {"longitude", 0}}, {{"latitude", 1}, {"longitude", 0}}}),
      "bad-field")
      << "111 km without a point between";
  EXPECT_EQ(refused("points",
                    {{{"latitude", 91}, {"longitude", 0}}, {{"latitude", 1}, {"longitude", 0}}}),
            "bad-field");
  EXPECT_EQ(refused("buffer_m", 0), "bad-field");
  EXPECT_EQ(refused("min_kmh", 0), "bad-field");
  EXPECT_EQ(refused("max_kmh", 10), "bad-field");
  EXPECT_EQ(refused("limit", 0), "bad-field");
  EXPECT_EQ(refused("after", "--gate"), "bad-field");
  EXPECT_EQ(refused("end", FormatTime(test::kEvening)), "empty-range");
  EXPECT_EQ(refused("end", FormatTime(test::kEvening + 32 * kUsPerDay)), "range-too-long");
  EXPECT_EQ(refused("speed", 3), "unknown-field");
}

TEST_F(SearchTest, APlaceAndTagsAreSettingsThatSurviveAndGoAgain) {
  Close();
  Open();
  Serve();
  Json gate = Get("/api/v1/cameras/gate");
  EXPECT_EQ(gate["place"]["latitude"], 52.516275);
  EXPECT_EQ(gate["place"]["bearing"], 90);
  EXPECT_EQ(gate["tags"], Json({"crossing", "north"}));
  EXPECT_TRUE(Get("/api/v1/cameras/market")["place"]["bearing"].is_null());
  gate = Patch("gate", {{"place", nullptr}, {"tags", Json::array()}});
  EXPECT_TRUE(gate["place"].is_null());
  EXPECT_TRUE(gate["tags"].empty());
  for (const Json& bad :
       {Json{{"place", {{"latitude", 91}, {"longitude", 0}}}}, Json{{"place", {{"latitude", 1}}}},
        Json{{"place", "here"}}, Json{{"tags", "north"}}, Json{{"tags", {"a,b"}}},
        Json{{"tags", {""}}}, Json{{"tags", std::vector<std::string>(17, "x")}}}) {
    EXPECT_EQ(Ask("PATCH", "/api/v1/cameras/gate", bad).status, 400) << bad.dump();
  }
}

}  // namespace
}  // namespace lookback::api
