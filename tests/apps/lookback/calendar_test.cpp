#include "apps/lookback/calendar.h"

#include <gmock/gmock.h>

namespace lookback::app {
namespace {

using ::testing::HasSubstr;

TimeZone Berlin() { return *TimeZone::Find("Europe/Berlin"); }

TEST(CalendarTest, AMonthIsALineAndADayACell) {
  const Json summary = {{"step", "day"},
                        {"steps",
                         {"2026-05-30T10:00:00Z", "2026-05-30T22:00:00Z", "2026-05-31T22:00:00Z",
                          "2026-06-01T22:00:00Z"}},
                        {"step_s", {43'200, 86'400, 86'400, 3'600}},
                        {"cameras",
                         {{{"camera", "gate"},
                           {"covered_s", {43'200, 86'399, 0, 3'600}},
                           {"thinned_s", {0, 0, 0, 60}},
                           {"bytes", {1'000'000, 2'000'000, 0, 5'000'000}},
                           {"held", {0, 1, 0, 0}}}}}};
  const std::string text = CalendarText(summary, Berlin());
  EXPECT_THAT(text,
              HasSubstr("gate    2026-05  |" + std::string(29, ' ') + "#+|  99.9 %   3.0 MB"));
  EXPECT_THAT(text,
              HasSubstr("gate    2026-06  |.~" + std::string(29, ' ') + "|  4.0 %    5.0 MB"));
}

TEST(CalendarTest, ADayOfHoursHas25CellsWhenOneIsShownTwice) {
  Json summary = {{"step", "hour"}, {"cameras", Json::array()}};
  Json camera = {{"camera", "gate"}};
  for (int hour = 0; hour < 25; ++hour) {
    const TimeUs begin_us = *ParseTime("2026-10-24T22:00:00Z") + hour * kUsPerHour;
    summary["steps"].push_back(FormatTime(begin_us));
    summary["step_s"].push_back(3'600);
    camera["covered_s"].push_back(hour == 24 ? 0 : 3'600);
  }
  summary["cameras"].push_back(camera);
  EXPECT_THAT(CalendarText(summary, Berlin()),
              HasSubstr("2026-10-25  |" + std::string(24, '#') + ".|  96.0 %"));
}

TEST(CalendarTest, WhatIsNotThereIsSaid) {
  EXPECT_EQ(CalendarText(Json::object(), Berlin()), "No camera is meant by that.\n");
  const Json future = {{"steps", Json::array()}, {"cameras", {{{"camera", "gate"}}}}};
  EXPECT_EQ(CalendarText(future, Berlin()), "That range has not happened yet.\n");
  // Of an answer that makes no sense nothing is read out of bounds.
  const Json hostile = {{"steps", {"x", 5, "2026-05-30T10:00:00Z"}},
                        {"cameras", {{{"camera", "gate"}, {"covered_s", {"y"}}}}}};
  EXPECT_THAT(CalendarText(hostile, Berlin()), HasSubstr("gate"));
}

}  // namespace
}  // namespace lookback::app
