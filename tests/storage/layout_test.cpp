#include "storage/layout.h"

#include <gtest/gtest.h>

#include "tests/support/synthetic_footage.h"

namespace lookback::storage {
namespace {

using test::MakeStream;

TEST(Layout, PathIsTheDocumentedOne) {
  const index::SegmentKey key{MakeStream("gate"), 1'777'903'200'000'123, 7, 12};
  EXPECT_EQ(SegmentPath(key), "v1/gate/main/20260504/1777903200000_7_12.mp4");
}

TEST(Layout, TheTwoFilesOfASegmentDifferInNameAndAreOneSegment) {
  index::SegmentKey thinned{MakeStream("gate"), 1'777'903'200'000'000, 7, 12};
  const index::SegmentKey whole = thinned;
  thinned.thinned = true;
  EXPECT_EQ(SegmentPath(thinned), "v1/gate/main/20260504/1777903200000_7_12_thin.mp4");
  EXPECT_EQ(thinned, whole);
  EXPECT_TRUE(ParseSegmentPath(SegmentPath(thinned))->thinned);
  EXPECT_FALSE(ParseSegmentPath(SegmentPath(whole))->thinned);
}

TEST(Layout, KeyComesBackToTheMillisecond) {
  const index::SegmentKey key{MakeStream("gate-2", Stream::kSub), 1'777'903'200'456'789,
                              4'294'967'295, 0};
  const auto parsed = ParseSegmentPath(SegmentPath(key));
  ASSERT_TRUE(parsed.has_value());
  index::SegmentKey expected = key;
  expected.start_us = 1'777'903'200'456'000;
  EXPECT_EQ(*parsed, expected);
}

TEST(Layout, RefusesWhatWeDidNotMake) {
  for (const char* path : {
           "",
           "v1",
           "v2/gate/main/20260504/1777903200000_7_12.mp4",
           "v1/Gate/main/20260504/1777903200000_7_12.mp4",
           "v1/gate/third/20260504/1777903200000_7_12.mp4",
           "v1/gate/main/20260505/1777903200000_7_12.mp4",
           "v1/gate/main/20260504/01777903200000_7_12.mp4",
           "v1/gate/main/20260504/1777903200000_7.mp4",
           "v1/gate/main/20260504/1777903200000_7_12_1.mp4",
           "v1/gate/main/20260504/1777903200000_7_12_thin_thin.mp4",
           "v1/gate/main/20260504/1777903200000_7_12.mp4.new",
           "v1/gate/main/20260504/1777903200000_-7_12.mp4",
           "v1/gate/main/20260504/1777903200000_7_4294967296.mp4",
           "v1/gate/main/20260504/99999999999999999_7_12.mp4",
           "v1/gate/main/20260504/sub/1777903200000_7_12.mp4",
           "/v1/gate/main/20260504/1777903200000_7_12.mp4",
           "v1/../main/20260504/1777903200000_7_12.mp4",
       }) {
    EXPECT_FALSE(ParseSegmentPath(path).has_value()) << path;
  }
}

}  // namespace
}  // namespace lookback::storage
