#include "api/clip_cache.h"

#include <gtest/gtest.h>

namespace lookback::api {
namespace {

class TaggedClip : public query::Clip {
 public:
  explicit TaggedClip(std::string etag, size_t memory_bytes = 0)
      : etag_(std::move(etag)), memory_bytes_(memory_bytes) {}
  uint64_t size() const override { return 1; }
  const std::string& etag() const override { return etag_; }
  const query::ClipReport& report() const override { return report_; }
  Result<size_t> Read(uint64_t, std::span<uint8_t>) const override { return size_t{0}; }
  size_t memory_bytes() const override { return memory_bytes_; }
  bool broken() const override { return broken_; }
  void Break() { broken_ = true; }

 private:
  std::string etag_;
  size_t memory_bytes_;
  bool broken_ = false;
  query::ClipReport report_;
};

query::ClipRequest Asked(int64_t minutes, TimeUs start_us = 0) {
  query::ClipRequest request;
  request.stream.camera = CameraId::Parse("gate").value();
  request.range = {start_us, start_us + minutes * kUsPerMinute};
  return request;
}

TEST(ClipCache, APlanThatBrokeIsNotFoundAgain) {
  ManualClock clock(0);
  ClipCache cache(clock);
  const auto clip = std::make_shared<TaggedClip>("a");
  cache.Put(Asked(1), clip);
  ASSERT_NE(cache.Find(Asked(1), "\"a\""), nullptr);
  clip->Break();
  EXPECT_EQ(cache.Find(Asked(1), "\"a\""), nullptr);
  EXPECT_EQ(cache.Find(Asked(1), ""), nullptr);
}

TEST(ClipCache, APlanIsFoundByItsTagUntilItIsTenMinutesOld) {
  ManualClock clock(0);
  ClipCache cache(clock);
  cache.Put(Asked(1), std::make_shared<TaggedClip>("a"));
  cache.Put(Asked(1), std::make_shared<TaggedClip>("b"));
  EXPECT_EQ(cache.Find(Asked(1), "\"a\"")->etag(), "a");
  EXPECT_EQ(cache.Find(Asked(1), "")->etag(), "b");
  EXPECT_EQ(cache.Find(Asked(1), "\"c\""), nullptr);
  EXPECT_EQ(cache.Find(Asked(2), ""), nullptr);
  clock.Advance(kPlanKeptUs + 1);
  EXPECT_EQ(cache.Find(Asked(1), "\"a\""), nullptr);
}

TEST(ClipCache, PlansAreBoundedByCountAndByMemory) {
  ManualClock clock(0);
  ClipCache cache(clock);
  for (int i = 0; i < 65; ++i) cache.Put(Asked(1, i), std::make_shared<TaggedClip>("x"));
  EXPECT_EQ(cache.Find(Asked(1, 0), ""), nullptr);
  EXPECT_NE(cache.Find(Asked(1, 1), ""), nullptr);
  for (int i = 0; i < 5; ++i) {
    cache.Put(Asked(120, 1000 + i), std::make_shared<TaggedClip>("y", kMaxPlansBytes / 4));
  }
  EXPECT_EQ(cache.Find(Asked(120, 1000), ""), nullptr);
  EXPECT_NE(cache.Find(Asked(120, 1001), ""), nullptr);
}

}  // namespace
}  // namespace lookback::api
