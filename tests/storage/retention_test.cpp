#include "storage/retention.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace lookback::storage {
namespace {

constexpr TimeUs kNow = 1'800'000'000 * kUsPerSecond;
constexpr uint64_t kSegmentBytes = 1'000;

CameraId Camera(const std::string& name) { return *CameraId::Parse(name); }

// A minute of `camera` that ended `days` (and `minutes`) ago.
index::Seal Segment(const std::string& camera, double days, int minutes = 0) {
  index::Seal seal;
  seal.stream.camera = Camera(camera);
  seal.end_us = kNow - static_cast<int64_t>(days * kUsPerDay) - minutes * kUsPerMinute;
  seal.start_us = seal.end_us - kUsPerMinute;
  seal.bytes = kSegmentBytes;
  return seal;
}

index::Policy Policy(const std::string& scope, uint32_t min_days, uint32_t max_days,
                     index::AtFloor at_floor = index::AtFloor::kStop) {
  index::Policy policy;
  policy.scope = scope;
  policy.version = 1;
  policy.min_days = min_days;
  policy.max_days = max_days;
  policy.at_floor = at_floor;
  return policy;
}

index::Marker Hold(const std::string& camera, TimeRange range) {
  index::Marker hold;
  hold.cameras = {Camera(camera)};
  hold.range = range;
  hold.hold = true;
  return hold;
}

RetentionInput Input(std::vector<index::Seal> segments, std::vector<index::Policy> policies) {
  RetentionInput input;
  input.segments = std::move(segments);
  input.policies = std::move(policies);
  input.now_us = kNow;
  input.free_bytes = 1'000'000;
  return input;
}

// The same, with the disk `bytes` short.
RetentionInput Short(RetentionInput input, uint64_t bytes) {
  input.free_bytes = 10'000;
  input.pressure_bytes = input.relief_bytes = 10'000 + bytes;
  return input;
}

TEST(Retention, TakesWhatIsPastItsCeilingAndNothingElse) {
  const auto plan = PlanRetention(
      Input({Segment("gate", 31), Segment("gate", 30), Segment("gate", 30, -1), Segment("gate", 1)},
            {Policy("default", 7, 30)}));
  ASSERT_EQ(plan.victims.size(), 2u);
  EXPECT_EQ(plan.victims[0].segment.end_us, kNow - 31 * kUsPerDay);
  EXPECT_EQ(plan.victims[0].policy, "default/1");
  EXPECT_EQ(plan.victims[0].reason, "older than 30 days");
  EXPECT_FALSE(plan.below_floor);
}

TEST(Retention, AHoldBeatsEverything) {
  auto input = Short(Input({Segment("gate", 100), Segment("gate", 100, 2)},
                           {Policy("default", 1, 30, index::AtFloor::kShorten)}),
                     5'000);
  // It touches one microsecond of the older one.
  input.holds = {Hold("gate", {input.segments[1].end_us - 1, input.segments[1].end_us})};
  const auto plan = PlanRetention(input);
  ASSERT_EQ(plan.victims.size(), 1u);
  EXPECT_EQ(plan.victims[0].segment.end_us, input.segments[0].end_us);
}

TEST(Retention, AHoldOfAnotherCameraOrOneThatExpiredHoldsNothing) {
  auto input = Input({Segment("gate", 100)}, {Policy("default", 0, 30)});
  index::Marker expired = Hold("gate", input.segments[0].range());
  expired.expires_us = kNow;
  input.holds = {Hold("door", input.segments[0].range()), expired};
  EXPECT_EQ(PlanRetention(input).victims.size(), 1u);
  expired.expires_us = kNow + 1;
  input.holds = {expired};
  EXPECT_TRUE(PlanRetention(input).victims.empty());
}

TEST(Retention, PressureTakesTheOldestShareOfThePromiseFirst) {
  // 20 of 90 days used, against 10 of 30.
  const auto plan = PlanRetention(Short(Input({Segment("bank", 20), Segment("gate", 10)},
                                              {Policy("default", 0, 30), Policy("bank", 0, 90)}),
                                        1));
  ASSERT_EQ(plan.victims.size(), 1u);
  EXPECT_EQ(plan.victims[0].segment.stream.camera.text(), "gate");
  EXPECT_EQ(plan.victims[0].reason, "disk pressure");
}

TEST(Retention, PressureFreesNoMoreThanIsNeeded) {
  std::vector<index::Seal> segments;
  for (int i = 0; i < 100; ++i) segments.push_back(Segment("gate", 1, i));
  const auto plan = PlanRetention(Short(Input(segments, {}), 5'500));
  EXPECT_EQ(plan.victims.size(), 6u);
  EXPECT_EQ(plan.bytes, 6 * kSegmentBytes);
}

TEST(Retention, AFloorHoldsUnlessItsPolicySaysShorten) {
  const std::vector<index::Seal> young{Segment("gate", 5)};
  auto stop = Short(Input(young, {Policy("default", 30, 0, index::AtFloor::kStop)}), 1);
  stop.stop_bytes = 10'001;
  const auto kept = PlanRetention(stop);
  EXPECT_TRUE(kept.victims.empty());
  EXPECT_TRUE(kept.must_stop);
  EXPECT_NE(kept.sentence.find("recording stops"), std::string::npos);

  auto shorten = Short(Input(young, {Policy("default", 30, 0, index::AtFloor::kShorten)}), 1);
  shorten.stop_bytes = 10'001;
  const auto shortened = PlanRetention(shorten);
  EXPECT_EQ(shortened.victims.size(), 1u);
  EXPECT_TRUE(shortened.below_floor);
  EXPECT_FALSE(shortened.must_stop);
}

TEST(Retention, WhatNoFloorProtectsGoesBeforeWhatOneDoes) {
  const auto plan = PlanRetention(
      Short(Input({Segment("bank", 29), Segment("gate", 1)},
                  {Policy("bank", 30, 0, index::AtFloor::kShorten), Policy("default", 0, 0)}),
            1));
  ASSERT_EQ(plan.victims.size(), 1u);
  EXPECT_EQ(plan.victims[0].segment.stream.camera.text(), "gate");
}

TEST(Retention, NothingGoesWhilePoliciesAreUnconfirmed) {
  auto input = Short(Input({Segment("gate", 100)}, {Policy("default", 0, 30)}), 1);
  input.confirmed = false;
  const auto plan = PlanRetention(input);
  EXPECT_TRUE(plan.victims.empty());
  EXPECT_TRUE(plan.frozen);
}

TEST(Retention, AClockInDoubtFreezesAgesAndFloors) {
  auto input = Input({Segment("gate", 100), Segment("shop", 100)},
                     {Policy("gate", 7, 30), Policy("default", 0, 30)});
  input.clock_trusted = false;
  EXPECT_TRUE(PlanRetention(input).victims.empty());
  EXPECT_TRUE(PlanRetention(input).frozen);
  // Pressure still takes what no floor protects: recording goes on.
  const auto plan = PlanRetention(Short(input, 5'000));
  ASSERT_EQ(plan.victims.size(), 1u);
  EXPECT_EQ(plan.victims[0].segment.stream.camera.text(), "shop");
}

TEST(Retention, ExpiryKeepsToItsBudgetOldestFirst) {
  auto input = Input({Segment("gate", 40), Segment("gate", 50), Segment("gate", 45)},
                     {Policy("default", 0, 30)});
  input.expiry_budget_bytes = 2 * kSegmentBytes;
  const auto plan = PlanRetention(input);
  ASSERT_EQ(plan.victims.size(), 2u);
  EXPECT_EQ(plan.victims[0].segment.end_us, kNow - 50 * kUsPerDay);
  EXPECT_EQ(plan.victims[1].segment.end_us, kNow - 45 * kUsPerDay);
  EXPECT_TRUE(plan.frozen);
}

TEST(Retention, NoHoldAndNoStoppingFloorIsEverBroken) {
  for (uint32_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    std::vector<index::Seal> segments;
    std::vector<index::Policy> policies;
    for (const char* name : {"a", "b", "c"}) {
      const auto min = static_cast<uint32_t>(pick(40));
      policies.push_back(Policy(name, min, pick(2) ? min + static_cast<uint32_t>(pick(40)) : 0,
                                pick(2) ? index::AtFloor::kShorten : index::AtFloor::kStop));
      for (int i = pick(60); i > 0; --i) segments.push_back(Segment(name, pick(100), pick(1'440)));
    }
    auto input = Short(Input(segments, policies), static_cast<uint64_t>(pick(100'000)));
    for (int i = pick(5); i > 0; --i) {
      const TimeUs at = kNow - pick(100) * kUsPerDay;
      input.holds.push_back(
          Hold(std::string(1, static_cast<char>('a' + pick(3))), {at, at + pick(5) * kUsPerDay}));
    }
    const auto plan = PlanRetention(input);
    uint64_t bytes = 0;
    for (const Victim& victim : plan.victims) {
      bytes += victim.segment.bytes;
      for (const auto& hold : input.holds) {
        EXPECT_FALSE(hold.cameras[0] == victim.segment.stream.camera &&
                     hold.range.Overlaps(victim.segment.range()));
      }
      const auto policy = PolicyFor(policies, victim.segment.stream.camera);
      if (kNow - victim.segment.end_us < policy.min_days * kUsPerDay) {
        EXPECT_EQ(policy.at_floor, index::AtFloor::kShorten);
        EXPECT_TRUE(victim.below_floor && plan.below_floor);
      }
    }
    EXPECT_EQ(bytes, plan.bytes);
  }
}

TEST(Policy, AFloorMustSayWhatGivesAtTheFloor) {
  const Status bad = CheckPolicy(Policy("default", 30, 90, index::AtFloor::kUnset));
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.message().find("at_floor"), std::string::npos);
  EXPECT_TRUE(CheckPolicy(Policy("default", 30, 90)));
  EXPECT_TRUE(CheckPolicy(Policy("default", 0, 90, index::AtFloor::kUnset)));
  EXPECT_FALSE(CheckPolicy(Policy("default", 91, 90)));
  EXPECT_FALSE(CheckPolicy(Policy("Not A Camera", 0, 90)));
  EXPECT_FALSE(CheckPolicy(Policy("default", 0, kMaxPolicyDays + 1)));
}

TEST(ClockJudge, BelievesAFreeRunningClockUntilItContradictsItself) {
  ManualClock clock(kNow);
  clock.SetSynchronised(false);
  ClockJudge judge(clock, kNow - kUsPerHour);
  EXPECT_TRUE(judge.Trusted());
  clock.Advance(40 * kUsPerDay);
  EXPECT_TRUE(judge.Trusted());
  clock.Step(kUsPerDay);
  EXPECT_FALSE(judge.Trusted());
  clock.SetSynchronised(true);
  EXPECT_TRUE(judge.Trusted());
}

TEST(ClockJudge, DoubtsAStartThatClaimsDaysUnseenOrRunsBehindTheLedger) {
  ManualClock clock(kNow);
  clock.SetSynchronised(false);
  EXPECT_FALSE(ClockJudge(clock, kNow - 2 * kUsPerDay).Trusted());
  EXPECT_TRUE(ClockJudge(clock, 0).Trusted());
  clock.SetSynchronised(true);
  EXPECT_TRUE(ClockJudge(clock, kNow - 2 * kUsPerDay).Trusted());
  EXPECT_FALSE(ClockJudge(clock, kNow + kUsPerHour).Trusted());
}

}  // namespace
}  // namespace lookback::storage
