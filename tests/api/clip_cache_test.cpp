#include "api/clip_cache.h"

#include <gmock/gmock.h>
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
  void PinAnew(TimeUs now_us) const override { pinned_us_ = now_us; }
  bool broken() const override { return broken_; }
  void Break() { broken_ = true; }
  void Miss(int64_t missing_us) { report_.missing_us = missing_us; }
  TimeUs pinned_us() const { return pinned_us_; }

 private:
  std::string etag_;
  size_t memory_bytes_;
  bool broken_ = false;
  query::ClipReport report_;
  mutable TimeUs pinned_us_ = 0;
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
  (void)cache.Put(Asked(1), "li", clip);
  ASSERT_NE(cache.Find(Asked(1), "\"a\""), nullptr);
  clip->Break();
  EXPECT_EQ(cache.Find(Asked(1), "\"a\""), nullptr);
  EXPECT_EQ(cache.Find(Asked(1), ""), nullptr);
}

TEST(ClipCache, APlanIsFoundByItsTagUntilItIsTenMinutesOld) {
  ManualClock clock(0);
  ClipCache cache(clock);
  (void)cache.Put(Asked(1), "li", std::make_shared<TaggedClip>("a"));
  (void)cache.Put(Asked(1), "li", std::make_shared<TaggedClip>("b"));
  EXPECT_EQ(cache.Find(Asked(1), "\"a\"")->etag(), "a");
  EXPECT_EQ(cache.Find(Asked(1), "")->etag(), "b");
  EXPECT_EQ(cache.Find(Asked(1), "\"c\""), nullptr);
  EXPECT_EQ(cache.Find(Asked(2), ""), nullptr);
  clock.Advance(kPlanKeptUs + 1);
  EXPECT_EQ(cache.Find(Asked(1), "\"a\""), nullptr);
}

TEST(ClipCache, SubtitlesOfAnotherZoneAreAnotherClip) {
  ManualClock clock(0);
  ClipCache cache(clock);
  query::ClipRequest berlin = Asked(1);
  berlin.subtitles = TimeZone::Find("Europe/Berlin").value();
  query::ClipRequest utc = Asked(1);
  utc.subtitles = TimeZone::Find("UTC").value();
  (void)cache.Put(berlin, "li", std::make_shared<TaggedClip>("a"));
  EXPECT_NE(cache.Find(berlin, ""), nullptr);
  EXPECT_EQ(cache.Find(utc, ""), nullptr);
  EXPECT_EQ(cache.Find(Asked(1), ""), nullptr);
}

TEST(ClipCache, ManyWhoReadOneClipHoldOnePlan) {
  ManualClock clock(0);
  ClipCache cache(clock);
  const auto first = *cache.Put(Asked(1), "li", std::make_shared<TaggedClip>("a"));
  EXPECT_EQ(*cache.Put(Asked(1), "wang", std::make_shared<TaggedClip>("a")), first);
  // Also when it is not kept any more, as long as somebody reads it.
  clock.Advance(kPlanKeptUs + 1);
  EXPECT_EQ(cache.Find(Asked(1), ""), nullptr);
  EXPECT_EQ(*cache.Put(Asked(1), "wang", std::make_shared<TaggedClip>("a")), first);
  // Other bytes are another clip.
  EXPECT_NE(*cache.Put(Asked(1), "li", std::make_shared<TaggedClip>("b")), first);
}

TEST(ClipCache, TheSameBytesWithAnotherReportAreAnotherPlan) {
  ManualClock clock(0);
  ClipCache cache(clock);
  (void)cache.Put(Asked(1), "li", std::make_shared<TaggedClip>("a"));
  const auto told_later = std::make_shared<TaggedClip>("a");
  told_later->Miss(7);
  EXPECT_EQ(*cache.Put(Asked(1), "li", told_later), told_later);
  EXPECT_EQ(cache.Find(Asked(1), "\"a\"")->report().missing_us, 7);
}

TEST(ClipCache, WhoAsksAnewPinsAnew) {
  ManualClock clock(0);
  ClipCache cache(clock);
  const auto first = std::make_shared<TaggedClip>("a");
  (void)cache.Put(Asked(1), "li", first);
  clock.Advance(kUsPerMinute);
  (void)cache.Put(Asked(1), "wang", std::make_shared<TaggedClip>("a"));
  EXPECT_EQ(first->pinned_us(), clock.NowUs());
}

TEST(ClipCache, ABrokenPlanIsNobodyElses) {
  ManualClock clock(0);
  ClipCache cache(clock);
  const auto broken = std::make_shared<TaggedClip>("a");
  (void)cache.Put(Asked(1), "li", broken);
  broken->Break();
  EXPECT_NE(*cache.Put(Asked(1), "li", std::make_shared<TaggedClip>("a")), broken);
}

TEST(ClipCache, OnePersonsClipsLeaveRoomForTheOthers) {
  ManualClock clock(0);
  ClipCache cache(clock);
  constexpr size_t kQuarter = kMaxPersonsPlansBytes / 4;
  std::vector<std::shared_ptr<const query::Clip>> read;
  const auto put = [&](const std::string& person) {
    const auto place = static_cast<TimeUs>(read.size());
    return cache.Put(Asked(120, place), person, std::make_shared<TaggedClip>("x", kQuarter));
  };
  for (const std::string person : {"li", "wang"}) {
    for (int i = 0; i < 4; ++i) {
      const auto clip = put(person);
      ASSERT_TRUE(clip) << clip.message();
      read.push_back(*clip);
    }
  }
  const auto more = put("li");
  ASSERT_FALSE(more);
  EXPECT_EQ(more.code(), Code::kUnavailable);
  EXPECT_THAT(more.message(), ::testing::HasSubstr("li reads 4 clips already"));
  // All together have their bound, too; what is read to its end makes room.
  EXPECT_FALSE(put("zhao"));
  read.pop_back();
  clock.Advance(kPlanKeptUs + 1);
  EXPECT_EQ(cache.Find(Asked(1), ""), nullptr);
  EXPECT_TRUE(put("zhao"));
}

TEST(ClipCache, PlansAreBoundedByCountAndByMemory) {
  ManualClock clock(0);
  ClipCache cache(clock);
  for (int i = 0; i < 65; ++i)
    (void)cache.Put(Asked(1, i), "li", std::make_shared<TaggedClip>("x"));
  EXPECT_EQ(cache.Find(Asked(1, 0), ""), nullptr);
  EXPECT_NE(cache.Find(Asked(1, 1), ""), nullptr);
  for (int i = 0; i < 5; ++i) {
    (void)cache.Put(Asked(120, 1000 + i), "li",
                    std::make_shared<TaggedClip>("y", kMaxPlansBytes / 4));
  }
  EXPECT_EQ(cache.Find(Asked(120, 1000), ""), nullptr);
  EXPECT_NE(cache.Find(Asked(120, 1001), ""), nullptr);
}

}  // namespace
}  // namespace lookback::api
