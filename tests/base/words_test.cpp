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

TEST(WordsTest, BytesAreShownInUnitsOfAThousand) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(999), "999 B");
  EXPECT_EQ(FormatBytes(1'000), "1.0 kB");
  EXPECT_EQ(FormatBytes(999'960), "1.0 MB");
  EXPECT_EQ(FormatBytes(301'002'003), "301.0 MB");
  EXPECT_EQ(FormatBytes(UINT64_MAX), "18.4 EB");
}

TEST(WordsTest, ATimeForPeopleEndsWithItsSecond) {
  EXPECT_EQ(FormatSecond(1'777'932'000 * kUsPerSecond + 999'999), "2026-05-04T22:00:00Z");
}

}  // namespace
}  // namespace lookback
