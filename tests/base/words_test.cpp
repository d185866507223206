#include "base/words.h"

#include <gtest/gtest.h>

namespace lookback {
namespace {

TEST(WordsTest, OneIsNoPlural) {
  EXPECT_EQ(Count(0, "segment"), "0 segments");
  EXPECT_EQ(Count(1, "segment"), "1 segment");
  EXPECT_EQ(Count(2, "segment"), "2 segments");
  EXPECT_EQ(Count(1, "second copy", "second copies"), "1 second copy");
  EXPECT_EQ(Count(2, "second copy", "second copies"), "2 second copies");
}

TEST(WordsTest, ATimeForPeopleEndsWithItsSecond) {
  EXPECT_EQ(FormatSecond(1'777'932'000 * kUsPerSecond + 999'999), "2026-05-04T22:00:00Z");
}

}  // namespace
}  // namespace lookback
