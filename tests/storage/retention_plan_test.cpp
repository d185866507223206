#include "storage/retention_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "storage/retention.h"

namespace lookback::storage {
namespace {

constexpr TimeUs kPlanNow = 1'800'000'000 * kUsPerSecond;
constexpr uint64_t kSegmentBytes = 1'000;

CameraId CameraNamed(const std::string& name) { return *CameraId::Parse(name); }

// A minute of `camera` that ended `days` (and `minutes`) ago.
index::Seal Segment(const std::string& camera, double days, int minutes = 0) {
  index::Seal seal;
  seal.stream.camera = CameraNamed(camera);
  seal.end_us = kPlanNow - static_cast<int64_t>(days * kUsPerDay) - minutes * kUsPerMinute;
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
  hold.cameras = {CameraNamed(camera)};
  hold.range = range;
  hold.hold = true;
  return hold;
}

// A volume with these segments on it.
struct Disk : RetentionInput {
  std::vector<index::Seal> segments;
};

Disk Input(std::vector<index::Seal> segments, std::vector<index::Policy> policies) {
  Disk input;
  input.clock_trusted = input.confirmed = true;
  input.budget_bytes = UINT64_MAX;
  input.segments = std::move(segments);
  input.policies = std::move(policies);
  input.now_us = kPlanNow;
  input.volumes = {{"/v0", 1'000'000, 0, 0, 0}};
  return input;
}

// The same, with the disk `bytes` short.
Disk Short(Disk input, uint64_t bytes) {
  input.volumes[0].free_bytes = 10'000;
  input.volumes[0].pressure_bytes = input.volumes[0].relief_bytes = 10'000 + bytes;
  return input;
}

RetentionPlan Plan(Disk disk) {
  std::sort(disk.segments.begin(), disk.segments.end(),
            [](const auto& a, const auto& b) { return a.start_us < b.start_us; });
  std::map<StreamId, size_t> places;
  for (const index::Seal& segment : disk.segments) places.emplace(segment.stream, 0);
  for (auto& [id, place] : places) {
    place = disk.streams.size();
    disk.streams.push_back({id, 0});
  }
  MemoryRows rows(places.size());
  for (const index::Seal& segment : disk.segments) {
    const size_t place = places[segment.stream];
    rows.Add(place, {segment.start_us, segment.end_us, segment.bytes, segment.epoch,
                     segment.sequence, segment.volume.zero() ? 0 : kNoVolume});
    disk.streams[place].bytes += segment.bytes;
  }
  return PlanRetention(disk, rows);
}

std::string CameraOf(const RetentionPlan& plan, size_t victim) {
  return plan.StreamOf(plan.victims[victim]).camera.text();
}

TEST(Retention, TakesWhatIsPastItsCeilingAndNothingElse) {
  const auto plan = Plan(
      Input({Segment("gate", 31), Segment("gate", 30), Segment("gate", 30, -1), Segment("gate", 1)},
            {Policy("default", 7, 30)}));
  ASSERT_EQ(plan.victims.size(), 2u);
  EXPECT_EQ(plan.victims[0].row.end_us, kPlanNow - 31 * kUsPerDay);
  EXPECT_EQ(plan.PolicyOf(plan.victims[0]), "default/1");
  EXPECT_EQ(plan.ReasonOf(plan.victims[0]), "older than 30 days");
  EXPECT_FALSE(plan.below_floor);
}

TEST(Retention, AnInputThatNobodyFilledInDeletesNothing) {
  Disk input = Input({Segment("gate", 100)}, {Policy("default", 0, 30)});
  input.confirmed = RetentionInput().confirmed;
  EXPECT_TRUE(Plan(input).victims.empty());
  input.confirmed = true;
  input.budget_bytes = RetentionInput().budget_bytes;
  EXPECT_TRUE(Plan(input).victims.empty());
}

TEST(Retention, AHoldBeatsEverything) {
  auto input = Short(Input({Segment("gate", 100), Segment("gate", 100, 2)},
                           {Policy("default", 1, 30, index::AtFloor::kShorten)}),
                     5'000);
  // It touches one microsecond of the older one.
  input.holds = {Hold("gate", {input.segments[1].end_us - 1, input.segments[1].end_us})};
  const auto plan = Plan(input);
  ASSERT_EQ(plan.victims.size(), 1u);
  EXPECT_EQ(plan.victims[0].row.end_us, input.segments[0].end_us);
}

TEST(Retention, AHoldOfAnotherCameraOrOneThatExpiredHoldsNothing) {
  auto input = Input({Segment("gate", 100)}, {Policy("default", 0, 30)});
  index::Marker expired = Hold("gate", input.segments[0].range());
  expired.expires_us = kPlanNow;
  input.holds = {Hold("door", input.segments[0].range()), expired};
  EXPECT_EQ(Plan(input).victims.size(), 1u);
  expired.expires_us = kPlanNow + 1;
  input.holds = {expired};
  EXPECT_TRUE(Plan(input).victims.empty());
}

TEST(Retention, PressureTakesTheOldestShareOfThePromiseFirst) {
  // 20 of 90 days used, against 10 of 30.
  const auto plan = Plan(Short(Input({Segment("bank", 20), Segment("gate", 10)},
                                     {Policy("default", 0, 30), Policy("bank", 0, 90)}),
                               1));
  ASSERT_EQ(plan.victims.size(), 1u);
  EXPECT_EQ(CameraOf(plan, 0), "gate");
  EXPECT_EQ(plan.ReasonOf(plan.victims[0]), "disk pressure");
}

TEST(Retention, PressureFreesNoMoreThanIsNeeded) {
  std::vector<index::Seal> segments;
  for (int i = 0; i < 100; ++i) segments.push_back(Segment("gate", 1, i));
  const auto plan = Plan(Short(Input(segments, {}), 5'500));
  EXPECT_EQ(plan.victims.size(), 6u);
  EXPECT_EQ(plan.bytes, 6 * kSegmentBytes);
}

TEST(Retention, AFloorHoldsUnlessItsPolicySaysShorten) {
  const std::vector<index::Seal> young{Segment("gate", 5)};
  auto stop = Short(Input(young, {Policy("default", 30, 0, index::AtFloor::kStop)}), 1);
  stop.volumes[0].stop_bytes = 10'001;
  const auto kept = Plan(stop);
  EXPECT_TRUE(kept.victims.empty());
  EXPECT_TRUE(kept.must_stop);
  EXPECT_NE(kept.sentence.find("recording stops"), std::string::npos);

  auto shorten = Short(Input(young, {Policy("default", 30, 0, index::AtFloor::kShorten)}), 1);
  shorten.volumes[0].stop_bytes = 10'001;
  const auto shortened = Plan(shorten);
  EXPECT_EQ(shortened.victims.size(), 1u);
  EXPECT_TRUE(shortened.below_floor);
  EXPECT_FALSE(shortened.must_stop);
}

TEST(Retention, WhatNoFloorProtectsGoesBeforeWhatOneDoes) {
  const auto plan =
      Plan(Short(Input({Segment("bank", 29), Segment("gate", 1)},
                       {Policy("bank", 30, 0, index::AtFloor::kShorten), Policy("default", 0, 0)}),
                 1));
  ASSERT_EQ(plan.victims.size(), 1u);
  EXPECT_EQ(CameraOf(plan, 0), "gate");
}

TEST(Retention, NothingGoesWhilePoliciesAreUnconfirmed) {
  auto input = Short(Input({Segment("gate", 100)}, {Policy("default", 0, 30)}), 1);
  input.confirmed = false;
  const auto plan = Plan(input);
  EXPECT_TRUE(plan.victims.empty());
  EXPECT_TRUE(plan.frozen);
}

TEST(Retention, AClockInDoubtFreezesAgesAndFloors) {
  auto input = Input({Segment("gate", 100), Segment("shop", 100)},
                     {Policy("gate", 7, 30), Policy("default", 0, 30)});
  input.clock_trusted = false;
  EXPECT_TRUE(Plan(input).victims.empty());
  EXPECT_TRUE(Plan(input).frozen);
  // Pressure still takes what no floor protects: recording goes on.
  const auto plan = Plan(Short(input, 5'000));
  ASSERT_EQ(plan.victims.size(), 1u);
  EXPECT_EQ(CameraOf(plan, 0), "shop");
}

TEST(Retention, ByAClockInDoubtNoHoldHasExpired) {
  auto input = Input({Segment("gate", 100)}, {});
  index::Marker over = Hold("gate", input.segments[0].range());
  over.expires_us = kPlanNow - 1;
  input.holds = {over};
  EXPECT_EQ(Plan(Short(input, 5'000)).victims.size(), 1u);
  input.clock_trusted = false;
  EXPECT_TRUE(Plan(Short(input, 5'000)).victims.empty());
}

TEST(Retention, ExpiryKeepsToItsBudgetOldestFirst) {
  auto input = Input({Segment("gate", 40), Segment("gate", 50), Segment("gate", 45)},
                     {Policy("default", 0, 30)});
  input.budget_bytes = 2 * kSegmentBytes;
  const auto plan = Plan(input);
  ASSERT_EQ(plan.victims.size(), 2u);
  EXPECT_EQ(plan.victims[0].row.end_us, kPlanNow - 50 * kUsPerDay);
  EXPECT_EQ(plan.victims[1].row.end_us, kPlanNow - 45 * kUsPerDay);
  EXPECT_TRUE(plan.frozen);
}

TEST(Retention, WhatABudgetLeavesIsOverdue) {
  auto input = Input({Segment("gate", 40), Segment("gate", 50), Segment("yard", 45)},
                     {Policy("default", 0, 30)});
  input.budget_bytes = kSegmentBytes;
  EXPECT_EQ(Plan(input).overdue_us, 15 * kUsPerDay);
  // What a hold keeps is not overdue.
  input.holds = {Hold("yard", input.segments[2].range())};
  EXPECT_EQ(Plan(input).overdue_us, 10 * kUsPerDay);
  input.budget_bytes = UINT64_MAX;
  EXPECT_EQ(Plan(input).overdue_us, 0);
}

TEST(Retention, TheLowestClassGivesFirst) {
  index::Policy bank = Policy("bank", 0, 10), gate = Policy("gate", 0, 100);
  bank.keep_class = 1;
  const auto input = Input({Segment("bank", 9), Segment("gate", 1)}, {bank, gate});
  const auto one = Plan(Short(input, 1));
  ASSERT_EQ(one.victims.size(), 1u);
  EXPECT_EQ(CameraOf(one, 0), "gate");
  EXPECT_EQ(Plan(Short(input, kSegmentBytes + 1)).victims.size(), 2u);
}

TEST(Retention, AFloorOfALowClassOutlivesWhatAHighClassMayLose) {
  index::Policy bank = Policy("bank", 0, 90),
                gate = Policy("gate", 30, 0, index::AtFloor::kShorten);
  bank.keep_class = 3;
  const auto plan = Plan(Short(Input({Segment("bank", 2), Segment("gate", 20)}, {bank, gate}), 1));
  ASSERT_EQ(plan.victims.size(), 1u);
  EXPECT_EQ(CameraOf(plan, 0), "bank");
}

TEST(Retention, AllOfAClassLoseTheSameShareOfTheirTargets) {
  index::Policy bank = Policy("bank", 0, 0), gate = Policy("gate", 0, 0);
  bank.target_days = 60;
  gate.target_days = 20;
  std::vector<index::Seal> segments;
  for (int day = 1; day < 60; ++day) segments.push_back(Segment("bank", day));
  for (int day = 1; day < 20; ++day) segments.push_back(Segment("gate", day));
  const auto plan = Plan(Short(Input(segments, {bank, gate}), 40 * kSegmentBytes));
  std::map<std::string, int> lost;
  for (size_t i = 0; i < plan.victims.size(); ++i) ++lost[CameraOf(plan, i)];
  EXPECT_EQ(lost["bank"], 30);
  EXPECT_EQ(lost["gate"], 10);
}

TEST(Retention, AQuotaTakesTheOldestAboveTheFloor) {
  index::Policy gate = Policy("gate", 3, 0);
  gate.quota_bytes = 2 * kSegmentBytes;
  auto input = Input({Segment("gate", 5), Segment("gate", 4), Segment("gate", 2),
                      Segment("gate", 1), Segment("yard", 90)},
                     {gate});
  // Of a camera's two streams the oldest of both.
  input.segments[1].stream.stream = Stream::kSub;
  auto plan = Plan(input);
  ASSERT_EQ(plan.victims.size(), 2u);
  EXPECT_EQ(plan.victims[0].row.end_us, kPlanNow - 5 * kUsPerDay);
  EXPECT_EQ(plan.ReasonOf(plan.victims[1]), "over the quota of 2.0 kB");
  input.policies[0].quota_bytes = 3 * kSegmentBytes;
  EXPECT_EQ(Plan(input).victims.size(), 1u);
  input.policies[0].quota_bytes = 1;
  EXPECT_EQ(Plan(input).victims.size(), 2u);
  input.budget_bytes = kSegmentBytes;
  EXPECT_EQ(Plan(input).victims.size(), 1u);
  input.clock_trusted = false;
  EXPECT_TRUE(Plan(input).victims.empty());
}

TEST(Retention, WithTheClockInDoubtPressureGoesByEpochAndSequence) {
  auto input = Input({Segment("gate", 10), Segment("gate", 9), Segment("yard", 8)}, {});
  // The first was recorded last, when the clock had fallen back.
  input.segments[0].epoch = 2;
  input.segments[1].epoch = input.segments[2].epoch = 1;
  input.segments[1].sequence = 7;
  input.segments[2].sequence = 6;
  input.clock_trusted = false;
  const auto plan = Plan(Short(input, kSegmentBytes + 1));
  ASSERT_EQ(plan.victims.size(), 2u);
  EXPECT_EQ(plan.victims[0].row.sequence, 6u);
  EXPECT_EQ(plan.victims[1].row.sequence, 7u);
}

TEST(Retention, WhatIsOnAnAbsentVolumeStaysAndHoldsUpNothing) {
  auto input = Input({Segment("gate", 50), Segment("gate", 40)}, {Policy("default", 0, 30)});
  input.segments[0].volume = Uuid::Random();
  const auto plan = Plan(input);
  ASSERT_EQ(plan.victims.size(), 1u);
  EXPECT_EQ(plan.victims[0].row.end_us, kPlanNow - 40 * kUsPerDay);
  EXPECT_FALSE(plan.frozen);
}

TEST(Retention, PressureOnOneVolumeTakesNothingFromAnother) {
  RetentionInput input = Input({}, {});
  input.streams = {{{CameraNamed("gate"), Stream::kMain}, 0}};
  input.volumes = {{"/v0", 50, 10, 10, 0}, {"/v1", 0, 1'500, 1'500, 0}};
  MemoryRows rows(1);
  for (uint32_t i = 0; i < 600; ++i) {
    const TimeUs start_us = kPlanNow - kUsPerDay + i * kUsPerMinute;
    rows.Add(0, {start_us, start_us + kUsPerMinute, 1'000, 1, i, i < 500 ? 0u : 1u});
  }
  const auto plan = PlanRetention(input, rows);
  ASSERT_EQ(plan.victims.size(), 2u);
  EXPECT_EQ(plan.victims[0].row.sequence, 500u);
  EXPECT_EQ(plan.victims[1].row.sequence, 501u);
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
      const TimeUs at = kPlanNow - pick(100) * kUsPerDay;
      input.holds.push_back(
          Hold(std::string(1, static_cast<char>('a' + pick(3))), {at, at + pick(5) * kUsPerDay}));
    }
    const auto plan = Plan(input);
    uint64_t bytes = 0;
    for (const Victim& victim : plan.victims) {
      bytes += victim.row.bytes;
      for (const auto& hold : input.holds) {
        EXPECT_FALSE(hold.cameras[0] == plan.StreamOf(victim).camera &&
                     hold.range.Overlaps(victim.row.range()));
      }
      const auto policy = PolicyFor(policies, plan.StreamOf(victim).camera, "");
      if (kPlanNow - victim.row.end_us < policy.min_days * kUsPerDay) {
        EXPECT_EQ(policy.at_floor, index::AtFloor::kShorten);
        EXPECT_TRUE(victim.below_floor && plan.below_floor);
      }
    }
    EXPECT_EQ(bytes, plan.bytes);
  }
}

}  // namespace
}  // namespace lookback::storage
