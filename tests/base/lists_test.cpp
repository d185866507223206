#include "base/lists.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lookback {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Lists, WhatIsBetweenCommasIsAPartAnEmptyOneToo) {
  EXPECT_THAT(SplitAtCommas(""), IsEmpty());
  EXPECT_THAT(SplitAtCommas("north"), ElementsAre("north"));
  EXPECT_THAT(SplitAtCommas("a, b,,路口,"), ElementsAre("a", " b", "", "路口", ""));
}

TEST(Lists, NumbersAreDecimalAndFinite) {
  EXPECT_THAT(*ReadNumbers("52.5,-0.1,3"), ElementsAre(52.5, -0.1, 3.0));
  EXPECT_THAT(*ReadNumbers(""), IsEmpty());
  for (const char* bad : {"1,", ",1", "1;2", "nan", "inf", "1e999", " 1", "1 ", "0x10", "a"}) {
    const auto numbers = ReadNumbers(bad);
    ASSERT_FALSE(numbers) << bad;
    EXPECT_EQ(numbers.code(), Code::kInvalid);
  }
}

}  // namespace
}  // namespace lookback
