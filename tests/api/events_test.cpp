// Events over the API, with a real ledger and catalog below.
#include <gmock/gmock.h>

#include <filesystem>

#include "tests/api/service_fixture.h"

namespace lookback::api {
namespace {

class EventsTest : public ServiceTest {
 protected:
  void Wait(int64_t seconds) {
    for (int64_t i = 0; i < seconds; i += 5) {
      service_->LookAtAlarms();
      clock_.Advance(5 * kUsPerSecond);
    }
  }
  void LoseTheCamera() {
    AddCamera("gate");
    kept_ = recorder_.sources;
    recorder_.sources.clear();
    Wait(40);
  }
  Json Open() { return Get("/api/v1/events")["events"]; }
  Json All(const std::string& query = "") {
    return Get("/api/v1/events?state=all" + query)["events"];
  }
  std::string Path(const Json& event) {
    return "/api/v1/events/" + event["id"].get<std::string>() + "/acknowledge";
  }

  std::map<CameraId, recorder::CameraSource> kept_;
};

TEST_F(EventsTest, AnAlarmIsSeenAcknowledgedOnRecordAndEnds) {
  LoseTheCamera();
  ASSERT_EQ(Open().size(), 1u);
  const Json event = Open()[0];
  EXPECT_EQ(event["kind"], "camera-down");
  EXPECT_EQ(event["camera"], "gate");
  EXPECT_EQ(event["severity"], "critical");
  EXPECT_TRUE(event["until"].is_null());
  EXPECT_EQ(Get("/api/v1/status")["alarms"][0]["id"], event["id"]);

  const std::string token = TokenOfPlainUser("li.wei");
  const auto response =
      Ask("POST", Path(event), {{"note", "on my way"}}, {{"authorization", "Bearer " + token}});
  EXPECT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(Open()[0]["acknowledged"]["person"], "li.wei");
  EXPECT_EQ(ProblemIn(Ask("POST", Path(event))), "already-acknowledged");
  const Json act = Get("/api/v1/custody?camera=gate&limit=1")["acts"][0];
  EXPECT_EQ(act["kind"], "alarm acknowledged");
  EXPECT_EQ(act["person"], "li.wei");

  recorder_.sources = kept_;
  Wait(60);
  EXPECT_EQ(Open().size(), 0u);
  const Json ended = All("&camera=gate")[0];
  EXPECT_EQ(ended["id"], event["id"]);
  EXPECT_FALSE(ended["until"].is_null());
  EXPECT_EQ(ended["acknowledged"]["note"], "on my way");
  EXPECT_EQ(All("&camera=yard").size(), 0u);
}

TEST_F(EventsTest, EventsSurviveARestart) {
  LoseTheCamera();
  const Json before = Open()[0];
  EXPECT_EQ(Ask("POST", Path(before)).status, 200);
  Close();
  ServiceTest::Open();
  Serve();
  recorder_.sources.clear();
  service_->LookAtAlarms();
  ASSERT_EQ(Open().size(), 1u);
  EXPECT_EQ(Open()[0]["id"], before["id"]);
  EXPECT_EQ(Open()[0]["acknowledged"]["person"], "admin");
}

TEST_F(EventsTest, EventsComeNewestFirstInPages) {
  LoseTheCamera();
  for (int i = 0; i < 3; ++i) {
    recorder_.sources = kept_;
    Wait(60);
    recorder_.sources.clear();
    Wait(60);
  }
  const Json first = Get("/api/v1/events?state=all&limit=3");
  ASSERT_EQ(first["events"].size(), 3u);
  const Json second =
      Get("/api/v1/events?state=all&limit=3&before=" + first["next"].get<std::string>());
  ASSERT_EQ(second["events"].size(), 1u);
  EXPECT_TRUE(second["next"].is_null());
  EXPECT_GT(first["events"][2]["since"], second["events"][0]["since"]);
  EXPECT_EQ(ProblemIn(Ask("GET", "/api/v1/events?state=all&before=x")), "bad-parameter");
  EXPECT_EQ(ProblemIn(Ask("GET", "/api/v1/events?state=closed")), "bad-parameter");
  EXPECT_EQ(ProblemIn(Ask("POST", "/api/v1/events/" + Uuid::Random().text() + "/acknowledge")),
            "unknown-event");
}

TEST_F(EventsTest, AnAcknowledgementThatIsNotOnRecordDidNotHappen) {
  LoseTheCamera();
  const Json event = Open()[0];
  files_.FailNth(test::Op::kSync, 1, Code::kDiskFull, /*and_all_later=*/true);
  EXPECT_EQ(ProblemIn(Ask("POST", Path(event))), "not-on-record");
  files_.StopFailing();
  EXPECT_TRUE(Open()[0]["acknowledged"].is_null());
}

TEST_F(EventsTest, AlarmsAreCountedByKindAndByWhetherSomebodySawThem) {
  LoseTheCamera();
  using testing::HasSubstr;
  EXPECT_THAT(Ask("GET", "/metrics").body,
              HasSubstr("lookback_alarms{kind=\"camera-down\",acknowledged=\"no\"} 1\n"));
  EXPECT_EQ(Ask("POST", Path(Open()[0])).status, 200);
  const std::string page = Ask("GET", "/metrics").body;
  EXPECT_THAT(page, HasSubstr("lookback_alarms{kind=\"camera-down\",acknowledged=\"no\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("lookback_alarms{kind=\"camera-down\",acknowledged=\"yes\"} 1\n"));
}

TEST_F(EventsTest, ADataDirectoryThatTakesNothingIsCriticalUntilItDoes) {
  AddCamera("gate");
  const auto change = [this](int days) {
    return Ask("PUT", "/api/v1/retention/policies/default", {{"target_days", days}}).status;
  };
  files_.FailNth(test::Op::kSync, 1, Code::kDiskFull, /*and_all_later=*/true);
  EXPECT_EQ(change(3), 503);
  service_->LookAtAlarms();
  const auto conditions = [this] { return Get("/api/v1/status")["alarms"]; };
  ASSERT_EQ(conditions().size(), 1u);
  EXPECT_EQ(conditions()[0]["kind"], "data-directory");
  EXPECT_EQ(conditions()[0]["severity"], "critical");
  EXPECT_EQ(conditions()[0]["subject"], store_->data());
  EXPECT_EQ(Ask("GET", "/readyz").status, 503);
  files_.StopFailing();
  EXPECT_EQ(change(4), 200);
  EXPECT_EQ(Ask("GET", "/readyz").status, 200);
  Wait(70);
  EXPECT_EQ(Open().size(), 0u);
}

TEST_F(EventsTest, ADataDirectoryThatIsAlmostFullOrGoneIsCritical) {
  using testing::HasSubstr;
  files_.SetFreeBytes(15 << 20);
  service_->LookAtAlarms();
  ASSERT_EQ(Open().size(), 1u);
  EXPECT_EQ(Open()[0]["kind"], "data-directory");
  EXPECT_THAT(Open()[0]["sentence"].get<std::string>(), HasSubstr("has 15.7 MB free"));
  files_.SetFreeBytes(17 << 20);
  Wait(70);
  EXPECT_EQ(Open().size(), 0u);
  const std::string file = store_->data() + "/store.json";
  std::filesystem::rename(file, file + ".kept");
  service_->LookAtAlarms();
  ASSERT_EQ(Open().size(), 1u);
  EXPECT_THAT(Open()[0]["sentence"].get<std::string>(), HasSubstr("gone from under the server"));
  std::filesystem::rename(file + ".kept", file);
  Wait(70);
  EXPECT_EQ(Open().size(), 0u);
}

TEST_F(EventsTest, AVolumeThatFailedBeforeItTookFootageIsOneAlarm) {
  store_->volumes().front()->SetFailed("read-only file system");
  service_->LookAtAlarms();
  ASSERT_EQ(Open().size(), 1u);
  EXPECT_EQ(Open()[0]["kind"], "volume-failed");
  EXPECT_THAT(Open()[0]["sentence"].get<std::string>(),
              testing::EndsWith(": read-only file system"));
  EXPECT_EQ(Get("/api/v1/volumes")["volumes"][0]["trouble"], "read-only file system");
}

TEST_F(EventsTest, AnAlarmThatStandsIsASeriesOfItsOwnUntilItEnds) {
  using testing::HasSubstr;
  using testing::Not;
  const std::string standing =
      "lookback_alarm_standing{kind=\"camera-down\",subject=\"gate\",severity=\"critical\","
      "acknowledged=";
  LoseTheCamera();
  EXPECT_THAT(Ask("GET", "/metrics").body, HasSubstr(standing + "\"no\"} 1\n"));
  EXPECT_EQ(Ask("POST", Path(Open()[0])).status, 200);
  EXPECT_THAT(Ask("GET", "/metrics").body, HasSubstr(standing + "\"yes\"} 1\n"));
  recorder_.sources = kept_;
  Wait(60);
  EXPECT_THAT(Ask("GET", "/metrics").body, Not(HasSubstr(standing)));
}

TEST_F(EventsTest, ASubStreamThatIsDownIsNamedAsSuchAndLessGrave) {
  AddCamera("gate");
  EXPECT_EQ(Ask("PATCH", "/api/v1/cameras/gate", {{"sub_url", "rtsp://192.0.2.1/2"}}).status, 200);
  recorder_.lost_subs = true;
  Wait(40);
  ASSERT_EQ(Open().size(), 1u);
  const Json event = Open()[0];
  EXPECT_EQ(event["kind"], "camera-sub-down");
  EXPECT_EQ(event["severity"], "warning");
  EXPECT_EQ(event["camera"], "gate");
  EXPECT_EQ(event["subject"], "gate/sub");
  EXPECT_EQ(event["sentence"].get<std::string>().find("the sub stream of gate is not recorded"),
            0u);
  // One whose URL is taken away is missed by nobody.
  EXPECT_EQ(Ask("PATCH", "/api/v1/cameras/gate", {{"sub_url", ""}}).status, 200);
  Wait(60);
  EXPECT_EQ(Open().size(), 0u);
}

}  // namespace
}  // namespace lookback::api
