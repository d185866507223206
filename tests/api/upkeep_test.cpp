// What people put on a camera's record, and what is said of its clock beside footage.
#include "tests/api/service_fixture.h"

namespace lookback::api {
namespace {

constexpr char kChecks[] = "/api/v1/cameras/gate/clock-checks";
constexpr char kNotes[] = "/api/v1/cameras/gate/notes";

class UpkeepTest : public ServiceTest {
 protected:
  void SetUp() override {
    ServiceTest::SetUp();
    AddCamera("gate");
    AddCamera("yard");
  }
  Json Check(const std::string& shown, const std::string& when) {
    const auto response = Ask("POST", kChecks, {{"shown", shown}, {"true", when}});
    EXPECT_EQ(response.status, 201) << response.body;
    return Json::parse(response.body, nullptr, false);
  }
  void Note(const std::string& kind, const std::string& text) {
    const auto response = Ask("POST", kNotes, {{"kind", kind}, {"text", text}});
    EXPECT_EQ(response.status, 201) << response.body;
  }
};

TEST_F(UpkeepTest, AClockCheckTellsTheOffsetAndWhoMeasuredIt) {
  const Headers officer = {{"authorization", "Bearer " + TokenOfPlainUser("li.wei")}};
  const auto response = Ask("POST", kChecks,
                            {{"shown", "2026-05-05T06:00:03.2+08:00"},
                             {"true", "2026-05-04T22:00:00Z"},
                             {"note", "against the station's radio clock"}},
                            officer);
  ASSERT_EQ(response.status, 201) << response.body;
  EXPECT_EQ(Json::parse(response.body)["offset_us"], 3'200'000);
  const Json list = Get(kChecks);
  ASSERT_EQ(list["checks"].size(), 1u);
  EXPECT_TRUE(list["camera_offset_us"].is_null());
  EXPECT_TRUE(list["next"].is_null());
  const Json& check = list["checks"][0];
  EXPECT_EQ(check["shown"], "2026-05-04T22:00:03.2Z");
  EXPECT_EQ(check["true"], "2026-05-04T22:00:00Z");
  EXPECT_EQ(check["offset_us"], 3'200'000);
  EXPECT_EQ(check["person"], "li.wei");
  EXPECT_EQ(check["note"], "against the station's radio clock");
  // One line of the custody log, by who did it and on which camera.
  const Json act = Get("/api/v1/custody?limit=1")["acts"][0];
  EXPECT_EQ(act["kind"], "clock check");
  EXPECT_EQ(act["person"], "li.wei");
  EXPECT_EQ(act["cameras"], Json::array({"gate"}));
}

TEST_F(UpkeepTest, ACheckOrNoteThatSaysNothingUsableIsRefusedInWords) {
  const auto problem = [this](const char* path, const Json& body) {
    return ProblemIn(Ask("POST", path, body));
  };
  const std::string past = "2026-05-04T22:00:00Z";
  EXPECT_EQ(problem(kChecks, {{"shown", past}}), "missing-field");
  EXPECT_EQ(problem(kChecks, {{"shown", past}, {"true", "2026-05-04T22:00:00"}}),
            "time-without-offset");
  EXPECT_EQ(problem(kChecks, {{"shown", past}, {"true", "2062-05-04T22:00:00Z"}}), "bad-field");
  EXPECT_EQ(problem(kNotes, {{"kind", "rumour"}, {"text", "x"}}), "bad-field");
  EXPECT_EQ(problem(kNotes, {{"kind", "note"}, {"text", ""}}), "bad-field");
  EXPECT_EQ(problem(kNotes, {{"kind", "note"}, {"text", std::string(4'097, 'x')}}), "bad-field");
  EXPECT_EQ(problem(kNotes, {{"kind", "note"}, {"text", "x"}, {"at", "2062-05-04T22:00:00Z"}}),
            "bad-field");
  EXPECT_EQ(ProblemIn(Ask("POST", "/api/v1/cameras/none/notes", {{"kind", "note"}, {"text", "x"}})),
            "unknown-camera");
  EXPECT_EQ(ProblemIn(Ask("GET", "/api/v1/cameras/none/clock-checks")), "unknown-camera");
  EXPECT_EQ(Get(kNotes)["notes"].size(), 0u);
}

TEST_F(UpkeepTest, ANoteThatIsNotOnRecordIsNotTaken) {
  files_.FailNth(test::Op::kSync, 1, Code::kDiskFull, /*and_all_later=*/true);
  EXPECT_EQ(ProblemIn(Ask("POST", kNotes, {{"kind", "note"}, {"text", "x"}})), "not-on-record");
  files_.StopFailing();
}

TEST_F(UpkeepTest, NotesComeNewestFirstInPagesThatEndWhereTheyEnd) {
  Note("fault", "picture is grey");
  Check("2026-05-04T22:00:00Z", "2026-05-04T22:00:01Z");
  ASSERT_EQ(
      Ask("POST", "/api/v1/cameras/yard/notes", {{"kind", "note"}, {"text", "of another"}}).status,
      201);
  Note("repair", "lens cleaned\nand focused");
  Note("note", "seal 17");
  const Json first = Get(std::string(kNotes) + "?limit=2");
  ASSERT_EQ(first["notes"].size(), 2u);
  EXPECT_EQ(first["notes"][0]["text"], "seal 17");
  EXPECT_EQ(first["notes"][0]["at"], FormatTime(clock_.NowUs()));
  EXPECT_EQ(first["notes"][1]["kind"], "repair");
  EXPECT_EQ(first["notes"][1]["text"], "lens cleaned\nand focused");
  ASSERT_TRUE(first["next"].is_number());
  const Json rest =
      Get(std::string(kNotes) + "?limit=2&before=" + std::to_string(first["next"].get<int>()));
  ASSERT_EQ(rest["notes"].size(), 2u);
  EXPECT_EQ(rest["notes"][0]["kind"], "clock check");
  EXPECT_EQ(rest["notes"][0]["offset_us"], -1'000'000);
  EXPECT_EQ(rest["notes"][1]["kind"], "fault");
  EXPECT_EQ(rest["notes"][1]["person"], "admin");
  EXPECT_TRUE(rest["next"].is_null());
  // A clock check between notes does not count as a page's.
  Check("2026-05-04T22:30:00Z", "2026-05-04T22:30:01Z");
  const Json checks = Get(std::string(kChecks) + "?limit=1");
  EXPECT_EQ(checks["checks"][0]["true"], "2026-05-04T22:30:01Z");
  const Json older =
      Get(std::string(kChecks) + "?limit=1&before=" + std::to_string(checks["next"].get<int>()));
  EXPECT_EQ(older["checks"][0]["true"], "2026-05-04T22:00:01Z");
  EXPECT_TRUE(older["next"].is_null());
}

TEST_F(UpkeepTest, FootageTellsTheCamerasOffsetAndTheChecksNearestToIt) {
  const auto record = [this](TimeUs start_us, std::optional<int64_t> offset_us) {
    test::SyntheticRun run(test::MakeStream("gate"), start_us);
    storage::RunInfo info = run.info();
    info.camera_offset_us = offset_us;
    auto recording = store_->archive().Begin(info);
    ASSERT_TRUE(recording);
    for (media::Fragment& fragment : run.Until(10 * kUsPerSecond)) {
      ASSERT_TRUE((*recording)->Append(std::move(fragment)));
    }
    recording->reset();
    ASSERT_TRUE(store_->archive().Drain());
  };
  record(test::kEvening, 3'200'000);
  record(test::kEvening + kUsPerMinute, std::nullopt);
  const std::string hour = "?start=2026-05-04T22:00:02Z&end=2026-05-04T22:02:00Z";
  const Json spans = Get("/api/v1/cameras/gate/timeline" + hour)["spans"];
  ASSERT_EQ(spans.size(), 2u);
  EXPECT_EQ(spans[0]["camera_offset_min_us"], 3'200'000);
  EXPECT_EQ(spans[0]["camera_offset_max_us"], 3'200'000);
  EXPECT_TRUE(spans[1]["camera_offset_min_us"].is_null());

  const std::string clip = "/api/v1/cameras/gate/clip.json" + hour;
  Json clock = Get(clip)["camera_clock"];
  EXPECT_EQ(clock["offset_us"], 3'200'000);
  EXPECT_TRUE(clock["check_before"].is_null());
  EXPECT_TRUE(clock["check_after"].is_null());
  Check("2026-05-04T22:45:04Z", "2026-05-04T22:45:00Z");
  Check("2026-05-04T21:00:02Z", "2026-05-04T21:00:00Z");
  Check("2026-05-04T20:00:01Z", "2026-05-04T20:00:00Z");
  Check("2026-05-04T22:30:03Z", "2026-05-04T22:30:00Z");
  clock = Get(clip)["camera_clock"];
  EXPECT_EQ(clock["check_before"]["offset_us"], 2'000'000);
  EXPECT_EQ(clock["check_after"]["offset_us"], 3'000'000);
  // Of footage before any report, nothing is claimed.
  clock = Get("/api/v1/cameras/gate/clip.json?start=2026-05-04T22:01:02Z&end=2026-05-04T22:01:05Z")
      ["camera_clock"];
  EXPECT_TRUE(clock["offset_us"].is_null());
}

}  // namespace
}  // namespace lookback::api
