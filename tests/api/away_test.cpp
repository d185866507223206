// Footage whose volume is away: on record all the same, and told by timeline and clip in one way.
#include <filesystem>

#include "tests/api/service_fixture.h"

namespace lookback::api {
namespace {

namespace fs = std::filesystem;

constexpr char kRange[] = "?start=2026-05-04T22:00:02Z&end=2026-05-04T22:00:22Z";

class AwayTest : public ServiceTest {
 protected:
  void SetUp() override {
    ServiceTest::SetUp();
    AddCamera("gate");
    AddFootage("gate", test::kEvening, 12);
    first_ = store_->volumes().front()->root();
  }
  void Restart() {
    Close();
    Open();
    Serve();
    store_->WaitForRecovery();
  }
  Json Timeline() { return Get("/api/v1/cameras/gate/timeline" + std::string(kRange)); }
  Json AwayUntil(const std::string& end) const {
    return Json::array({{{"start", "2026-05-04T22:00:02Z"},
                         {"end", end},
                         {"cause", "volume away"},
                         {"detail", first_}}});
  }

  std::string first_;
};

TEST_F(AwayTest, WhatIsOnAVolumeThatIsOfflineIsOnRecordAndCannotBeRead) {
  Close();
  fs::rename(first_, first_ + ".disk");
  volumes_ = {first_, dir_.Path("second")};
  Restart();
  AddFootage("gate", test::kEvening + 12 * kUsPerSecond, 12);
  Json timeline = Timeline();
  EXPECT_EQ(timeline["covered_us"], 20'000'000);
  EXPECT_EQ(timeline["readable_us"], 10'000'000);
  EXPECT_EQ(timeline["missing_us"], 0);
  EXPECT_EQ(timeline["gaps"], Json::array());
  EXPECT_EQ(timeline["away"], AwayUntil("2026-05-04T22:00:12Z"));
  const Json clip = Get("/api/v1/cameras/gate/clip.json" + std::string(kRange));
  EXPECT_EQ(clip["missing_us"], 10'000'000);
  EXPECT_EQ(clip["missing"], AwayUntil("2026-05-04T22:00:12Z"));

  fs::rename(first_ + ".disk", first_);
  store_->LookForVolumes();
  timeline = Timeline();
  EXPECT_EQ(timeline["readable_us"], 20'000'000);
  EXPECT_EQ(timeline["away"], Json::array());
  EXPECT_EQ(Get("/api/v1/cameras/gate/clip.json" + std::string(kRange))["missing"], Json::array());
}

TEST_F(AwayTest, WhatIsOnADiskThatWasPulledIsToldToo) {
  fs::rename(first_, first_ + ".disk");
  fs::create_directory(first_);  // The bare mount point.
  // Whoever looks at the volumes sees it.
  EXPECT_EQ(Ask("GET", "/api/v1/volumes").status, 200);
  const Json timeline = Timeline();
  EXPECT_EQ(timeline["covered_us"], 10'000'000);
  EXPECT_EQ(timeline["readable_us"], 0);
  EXPECT_EQ(timeline["away"], AwayUntil("2026-05-04T22:00:12Z"));
  const auto clip = Ask("GET", "/api/v1/cameras/gate/clip.json" + std::string(kRange));
  EXPECT_EQ(ProblemIn(clip), "no-footage");
  EXPECT_EQ(Json::parse(clip.body)["missing"][0], AwayUntil("2026-05-04T22:00:12Z")[0]);
  EXPECT_NE(clip.body.find("volume away"), std::string::npos);
  EXPECT_EQ(store_->archive().damage().size(), 0u) << "nothing is lost";
}

}  // namespace
}  // namespace lookback::api
