// Many cameras that are put at once.
#include <gmock/gmock.h>

#include <array>
#include <set>

#include "recorder/loss_window.h"
#include "recorder/start_pace.h"
#include "tests/recorder/recorder_fixture.h"

namespace lookback::recorder {
namespace {

using test::kStart;
using test::RecorderTest;

// Any numbers will do; these repeat in every run.
uint32_t Scatter(int i) { return static_cast<uint32_t>(i) * 2'654'435'761U; }

TEST(StartPace, FiveHundredCamerasBeginWithinFiveSecondsEvenly) {
  StartPace pace(100);
  constexpr int64_t kNowUs = 1'000 * kUsPerSecond;
  std::array<int, 5> begun{};  // In each second.
  std::set<int64_t> apart;
  for (int i = 0; i < 500; ++i) {
    const int64_t after_us = pace.Next(kNowUs, Scatter(i)) - kNowUs;
    ASSERT_GE(after_us, 0);
    ASSERT_LT(after_us, 5 * kUsPerSecond);
    ++begun[static_cast<size_t>(after_us / kUsPerSecond)];
    apart.insert(after_us % 10'000);
  }
  EXPECT_THAT(begun, testing::Each(testing::AllOf(testing::Ge(90), testing::Le(108))));
  EXPECT_GT(apart.size(), 100u);  // Not in step.
}

TEST(StartPace, WhoAddsACameraByHandWaitsForNothing) {
  StartPace pace(100);
  int64_t now_us = kUsPerSecond;
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(pace.Next(now_us, Scatter(i)), now_us);
    now_us += kUsPerSecond / 10;
  }
  // A handful at once.
  for (int i = 0; i < StartPace::kAtOnce; ++i) EXPECT_EQ(pace.Next(now_us, Scatter(i)), now_us);
  EXPECT_GT(pace.Next(now_us, 0), now_us);
}

TEST(StartPace, AfterAFleetASingleCameraIsAtOnceAgain) {
  StartPace pace(100);
  for (int i = 0; i < 500; ++i) (void)pace.Next(kUsPerSecond, Scatter(i));
  EXPECT_EQ(pace.Next(6 * kUsPerSecond, 7), 6 * kUsPerSecond);
}

TEST_F(RecorderTest, CamerasBeyondAHandfulWaitForTheirTurnAndSaySo) {
  Recorder::Options options;
  options.read_tick_us = 2'000;
  options.first_tries_per_second = 2;
  recorder_ = Recorder::Start(options, archive_, clock_);
  std::vector<CameraId> ids;
  for (int i = 0; i < StartPace::kAtOnce + 4; ++i) {
    ids.push_back(*CameraId::Parse("cam" + std::to_string(i)));
    CameraSource source;
    source.id = ids.back();
    source.url = "rtsp://127.0.0.1:1/nobody";  // Refused at once.
    ASSERT_TRUE(recorder_->Put(source));
  }
  const auto tried = [&] {
    return std::count_if(ids.begin(), ids.end(),
                         [&](const CameraId& id) { return recorder_->StatusOf({id})->tried; });
  };
  ASSERT_TRUE(Await([&] { return tried() == StartPace::kAtOnce; }));
  const CameraStatus last = *recorder_->StatusOf({ids.back()});
  EXPECT_EQ(last.state, CameraState::kWaiting);
  EXPECT_GT(last.next_try_in_us, kUsPerSecond);
  EXPECT_LE(last.next_try_in_us, 2 * kUsPerSecond);
  EXPECT_EQ(last.last_error, "");
  EXPECT_EQ(last.down_since_us, kStart);
  clock_.Advance(2 * kUsPerSecond);
  EXPECT_TRUE(Await([&] { return tried() == StartPace::kAtOnce + 4; }));
}

TEST_F(RecorderTest, SubStreamsOfAFleetWaitUntilItsMainStreamsAreTried) {
  Recorder::Options options;
  options.read_tick_us = 2'000;
  recorder_ = Recorder::Start(options, archive_, clock_);
  constexpr int kCameras = 60;
  std::vector<CameraId> ids;
  for (int i = 0; i < kCameras; ++i) {
    ids.push_back(*CameraId::Parse("cam" + std::to_string(i)));
    CameraSource source;
    source.id = ids.back();
    source.url = "rtsp://127.0.0.1:1/main";  // Refused at once.
    source.sub_url = "rtsp://127.0.0.1:1/sub";
    ASSERT_TRUE(recorder_->Put(source));
  }
  const auto tried = [&](Stream stream) {
    return std::count_if(ids.begin(), ids.end(), [&](const CameraId& id) {
      return recorder_->StatusOf({id, stream})->tried;
    });
  };
  clock_.Advance(kUsPerSecond);
  EXPECT_TRUE(Await([&] { return tried(Stream::kMain) == kCameras; }));
  EXPECT_EQ(tried(Stream::kSub), StartPace::kAtOnce);
  clock_.Advance(5 * kUsPerSecond);
  EXPECT_TRUE(Await([&] { return tried(Stream::kSub) == kCameras; }));
}

TEST(LossWindow, SharesAreOfTheLastMinute) {
  LossWindow window;
  LossCounts counts;
  const auto pass = [&](int seconds, int lost_a_second) {
    static int64_t now_us = kUsPerSecond;
    for (int i = 0; i < seconds; ++i, now_us += kUsPerSecond) {
      counts.received_packets += static_cast<uint64_t>(100 - lost_a_second);
      counts.lost_packets += static_cast<uint64_t>(lost_a_second);
      counts.frames += 25;
      counts.damaged_frames += lost_a_second > 0 ? 5 : 0;
      window.Add(now_us, counts);
    }
  };
  pass(100, 0);
  EXPECT_EQ(window.lost_share(), 0);
  pass(30, 10);
  EXPECT_NEAR(window.lost_share(), 0.05, 0.006);
  EXPECT_NEAR(window.damaged_share(), 0.1, 0.012);
  pass(70, 0);
  EXPECT_EQ(window.lost_share(), 0);
  EXPECT_EQ(window.damaged_share(), 0);
}

}  // namespace
}  // namespace lookback::recorder
