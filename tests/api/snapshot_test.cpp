// A snapshot over the API: what there is, and one that an admin asks for.
#include <gmock/gmock.h>

#include "storage/snapshotter.h"
#include "tests/api/service_fixture.h"

namespace lookback::api {
namespace {

class SnapshotTest : public ServiceTest {
 protected:
  void SetUp() override {
    ServiceTest::SetUp();
    snapshotter_ = storage::Snapshotter::Open(*store_, clock_, files_);
    service_->SetSnapshotter(snapshotter_.get());
  }
  void TearDown() override {
    service_->SetSnapshotter(nullptr);
    snapshotter_.reset();
    ServiceTest::TearDown();
  }

  std::unique_ptr<storage::Snapshotter> snapshotter_;
};

TEST_F(SnapshotTest, OneIsWrittenWhenAnAdminAsks) {
  AddCamera("gate");
  EXPECT_TRUE(Get("/api/v1/snapshot")["newest"].is_null());
  const auto begun = Ask("POST", "/api/v1/snapshot");
  EXPECT_EQ(begun.status, 202);
  EXPECT_EQ(Get("/api/v1/snapshot")["running"], true);
  snapshotter_->RunDue();
  const Json after = Get("/api/v1/snapshot");
  EXPECT_EQ(after["running"], false);
  EXPECT_TRUE(after["trouble"].is_null());
  EXPECT_EQ(after["newest"]["ledger_records"], store_->ledger().size());
  EXPECT_EQ(after["newest"]["time"], FormatTime(clock_.NowUs()));
  EXPECT_EQ(Acts().front().what, "POST /api/v1/snapshot");
}

TEST_F(SnapshotTest, OneThatCannotBeWrittenIsAnAlarmUntilOneIs) {
  const auto look = [&] {
    snapshotter_->RunDue();
    service_->LookAtAlarms();
    clock_.Advance(storage::kSnapshotRetryUs);
    service_->LookAtAlarms();
    return Get("/api/v1/events")["events"];
  };
  files_.FailBelow(dir_.Path("data/snapshots"), Code::kDiskFull);
  Json alarms = look();
  ASSERT_EQ(alarms.size(), 1u) << alarms;
  EXPECT_EQ(alarms[0]["kind"], "snapshot-failing");
  EXPECT_THAT(alarms[0]["sentence"].get<std::string>(), testing::HasSubstr("there is none yet"));
  files_.StopFailing();
  EXPECT_EQ(look().size(), 0u);
}

TEST_F(SnapshotTest, WhoIsNoAdminMayLookAndNotAsk) {
  const Headers plain = {{"authorization", "Bearer " + TokenOfPlainUser("li.wei")}};
  EXPECT_EQ(Ask("GET", "/api/v1/snapshot", {}, plain).status, 200);
  EXPECT_EQ(ProblemIn(Ask("POST", "/api/v1/snapshot", {}, plain)), "forbidden");
  service_->SetSnapshotter(nullptr);
  EXPECT_EQ(ProblemIn(Ask("GET", "/api/v1/snapshot")), "unavailable");
}

}  // namespace
}  // namespace lookback::api
