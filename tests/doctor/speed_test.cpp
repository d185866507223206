#include "doctor/speed.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/temp_dir.h"

namespace lookback::doctor {
namespace {

TEST(SpeedTest, MeasuresAndLeavesNothing) {
  const lookback::test::TempDir dir;
  const auto files = MakePosixFileSystem();
  const SystemClock clock;
  const auto speed = MeasureSpeed(dir.path(), clock, *files);
  ASSERT_TRUE(speed) << speed.message();
  EXPECT_GT(speed->write, 0);
  EXPECT_GT(speed->read, 0);
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

TEST(SpeedTest, SaysWhyWhereItCannot) {
  const lookback::test::TempDir dir;
  const auto files = MakePosixFileSystem();
  const SystemClock clock;
  EXPECT_FALSE(MeasureSpeed(dir.Path("gone"), clock, *files));
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

}  // namespace
}  // namespace lookback::doctor
