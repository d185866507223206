// The scrub over the API: a byte that changed is named by camera and time, is a gap in every later
// answer, and an alarm.
#include <gmock/gmock.h>

#include <fstream>

#include "storage/layout.h"
#include "storage/scrubber.h"
#include "tests/api/service_fixture.h"

namespace lookback::api {
namespace {

using test::kEvening;
using testing::HasSubstr;

class ScrubTest : public ServiceTest {
 protected:
  void SetUp() override {
    ServiceTest::SetUp();
    AddCamera("gate");
    AddCamera("yard");
    AddFootage("gate", kEvening, 10);
    AddFootage("yard", kEvening, 10);
    OpenScrubber();
  }
  void TearDown() override {
    CloseScrubber();
    ServiceTest::TearDown();
  }
  void OpenScrubber() {
    scrubber_ = storage::Scrubber::Open(*store_, clock_, files_, {});
    service_->SetScrubber(scrubber_.get());
  }
  void CloseScrubber() {
    if (service_) service_->SetScrubber(nullptr);
    scrubber_.reset();
  }
  std::string FileOf(const index::Seal& row) {
    return store_->volumes().front()->root() + "/" + storage::SegmentPath(index::KeyOf(row));
  }
  index::Seal RowOf(const std::string& camera) {
    const auto rows =
        store_->catalog().Segments(test::MakeStream(camera), {kTimeMinUs, kTimeMaxUs});
    EXPECT_TRUE(rows && rows->size() == 1);
    return rows->front();
  }
  // Changes a byte in the middle of the camera's file: of the fragment of 22:00:04 to 22:00:05.
  void Damage(const std::string& camera) {
    const std::string path = FileOf(RowOf(camera));
    std::string bytes = ReadText(path);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }
  void RunDue() {
    scrubber_->RunDue([this](int64_t us) {
      clock_.Advance(us);
      return true;
    });
  }
  Json RunPass() {
    EXPECT_EQ(Ask("POST", "/api/v1/scrub").status, 202);
    RunDue();
    return Get("/api/v1/scrub");
  }
  Json Timeline(const std::string& camera) {
    return Get("/api/v1/cameras/" + camera +
               "/timeline?start=2026-05-04T22:00:00Z&end=2026-05-04T22:00:10Z");
  }
  Json Alarms() {
    service_->LookAtAlarms();
    Json damaged = Json::array();
    const Json events = Get("/api/v1/events")["events"];
    for (const Json& event : events) {
      if (event["kind"] == "damaged-footage") damaged.push_back(event);
    }
    return damaged;
  }

