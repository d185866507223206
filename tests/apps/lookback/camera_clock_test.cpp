#include "apps/lookback/camera_clock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace lookback::app {
namespace {

using testing::IsEmpty;

TEST(CameraClockTest, AnOffsetReadsAsPeopleSayIt) {
  EXPECT_EQ(OffsetWords(3'200'000), "3.2 s ahead");
  EXPECT_EQ(OffsetWords(-3'200'000), "3.2 s behind");
  EXPECT_EQ(OffsetWords(49'000), "right");
  EXPECT_EQ(OffsetWords(-50'000), "0.1 s behind");
  EXPECT_EQ(OffsetWords(-3'602 * kUsPerSecond), "1 h 00 min 02 s behind");
  EXPECT_THAT(OffsetWords(std::numeric_limits<int64_t>::min()), testing::EndsWith("behind"));
}

TEST(CameraClockTest, ATimelineTellsOfAClockThatIsOffAndOfNoOther) {
  const auto line = [](int64_t min_us, int64_t max_us) {
    return TimelineClockLine(
        {{"spans",
          {{{"camera_offset_min_us", min_us}, {"camera_offset_max_us", max_us}},
           {{"camera_offset_min_us", nullptr}, {"camera_offset_max_us", nullptr}}}}});
  };
  EXPECT_EQ(line(3'200'000, 3'200'000), "camera's clock 3.2 s ahead, by its sender reports\n");
  EXPECT_EQ(line(-100'000, 3'200'000),
            "camera's clock from 0.1 s behind to 3.2 s ahead, by its sender reports\n");
  EXPECT_THAT(line(-1'000'000, 1'000'000), IsEmpty());
  EXPECT_THAT(TimelineClockLine({{"spans", Json::array()}}), IsEmpty());
  EXPECT_THAT(TimelineClockLine({{"spans", {{{"camera_offset_min_us", "x"}}}}}), IsEmpty());
}

TEST(CameraClockTest, AClipTellsTheOffsetAndEachLookAtTheClock) {
  const Json description = {
      {"camera_clock",
       {{"offset_us", -5'000'000},
        {"check_before", nullptr},
        {"check_after",
         {{"true", "2026-05-04T22:00:00Z"}, {"offset_us", -4'000'000}, {"person", "li\nwei"}}}}}};
  EXPECT_EQ(ClipClockLines(description, *TimeZone::Find("Asia/Shanghai")),
            "camera's clock 5.0 s behind, by its sender reports\n"
            "camera's clock 4.0 s behind by li wei's look at 2026-05-05T06:00:00.000+08:00\n");
  EXPECT_THAT(ClipClockLines(Json::object(), *TimeZone::Find("UTC")), IsEmpty());
}

}  // namespace
}  // namespace lookback::app
