#include "apps/lookback/suggestion.h"

#include <gtest/gtest.h>

namespace lookback::app {
namespace {

TEST(SuggestionTest, TheNearestWordIsFoundAndNoneThatIsFar) {
  const std::vector<std::string> words = {"timeline", "clip", "list", "retention"};
  EXPECT_EQ(Nearest("timelin", words), "timeline");    // One missing,
  EXPECT_EQ(Nearest("ttimeline", words), "timeline");  // one too many,
  EXPECT_EQ(Nearest("tineline", words), "timeline");   // another,
  EXPECT_EQ(Nearest("itmeline", words), "timeline");   // two that changed places.
  EXPECT_EQ(Nearest("retnetoin", words), "retention");
  EXPECT_EQ(Nearest("lis", words), "list");
  EXPECT_EQ(Nearest("cl", words), "");
  EXPECT_EQ(Nearest("export", words), "");
  EXPECT_EQ(Nearest("", words), "");
  EXPECT_EQ(Nearest(std::string(100'000, 'a'), words), "");
  EXPECT_EQ(Nearest("clip", {}), "");
}

}  // namespace
}  // namespace lookback::app
