// Pictures of an instant and sprites: on record, bounded, and gone with their footage.
#include <gmock/gmock.h>

#include <future>

#include "api/decode_gate.h"
#include "media/fragment.h"
#include "tests/api/service_fixture.h"
#include "tests/query/camera_clip.h"
#include "tests/support/shell.h"

namespace lookback::api {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const test::CameraClip& RedAndBlue() {
  // Two seconds of red, then blue.
  static const test::CameraClip clip = test::MakeCameraClip(
      "-f lavfi -i color=red:size=160x90:rate=25:duration=2 "
      "-f lavfi -i color=blue:size=160x90:rate=25:duration=8 "
      "-filter_complex concat=n=2 -pix_fmt yuv420p -c:v libx264 -preset veryfast -g 25 "
      "-sc_threshold 0 -bf 2 -threads 1");
  return clip;
}

class PicturesTest : public ServiceTest {
 protected:
  void SetUp() override {
    ServiceTest::SetUp();
    AddCamera("gate");
    Record(test::kEvening);
    Record(test::kEvening + kUsPerMinute);
  }
  void Record(TimeUs start_us) {
    storage::RunInfo info;
    info.stream = test::MakeStream("gate");
    info.run = Uuid::Random();
    info.init = media::BuildInitSection(RedAndBlue().tracks);
    info.tracks = "avc1 160x90";
    auto recording = store_->archive().Begin(info);
    ASSERT_TRUE(recording) << recording.message();
    for (media::Fragment& fragment : test::Fragments(RedAndBlue(), start_us)) {
      ASSERT_TRUE((*recording)->Append(std::move(fragment)));
    }
    recording->reset();
    ASSERT_TRUE(store_->archive().Drain());
  }
  static std::string PathOf(int64_t ms, const std::string& more = "") {
    return "/api/v1/cameras/gate/picture?time=" + FormatTime(test::kEvening + ms * kUsPerMs) + more;
  }
  static std::string Range(int64_t seconds) {
    return "?start=" + FormatTime(test::kEvening) +
           "&end=" + FormatTime(test::kEvening + seconds * kUsPerSecond);
  }
  // The mean colour of a part of a picture, as ffmpeg sees it: "red", "blue", "black".
  std::string ColourOf(const net::HttpResponse& response, const std::string& filter = "null") {
    EXPECT_EQ(response.status, 200) << response.body;
    const std::string path = out_.Write("picture.jpg", AsBytes(response.body));
    const std::string rgb = test::Shell("ffmpeg -v error -y -i " + path + " -vf " + filter +
                                        ",scale=1:1 -f rawvideo -pix_fmt rgb24 - | od -An -tu1");
    int r = 0, g = 0, b = 0;
    EXPECT_EQ(std::sscanf(rgb.c_str(), "%d %d %d", &r, &g, &b), 3) << rgb;
    if (r > 180 && g < 70 && b < 70) return "red";
    if (r < 70 && g < 70 && b > 180) return "blue";
    return r < 40 && g < 40 && b < 40 ? "black" : rgb;
  }
  size_t PicturesOnDisk() {
    const auto entries = posix_->List(dir_.Path("data/pictures"));
    return entries ? entries->size() : 0;
  }

