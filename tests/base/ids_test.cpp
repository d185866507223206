#include "base/ids.h"

#include <gtest/gtest.h>

#include <set>

namespace lookback {
namespace {

TEST(CameraId, TakesWhatMayStandInAPathAndNothingElse) {
  EXPECT_TRUE(CameraId::Parse("gate-2"));
  EXPECT_TRUE(CameraId::Parse(std::string(64, 'a')));
  for (const std::string& text :
       {std::string(), std::string(65, 'a'), std::string("Gate"), std::string("../x"),
        std::string("a/b"), std::string("a b"), std::string("a\0b", 3), std::string("市场")}) {
    const auto id = CameraId::Parse(text);
    ASSERT_FALSE(id) << text;
    EXPECT_NE(id.message().find("a-z"), std::string::npos);
  }
}

TEST(Uuid, TextAndBack) {
  const Uuid uuid = Uuid::Random();
  EXPECT_EQ(uuid.text().size(), 36u);
  EXPECT_EQ(uuid.text()[14], '4');
  EXPECT_EQ(*Uuid::Parse(uuid.text()), uuid);
  EXPECT_FALSE(Uuid::Parse("123"));
  EXPECT_FALSE(Uuid::Parse(std::string(36, 'x')));
}

TEST(Uuid, IsNotRepeated) {
  std::set<Uuid> seen;
  // Version 7, and in the order of time.
  const Uuid early = Uuid::TimeOrdered(1'777'932'000'000'000);
  const Uuid late = Uuid::TimeOrdered(1'777'932'000'001'000);
  EXPECT_EQ(early.text().substr(0, 15), "019df501-5b00-7") << early.text();
  EXPECT_LT(early, late);
  for (int i = 0; i < 1'000; ++i) EXPECT_TRUE(seen.insert(Uuid::Random()).second);
}

}  // namespace
}  // namespace lookback
