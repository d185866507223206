#include "base/utf8.h"

#include <gtest/gtest.h>

namespace lookback {
namespace {

constexpr std::string_view kBad = "\xEF\xBF\xBD";

std::string Bad(size_t count) {
  std::string text;
  while (count-- > 0) text += kBad;
  return text;
}

TEST(Utf8Test, WhatIsUtf8StaysAsItIs) {
  for (const std::string_view text :
       {"", "gate", "Größe", "市场路口东", "\xF0\x9F\x9A\xA6", "\xED\x9F\xBF", "\xEE\x80\x80",
        "\xF4\x8F\xBF\xBF", "\xC2\x80", "\xE0\xA0\x80", "\xF0\x90\x80\x80", "\xEF\xBF\xBD"}) {
    EXPECT_EQ(ValidUtf8(text), text);
  }
  EXPECT_EQ(ValidUtf8(std::string_view("a\0b", 3)), std::string_view("a\0b", 3));
}

// As the examples of Unicode 15 §3.9 have it, tables 3-8 to 3-11.
TEST(Utf8Test, EachPieceThatIsNoneIsReplacedOnce) {
  EXPECT_EQ(ValidUtf8("\xFF\xFE"), Bad(2));
  EXPECT_EQ(ValidUtf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"), Bad(8) + "A");
  EXPECT_EQ(ValidUtf8("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"), Bad(8) + "A");
  EXPECT_EQ(ValidUtf8("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"), Bad(5) + "A" + Bad(2) + "B");
  EXPECT_EQ(ValidUtf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), Bad(4) + "A");
  EXPECT_EQ(ValidUtf8("z\xE5\xB8"), "z" + Bad(1));
}

TEST(Utf8Test, CodePointsComeOneByOne) {
  std::string_view text = "a\xC3\xA9\xE5\xB8\x82\xF0\x9F\x9A\xA6";
  EXPECT_EQ(TakeCodePoint(text), U'a');
  EXPECT_EQ(TakeCodePoint(text), U'\u00E9');
  EXPECT_EQ(TakeCodePoint(text), U'\u5E02');
  EXPECT_EQ(TakeCodePoint(text), U'\U0001F6A6');
  EXPECT_TRUE(text.empty());
}

}  // namespace
}  // namespace lookback
