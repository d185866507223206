#include "storage/retention.h"

#include <gtest/gtest.h>

namespace lookback::storage {
namespace {

constexpr TimeUs kToday = 1'800'000'000 * kUsPerSecond;

index::Policy ScopePolicy(const std::string& scope, uint32_t min_days, uint32_t max_days,
                          index::AtFloor at_floor = index::AtFloor::kStop) {
  index::Policy policy;
  policy.scope = scope;
  policy.version = 1;
  policy.min_days = min_days;
  policy.max_days = max_days;
  policy.at_floor = at_floor;
  return policy;
}

TEST(Policy, AFloorMustSayWhatGivesAtTheFloor) {
  const Status bad = CheckPolicy(ScopePolicy("default", 30, 90, index::AtFloor::kUnset));
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.message().find("at_floor"), std::string::npos);
  EXPECT_TRUE(CheckPolicy(ScopePolicy("default", 30, 90)));
  EXPECT_TRUE(CheckPolicy(ScopePolicy("default", 0, 90, index::AtFloor::kUnset)));
  EXPECT_FALSE(CheckPolicy(ScopePolicy("default", 91, 90)));
  EXPECT_FALSE(CheckPolicy(ScopePolicy("Not A Camera", 0, 90)));
  EXPECT_FALSE(CheckPolicy(ScopePolicy("default", 0, kMaxPolicyDays + 1)));
}

TEST(Policy, ATargetStandsBetweenFloorAndCeiling) {
  index::Policy policy = ScopePolicy("default", 30, 90);
  policy.target_days = 60;
  EXPECT_TRUE(CheckPolicy(policy));
  EXPECT_EQ(PromisedDays(policy), 60u);
  EXPECT_EQ(PressureDays(policy), 60u);
  policy.target_days = 29;
  EXPECT_NE(CheckPolicy(policy).message().find("min_days"), std::string::npos);
  policy.target_days = 91;
  EXPECT_NE(CheckPolicy(policy).message().find("max_days"), std::string::npos);
  policy.target_days = 0;
  policy.keep_class = 4;
  EXPECT_FALSE(CheckPolicy(policy));
}

TEST(Policy, ThinningIsNeverBelowTheFloorAndBeforeTargetAndCeiling) {
  index::Policy policy = ScopePolicy("default", 30, 90);
  policy.target_days = 60;
  EXPECT_EQ(policy.thin_days, 0u);
  for (const uint32_t days : {30u, 59u}) {
    policy.thin_days = days;
    EXPECT_TRUE(CheckPolicy(policy)) << days;
  }
  policy.thin_days = 29;
  EXPECT_NE(CheckPolicy(policy).message().find("min_days"), std::string::npos);
  policy.thin_days = 60;
  EXPECT_NE(CheckPolicy(policy).message().find("target_days"), std::string::npos);
  policy.target_days = 0;
  EXPECT_TRUE(CheckPolicy(policy));
  policy.thin_days = 90;
  EXPECT_NE(CheckPolicy(policy).message().find("max_days"), std::string::npos);
  policy.max_days = policy.min_days = 0;
  policy.thin_days = kMaxPolicyDays + 1;
  EXPECT_FALSE(CheckPolicy(policy));
}

// What a policy of an earlier version means, which has no target, class or quota.
TEST(Policy, OneWithoutATargetPromisesItsFloor) {
  EXPECT_EQ(PromisedDays(ScopePolicy("default", 30, 90)), 30u);
  EXPECT_EQ(PromisedDays(ScopePolicy("default", 0, 90)), 0u);
  EXPECT_EQ(PressureDays(ScopePolicy("default", 30, 90)), 90u);
  EXPECT_EQ(PressureDays(ScopePolicy("default", 40, 0)), 40u);
  EXPECT_EQ(PressureDays(ScopePolicy("default", 0, 0)), kDefaultPromiseDays);
}

TEST(Policy, ACamerasOwnIsBeforeItsGroupsAndThatBeforeTheDefault) {
  index::Policy gone = ScopePolicy("gone", 0, 9);
  gone.removed = true;
  const std::vector<index::Policy> policies = {ScopePolicy("default", 0, 1),
                                               ScopePolicy("group:lane", 0, 2),
                                               ScopePolicy("gate", 0, 3), gone};
  const PolicyTable table(policies);
  const auto days = [&table](const char* camera, const char* group) {
    return table.For(*CameraId::Parse(camera), group).max_days;
  };
  EXPECT_EQ(days("gate", "lane"), 3u);
  EXPECT_EQ(days("yard", "lane"), 2u);
  EXPECT_EQ(days("yard", "other"), 1u);
  EXPECT_EQ(days("gone", ""), 1u);
  EXPECT_TRUE(CheckPolicy(policies[1]));
  EXPECT_FALSE(CheckPolicy(ScopePolicy("group:", 0, 2)));
  EXPECT_FALSE(CheckPolicy(ScopePolicy("group:Not A Name", 0, 2)));
}

TEST(ClockJudge, BelievesAFreeRunningClockUntilItContradictsItself) {
  ManualClock clock(kToday);
  clock.SetSynchronised(false);
  ClockJudge judge(clock, kToday - kUsPerHour);
  EXPECT_TRUE(judge.Trusted());
  clock.Advance(40 * kUsPerDay);
  EXPECT_TRUE(judge.Trusted());
  clock.Step(kUsPerDay);
  EXPECT_FALSE(judge.Trusted());
  clock.SetSynchronised(true);
  EXPECT_TRUE(judge.Trusted());
}

TEST(ClockJudge, DoubtsAStartThatClaimsDaysUnseenOrRunsBehindTheLedger) {
  ManualClock clock(kToday);
  clock.SetSynchronised(false);
  EXPECT_FALSE(ClockJudge(clock, kToday - 2 * kUsPerDay).Trusted());
  EXPECT_TRUE(ClockJudge(clock, 0).Trusted());
  clock.SetSynchronised(true);
  EXPECT_TRUE(ClockJudge(clock, kToday - 2 * kUsPerDay).Trusted());
  EXPECT_FALSE(ClockJudge(clock, kToday + kUsPerHour).Trusted());
}

}  // namespace
}  // namespace lookback::storage
