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
            "FROM                       TO                         DURATION  WHAT\n"
            "2026-05-05T06:00:00+08:00  2026-05-05T06:00:20+08:00  20.0 s    footage, 1 segment\n"
            "2026-05-05T06:00:20+08:00  2026-05-05T06:00:25+08:00  5.0 s     MISSING: network: "
            "connection reset\n"
            "2026-05-05T06:00:25+08:00  2026-05-05T06:01:00+08:00  35.0 s    footage, 2 segments, "
            "being written\n");
}

}  // namespace
}  // namespace lookback::app
