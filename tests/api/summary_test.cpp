// How much there is of many cameras over a long time, over the API.
#include <gmock/gmock.h>

#include <random>

#include "net/http_finish.h"
#include "tests/api/service_fixture.h"

namespace lookback::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SummaryTest : public ServiceTest {
 protected:
  Json Summary(const std::string& query) {
    auto response = Ask("GET", "/api/v1/timeline/summary?" + query);
    EXPECT_EQ(response.status, 200) << response.body;
    EXPECT_EQ(HeaderOf(response, "Content-Type"), "application/json");
    return Json::parse(BodyOf(response), nullptr, false);
  }
  void SetNow(TimeUs now_us) { clock_.Step(now_us - clock_.NowUs()); }
  std::string Refusal(const std::string& query) {
    return ProblemIn(Ask("GET", "/api/v1/timeline/summary?" + query));
  }
  // The evening of 2026-05-04 from 22:00 of UTC on.
  static std::string Day() { return "start=2026-05-04T00:00:00Z&end=2026-05-05T00:00:00Z&tz=UTC"; }
};

TEST_F(SummaryTest, EachStepSaysWhatIsThereOfEachCamera) {
  for (const char* camera : {"gate", "yard"}) AddCamera(camera);
  AddFootage("gate", test::kEvening, 90);
  AddFootage("yard", test::kEvening + 30 * kUsPerMinute, 10);
  SetNow(*ParseTime("2026-05-06T00:00:00Z"));
  const Json hours =
      Summary("start=2026-05-04T21:00:00Z&end=2026-05-04T23:30:00Z&tz=UTC&step=hour");
  EXPECT_THAT(hours["steps"],
              ElementsAre("2026-05-04T21:00:00Z", "2026-05-04T22:00:00Z", "2026-05-04T23:00:00Z"));
  EXPECT_THAT(hours["step_s"], ElementsAre(3'600, 3'600, 1'800));
  ASSERT_EQ(hours["cameras"].size(), 2u);
  const Json gate = hours["cameras"][0], yard = hours["cameras"][1];
  EXPECT_EQ(gate["camera"], "gate");
  EXPECT_THAT(gate["covered_s"], ElementsAre(0, 90, 0));
  EXPECT_THAT(gate["thinned_s"], ElementsAre(0, 0, 0));
  EXPECT_THAT(gate["held"], ElementsAre(0, 0, 0));
  EXPECT_THAT(yard["covered_s"], ElementsAre(0, 10, 0));
  uint64_t bytes = 0;
  ASSERT_TRUE(store_->catalog().VisitAllSegments([&bytes](const index::Seal& seal) {
    if (seal.stream.camera.text() == "gate") bytes += seal.bytes;
    return true;
  }));
  EXPECT_EQ(gate["bytes"][1], bytes);
  const Json days = Summary(Day() + "&camera=yard");
  EXPECT_EQ(days["step"], "day");
  EXPECT_EQ(days["time_zone"], "UTC");
  ASSERT_EQ(days["cameras"].size(), 1u);
  EXPECT_THAT(days["cameras"][0]["covered_s"], ElementsAre(10));
  EXPECT_THAT(days["step_s"], ElementsAre(86'400));
}

TEST_F(SummaryTest, WhatIsBeingWrittenCountsAndWhatIsYetToComeDoesNot) {
  AddCamera("gate");
  AddFootage("gate", test::kEvening, 70, /*open=*/true);
  SetNow(test::kEvening + 70 * kUsPerSecond);
  std::string last;
  for (int tries = 0; tries < 1'000; ++tries) {
    const Json hour =
        Summary("start=2026-05-04T22:00:00Z&end=2026-05-05T22:00:00Z&step=hour&tz=UTC");
    EXPECT_THAT(hour["step_s"], ElementsAre(65)) << "until five seconds before now";
    EXPECT_EQ(hour["end"], "2026-05-04T22:01:05Z");
    last = hour["cameras"][0]["covered_s"].dump();
    if (last == "[65]") break;
  }
  EXPECT_EQ(last, "[65]");
  const Json future = Summary("start=2026-05-05T22:00:00Z&end=2026-05-06T22:00:00Z&tz=UTC");
  EXPECT_TRUE(future["steps"].empty());
  EXPECT_EQ(future["cameras"][0]["covered_s"], Json::array());
}

TEST_F(SummaryTest, AHoldIsToldUntilItIsOver) {
  AddCamera("gate");
  const Json hold = {{"cameras", {"gate"}},
                     {"start", "2026-05-03T23:00:00Z"},
                     {"end", "2026-05-04T00:00:01Z"},
                     {"case", "7"},
                     {"expires", FormatTime(test::kEvening + 30 * kUsPerDay)}};
  ASSERT_EQ(Ask("POST", "/api/v1/holds", hold).status, 201);
  SetNow(*ParseTime("2026-05-06T00:00:00Z"));
  const std::string days = "start=2026-05-02T00:00:00Z&end=2026-05-05T12:00:00Z&tz=UTC";
  EXPECT_THAT(Summary(days)["cameras"][0]["held"], ElementsAre(0, 1, 1, 0));
  SetNow(test::kEvening + 31 * kUsPerDay);
  EXPECT_THAT(Summary(days)["cameras"][0]["held"], ElementsAre(0, 0, 0, 0));
}

TEST_F(SummaryTest, ItIsOnRecordBeforeAnythingIsLookedUp) {
  for (const char* camera : {"gate", "yard"}) AddCamera(camera);
  const size_t before = Acts().size();
  (void)Summary(Day() + "&reason=report");
  ASSERT_EQ(Acts().size(), before + 1);
  const index::Act act = Acts().front();
  EXPECT_EQ(act.kind, index::ActKind::kSearch);
  EXPECT_EQ(act.what, "timeline by day");
  EXPECT_EQ(act.reason, "report");
  EXPECT_EQ(act.cameras.size(), 2u);
  EXPECT_EQ(act.range.end_us, *ParseTime("2026-05-05T00:00:00Z"));
  (void)Summary(Day() + "&step=hour&stream=sub");
  EXPECT_EQ(Acts().front().what, "timeline by hour, sub stream");
  files_.FailNth(test::Op::kSync, 1, Code::kDiskFull, /*and_all_later=*/true);
  EXPECT_EQ(Refusal(Day()), "not-on-record");
}

TEST_F(SummaryTest, WhatMakesNoSenseOrIsTooMuchIsRefusedInWords) {
  AddCamera("gate");
  SetNow(*ParseTime("2046-05-06T00:00:00Z"));
  EXPECT_EQ(Refusal(Day() + "&step=minute"), "bad-parameter");
  EXPECT_EQ(Refusal(Day() + "&tz=Mars/Olympus"), "bad-parameter");
  EXPECT_EQ(Refusal(Day() + "&camera=nobody"), "unknown-camera");
  EXPECT_EQ(Refusal("start=2026-05-04T00:00:00Z"), "missing-parameter");
  EXPECT_EQ(Refusal("start=2026-01-01T00:00:00Z&end=2036-12-31T00:00:00Z"), "range-too-long");
  std::vector<index::Record> cameras;
  for (int i = 0; i < 30; ++i) {
    index::Camera camera;
    camera.id = *CameraId::Parse("c" + std::to_string(i));
    cameras.emplace_back(camera);
  }
  ASSERT_TRUE(store_->journal().Commit(cameras));
  const std::string year = "start=2026-01-01T00:00:00Z&end=2027-01-01T00:00:00Z&step=hour&tz=UTC";
  auto response = Ask("GET", "/api/v1/timeline/summary?" + year);
  EXPECT_EQ(ProblemIn(response), "range-too-long");
  EXPECT_THAT(response.body, HasSubstr("8760 steps of 31 cameras are 271560; at most 200000"));
  EXPECT_EQ(Summary(year + "&camera=gate")["steps"].size(), 8'760u);
}

TEST_F(SummaryTest, AYearOf200CamerasIsOneLightAnswer) {
  constexpr int kCameras = 200, kDays = 366;
  std::mt19937_64 random(1);
  std::vector<index::Record> records;
  for (int i = 0; i < kCameras; ++i) {
    index::Camera camera;
    camera.id = *CameraId::Parse("camera-" + std::to_string(i));
    records.emplace_back(camera);
  }
  const TimeUs start_us = *ParseTime("2027-07-01T00:00:00Z");
  for (int day = 0; day < kDays; ++day) {
    for (int i = 0; i < kCameras; ++i) {
      index::Seal seal;
      seal.stream = {*CameraId::Parse("camera-" + std::to_string(i)), Stream::kMain};
      seal.start_us = start_us + day * kUsPerDay + kUsPerHour;
      seal.end_us = seal.start_us + 60 * kUsPerSecond + static_cast<int64_t>(random() % 60'000'000);
      seal.bytes = 30'000'000'000 + random() % 10'000'000'000;  // Of a day, all of it different.
      records.emplace_back(seal);
    }
    if (day % 20 < 19 && day + 1 < kDays) continue;
    ASSERT_TRUE(store_->journal().Commit(std::move(records)));
    records.clear();
  }
  SetNow(start_us + kDays * kUsPerDay + kUsPerHour);
  net::HttpRequest request;
  request.method = "GET";
  request.path = "/api/v1/timeline/summary";
  request.query = {{"start", FormatTime(start_us)},
                   {"end", FormatTime(start_us + kDays * kUsPerDay)},
                   {"tz", "UTC"}};
  request.headers = {{"authorization", "Bearer " + token_}, {"accept-encoding", "gzip"}};
  request.client = "192.0.2.9:50000";
  net::HttpResponse response = service_->Handle(request);
  ASSERT_EQ(response.status, 200) << response.body;
  const Json answer = Json::parse(response.body);
  ASSERT_EQ(answer["cameras"].size(), size_t{kCameras});
  EXPECT_EQ(answer["cameras"][7]["bytes"].size(), size_t{kDays});
  net::FinishResponse(request, response, nullptr);
  EXPECT_EQ(HeaderOf(response, "Content-Encoding"), "gzip");
  EXPECT_LT(response.body.size(), 1'000'000u);
  RecordProperty("gzip_bytes", std::to_string(response.body.size()));
  RecordProperty("bytes", std::to_string(answer.dump().size()));
  // Who takes no gzip gets the same, piece by piece.
  request.headers.pop_back();
  net::HttpResponse plain = service_->Handle(request);
  ASSERT_NE(plain.stream, nullptr);
  EXPECT_EQ(Json::parse(BodyOf(plain)), answer);
}

}  // namespace
}  // namespace lookback::api
