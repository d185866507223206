// What leaves of recorded footage: on record first, whole, in pieces, and with what is missing.
#include "storage/layout.h"
#include "tests/api/service_fixture.h"

namespace lookback::api {
namespace {

constexpr char kClip[] =
    "/api/v1/cameras/gate/clip.mp4?start=2026-05-04T22:00:02Z&end=2026-05-04T22:00:12Z";
constexpr char kClipJson[] =
    "/api/v1/cameras/gate/clip.json?start=2026-05-04T22:00:02Z&end=2026-05-04T22:00:12Z";

class ClipTest : public ServiceTest {
 protected:
  void SetUp() override {
    ServiceTest::SetUp();
    AddCamera("gate");
    AddFootage("gate", test::kEvening, 10);
  }
  size_t Views() {
    size_t views = 0;
    for (const index::Act& act : Acts()) views += act.kind == index::ActKind::kView;
    return views;
  }
};

TEST_F(ClipTest, TheViewIsOnRecordBeforeTheFirstByteIsRead) {
  auto response = Ask("GET", std::string(kClip) + "&reason=case 7");
  ASSERT_EQ(response.status, 200) << response.body;
  const index::Act act = Acts().front();
  EXPECT_EQ(act.kind, index::ActKind::kView);
  EXPECT_EQ(act.person, "admin");
  EXPECT_EQ(act.client, "192.0.2.9:50000");
  ASSERT_EQ(act.cameras.size(), 1u);
  EXPECT_EQ(act.cameras[0].text(), "gate");
  EXPECT_EQ(act.range,
            (TimeRange{test::kEvening + 2 * kUsPerSecond, test::kEvening + 12 * kUsPerSecond}));
  EXPECT_EQ(act.reason, "case 7");
  EXPECT_FALSE(act.refused);
  EXPECT_EQ(static_cast<int64_t>(BodyOf(response).size()), response.stream_bytes);
}

TEST_F(ClipTest, WithoutARecordNoFootageLeavesAndRecordingGoesOn) {
  test::SyntheticRun run(test::MakeStream("gate"), test::kEvening + kUsPerMinute);
  auto recording = store_->archive().Begin(run.info());
  ASSERT_TRUE(recording);
  files_.FailNth(test::Op::kSync, 1, Code::kDiskFull, /*and_all_later=*/true);
  for (const char* path :
       {kClip, kClipJson,
        "/api/v1/cameras/gate/timeline?start=2026-05-04T22:00:00Z&end=2026-05-04T22:00:12Z"}) {
    const auto response = Ask("GET", path);
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(ProblemIn(response), "not-on-record");
    EXPECT_EQ(response.stream, nullptr);
    EXPECT_EQ(response.body.find("spans"), std::string::npos);
  }
  files_.StopFailing();
  EXPECT_TRUE((*recording)->Append(run.Next()));
}

TEST_F(ClipTest, PiecesAreThoseOfTheWhole) {
  auto whole = Ask("GET", kClip);
  const std::string all = BodyOf(whole);
  ASSERT_GT(all.size(), 1000u);
  EXPECT_EQ(all.substr(4, 4), "ftyp");
  const std::string etag = HeaderOf(whole, "ETag");
  EXPECT_TRUE(etag.starts_with('"') && etag.ends_with('"'));
  EXPECT_EQ(HeaderOf(whole, "Accept-Ranges"), "bytes");
  const auto piece = [&](const std::string& range) {
    auto response = Ask("GET", kClip, {}, {{"range", range}, {"if-range", etag}});
    EXPECT_EQ(response.status, 206) << range;
    EXPECT_EQ(HeaderOf(response, "ETag"), etag);
    return std::pair(HeaderOf(response, "Content-Range"), BodyOf(response));
  };
  const std::string size = std::to_string(all.size());
  EXPECT_EQ(piece("bytes=0-99"), std::pair("bytes 0-99/" + size, all.substr(0, 100)));
  EXPECT_EQ(piece("bytes=100-"),
            std::pair("bytes 100-" + std::to_string(all.size() - 1) + "/" + size, all.substr(100)));
  EXPECT_EQ(piece("bytes=-7").second, all.substr(all.size() - 7));
  EXPECT_EQ(piece("bytes=0-" + size).second, all);
  auto beyond = Ask("GET", kClip, {}, {{"range", "bytes=" + size + "-"}});
  EXPECT_EQ(ProblemIn(beyond), "range-not-satisfiable");
  EXPECT_EQ(HeaderOf(beyond, "Content-Range"), "bytes */" + size);
  EXPECT_EQ(Ask("GET", kClip, {}, {{"range", "bytes=1-2"}, {"if-range", "\"stale\""}}).status, 200);
  EXPECT_EQ(Ask("GET", kClip, {}, {{"if-none-match", etag}}).status, 304);
  EXPECT_EQ(Ask("GET", kClip, {}, {{"if-match", etag}}).status, 200);
  EXPECT_EQ(ProblemIn(Ask("GET", kClip, {}, {{"if-match", "\"stale\""}})), "precondition-failed");
}

TEST_F(ClipTest, PiecesOfOneClipAreOneViewAndEachWholeIsOne) {
  for (int i = 0; i < 3; ++i) (void)Ask("GET", kClip, {}, {{"range", "bytes=0-9"}});
  EXPECT_EQ(Views(), 1u);
  (void)Ask("GET", kClip);
  (void)Ask("GET", kClip);
  EXPECT_EQ(Views(), 3u);
  (void)Ask("GET", std::string(kClip) + "&audio=0", {}, {{"range", "bytes=0-9"}});
  EXPECT_EQ(Views(), 4u);
  // A range that brings all of it is no piece.
  for (const char* range : {"x", "bytes=0-1,3-4", "bytes=0-0"}) {
    const size_t before = Views();
    auto response = Ask("GET", kClip, {}, {{"range", range}});
    EXPECT_EQ(Views() - before, response.status == 200 ? 1U : 0U) << range;
  }
}

TEST_F(ClipTest, AnOpenSegmentGrowsButAClipStaysOneFile) {
  test::SyntheticRun run(test::MakeStream("gate"), test::kEvening + 10 * kUsPerSecond);
  auto recording = store_->archive().Begin(run.info());
  ASSERT_TRUE(recording);
  ASSERT_TRUE((*recording)->Append(run.Next()));
  ASSERT_TRUE(store_->archive().Drain());
  auto first = Ask("GET", kClip);
  ASSERT_EQ(first.status, 200);
  const std::string etag = HeaderOf(first, "ETag");
  const std::string all = BodyOf(first);
  ASSERT_TRUE((*recording)->Append(run.Next()));
  ASSERT_TRUE(store_->archive().Drain());
  auto resumed = Ask("GET", kClip, {}, {{"range", "bytes=50-"}, {"if-range", etag}});
  EXPECT_EQ(resumed.status, 206);
  EXPECT_EQ(BodyOf(resumed), all.substr(50));
  auto anew = Ask("GET", kClip);
  EXPECT_NE(HeaderOf(anew, "ETag"), etag);
  EXPECT_GT(BodyOf(anew).size(), all.size());
}

TEST_F(ClipTest, AFileThatIsGoneIsAGapInEveryAnswerFromThenOn) {
  AddCamera("lane");
  AddFootage("lane", test::kEvening, 10);
  const auto rows = store_->catalog().Segments(test::MakeStream("lane"), {kTimeMinUs, kTimeMaxUs});
  ASSERT_TRUE(rows && rows->size() == 1);
  ASSERT_TRUE(posix_->Remove(store_->volumes().front()->root() + "/" +
                             storage::SegmentPath(index::KeyOf(rows->front()))));
  const std::string range = "?start=2026-05-04T22:00:02Z&end=2026-05-04T22:00:08Z";
  const auto clip = Ask("GET", "/api/v1/cameras/lane/clip.json" + range);
  EXPECT_EQ(ProblemIn(clip), "no-footage");
  const Json problem = Json::parse(clip.body);
  EXPECT_EQ(problem["missing"][0]["cause"], "missing");
  EXPECT_EQ(problem["detail"].get<std::string>().find(dir_.Path("")), std::string::npos)
      << "no path of the server's: " << problem["detail"];
  const Json timeline = Get("/api/v1/cameras/lane/timeline" + range);
  EXPECT_EQ(timeline["covered_us"], 0);
  EXPECT_EQ(timeline["gaps"][0]["cause"], "missing");
}

TEST_F(ClipTest, WhatIsMissingIsSaidInHeadersAndInJson) {
  const auto response = Ask("GET", kClip);
  EXPECT_EQ(HeaderOf(response, "X-Lookback-Missing-Us"), "2000000");
  EXPECT_EQ(HeaderOf(response, "X-Lookback-Gap-Count"), "1");
  const std::string gaps = HeaderOf(response, "X-Lookback-Gaps");
  EXPECT_TRUE(gaps.starts_with("2026-05-04T22:00:10Z/2026-05-04T22:00:12Z ")) << gaps;
  const Json json = Get(kClipJson);
  EXPECT_EQ(json["missing_us"], 2'000'000);
  EXPECT_EQ(json["missing"][0]["start"], "2026-05-04T22:00:10Z");
  EXPECT_EQ(json["size_bytes"], response.stream_bytes);
  EXPECT_EQ(json["etag"], HeaderOf(response, "ETag"));
}

TEST_F(ClipTest, TheFileNameIsAsciiAndTheCamerasOwn) {
  EXPECT_EQ(Ask("PATCH", "/api/v1/cameras/gate", {{"name", "市/\"东"}}).status, 200);
  EXPECT_EQ(HeaderOf(Ask("GET", kClip), "Content-Disposition"),
            "attachment; filename=\"gate_20260504T220002Z.mp4\"; "
            "filename*=UTF-8''%E5%B8%82_%22%E4%B8%9C_20260504T220002Z.mp4");
}

TEST_F(ClipTest, SubtitlesAreOfTheZoneThatIsAskedAndOnRecord) {
  const std::string asked = "&subtitles=1&tz=Asia/Shanghai";
  auto response = Ask("GET", kClip + asked);
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(Acts().front().what, "clip.mp4, with subtitles");
  const std::string etag = HeaderOf(response, "ETag");
  const std::string body = BodyOf(response);
  EXPECT_NE(body.find("2026-05-05 06:00:02 +08:00"), std::string::npos);
  EXPECT_NE(body.find("2026-05-05 06:00:09 +08:00"), std::string::npos);
  const Json json = Get(kClipJson + asked);
  EXPECT_EQ(json["subtitles"], true);
  EXPECT_EQ(json["time_zone"], "Asia/Shanghai");
  EXPECT_EQ(json["etag"], etag);
  const Json plain = Get(kClipJson);
  EXPECT_EQ(plain["subtitles"], false);
  EXPECT_EQ(plain["time_zone"], Json());
  EXPECT_NE(plain["etag"], etag);
  EXPECT_LT(plain["size_bytes"], json["size_bytes"]);
  // A piece of the one is none of the other.
  auto piece = Ask("GET", kClip + asked, {}, {{"range", "bytes=0-99"}});
  EXPECT_EQ(HeaderOf(piece, "ETag"), etag);
  EXPECT_EQ(BodyOf(piece), body.substr(0, 100));
  EXPECT_NE(HeaderOf(Ask("GET", kClip + std::string("&subtitles=1&tz=UTC")), "ETag"), etag);
}

TEST_F(ClipTest, BadRangesOfTimeEachHaveTheirProblem) {
  const auto problem = [this](const std::string& query) {
    return ProblemIn(Ask("GET", "/api/v1/cameras/gate/clip.mp4" + query));
  };
  const std::string start = "?start=2026-05-04T22:00:00Z";
  EXPECT_EQ(problem(start), "missing-parameter");
  EXPECT_EQ(problem("?start=2026-05-04T22:00:00&end=2026-05-04T22:00:01Z"), "time-without-offset");
  EXPECT_EQ(problem("?start=yesterday&end=2026-05-04T22:00:01Z"), "bad-time");
  EXPECT_EQ(problem("?start=2026-13-04T22:00:00Z&end=2026-05-04T22:00:01Z"), "bad-time");
  EXPECT_EQ(problem(start + "&end=2026-05-04T22:00:00Z"), "empty-range");
  EXPECT_EQ(problem(start + "&end=2026-05-04T21:00:00Z"), "empty-range");
  EXPECT_EQ(problem(start + "&end=2026-05-05T06:00:00+08:00"), "empty-range");
  EXPECT_EQ(problem(start + "&end=2026-06-04T22:00:01Z"), "range-too-long");
  EXPECT_EQ(problem("?start=2027-01-01T00:00:00Z&end=2027-01-01T00:01:00Z"), "future-range");
  EXPECT_EQ(problem(start + "&end=2026-05-04T22:00:01Z&gaps=maybe"), "bad-parameter");
  EXPECT_EQ(problem(start + "&end=2026-05-04T22:00:01Z&audio=yes"), "bad-parameter");
  EXPECT_EQ(problem(start + "&end=2026-05-04T22:00:01Z&colour=red"), "unknown-parameter");
  EXPECT_EQ(problem(start + "&end=2026-05-05T00:00:01Z&subtitles=1"), "range-too-long");
  EXPECT_EQ(problem(start + "&end=2026-05-04T22:00:01Z&subtitles=en"), "bad-parameter");
  EXPECT_EQ(problem(start + "&end=2026-05-04T22:00:01Z&tz=UTC"), "bad-parameter");
  EXPECT_EQ(problem(start + "&end=2026-05-04T22:00:01Z&subtitles=1&tz=Mars/Base"), "bad-parameter");
  EXPECT_EQ(problem(start + start.substr(0, 0) + "&start=2026-05-04T22:00:00Z&end=x"),
            "bad-parameter");
  EXPECT_EQ(ProblemIn(Ask("GET",
                          "/api/v1/cameras/nobody/clip.mp4" + start + "&end=2026-05-04T22:00:01Z")),
            "unknown-camera");
  EXPECT_EQ(ProblemIn(Ask("GET", "/api/v1/cameras/GATE/clip.mp4" + start)), "bad-camera-id");
}

TEST_F(ClipTest, ARangeWithoutFootageSaysWhy) {
  const auto response = Ask("GET",
                            "/api/v1/cameras/gate/clip.mp4?start=2026-05-04T22:10:00Z"
                            "&end=2026-05-04T22:11:00Z");
  EXPECT_EQ(ProblemIn(response), "no-footage");
  const Json missing = Json::parse(response.body)["missing"];
  ASSERT_EQ(missing.size(), 1u);
  EXPECT_EQ(missing[0]["start"], "2026-05-04T22:10:00Z");
  EXPECT_FALSE(missing[0]["cause"].get<std::string>().empty());
}

TEST_F(ClipTest, TheTimelineOfSeveralCamerasIsOneRecordedSearch) {
  AddCamera("yard");
  const Json json =
      Get("/api/v1/timeline?camera=yard&camera=gate&start=2026-05-04T22:00:00Z"
          "&end=2026-05-04T22:00:20Z");
  EXPECT_EQ(json["timelines"][0]["camera"], "yard");
  EXPECT_EQ(json["timelines"][0]["covered_us"], 0);
  EXPECT_EQ(json["timelines"][1]["covered_us"], 10'000'000);
  EXPECT_EQ(json["timelines"][1]["missing_us"], 10'000'000);
  EXPECT_EQ(json["timelines"][1]["spans"][0]["end"], "2026-05-04T22:00:10Z");
  EXPECT_EQ(Acts().front().kind, index::ActKind::kSearch);
  EXPECT_EQ(Acts().front().cameras.size(), 2u);
  const Json future =
      Get("/api/v1/cameras/gate/timeline?start=2027-05-04T22:00:00Z&end=2027-05-04T23:00:00Z");
  EXPECT_EQ(future["start"], future["end"]);
  EXPECT_EQ(future["missing_us"], 0);
}

TEST_F(ClipTest, EachStreamHasItsOwnTimelineClipAndRecordOfTheView) {
  AddFootage("gate", test::kEvening + 4 * kUsPerSecond, 4, /*open=*/false, Stream::kSub);
  const std::string range = "?start=2026-05-04T22:00:02Z&end=2026-05-04T22:00:12Z";
  const auto timeline = [&](const std::string& stream) {
    return Get("/api/v1/cameras/gate/timeline" + range + stream);
  };
  EXPECT_EQ(timeline("")["covered_us"], 8'000'000);
  EXPECT_EQ(timeline("&stream=main")["stream"], "main");
  EXPECT_EQ(Acts().front().what, "timeline");
  const Json sub = timeline("&stream=sub");
  EXPECT_EQ(sub["stream"], "sub");
  EXPECT_EQ(sub["covered_us"], 4'000'000);
  EXPECT_EQ(sub["spans"][0]["start"], "2026-05-04T22:00:04Z");
  EXPECT_EQ(Acts().front().what, "timeline, sub stream");

  auto main_clip = Ask("GET", kClip);
  EXPECT_EQ(Acts().front().what, "clip.mp4");
  auto sub_clip = Ask("GET", std::string(kClip) + "&stream=sub");
  EXPECT_EQ(Acts().front().what, "clip.mp4, sub stream");
  EXPECT_NE(HeaderOf(sub_clip, "ETag"), HeaderOf(main_clip, "ETag"));
  EXPECT_EQ(HeaderOf(sub_clip, "X-Lookback-Shown"), "2026-05-04T22:00:04Z/2026-05-04T22:00:08Z");
  EXPECT_NE(HeaderOf(sub_clip, "Content-Disposition").find("gate_sub_2026"), std::string::npos);
  EXPECT_NE(BodyOf(sub_clip), BodyOf(main_clip));
  EXPECT_EQ(Get(std::string(kClipJson) + "&stream=sub")["duration_us"], 4'000'000);

  for (const char* path : {kClip, kClipJson}) {
    EXPECT_EQ(ProblemIn(Ask("GET", std::string(path) + "&stream=third")), "bad-parameter");
  }
  EXPECT_EQ(ProblemIn(Ask("GET", "/api/v1/cameras/gate/timeline" + range + "&stream=")),
            "bad-parameter");
}

TEST_F(ClipTest, APieceOfOneStreamDoesNotStandUnderTheOthersRecord) {
  AddFootage("gate", test::kEvening, 10, /*open=*/false, Stream::kSub);
  EXPECT_EQ(Ask("GET", kClip).status, 200);
  EXPECT_EQ(Views(), 1u);
  EXPECT_EQ(Ask("GET", std::string(kClip) + "&stream=sub", {}, {{"range", "bytes=0-9"}}).status,
            206);
  EXPECT_EQ(Views(), 2u);
}

}  // namespace
}  // namespace lookback::api
