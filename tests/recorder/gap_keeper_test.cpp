#include "recorder/gap_keeper.h"

#include <gmock/gmock.h>

#include "tests/support/fake_archive.h"

namespace lookback::recorder {
namespace {

using index::GapCause;

constexpr TimeUs kBegin = 1'777'932'000 * kUsPerSecond;
constexpr TimeUs kHourAgo = kBegin - kUsPerHour;

class GapKeeperTest : public testing::Test {
 protected:
  struct Expected {
    TimeUs start_us;
    TimeUs end_us;
    GapCause cause;
  };
  void ExpectGaps(const std::vector<Expected>& expected) {
    const auto gaps = archive_.Read().gaps;
    ASSERT_EQ(gaps.size(), expected.size());
    for (size_t i = 0; i < gaps.size(); ++i) {
      EXPECT_EQ(gaps[i].range.start_us - kBegin, expected[i].start_us - kBegin) << i;
      EXPECT_EQ(gaps[i].range.end_us - kBegin, expected[i].end_us - kBegin) << i;
      EXPECT_EQ(gaps[i].cause, expected[i].cause) << i;
    }
  }
  std::optional<index::Gap> Open() {
    const auto open = archive_.Read().open_gaps;
    return open.empty() ? std::nullopt : std::optional(open.begin()->second);
  }

