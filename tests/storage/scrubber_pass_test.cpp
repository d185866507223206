// When the scrubber begins a pass, in which order, how fast, and where it goes on after a stop.
#include <fstream>

#include "storage/scrubber.h"
#include "tests/storage/scrubber_fixture.h"
#include "tests/support/await.h"

namespace lookback::storage {
namespace {

namespace fs = std::filesystem;
using test::MakeStream;

TEST_F(ScrubberTest, AVolumeThatIsGoneGivesNoFindingAndThePassGoesOnWhenItIsBack) {
  RecordMany(6);
  const std::string volume = options_.volumes.front();
  scrubber().BeginPass();
  RunUntil(2);
  fs::rename(volume, volume + ".away");
  RunDue();
  EXPECT_TRUE(Found().empty());
  EXPECT_NE(scrubber().Report().front().hindrance, "");
  fs::rename(volume + ".away", volume);
  RunDue();
  EXPECT_TRUE(Found().empty());
  EXPECT_EQ(scrubber().Report().front().hindrance, "");
  EXPECT_EQ(Scrub().last.segments, 6u);
}

TEST_F(ScrubberTest, GoesOnAfterARestartWhereItWas) {
  RecordMany(8);
  Flip(recorded_[0].row, 8'000);  // Of the first segment in order.
  scrubber().BeginPass();
  const TimeUs began_us = Scrub().pass.began_us;
  RunUntil(3);
  EXPECT_EQ(Scrub().pass.segments, 3u);
  const auto found = Found();
  EXPECT_EQ(found.size(), 1u);
  scrubber_.reset();
  Close();
  clock_.Advance(kUsPerHour);
  ASSERT_OK(Open());
  EXPECT_TRUE(Found().empty());
  EXPECT_EQ(Scrub().pass.segments, 3u);
  EXPECT_EQ(Found(), found);  // What was found is known before anything is read.
  RunDue();
  EXPECT_EQ(Scrub().last.segments, 8u);
  EXPECT_EQ(Scrub().last.began_us, began_us);
  EXPECT_LT(scrubber().checked_bytes(), Scrub().last.bytes * 6 / 8);
  EXPECT_EQ(Found(), found);
}

TEST_F(ScrubberTest, ALostOrDamagedStateBeginsAnew) {
  RecordMany(4);
  RunPass();
  const std::string path = options_.data + "/" + std::string(kScrubStateFile);
  scrubber_.reset();
  const auto good = ReadFile(*posix_, path, 1 << 20);
  ASSERT_OK(good);
  RunDue();
  EXPECT_EQ(scrubber().checked_bytes(), 0u) << "nothing was due";
  scrubber_.reset();
  Bytes bad = *good;
  bad.back() ^= 1;
  std::ofstream(path, std::ios::binary | std::ios::trunc) << AsText(bad);
  RunDue();
  EXPECT_EQ(Scrub().last.segments, 4u);
  EXPECT_GT(scrubber().checked_bytes(), 0u);
  scrubber_.reset();
  fs::remove(path);
  RunDue();
  EXPECT_GT(scrubber().checked_bytes(), 0u);
}

TEST_F(ScrubberTest, APassBeginsEachIntervalOrWhenItIsAskedFor) {
  options_of_scrub_.interval_us = 30 * kUsPerDay;
  RecordMany(3);
  RunDue();
  const TimeUs first_us = Scrub().last.began_us;
  EXPECT_EQ(scrubber().Report().front().next_us, first_us + 30 * kUsPerDay);
  clock_.Advance(29 * kUsPerDay);
  RunDue();
  EXPECT_EQ(Scrub().last.began_us, first_us);
  clock_.Advance(kUsPerDay);
  RunDue();
  EXPECT_GT(Scrub().last.began_us, first_us);
  // A wall clock that was a year ahead must not stop it for a year.
  clock_.Step(-365 * kUsPerDay);
  RunDue();
  EXPECT_LT(Scrub().last.began_us, first_us);

  scrubber_.reset();
  options_of_scrub_.interval_us = 0;
  clock_.Advance(365 * kUsPerDay);
  RunDue();
  EXPECT_EQ(scrubber().checked_bytes(), 0u);
  RunPass();
  EXPECT_GT(scrubber().checked_bytes(), 0u);
}

TEST_F(ScrubberTest, BeginsWithWhatWasNotCheckedForTheLongestTime) {
  RecordMany(6);
  RunPass();
  Record(MakeStream("yard"), kUsPerMinute);  // Behind all others, and never checked.
  clock_.Advance(kUsPerHour);
  scrubber().BeginPass();
  RunUntil(1);
  EXPECT_EQ(Scrub().pass.bytes, recorded_.back().row.bytes);
  EXPECT_TRUE(Scrub().wrapped);
  RunUntil(3);
  const auto stands = Scrub().cursor;
  // Asked for anew, the pass goes round from where it is: all of it is checked, and what was
  // checked just now comes last.
  scrubber().BeginPass();
  RunUntil(1);
  EXPECT_GT(Scrub().cursor, stands);
  RunDue();
  EXPECT_EQ(Scrub().last.segments, 7u);
  EXPECT_EQ(Scrub().cursor, stands);
}

TEST_F(ScrubberTest, ReadsNoFasterThanItsBudget) {
  options_of_scrub_.bytes_per_second = 100'000;
  RecordMany(4);
  const int64_t before_us = clock_.MonotonicUs();
  RunDue();
  const double seconds = static_cast<double>(clock_.MonotonicUs() - before_us) / kUsPerSecond;
  const double expected = static_cast<double>(Scrub().last.bytes) / 100'000;
  EXPECT_NEAR(seconds, expected, 0.05 * expected);
}

TEST_F(ScrubberTest, TheThreadsDoAPassAndStopAtOnce) {
  RecordMany(4);
  Flip(recorded_[2].row, 8'000);
  scrubber().StartThreads();
  ASSERT_TRUE(test::Await([&] { return Scrub().last.ended_us != 0; }));
  EXPECT_EQ(Scrub().last.segments, 4u);
  EXPECT_EQ(OnlyDamage().segment, index::KeyOf(recorded_[2].row));
}

}  // namespace
}  // namespace lookback::storage
