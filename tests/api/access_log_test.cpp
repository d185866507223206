#include "api/access_log.h"

#include <gtest/gtest.h>

namespace lookback::api {
namespace {

class AccessLogTest : public ::testing::Test {
 protected:
  static index::Act View(const std::string& person, const std::string& client = "10.0.0.1:5000") {
    index::Act act;
    act.person = person;
    act.client = client;
    act.cameras = {CameraId::Parse("gate").value()};
    act.range = {1, 2};
    act.what = "clip.mp4";
    return act;
  }

  ManualClock clock_{1'000'000};
  Status next_ = Ok();
  std::vector<index::Act> committed_;
  AccessLog log_{[this](std::vector<index::Record> records) {
                   if (next_) committed_.push_back(std::get<index::Act>(records.at(0)));
                   return next_;
                 },
                 clock_};
};

TEST_F(AccessLogTest, APieceStandsUnderTheRecordOfTheWholeForTenMinutes) {
  ASSERT_TRUE(log_.Record(View("li")));
  clock_.Advance(kAccessCoversUs - 1);
  ASSERT_TRUE(log_.Record(View("li", "10.0.0.1:6000"), /*continues=*/true));
  EXPECT_EQ(committed_.size(), 1u);
  clock_.Advance(1);
  ASSERT_TRUE(log_.Record(View("li"), true));
  EXPECT_EQ(committed_.size(), 2u);
}

TEST_F(AccessLogTest, OnlyTheSameAccessIsCovered) {
  ASSERT_TRUE(log_.Record(View("li")));
  ASSERT_TRUE(log_.Record(View("li")));  // A whole one anew.
  ASSERT_TRUE(log_.Record(View("wang"), true));
  ASSERT_TRUE(log_.Record(View("li", "10.0.0.2:5000"), true));
  index::Act other = View("li");
  other.range.end_us = 3;
  ASSERT_TRUE(log_.Record(other, true));
  other.reason = "case 7";
  ASSERT_TRUE(log_.Record(other, true));
  EXPECT_EQ(committed_.size(), 6u);
}

TEST_F(AccessLogTest, APartStandsUnderTheViewThatItOverlapsOfTheSamePersonAndAddress) {
  index::Act whole = View("li");
  whole.range = {100, 200};
  whole.reason = "case 7";
  ASSERT_TRUE(log_.Record(whole));
  index::Act part = View("li", "10.0.0.1:6000");
  part.range = {190, 260};
  ASSERT_TRUE(log_.RecordPart(part, {190, 210}));
  EXPECT_EQ(committed_.size(), 1u);
  ASSERT_TRUE(log_.RecordPart(part, {200, 210}));  // Beyond its end.
  EXPECT_EQ(committed_.size(), 2u);
  index::Act other = View("wang");
  ASSERT_TRUE(log_.RecordPart(other, {150, 160}));
  other = View("li", "10.0.0.2:6000");
  ASSERT_TRUE(log_.RecordPart(other, {150, 160}));
  other = View("li");
  other.what = "another";
  ASSERT_TRUE(log_.RecordPart(other, {150, 160}));
  EXPECT_EQ(committed_.size(), 5u);
}

TEST_F(AccessLogTest, AViewThatGoesOnIsRecordedAnewWithItsReason) {
  index::Act whole = View("li");
  whole.range = {100, 200};
  whole.reason = "case 7";
  ASSERT_TRUE(log_.Record(whole));
  clock_.Advance(kAccessCoversUs);
  index::Act part = View("li");
  part.range = {110, 120};
  ASSERT_TRUE(log_.RecordPart(part, part.range));
  ASSERT_TRUE(log_.RecordPart(part, part.range));
  ASSERT_EQ(committed_.size(), 2u);
  EXPECT_EQ(committed_[1].range, whole.range);
  EXPECT_EQ(committed_[1].reason, "case 7");
}

TEST_F(AccessLogTest, AFailedCommitCoversNothing) {
  next_ = Fail(Code::kDiskFull, "no space");
  EXPECT_FALSE(log_.Record(View("li")));
  EXPECT_FALSE(log_.Record(View("li"), true));
  EXPECT_TRUE(committed_.empty());
}

TEST_F(AccessLogTest, MemoryOfAccessesIsBounded) {
  for (size_t i = 0; i < kMaxRemembered + 1; ++i) {
    clock_.Advance(1);
    ASSERT_TRUE(log_.Record(View("person-" + std::to_string(i))));
  }
  ASSERT_TRUE(log_.Record(View("person-0"), true));  // Forgotten: recorded again.
  EXPECT_EQ(committed_.size(), kMaxRemembered + 2);
  ASSERT_TRUE(log_.Record(View("person-4000"), true));
  EXPECT_EQ(committed_.size(), kMaxRemembered + 2);
}

TEST_F(AccessLogTest, RefusedTriesAreRateBoundedAndTheRestCounted) {
  for (int i = 0; i < kMaxRefusedAMinute + 5; ++i) log_.Refused(View("li"));
  EXPECT_EQ(committed_.size(), static_cast<size_t>(kMaxRefusedAMinute));
  EXPECT_TRUE(committed_[0].refused);
  EXPECT_EQ(log_.refused_unrecorded(), 5u);
  clock_.Advance(kUsPerMinute);
  log_.Refused(View("li"));
  EXPECT_EQ(committed_.size(), static_cast<size_t>(kMaxRefusedAMinute) + 1);
}

}  // namespace
}  // namespace lookback::api