  const StreamId stream_{*CameraId::Parse("gate"), Stream::kMain};
  test::FakeArchive archive_;
  ManualClock clock_{kBegin};
};

TEST_F(GapKeeperTest, AfterADownTimeTheWholeHoleIsOneGap) {
  archive_.SetRecordedUntil(kHourAgo);
  GapKeeper keeper(stream_, archive_, clock_);
  ASSERT_TRUE(Open());
  EXPECT_EQ(Open()->cause, GapCause::kRecorderDown);
  clock_.Advance(2 * kUsPerSecond);
  keeper.Footage({kBegin + kUsPerSecond, kBegin + 2 * kUsPerSecond});
  ExpectGaps({{kHourAgo, kBegin + kUsPerSecond, GapCause::kRecorderDown}});
  EXPECT_FALSE(Open());
}

TEST_F(GapKeeperTest, WhoTookOverFromWhomIsTheCauseOfADownTime) {
  // What 0.1 left, or a backup, says nothing.
  EXPECT_EQ(DowntimeOf({}, "2.0").cause, GapCause::kRecorderDown);
  EXPECT_EQ(DowntimeOf({}, "2.0").detail, "");
  EXPECT_EQ(DowntimeOf({"1.9", false}, "2.0").cause, GapCause::kRecorderDown);
  EXPECT_THAT(DowntimeOf({"1.9", false}, "2.0").detail, testing::HasSubstr("without a stop"));
  EXPECT_EQ(DowntimeOf({"2.0", true}, "2.0").cause, GapCause::kRecorderDown);
  EXPECT_EQ(DowntimeOf({"2.0", true}, "2.0").detail, "stopped in good order");
  const Downtime upgrade = DowntimeOf({"1.9", true}, "2.0");
  EXPECT_EQ(upgrade.cause, GapCause::kUpgrade);
  EXPECT_EQ(upgrade.detail, "1.9 to 2.0");
}

TEST_F(GapKeeperTest, AnUpgradeIsOneGapUntilFootageOrAFailedTry) {
  archive_.SetRecordedUntil(kHourAgo);
  GapKeeper first(stream_, archive_, clock_, DowntimeOf({"1.9", true}, "2.0"));
  clock_.Advance(2 * GapKeeper::kPieceUs);
  first.Tick();
  first.Footage({kBegin + kUsPerSecond, kBegin + 2 * kUsPerSecond});
  ExpectGaps({{kHourAgo, kBegin + kUsPerSecond, GapCause::kUpgrade}});
}

TEST_F(GapKeeperTest, AFailedTryAfterTheStartEndsTheDownTimeThere) {
  archive_.SetRecordedUntil(kHourAgo);
  GapKeeper keeper(stream_, archive_, clock_);
  clock_.Advance(3 * kUsPerSecond);
  keeper.Interrupt(GapCause::kNetwork, "connection refused");
  EXPECT_EQ(Open()->detail, "connection refused");
  EXPECT_EQ(Open()->range.start_us, kBegin);
  clock_.Advance(3 * kUsPerSecond);
  keeper.Interrupt(GapCause::kCameraFault, "401 Unauthorized");
  keeper.Footage({kBegin + 9 * kUsPerSecond, kBegin + 10 * kUsPerSecond});
  ExpectGaps({{kHourAgo, kBegin, GapCause::kRecorderDown},
              {kBegin, kBegin + 6 * kUsPerSecond, GapCause::kNetwork},
              {kBegin + 6 * kUsPerSecond, kBegin + 9 * kUsPerSecond, GapCause::kCameraFault}});
}

TEST_F(GapKeeperTest, AGapBetweenFootageIsExact) {
  GapKeeper keeper(stream_, archive_, clock_);
  keeper.Footage({1'000 * kUsPerSecond, 1'010 * kUsPerSecond});
  keeper.Interrupt(GapCause::kNetwork, "reset");
  keeper.Footage({1'030 * kUsPerSecond, 1'040 * kUsPerSecond});
  ExpectGaps({{1'010 * kUsPerSecond, 1'030 * kUsPerSecond, GapCause::kNetwork}});
  EXPECT_EQ(archive_.Read().gaps[0].detail, "reset");
}

TEST_F(GapKeeperTest, OverlapIsNoGap) {
  GapKeeper keeper(stream_, archive_, clock_);
  keeper.Footage({1'000 * kUsPerSecond, 1'010 * kUsPerSecond});
  keeper.Interrupt(GapCause::kClockStep, "");
  keeper.Footage({900 * kUsPerSecond, 910 * kUsPerSecond});
  ExpectGaps({});
  EXPECT_EQ(keeper.footage_end_us(), 910 * kUsPerSecond);
}

TEST_F(GapKeeperTest, AGapBeginsAfterThePictureThatStillLasts) {
  GapKeeper keeper(stream_, archive_, clock_);
  keeper.Footage({kBegin - kUsPerSecond, kBegin + 40 * kUsPerMs});
  keeper.Interrupt(GapCause::kNetwork, "reset");
  keeper.Interrupt(GapCause::kCameraOff, "switched off");
  keeper.Settle();
  clock_.Advance(kUsPerMinute);
  keeper.Footage({clock_.NowUs(), clock_.NowUs() + 1});
  ExpectGaps({{kBegin + 40 * kUsPerMs, kBegin + kUsPerMinute, GapCause::kCameraOff}});
}

TEST_F(GapKeeperTest, ACameraThatIsRecordedAtOnceMissesNothingBefore) {
  GapKeeper keeper(stream_, archive_, clock_);
  EXPECT_FALSE(Open());
  clock_.Advance(kUsPerHour);
  keeper.Tick();
  keeper.Footage({kBegin + kUsPerHour, kBegin + kUsPerHour + 1});
  ExpectGaps({});
  EXPECT_FALSE(Open());
}

TEST_F(GapKeeperTest, ACameraThatFailsAtFirstHasTheCauseOnRecord) {
  GapKeeper keeper(stream_, archive_, clock_);
  clock_.Advance(kUsPerSecond);
  keeper.Interrupt(GapCause::kNetwork, "connection refused");
  ASSERT_TRUE(Open());
  EXPECT_EQ(Open()->range.start_us, kBegin);
  clock_.Advance(kUsPerMinute);
  const TimeUs first = clock_.NowUs();
  keeper.Footage({first, first + 1});
  ExpectGaps({{kBegin, first, GapCause::kNetwork}});
  EXPECT_FALSE(Open());
}

TEST_F(GapKeeperTest, ACameraThatNeverWorkedKeepsItsCausesOverARestart) {
  archive_.AddOldGap({stream_, {kHourAgo, kHourAgo + kUsPerMinute}, GapCause::kNetwork, ""});
  GapKeeper keeper(stream_, archive_, clock_);
  ASSERT_TRUE(Open());
  EXPECT_EQ(Open()->cause, GapCause::kRecorderDown);
  keeper.Interrupt(GapCause::kCameraOff, "switched off");
  clock_.Advance(kUsPerSecond);
  keeper.Settle();
  ExpectGaps({{kHourAgo + kUsPerMinute, kBegin, GapCause::kRecorderDown},
              {kBegin, kBegin + kUsPerSecond, GapCause::kCameraOff}});
}

TEST_F(GapKeeperTest, ALongGapGoesOnRecordInPieces) {
  GapKeeper keeper(stream_, archive_, clock_);
  keeper.Footage({kBegin - kUsPerSecond, kBegin});
  keeper.Interrupt(GapCause::kNetwork, "refused");
  for (int minute = 0; minute < 25; ++minute) {
    clock_.Advance(kUsPerMinute);
    keeper.Tick();
  }
  keeper.Footage({clock_.NowUs(), clock_.NowUs() + kUsPerSecond});
  ExpectGaps({{kBegin, kBegin + 10 * kUsPerMinute, GapCause::kNetwork},
              {kBegin + 10 * kUsPerMinute, kBegin + 20 * kUsPerMinute, GapCause::kNetwork},
              {kBegin + 20 * kUsPerMinute, kBegin + 25 * kUsPerMinute, GapCause::kNetwork}});
}

TEST_F(GapKeeperTest, PiecesOfBeforeACrashAreNotRecordedAgain) {
  archive_.SetRecordedUntil(kHourAgo);
  const TimeUs piece_end = kHourAgo + 10 * kUsPerMinute;
  archive_.AddOldGap({stream_, {kHourAgo, piece_end}, GapCause::kNetwork, ""});
  GapKeeper keeper(stream_, archive_, clock_);
  keeper.Footage({kBegin, kBegin + 1});
  ExpectGaps({{piece_end, kBegin, GapCause::kRecorderDown}});
}

TEST_F(GapKeeperTest, SettlePutsTheGapOnRecordUpToNow) {
  GapKeeper keeper(stream_, archive_, clock_);
  keeper.Footage({kBegin - kUsPerSecond, kBegin});
  keeper.Settle();
  ExpectGaps({});
  clock_.Advance(kUsPerSecond);
  keeper.Interrupt(GapCause::kCameraOff, "switched off");
  clock_.Advance(kUsPerSecond);
  keeper.Settle();
  ExpectGaps({{kBegin, kBegin + 2 * kUsPerSecond, GapCause::kCameraOff}});
}

}  // namespace
}  // namespace lookback::recorder
