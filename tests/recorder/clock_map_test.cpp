#include "recorder/clock_map.h"

#include <gmock/gmock.h>

#include <cmath>
#include <random>

#include "recorder/audio_aligner.h"

namespace lookback::recorder {
namespace {

constexpr uint32_t kRate = 90'000;
constexpr int64_t kWallUs = 1'777'932'000 * kUsPerSecond;  // UTC minus monotonic.

TEST(Ticks, ConversionsHoldForCenturies) {
  EXPECT_EQ(TicksToUs(90'000, kRate), kUsPerSecond);
  EXPECT_EQ(TicksToUs(-90'000, kRate), -kUsPerSecond);
  const int64_t century_us = 100 * 365 * kUsPerDay;
  EXPECT_EQ(TicksToUs(UsToTicks(century_us, kRate), kRate), century_us);
  EXPECT_EQ(UsToTicks(1'000'000, 8'000), 8'000);
}

// A camera whose clock runs fast by `ppm`, and a way to us that adds up to `jitter_us`.
struct Camera {
  int64_t ppm = 0;
  int64_t jitter_us = 0;
  std::mt19937 random{7};

  int64_t Ticks(int64_t taken_us) const {
    return std::llround(static_cast<double>(taken_us) * (1 + static_cast<double>(ppm) * 1e-6) *
                        0.09) +
           4'000'000'000;
  }
  int64_t Received(int64_t taken_us) {
    return taken_us + static_cast<int64_t>(random() % static_cast<uint64_t>(jitter_us + 1));
  }
};

// Asks at each second's border, as the fragmenter does, and gives the worst error.
int64_t WorstError(Camera camera, int64_t length_us, int64_t frame_us) {
  ClockMap map(kRate);
  map.SetWallOffset(kWallUs);
  int64_t worst_us = 0;
  TimeUs last = 0;
  for (int64_t taken_us = 0; taken_us < length_us; taken_us += frame_us) {
    EXPECT_TRUE(map.Observe(camera.Ticks(taken_us), camera.Received(taken_us)));
    EXPECT_FALSE(map.Diverged());
    if (taken_us % kUsPerSecond != 0 || taken_us == 0) continue;
    const TimeUs utc = map.Map(camera.Ticks(taken_us));
    EXPECT_GT(utc, last);
    last = utc;
    worst_us = std::max<int64_t>(worst_us, std::abs(utc - kWallUs - taken_us));
  }
  return worst_us;
}

TEST(ClockMap, FollowsADriftOf300PpmForADay) {
  EXPECT_LT(WorstError({.ppm = 300}, kUsPerDay, 200 * kUsPerMs), 15 * kUsPerMs);
  EXPECT_LT(WorstError({.ppm = -300}, kUsPerDay, 200 * kUsPerMs), 15 * kUsPerMs);
}

TEST(ClockMap, SeesThroughJitterUpToATick) {
  EXPECT_LT(WorstError({.jitter_us = 50 * kUsPerMs}, kUsPerHour, 40 * kUsPerMs), 5 * kUsPerMs);
  EXPECT_LT(WorstError({.ppm = 100, .jitter_us = 50 * kUsPerMs}, kUsPerHour, 40 * kUsPerMs),
            10 * kUsPerMs);
}

TEST(ClockMap, NeverSlewsFasterThan500Ppm) {
  ClockMap map(kRate);
  map.SetWallOffset(0);
  ASSERT_TRUE(map.Observe(0, 900 * kUsPerMs));
  EXPECT_EQ(map.Map(0), 900 * kUsPerMs);
  ASSERT_TRUE(map.Observe(90'000, kUsPerSecond));  // Now seen with 900 ms less delay.
  EXPECT_EQ(map.Map(90'000), 1'900 * kUsPerMs - 500);
  EXPECT_EQ(map.Map(2 * 90'000), 2'900 * kUsPerMs - 1'000);
}

TEST(ClockMap, AStandstillOfTheNetworkIsNoJump) {
  ClockMap map(kRate);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(map.Observe(i * 3'600, i * 40'000));
  EXPECT_EQ(map.Map(100 * 3'600), 4 * kUsPerSecond);
  // Eight seconds of nothing, then all that was held up, at once.
  for (int i = 100; i < 300; ++i) ASSERT_TRUE(map.Observe(i * 3'600, 12 * kUsPerSecond));
  EXPECT_FALSE(map.Diverged());
  EXPECT_EQ(map.Map(300 * 3'600), 12 * kUsPerSecond);
}

TEST(ClockMap, TellsOfJumpsBothWays) {
  ClockMap map(kRate);
  ASSERT_TRUE(map.Observe(900'000, 10 * kUsPerSecond));
  EXPECT_FALSE(map.Observe(900'000 - 2 * 90'000, 10 * kUsPerSecond + 40'000));
  EXPECT_FALSE(map.Observe(900'000 + 3 * 90'000, 10 * kUsPerSecond + 40'000));
  EXPECT_TRUE(map.Observe(900'000 + 3'600, 10 * kUsPerSecond + 40'000));
  EXPECT_TRUE(map.Observe(900'000 - 3'600, 10 * kUsPerSecond + 80'000));  // A B-frame.
}

TEST(ClockMap, TimeThatFallsBehindForGoodIsFoundOut) {
  ClockMap map(kRate);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(map.Observe(i * 3'600, i * 40'000));
  map.Map(360'000);
  bool diverged = false;
  // From here on the camera's time is three seconds short.
  for (int i = 100; i < 1'000 && !diverged; ++i) {
    ASSERT_TRUE(map.Observe(i * 3'600, i * 40'000 + 3 * kUsPerSecond));
    diverged = map.Diverged();
  }
  EXPECT_TRUE(diverged);
}

TEST(ClockMap, ASlewedWallClockIsFollowed) {
  ClockMap map(kRate);
  map.SetWallOffset(0);
  for (int64_t s = 0; s < 600; ++s) {
    map.SetWallOffset(s * 200);  // 200 ppm.
    ASSERT_TRUE(map.Observe(s * 90'000, s * kUsPerSecond));
    EXPECT_NEAR(static_cast<double>(map.Map(s * 90'000)),
                static_cast<double>(s * (kUsPerSecond + 200)), 1'000);
  }
}

class Aligner : public testing::Test {
 protected:
  static constexpr int64_t kVideoBase = 1'000'000;
  void SetUp() override {
    video_.Add(0 - TicksToUs(kVideoBase, kRate), 0);  // The first picture, received at 0.
    aligner_.BeginRun(kVideoBase);
  }
  DelayEnvelope video_;
  AudioAligner aligner_{kRate, 8'000};
};

TEST_F(Aligner, WithoutReportsTheTimesOfReceptionTieTheTracks) {
  EXPECT_EQ(aligner_.Place(70'000, 500 * kUsPerMs, video_), 4'000);
  EXPECT_EQ(aligner_.Place(70'160, 540 * kUsPerMs, video_), 4'160);
}

TEST_F(Aligner, ReportsTieThemToTheMillisecond) {
  aligner_.SetVideoReport({kVideoBase, 5 * kUsPerSecond});
  aligner_.SetAudioReport({69'000, 5 * kUsPerSecond});
  // By its report this sample was taken 125 ms after the first picture, though it came at 200 ms.
  EXPECT_EQ(aligner_.Place(70'000, 200 * kUsPerMs, video_), 1'000);
}

TEST_F(Aligner, ReportsThatContradictWhatIsSeenAreNotBelieved) {
  aligner_.SetVideoReport({kVideoBase, 5 * kUsPerSecond});
  aligner_.SetAudioReport({70'000, 0});
  EXPECT_EQ(aligner_.Place(70'000, 250 * kUsPerMs, video_), 2'000);
}

TEST_F(Aligner, AudioKeepsItsOwnTimeUntilItIsFarOff) {
  EXPECT_EQ(aligner_.Place(0, 0, video_), 0);
  // A sound clock that is 1000 ppm slow against ours: 200 ms are reached after 200 s.
  int64_t realigned = 0;
  int64_t last = 0;
  for (int64_t i = 1; i < 50 * 400; ++i) {
    const int64_t place = aligner_.Place(i * 160, i * 20'020, video_);
    if (place - last != 160) ++realigned;
    last = place;
    EXPECT_NEAR(static_cast<double>(place) / 8'000, static_cast<double>(i) * 0.02002, 0.24);
  }
  EXPECT_GE(realigned, 1);
  EXPECT_LE(realigned, 2);
}

TEST_F(Aligner, AudioBeforeTheFirstPictureHasANegativePlace) {
  EXPECT_LT(aligner_.Place(70'000, -100 * kUsPerMs, video_), 0);
}

}  // namespace
}  // namespace lookback::recorder
