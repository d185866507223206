#include "base/time_zone.h"

#include <gtest/gtest.h>
#include <stdlib.h>

namespace lookback {
namespace {

TEST(TimeZone, ARepeatedHourHasTwoReadings) {
  const auto zone = TimeZone::Find("Europe/Berlin");
  ASSERT_TRUE(zone);
  const auto readings = zone->Resolve("2026-10-25", "02:30");
  ASSERT_TRUE(readings);
  ASSERT_EQ(readings->size(), 2u);
  EXPECT_EQ((*readings)[1] - (*readings)[0], kUsPerHour);
  EXPECT_EQ(zone->Format((*readings)[0]), "2026-10-25T02:30:00+02:00");
  EXPECT_EQ(zone->Format((*readings)[1]), "2026-10-25T02:30:00+01:00");
}

TEST(TimeZone, ASkippedHourHasNone) {
  const auto zone = TimeZone::Find("Europe/Berlin");
  ASSERT_TRUE(zone);
  const auto readings = zone->Resolve("2026-03-29", "02:30:00");
  ASSERT_TRUE(readings);
  EXPECT_TRUE(readings->empty());
}

TEST(TimeZone, AnOrdinaryTimeHasOne) {
  const auto zone = TimeZone::Find("Asia/Shanghai");
  ASSERT_TRUE(zone);
  const auto readings = zone->Resolve("2026-05-04", "22:00");
  ASSERT_TRUE(readings);
  ASSERT_EQ(readings->size(), 1u);
  EXPECT_EQ(FormatTime(readings->front()), "2026-05-04T14:00:00Z");
  // 24:00 is the end of the day.
  EXPECT_EQ(FormatTime(zone->Resolve("2026-05-04", "24:00")->front()), "2026-05-04T16:00:00Z");
}

TEST(TimeZone, TheEnvironmentsZoneIsTheLocalOne) {
  setenv("TZ", ":Europe/Berlin", 1);
  EXPECT_EQ(TimeZone::Local().name(), "Europe/Berlin");
  setenv("TZ", "no such zone", 1);
  EXPECT_NE(TimeZone::Local().name(), "no such zone");
  unsetenv("TZ");
}

TEST(TimeZone, RefusesNonsense) {
  EXPECT_FALSE(TimeZone::Find("Mars/Olympus"));
  const auto zone = TimeZone::Find("UTC");
  ASSERT_TRUE(zone);
  for (const char* day : {"2026-5-4x", "2026-02-30", "yesterday", "1969-01-01"}) {
    EXPECT_FALSE(zone->Resolve(day, "10:00")) << day;
  }
  for (const char* time : {"25:00", "10", "10:60", "10:00:00:00", "24:01", "-1:00"}) {
    EXPECT_FALSE(zone->Resolve("2026-05-04", time)) << time;
  }
}

}  // namespace
}  // namespace lookback
