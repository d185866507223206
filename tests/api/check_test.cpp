// The store's check of itself over the API: a file that is gone is named by camera and time,
// while the store records on.
#include <filesystem>

#include "storage/layout.h"
#include "storage/self_check.h"
#include "tests/api/service_fixture.h"

namespace lookback::api {
namespace {

using test::kEvening;

class CheckApiTest : public ServiceTest {
 protected:
  void SetUp() override {
    ServiceTest::SetUp();
    AddCamera("gate");
    AddCamera("yard");
    AddFootage("gate", kEvening, 10);
    AddFootage("yard", kEvening, 10);
    check_ = storage::SelfCheck::Open(*store_, clock_, files_);
    service_->SetSelfCheck(check_.get());
  }
  void TearDown() override {
    if (service_) service_->SetSelfCheck(nullptr);
    check_.reset();
    ServiceTest::TearDown();
  }
  Json Run() {
    const auto asked = Ask("POST", "/api/v1/check");
    EXPECT_EQ(asked.status, 202) << asked.body;
    EXPECT_TRUE(Json::parse(asked.body)["running"].get<bool>());
    check_->RunDue();
    return Get("/api/v1/check");
  }

  std::unique_ptr<storage::SelfCheck> check_;
};

TEST_F(CheckApiTest, NamesAFileThatIsGoneAndTellsOfWhatAgrees) {
  EXPECT_TRUE(Get("/api/v1/check")["last"].is_null());
  const Json clean = Run();
  EXPECT_FALSE(clean["running"].get<bool>());
  EXPECT_TRUE(clean["last"]["clean"].get<bool>()) << clean.dump(1);
  EXPECT_EQ(clean["last"]["segments"], 2);
  EXPECT_EQ(clean["last"]["faults"], 0);

  const auto rows = store_->catalog().Segments(test::MakeStream("gate"), {kTimeMinUs, kTimeMaxUs});
  ASSERT_TRUE(rows.has_value());
  const std::string path =
      store_->volumes().front()->root() + "/" + storage::SegmentPath(index::KeyOf(rows->front()));
  ASSERT_TRUE(std::filesystem::remove(path));
  const Json found = Run();
  EXPECT_EQ(found["last"]["faults"], 1) << found.dump(1);
  const Json& finding = found["last"]["findings"].at(0);
  EXPECT_EQ(finding["kind"], "missing-file");
  EXPECT_EQ(finding["camera"], "gate");
  EXPECT_EQ(finding["start"], "2026-05-04T22:00:00Z");
  EXPECT_EQ(finding["path"], path);
}

TEST_F(CheckApiTest, IsOnRecordAndTakesAnAdmin) {
  (void)Run();
  EXPECT_EQ(Get("/api/v1/custody?limit=1")["acts"].at(0)["what"], "POST /api/v1/check");
  const Headers patrol = {{"authorization", "Bearer " + TokenOfPlainUser("patrol")}};
  EXPECT_EQ(Ask("POST", "/api/v1/check", {}, patrol).status, 403);
  EXPECT_EQ(Ask("GET", "/api/v1/check", {}, patrol).status, 200);
}

}  // namespace
}  // namespace lookback::api