  test::TemporaryDirectory out_;
};

TEST_F(PicturesTest, APictureIsThatOfTheInstantAndOnRecord) {
  EXPECT_EQ(ColourOf(Ask("GET", PathOf(1'990))), "red");
  const auto response = Ask("GET", PathOf(2'010, "&width=32&reason=the van"));
  EXPECT_EQ(ColourOf(response), "blue");
  EXPECT_EQ(HeaderOf(response, "Content-Type"), "image/jpeg");
  EXPECT_EQ(HeaderOf(response, "X-Lookback-Shown"), FormatTime(test::kEvening + 2 * kUsPerSecond));
  EXPECT_EQ(test::Shell("ffprobe -v error -show_entries stream=width,height -of csv=p=0 " +
                        out_.Path("picture.jpg")),
            "32,18\n");
  const index::Act act = Acts().front();
  EXPECT_EQ(act.kind, index::ActKind::kView);
  EXPECT_EQ(act.what, "picture");
  EXPECT_EQ(act.reason, "the van");
}

TEST_F(PicturesTest, WhatWasDecodedOnceIsNotDecodedAgain) {
  const auto first = Ask("GET", PathOf(3'000));
  EXPECT_EQ(PicturesOnDisk(), 1U);
  const auto again = Ask("GET", PathOf(3'000));
  EXPECT_EQ(again.body, first.body);
  EXPECT_EQ(PicturesOnDisk(), 1U);
}

TEST_F(PicturesTest, PicturesDieWithTheirFootage) {
  EXPECT_EQ(ColourOf(Ask("GET", PathOf(3'000))), "blue");
  EXPECT_EQ(ColourOf(Ask("GET", PathOf(63'000))), "blue");
  EXPECT_EQ(Ask("GET", "/api/v1/cameras/gate/sprite.jpg" + Range(100)).status, 200);
  const auto rows = store_->catalog().Segments(test::MakeStream("gate"),
                                               {test::kEvening, test::kEvening + kUsPerHour});
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 2U);
  const size_t before = PicturesOnDisk();
  const Status deleted = store_->DeleteSegment(rows->front(), "default/1", "age");
  ASSERT_TRUE(deleted) << deleted.message();
  // The ten cells of its ten seconds, and the picture; those of the other segment stay.
  EXPECT_EQ(PicturesOnDisk(), before - 11);
  EXPECT_EQ(ProblemIn(Ask("GET", PathOf(3'000))), "no-footage");
  EXPECT_EQ(ColourOf(Ask("GET", PathOf(63'000))), "blue");
  const auto last = store_->DeleteSegment(rows->back(), "default/1", "age");
  ASSERT_TRUE(last) << last.message();
  EXPECT_EQ(PicturesOnDisk(), 0U);
}

TEST_F(PicturesTest, EachCueOfASpriteLeadsToTheCellOfItsTime) {
  const auto cues = Ask("GET", "/api/v1/cameras/gate/sprites.vtt" + Range(100));
  EXPECT_THAT(HeaderOf(cues, "Content-Type"), HasSubstr("text/vtt"));
  EXPECT_THAT(cues.body,
              testing::StartsWith("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nsprite.jpg?"));
  EXPECT_THAT(cues.body, HasSubstr("\n00:00:03.000 --> 00:00:04.000\nsprite.jpg?start="));
  EXPECT_THAT(cues.body, HasSubstr("#xywh=480,0,160,90\n"));
  EXPECT_THAT(cues.body, HasSubstr("00:01:05.000 --> 00:01:06.000"));
  // Of what is missing there is no cue.
  EXPECT_THAT(cues.body, Not(HasSubstr("00:00:30.000 -->")));
  const auto sprite = Ask("GET", "/api/v1/cameras/gate/sprite.jpg" + Range(100));
  EXPECT_EQ(ColourOf(sprite, "crop=160:90:0:0"), "red");
  EXPECT_EQ(ColourOf(sprite, "crop=160:90:480:0"), "blue");
  EXPECT_EQ(ColourOf(sprite, "crop=160:90:0:270"), "black");
  EXPECT_EQ(ColourOf(sprite, "crop=160:90:0:540"), "red");
  EXPECT_EQ(test::Shell("ffprobe -v error -show_entries stream=width,height -of csv=p=0 " +
                        out_.Path("picture.jpg")),
            "1600,900\n");
  // The sprite stands under the record of its cues.
  const auto acts = Acts();
  EXPECT_EQ(std::count_if(acts.begin(), acts.end(),
                          [](const index::Act& act) { return act.what == "sprite.jpg"; }),
            1);
}

TEST_F(PicturesTest, ACueLastsAMillisecondAtLeast) {
  const auto cues_until = [this](int64_t us) {
    return Ask("GET", "/api/v1/cameras/gate/sprites.vtt?start=" + FormatTime(test::kEvening) +
                          "&end=" + FormatTime(test::kEvening + us))
        .body;
  };
  EXPECT_THAT(cues_until(1), HasSubstr("\n00:00:00.000 --> 00:00:00.001\nsprite.jpg?"));
  EXPECT_THAT(cues_until(1'500), HasSubstr("\n00:00:00.000 --> 00:00:00.001\nsprite.jpg?"));
  EXPECT_THAT(cues_until(1'000'300), HasSubstr("\n00:00:01.000 --> 00:00:01.001\nsprite.jpg?"));
}

TEST_F(PicturesTest, WhatCannotBeShownIsSaid) {
  EXPECT_EQ(ProblemIn(Ask("GET", PathOf(30'000))), "no-footage");
  EXPECT_EQ(ProblemIn(Ask("GET", PathOf(3'600'000))), "future-range");
  EXPECT_EQ(ProblemIn(Ask("GET", "/api/v1/cameras/gate/picture")), "missing-parameter");
  EXPECT_EQ(ProblemIn(Ask("GET", PathOf(1'000, "&width=8"))), "bad-parameter");
  EXPECT_EQ(ProblemIn(Ask("GET", PathOf(1'000, "&stream=sub"))), "no-footage");
  EXPECT_EQ(ProblemIn(Ask("GET", "/api/v1/cameras/gate/sprite.jpg" + Range(32 * 86'400))),
            "range-too-long");
  files_.FailNth(test::Op::kSync, 1, Code::kDiskFull, /*and_all_later=*/true);
  EXPECT_EQ(ProblemIn(Ask("GET", PathOf(1'000))), "not-on-record");
}

TEST(DecodeGateTest, WhoComesWhenAllTurnsAreTakenWaitsAndTheNextIsRefused) {
  DecodeGate gate;
  auto first = gate.Enter();
  auto second = gate.Enter();
  ASSERT_TRUE(first && second);
  const auto enter = [&gate] { return gate.Enter().has_value(); };
  std::future<bool> tries[] = {std::async(std::launch::async, enter),
                               std::async(std::launch::async, enter)};
  // One of them waits, and the other is sent away at once.
  const auto is_done = [](std::future<bool>& one) {
    return one.wait_for(std::chrono::milliseconds(10)) == std::future_status::ready;
  };
  size_t refused = 0;
  while (!is_done(tries[refused])) refused = 1 - refused;
  EXPECT_FALSE(tries[refused].get());
  first.reset();
  EXPECT_TRUE(tries[1 - refused].get());
}

}  // namespace
}  // namespace lookback::api
