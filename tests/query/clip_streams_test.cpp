// Clips of streams that are harder than a closed GOP a second: sound, long and open GOPs, other
// codecs.
#include <map>
#include <random>

#include "query/clip.h"
#include "tests/query/clip_fixture.h"

namespace lookback::test {
namespace {

using query::Clip;
using query::GapMode;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

CameraClip WithSound(const std::string& codec) {
  return MakeCameraClip(
      "-f lavfi -i testsrc2=size=128x96:rate=25:duration=12 -f lavfi -i "
      "'anoisesrc=seed=1:amplitude=0.1:duration=12:sample_rate=16000' -pix_fmt yuv420p -c:v "
      "libx264 "
      "-preset veryfast -g 50 -bf 2 -sc_threshold 0 -threads 1 " +
      codec);
}

class SoundTest : public ClipTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(SoundTest, SoundStaysBesideItsPictures) {
  const CameraClip source = WithSound(GetParam());
  Record(source, kStart, 4 * kUsPerSecond);
  std::map<uint64_t, int64_t> place;  // By hash; those that stand once.
  for (const Packet& packet : source.sound) {
    const auto [known, fresh] = place.try_emplace(packet.hash, packet.pts_us);
    if (!fresh) known->second = -1;
  }
  std::mt19937_64 random(3);
  for (int i = 0; i < 20; ++i) {
    const TimeUs start = kStart + static_cast<int64_t>(random() % 8'000'000);
    const TimeUs end = start + 200'000 + static_cast<int64_t>(random() % 3'000'000);
    SCOPED_TRACE(start - kStart);
    const auto clip = Plan(Request(start, end));
    ASSERT_NE(clip, nullptr);
    ExpectShows(*clip, start, end);
    const Played played = PlayClip(*clip);
    ASSERT_GT(played.sound.size(), 2U);
    size_t compared = 0;
    for (const Packet& packet : played.sound) {
      ASSERT_TRUE(place.contains(packet.hash));
      if (place[packet.hash] < 0) continue;
      const int64_t in_run = clip->report().shown.start_us - kStart + packet.pts_us;
      EXPECT_NEAR(static_cast<double>(in_run), static_cast<double>(place[packet.hash]), 500);
      ++compared;
    }
    EXPECT_GT(compared, 2U);
    const int64_t sample_us = played.sound[1].pts_us - played.sound[0].pts_us;
    EXPECT_LE(played.sound.front().pts_us, 0);
    EXPECT_GE(played.sound.back().pts_us + sample_us, played.duration_us - 1'000);
    EXPECT_LT(played.sound.back().pts_us, played.duration_us);
  }
}

TEST_P(SoundTest, AGapIsAsLongInSoundAsInPictures) {
  const CameraClip source = WithSound(GetParam());
  Record(source, kStart);
  Record(source, After(20));
  const auto clip = Plan(Request(After(10), After(24)));
  ASSERT_NE(clip, nullptr);
  ExpectShows(*clip, After(10), After(24));
  const Played played = PlayClip(*clip);
  int64_t longest = 0;
  int64_t at = 0;
  for (size_t i = 1; i < played.sound.size(); ++i) {
    const int64_t step = played.sound[i].pts_us - played.sound[i - 1].pts_us;
    EXPECT_GT(step, 0);
    if (step > longest) {
      longest = step;
      at = played.sound[i].pts_us;
    }
  }
  EXPECT_NEAR(static_cast<double>(longest), 8e6, 2e5);
  EXPECT_NEAR(static_cast<double>(at), 10e6, 1e5);
}

TEST_P(SoundTest, SoundThatWasNotAskedForIsNotThere) {
  Record(WithSound(GetParam()), kStart);
  auto request = Request(After(2), After(6));
  request.audio = false;
  const auto clip = Plan(request);
  ASSERT_NE(clip, nullptr);
  EXPECT_THAT(PlayClip(*clip).sound, IsEmpty());
  ExpectShows(*clip, After(2), After(6));
}

TEST_P(SoundTest, SoundOfOneRunOnlyIsHeardInThatRun) {
  Record(StreetClip(), kStart);
  const CameraClip source = WithSound(GetParam());
  Record(source, After(20));
  const auto clip = Plan(Request(After(17), After(25)));
  ASSERT_NE(clip, nullptr);
  ExpectShows(*clip, After(17), After(25));
  const Played played = PlayClip(*clip);
  ASSERT_GT(played.sound.size(), 2U);
  EXPECT_NEAR(static_cast<double>(played.sound[1].pts_us), 3e6, 1e5);
}

INSTANTIATE_TEST_SUITE_P(Codecs, SoundTest,
                         ::testing::Values("-c:a aac -b:a 24k", "-ar 8000 -c:a pcm_alaw"),
                         [](const auto& codec) {
                           return std::string(codec.param).find("aac") != std::string::npos
                                      ? "Aac"
                                      : "Pcma";
                         });

TEST_F(ClipTest, ALongGopIsFollowedBackOverFragmentsAndSegments) {
  const CameraClip source = MakeCameraClip(
      "-f lavfi -i testsrc2=size=128x96:rate=25:duration=20 -pix_fmt yuv420p -c:v libx264 "
      "-preset veryfast -g 250 -keyint_min 250 -sc_threshold 0 -bf 2 -threads 1");
  Record(source, kStart, kUsPerSecond);
  for (const double start : {5.0, 9.99, 13.37}) {
    SCOPED_TRACE(start);
    const auto clip = Plan(Request(After(start), After(start + 1)));
    ASSERT_NE(clip, nullptr);
    ExpectShows(*clip, After(start), After(start + 1));
  }
}

TEST_F(ClipTest, NothingIsShownThatCannotBeDecoded) {
  const CameraClip source = MakeCameraClip(
      "-f lavfi -i testsrc2=size=128x96:rate=25:duration=20 -pix_fmt yuv420p -c:v libx264 "
      "-preset veryfast -g 250 -keyint_min 250 -sc_threshold 0 -bf 2 -threads 1");
  // The first half of the first GOP is lost: a file begins with its continuation.
  auto fragments = Fragments(source, kStart);
  ASSERT_TRUE(fragments.at(1).info.flags & media::kContinuation);
  fragments.erase(fragments.begin());
  const TimeUs first = fragments.front().info.start_us;
  footage_.Record(stream_, source.tracks, fragments);
  const auto clip = Plan(Request(kStart, After(15)));
  ASSERT_NE(clip, nullptr);
  EXPECT_EQ(clip->report().shown, (TimeRange{After(10), After(15)}));
  EXPECT_EQ(clip->report().missing_us, 10 * kUsPerSecond);
  EXPECT_THAT(clip->report().missing.back().detail, HasSubstr("sync sample"));
  EXPECT_EQ(clip->report().missing.back().range.start_us, first);
  const Played played = PlayClip(*clip);
  EXPECT_EQ(played.error, "");
  EXPECT_THAT(played.complaints, IsEmpty());
  EXPECT_EQ(played.pictures.size(), 125U);
  EXPECT_EQ(played.pictures.front().hash, source.pictures.at(250).hash);

  const Error error = PlanError(Request(After(4), After(8)));
  EXPECT_EQ(error.code, Code::kNotFound);
}

constexpr char kOpenGops[] =
    "-f lavfi -i testsrc2=size=192x128:rate=25:duration=8 -pix_fmt yuv420p -threads 1 ";
constexpr char kH265OpenGops[] =
    "-c:v libx265 -preset ultrafast -tag:v hvc1 -x265-params "
    "open-gop=1:keyint=28:min-keyint=28:bframes=3:b-adapt=0:scenecut=0:log-level=none:pools=1:"
    "frame-threads="
    "1";

class OpenGopTest : public ClipTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(OpenGopTest, LeadingPicturesOfAnOpenStartAreLeftOut) {
  const CameraClip source = MakeCameraClip(std::string(kOpenGops) + GetParam());
  for (const media::Sample& sample : source.samples) {
    if (sample.pts > 0 && sample.sync != media::Sync::kNone) {
      ASSERT_EQ(sample.sync, media::Sync::kOpen);
    }
  }
  Record(source, kStart, 60 * kUsPerSecond);
  std::mt19937_64 random(11);
  for (int i = 0; i < 40; ++i) {
    const TimeUs start = kStart + static_cast<int64_t>(random() % 7'000'000);
    SCOPED_TRACE(start - kStart);
    const auto clip = Plan(Request(start, start + 900'000));
    ASSERT_NE(clip, nullptr);
    const Played played = PlayClip(*clip);
    EXPECT_EQ(played.error, "");
    EXPECT_EQ(Hashes(played.pictures), Hashes(OnScreen(start, start + 900'000)));
    EXPECT_EQ(played.pictures.front().pts_us, 0);
    // The stream's own commands name pictures from before the cut; a decoder says so and goes on.
    EXPECT_THAT(played.complaints, Each(HasSubstr("mmco: unref short failure")));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Codecs, OpenGopTest,
    ::testing::Values("-c:v libx264 -preset veryfast -g 25 -keyint_min 25 -sc_threshold 0 -bf 2 "
                      "-x264-params open-gop=1:threads=1",
                      kH265OpenGops),
    [](const auto& codec) {
      return std::string(codec.param).find("x265") != std::string::npos ? "H265" : "H264";
    });

// Two runs, of which the second one begins with the open GOP that the first one ended in.
TEST_F(ClipTest, ARunOfH265ThatBeginsWithAnOpenGopIsDecodedByItself) {
  const CameraClip source = MakeCameraClip(std::string(kOpenGops) + kH265OpenGops);
  const auto is_open = [](const media::Sample& sample) {
    return sample.sync == media::Sync::kOpen && sample.pts >= 4 * int64_t{media::kVideoTimescale};
  };
  const auto open = std::find_if(source.samples.begin(), source.samples.end(), is_open);
  ASSERT_NE(open, source.samples.end());
  auto behind = open + 1;  // Its leading pictures.
  while (behind->pts < open->pts) ++behind;
  ASSERT_GT(behind - open, 1);
  const size_t shown = static_cast<size_t>(behind - source.samples.begin());

  CameraClip first = source;
  first.samples.assign(source.samples.begin(), behind);
  first.pictures.resize(shown);
  CameraClip second = source;
  second.samples.assign(behind, source.samples.end());
  second.samples.insert(second.samples.begin(), *open);
  second.pictures.erase(second.pictures.begin(),
                        second.pictures.begin() + static_cast<int64_t>(shown) - 1);
  Record(first, kStart);
  Record(second, After(6));
  for (const GapMode gaps : {GapMode::kKeep, GapMode::kClose}) {
    auto request = Request(kStart, After(20));
    request.gaps = gaps;
    const auto clip = Plan(request);
    ASSERT_NE(clip, nullptr);
    const Played played = PlayClip(*clip);
    EXPECT_EQ(played.error, "");
    EXPECT_THAT(played.complaints, IsEmpty());
    EXPECT_EQ(Hashes(played.pictures), Hashes(OnScreen(kStart, After(20))));
  }
}

TEST_F(ClipTest, AnotherCodecIsRefusedWithTheRangesThatWork) {
  const CameraClip other = MakeCameraClip(
      "-f lavfi -i testsrc2=size=128x96:rate=25:duration=4 -pix_fmt yuv420p -c:v libx265 "
      "-preset ultrafast -tag:v hvc1 -x265-params keyint=25:log-level=none:pools=1");
  Record(StreetClip(), kStart);
  Record(other, After(20));
  const Error error = PlanError(Request(After(15), After(23)));
  EXPECT_EQ(error.code, Code::kUnsupported);
  EXPECT_THAT(error.message, HasSubstr(FormatTime(After(15)) + " to " + FormatTime(After(20))));
  EXPECT_THAT(error.message, HasSubstr(FormatTime(After(20)) + " to " + FormatTime(After(23))));
  const auto works = Plan(Request(After(20), After(23)));
  ASSERT_NE(works, nullptr);
  EXPECT_EQ(PlayClip(*works).pictures.size(), 75U);
}

TEST_F(ClipTest, AnHourRecordedTwiceIsShownTwice) {
  Record(StreetClip(), kStart);
  Record(SmallClip(), After(5));  // The clock was set back by 15 s.
  const auto clip = Plan(Request(After(0), After(30)));
  ASSERT_NE(clip, nullptr);
  const Played played = PlayClip(*clip);
  EXPECT_EQ(played.error, "");
  EXPECT_THAT(played.complaints, IsEmpty());
  EXPECT_EQ(played.pictures.size(), StreetClip().pictures.size() + SmallClip().pictures.size());
  EXPECT_EQ(clip->report().duration_us, 28 * kUsPerSecond);
}

TEST_F(ClipTest, ACopyOfASegmentThatCameBackIsNotShownAgain) {
  Record(StreetClip(), kStart);
  FileFootage::Stored copy = footage_.segments.at(1);
  footage_.segments.insert(footage_.segments.begin() + 1, copy);
  footage_.segments.at(1).footage.row.epoch = 1;
  const auto clip = Plan(Request(After(0), After(20)));
  ASSERT_NE(clip, nullptr);
  ExpectShows(*clip, After(0), After(20));
}

}  // namespace
}  // namespace lookback::test