  std::unique_ptr<storage::Scrubber> scrubber_;
};

TEST_F(ScrubTest, TellsThePassUnderWayAndTheLastWholeOne) {
  const Json before = Get("/api/v1/scrub");
  EXPECT_EQ(before["interval_us"], 30 * kUsPerDay);
  EXPECT_EQ(before["bytes_per_second"], 20 << 20);
  EXPECT_TRUE(before["volumes"][0]["pass"].is_null());
  EXPECT_TRUE(before["volumes"][0]["last"].is_null());
  const auto begun = Ask("POST", "/api/v1/scrub");
  EXPECT_EQ(begun.status, 202);
  EXPECT_EQ(Json::parse(begun.body)["volumes"][0]["pass"]["segments"], 0);
  RunDue();
  const Json after = Get("/api/v1/scrub");
  EXPECT_TRUE(after["volumes"][0]["pass"].is_null());
  EXPECT_EQ(after["volumes"][0]["last"]["segments"], 2);
  EXPECT_EQ(after["volumes"][0]["last"]["findings"], 0);
  EXPECT_EQ(after["damaged"], 0);
}

TEST_F(ScrubTest, WhatIsDamagedIsNamedByCameraAndTimeAndMissingFromThenOn) {
  EXPECT_EQ(Timeline("gate")["gaps"].size(), 0u);
  Damage("gate");
  const Json scrub = RunPass();
  ASSERT_EQ(scrub["findings"].size(), 1u);
  const Json finding = scrub["findings"][0];
  EXPECT_EQ(finding["camera"], "gate");
  EXPECT_EQ(finding["stream"], "main");
  EXPECT_EQ(finding["cause"], "corrupt");
  EXPECT_EQ(finding["start"], "2026-05-04T22:00:04Z");
  EXPECT_EQ(finding["end"], "2026-05-04T22:00:05Z");

  const Json timeline = Timeline("gate");
  ASSERT_EQ(timeline["gaps"].size(), 1u);
  EXPECT_EQ(timeline["gaps"][0]["cause"], "corrupt");
  EXPECT_EQ(timeline["gaps"][0]["start"], finding["start"]);
  EXPECT_EQ(timeline["gaps"][0]["end"], finding["end"]);
  EXPECT_EQ(Timeline("yard")["gaps"].size(), 0u);

  const std::string range = "?start=2026-05-04T22:00:00Z&end=2026-05-04T22:00:10Z";
  const Json clip = Get("/api/v1/cameras/gate/clip.json" + range);
  ASSERT_EQ(clip["missing"].size(), 1u);
  EXPECT_EQ(clip["missing"][0]["cause"], "corrupt");
  EXPECT_EQ(clip["missing"][0]["start"], finding["start"]);
  auto body = Ask("GET", "/api/v1/cameras/gate/clip.mp4" + range);
  EXPECT_EQ(BodyOf(body).size(), clip["size_bytes"]) << "it is served whole, without the fragment";
}

TEST_F(ScrubTest, AnInitSectionThatIsDamagedTakesItsWholeSegment) {
  // A byte of `ftyp` that no parser minds: its minor version.
  const std::string path = FileOf(RowOf("gate"));
  std::string bytes = ReadText(path);
  bytes[12] = static_cast<char>(bytes[12] ^ 1);
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  const Json scrub = RunPass();
  ASSERT_EQ(scrub["findings"].size(), 1u);
  EXPECT_TRUE(scrub["findings"][0]["fragment"].is_null());
  EXPECT_EQ(Timeline("gate")["covered_us"], 0);
  const auto clip = Ask("GET",
                        "/api/v1/cameras/gate/clip.json?start=2026-05-04T22:00:00Z&"
                        "end=2026-05-04T22:00:10Z");
  EXPECT_NE(clip.status, 200) << "nothing of it is served";
}

TEST_F(ScrubTest, AFileThatIsGoneIsAGapThatSaysSo) {
  ASSERT_TRUE(posix_->Remove(FileOf(RowOf("yard"))));
  const Json scrub = RunPass();
  ASSERT_EQ(scrub["findings"].size(), 1u);
  EXPECT_EQ(scrub["findings"][0]["cause"], "missing");
  const Json timeline = Timeline("yard");
  ASSERT_EQ(timeline["gaps"].size(), 1u);
  EXPECT_EQ(timeline["gaps"][0]["cause"], "missing");
}

TEST_F(ScrubTest, EachCameraHasAnAlarmThatEndsWhenItsFootageIsWellAgain) {
  EXPECT_EQ(Alarms().size(), 0u);
  const std::string good = ReadText(FileOf(RowOf("gate")));
  Damage("gate");
  Damage("yard");
  (void)RunPass();
  const Json both = Alarms();
  ASSERT_EQ(both.size(), 2u);
  // Raised in one moment, they come in no order.
  const Json& gate = both[both[0]["subject"] == "gate" ? 0 : 1];
  EXPECT_EQ(gate["subject"], "gate");
  EXPECT_EQ(gate["camera"], "gate");
  EXPECT_THAT(gate["sentence"].get<std::string>(), HasSubstr("1 stretch of gate"));
  EXPECT_THAT(Ask("GET", "/metrics").body,
              HasSubstr("lookback_damaged_fragments{camera=\"gate\",stream=\"main\"} 1\n"));
  std::ofstream(FileOf(RowOf("gate")), std::ios::binary | std::ios::trunc) << good;
  (void)RunPass();
  ASSERT_EQ(Alarms().size(), 1u);
  EXPECT_EQ(Alarms()[0]["subject"], "yard");
}

TEST_F(ScrubTest, WhatIsDamagedIsKnownAfterARestart) {
  Damage("gate");
  const Json before = RunPass()["findings"];
  CloseScrubber();
  Close();
  Open();
  Serve();
  OpenScrubber();
  EXPECT_EQ(Get("/api/v1/scrub")["findings"], before);
  EXPECT_EQ(Timeline("gate")["gaps"][0]["cause"], "corrupt");
}

TEST_F(ScrubTest, APassTakesAnAdminAndIsOnRecord) {
  const std::string token = TokenOfPlainUser("li.wei");
  const Headers plain = {{"authorization", "Bearer " + token}};
  EXPECT_EQ(Ask("GET", "/api/v1/scrub", {}, plain).status, 200);
  EXPECT_EQ(ProblemIn(Ask("POST", "/api/v1/scrub", {}, plain)), "forbidden");
  EXPECT_EQ(Ask("POST", "/api/v1/scrub").status, 202);
  EXPECT_EQ(Acts().front().what, "POST /api/v1/scrub");
  EXPECT_FALSE(Acts().front().refused);
}

TEST_F(ScrubTest, WithoutAScrubberItSaysSo) {
  CloseScrubber();
  EXPECT_EQ(ProblemIn(Ask("GET", "/api/v1/scrub")), "unavailable");
}

}  // namespace
}  // namespace lookback::api
