#include "apps/lookback/coverage.h"

#include <gtest/gtest.h>

namespace lookback::app {
namespace {

constexpr TimeUs kStart = 1'777'932'000 * kUsPerSecond;  // 2026-05-04T22:00:00Z

Json Piece(int64_t from_s, int64_t to_s, Json more) {
  more["start"] = FormatTime(kStart + from_s * kUsPerSecond);
  more["end"] = FormatTime(kStart + to_s * kUsPerSecond);
  return more;
}

TEST(CoverageTest, AFullCellIsWhollyCoveredAndAnEmptyOneNotAtAll) {
  const Json timeline = {{"spans", {Piece(0, 20, Json::object()), Piece(25, 41, Json::object())}}};
  EXPECT_EQ(CoverageBar(timeline, {kStart, kStart + 60 * kUsPerSecond}, 6), "##+#+.");
}

TEST(CoverageTest, WhatIsYetToComeIsBlankAndSaidToBe) {
  Json timeline = {{"end", FormatTime(kStart + 35 * kUsPerSecond)},
                   {"covered_us", 30 * kUsPerSecond},
                   {"missing_us", 5 * kUsPerSecond},
                   {"spans", {Piece(0, 20, Json::object()), Piece(25, 35, Json::object())}}};
  const TimeRange range{kStart, kStart + 60 * kUsPerSecond};
  EXPECT_EQ(CoverageBar(timeline, range, 6), "##+#  ");
  const std::string text = CoverageText(timeline, range, *TimeZone::Find("UTC"));
  EXPECT_EQ(
      text.substr(0, text.find('\n')),
      "up to now (2026-05-04T22:00:35.000+00:00): covered 30.000 s (85.71 %), missing 5.000 s");
  EXPECT_NE(text.find("blank: yet to come"), std::string::npos);

  timeline["end"] = FormatTime(range.end_us);
  const std::string past = CoverageText(timeline, range, *TimeZone::Find("UTC"));
  EXPECT_EQ(past.substr(0, 16), "covered 30.000 s");
  EXPECT_EQ(past.find("blank"), std::string::npos);
  EXPECT_EQ(CoverageText(Json::object(), range, *TimeZone::Find("UTC")),
            "That range has not happened yet.\n");
}

TEST(CoverageTest, WhatIsOnAVolumeThatIsAwayIsNoCommonFootage) {
  const Json timeline = {{"end", FormatTime(kStart + 60 * kUsPerSecond)},
                         {"covered_us", 60 * kUsPerSecond},
                         {"readable_us", 40 * kUsPerSecond},
                         {"missing_us", 0},
                         {"spans", {Piece(0, 60, {{"segments", 1}})}},
                         {"away", {Piece(20, 40, {{"cause", "volume away"}, {"detail", "/b"}})}}};
  const TimeRange range{kStart, kStart + 60 * kUsPerSecond};
  EXPECT_EQ(CoverageText(timeline, range, *TimeZone::Find("UTC")),
            "covered 1 min 00.000 s (100.00 %), missing 0.000 s\n"
            "recorded, but not to be read now, since its volume is away: 20.000 s\n"
            "[####################????????????????????####################]\n"
            "# covered, + in part, . missing, ? not to be read now\n");
  const std::string table = TimelineTable(timeline, *TimeZone::Find("UTC")).Text();
  EXPECT_NE(table.find("20.000 s        NOT TO BE READ NOW: volume away: /b\n"), std::string::npos)
      << table;
}

TEST(CoverageTest, OverlappingSpansCountOnce) {
  const Json timeline = {{"spans", {Piece(0, 6, Json::object()), Piece(2, 6, Json::object())}}};
  EXPECT_EQ(CoverageBar(timeline, {kStart, kStart + 10 * kUsPerSecond}, 1), "+");
}

TEST(CoverageTest, SpansAndGapsStandInTheOrderOfTime) {
  const Json timeline = {
      {"spans",
       {Piece(0, 20, {{"segments", 1}}), Piece(25, 60, {{"segments", 2}, {"open", true}})}},
      {"gaps", {Piece(20, 25, {{"cause", "network"}, {"detail", "connection reset"}})}}};
  EXPECT_EQ(TimelineTable(timeline, *TimeZone::Find("Asia/Shanghai")).Text(),
            "FROM                           TO                             DURATION  "
            "WHAT\n"
            "2026-05-05T06:00:00.000+08:00  2026-05-05T06:00:20.000+08:00  20.000 s  "
            "footage, 1 segment\n"
            "2026-05-05T06:00:20.000+08:00  2026-05-05T06:00:25.000+08:00  5.000 s   "
            "MISSING: network: connection reset\n"
            "2026-05-05T06:00:25.000+08:00  2026-05-05T06:01:00.000+08:00  35.000 s  "
            "footage, 2 segments, being written\n");
}

}  // namespace
}  // namespace lookback::app
