#include "base/time.h"

#include <gtest/gtest.h>

#include "base/clock.h"

namespace lookback {
namespace {

TEST(Time, ReadsWhatItWrites) {
  for (const TimeUs t :
       {TimeUs{0}, TimeUs{1'777'903'200'123'456}, TimeUs{951'782'399'999'999}, kTimeMaxUs - 1}) {
    const auto read = ParseTime(FormatTime(t));
    ASSERT_TRUE(read) << FormatTime(t);
    EXPECT_EQ(*read, t);
  }
}

TEST(Time, AgreesWithGnuDate) {
  // date -u -d 2026-05-04T22:00:00+08:00 +%s
  EXPECT_EQ(*ParseTime("2026-05-04T22:00:00+08:00"), 1'777'903'200 * kUsPerSecond);
  EXPECT_EQ(FormatTime(1'777'903'200 * kUsPerSecond), "2026-05-04T14:00:00Z");
  EXPECT_EQ(FormatTimeWithOffset(1'777'903'200 * kUsPerSecond, 8 * 3600),
            "2026-05-04T22:00:00+08:00");
  EXPECT_EQ(FormatTimeWithOffset(0, -(3 * 3600 + 30 * 60)), "1969-12-31T20:30:00-03:30");
  // date -u -d 2024-02-29T23:59:59.5Z +%s
  EXPECT_EQ(*ParseTime("2024-02-29T23:59:59.5Z"), 1'709'251'199'500'000);
}

TEST(Time, RefusesATimeWithoutOffsetAndSaysWhy) {
  const auto read = ParseTime("2026-05-04T22:00:00");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.code(), Code::kInvalid);
  EXPECT_NE(read.message().find("no offset"), std::string::npos) << read.message();
}

TEST(Time, RefusesWhatIsNotInTheCalendar) {
  for (const char* text :
       {"", "now", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-05-04T24:00:00Z",
        "2026-05-04T22:60:00Z", "2026-05-04T22:00:61Z", "2026-05-04T22:00:00.Z",
        "2026-05-04T22:00:00+8:00", "2026-05-04T22:00:00+08:00 ", "2026-05-04 22:00:00Z",
        "1969-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "2026-05-04T22:00:00.1234567890Z"}) {
    EXPECT_FALSE(ParseTime(text)) << text;
  }
}

TEST(Time, RangesAreHalfOpen) {
  const TimeRange a{10, 20};
  EXPECT_TRUE(a.Contains(10));
  EXPECT_FALSE(a.Contains(20));
  EXPECT_FALSE(a.Overlaps({20, 30}));
  EXPECT_TRUE(a.Overlaps({19, 30}));
  EXPECT_TRUE(a.Intersect({20, 30}).empty());
  EXPECT_EQ(a.Intersect({15, 30}), (TimeRange{15, 20}));
}

TEST(Time, DurationsReadLikeSpeech) {
  EXPECT_EQ(FormatDuration(3'500'000), "3.5 s");
  EXPECT_EQ(FormatDuration(125 * kUsPerSecond), "2 min 05 s");
  EXPECT_EQ(FormatDuration(3 * kUsPerHour + 4 * kUsPerMinute), "3 h 04 min 00 s");
}

TEST(Clock, AStepMovesTheWallClockAlone) {
  ManualClock clock(1'000'000);
  const int64_t before = clock.MonotonicUs();
  clock.Step(-500);
  EXPECT_EQ(clock.NowUs(), 999'500);
  EXPECT_EQ(clock.MonotonicUs(), before);
  clock.Advance(10);
  EXPECT_EQ(clock.MonotonicUs(), before + 10);
}

}  // namespace
}  // namespace lookback
