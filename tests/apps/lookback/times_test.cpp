#include "apps/lookback/times.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lookback::app {
namespace {

using testing::HasSubstr;

TimeZone Zone(const char* name) {
  auto zone = TimeZone::Find(name);
  EXPECT_TRUE(zone) << zone.message();
  return *zone;
}

// "start/end" in UTC, or the error.
std::string Resolved(const WrittenRange& written, const char* zone) {
  const auto range = ResolveRange(written, Zone(zone));
  if (!range) return range.message();
  return FormatTime(range->start_us) + "/" + FormatTime(range->end_us);
}

TEST(TimesTest, InstantsWithOffsetMeanTheSameInEveryZone) {
  const WrittenRange written{"", "2026-05-04T22:00:00+08:00", "2026-05-04T14:30:00.5Z"};
  const char* expected = "2026-05-04T14:00:00Z/2026-05-04T14:30:00.5Z";
  EXPECT_EQ(Resolved(written, "Asia/Shanghai"), expected);
  EXPECT_EQ(Resolved(written, "America/New_York"), expected);
}

TEST(TimesTest, ATimeWithoutOffsetIsRefusedWithBothWaysOut) {
  const std::string said = Resolved({"", "2026-05-04T22:00:00", "2026-05-04T23:00:00Z"}, "UTC");
  EXPECT_THAT(said, HasSubstr("--start"));
  EXPECT_THAT(said, HasSubstr("offset"));
  EXPECT_THAT(said, HasSubstr("--date"));
  EXPECT_THAT(Resolved({"", "22:00", "23:00"}, "UTC"), HasSubstr("--date"));
}

TEST(TimesTest, LocalTimesAreOfTheZone) {
  EXPECT_EQ(Resolved({"2026-05-04", "22:00", "23:00:30"}, "Asia/Shanghai"),
            "2026-05-04T14:00:00Z/2026-05-04T15:00:30Z");
}

TEST(TimesTest, AnEndEarlierInTheDayIsOfTheNextDay) {
  EXPECT_EQ(Resolved({"2026-12-31", "22:00", "05:00"}, "UTC"),
            "2026-12-31T22:00:00Z/2027-01-01T05:00:00Z");
  EXPECT_EQ(Resolved({"2026-05-04", "9:00", "10:00"}, "UTC"),
            "2026-05-04T09:00:00Z/2026-05-04T10:00:00Z");
}

TEST(TimesTest, OneTimeIsReadByTheSameRules) {
  const TimeZone berlin = Zone("Europe/Berlin");
  EXPECT_EQ(FormatTime(*ResolveTime("--at", "2026-05-04T22:00:03.2+02:00", "", berlin)),
            "2026-05-04T20:00:03.2Z");
  EXPECT_EQ(FormatTime(*ResolveTime("--at", "22:00:03", "2026-05-04", berlin)),
            "2026-05-04T20:00:03Z");
  EXPECT_THAT(ResolveTime("--at", "22:00", "", berlin).message(), HasSubstr("--date"));
  EXPECT_THAT(ResolveTime("--at", "02:30", "2026-10-25", berlin).message(), HasSubstr("twice"));
}

TEST(TimesTest, AWholeDayEndsAt24) {
  EXPECT_EQ(Resolved({"2026-02-28", "00:00", "24:00"}, "UTC"),
            "2026-02-28T00:00:00Z/2026-03-01T00:00:00Z");
}

TEST(TimesTest, TheNightOfTheRepeatedHourIsAsLongAsItWas) {
  EXPECT_EQ(Resolved({"2026-10-25", "01:00", "04:00"}, "Europe/Berlin"),
            "2026-10-24T23:00:00Z/2026-10-25T03:00:00Z");
}

TEST(TimesTest, TheNightOfTheSkippedHourIsAsLongAsItWas) {
  EXPECT_EQ(Resolved({"2026-03-29", "01:00", "04:00"}, "Europe/Berlin"),
            "2026-03-29T00:00:00Z/2026-03-29T02:00:00Z");
}

TEST(TimesTest, ARepeatedTimeIsRefusedNamingBothReadings) {
  const std::string said = Resolved({"2026-10-25", "02:30", "04:00"}, "Europe/Berlin");
  EXPECT_THAT(said, HasSubstr("--start 2026-10-25T02:30:00+02:00"));
  EXPECT_THAT(said, HasSubstr("--start 2026-10-25T02:30:00+01:00"));
}

TEST(TimesTest, AReadingThatTheRefusalNamesIsTakenBesideTheDate) {
  EXPECT_EQ(Resolved({"2026-10-25", "2026-10-25T02:30:00+01:00", "04:00"}, "Europe/Berlin"),
            "2026-10-25T01:30:00Z/2026-10-25T03:00:00Z");
  EXPECT_EQ(Resolved({"2026-10-25", "01:00", "2026-10-25T02:30:00+02:00"}, "Europe/Berlin"),
            "2026-10-24T23:00:00Z/2026-10-25T00:30:00Z");
}

TEST(TimesTest, ASkippedTimeIsRefusedSayingSo) {
  const std::string said = Resolved({"2026-03-29", "01:00", "02:30"}, "Europe/Berlin");
  EXPECT_THAT(said, HasSubstr("--end 02:30"));
  EXPECT_THAT(said, HasSubstr("skipped"));
}

TEST(TimesTest, NonsenseIsRefused) {
  for (const WrittenRange& written : {
           WrittenRange{"2026-02-30", "10:00", "11:00"},
           WrittenRange{"yesterday", "10:00", "11:00"},
           WrittenRange{"yesterday", "11:00", "10:00"},
           WrittenRange{"2026-05-04", "25:00", "26:00"},
           WrittenRange{"2026-05-04", "", ""},
           WrittenRange{"2026-05-04", ":", ":"},
           WrittenRange{"2199-12-31", "22:00", "05:00"},
           WrittenRange{"", "", ""},
       }) {
    const auto range = ResolveRange(written, Zone("UTC"));
    ASSERT_FALSE(range) << written.date << " " << written.start;
    EXPECT_EQ(range.code(), Code::kInvalid);
  }
}

}  // namespace
}  // namespace lookback::app
