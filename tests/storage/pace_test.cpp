// Work beside recording: as fast as it was told, and not while recording has a backlog.
#include "storage/pace.h"

#include <gtest/gtest.h>

#include "tests/support/fake_archive.h"
#include "tests/support/synthetic_footage.h"

namespace lookback::storage {
namespace {

// An archive whose queue is as full as a test wants it.
class BusyArchive : public test::FakeArchive {
 public:
  double Backlog() const override { return backlog; }
  double backlog = 0;
};

TEST(Pace, GivesWayWhileRecordingHasABacklog) {
  ManualClock clock(test::kEvening);
  BusyArchive archive;
  archive.backlog = 0.26;
  int looks = 0;
  const Pace::Wait wait = [&](int64_t us) {
    clock.Advance(us);
    if (us == Pace::kGiveWayUs && ++looks == 5) archive.backlog = 0.25;
    return true;
  };
  Pace pace(clock, archive, 1 << 20, wait);
  EXPECT_TRUE(pace.Take(1));
  EXPECT_EQ(looks, 5);
  EXPECT_TRUE(pace.Take(1));
  EXPECT_EQ(looks, 5);
}

TEST(Pace, ANewRateHoldsFromTheNextBytesOn) {
  ManualClock clock(test::kEvening);
  BusyArchive archive;
  const Pace::Wait wait = [&](int64_t us) {
    clock.Advance(us);
    return true;
  };
  Pace pace(clock, archive, 1 << 20, wait);
  const int64_t start_us = clock.MonotonicUs();
  EXPECT_TRUE(pace.Take(1 << 20));
  EXPECT_EQ(clock.MonotonicUs() - start_us, kUsPerSecond);
  pace.SetRate(1 << 18);
  EXPECT_TRUE(pace.Take(1 << 20));
  EXPECT_EQ(clock.MonotonicUs() - start_us, 5 * kUsPerSecond);
}

TEST(Pace, StopsWhenItsWaitingIsEnded) {
  ManualClock clock(test::kEvening);
  BusyArchive archive;
  const Pace::Wait wait = [](int64_t) { return false; };
  Pace pace(clock, archive, 1, wait);
  EXPECT_FALSE(pace.Take(1));
  archive.backlog = 1;
  EXPECT_FALSE(pace.Take(1));
}

}  // namespace
}  // namespace lookback::storage
