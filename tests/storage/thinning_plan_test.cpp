// What the planner names to be thinned, held against what a policy says, row by row.
#include "storage/thinning_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "storage/retention.h"

namespace lookback::storage {
namespace {

constexpr TimeUs kThinNow = 1'800'000'000 * kUsPerSecond;
const StreamId kGate{CameraId::Parse("gate").value(), Stream::kMain};

index::Policy ThinPolicy(uint32_t min_days, uint32_t thin_days, uint32_t max_days) {
  index::Policy policy;
  policy.scope = "default";
  policy.version = 4;
  policy.min_days = min_days;
  policy.thin_days = thin_days;
  policy.max_days = max_days;
  policy.at_floor = index::AtFloor::kStop;
  return policy;
}

// A minute that ended so long ago; of its bytes a tenth are of sync samples.
RetentionRow Aged(int64_t age_us) {
  RetentionRow row;
  row.end_us = kThinNow - age_us;
  row.start_us = row.end_us - kUsPerMinute;
  row.bytes = 1'000;
  row.sync_bytes = 100;
  return row;
}

RetentionInput Input(const index::Policy& policy) {
  RetentionInput input;
  input.streams = {{kGate, 0}};
  input.volumes = {{"/v0", 1'000'000, 0, 0, 0}};
  input.policies = {policy};
  input.now_us = kThinNow;
  input.clock_trusted = input.confirmed = true;
  input.budget_bytes = UINT64_MAX;
  return input;
}

RetentionPlan PlanOf(const RetentionInput& input, std::vector<RetentionRow> rows) {
  std::sort(rows.begin(), rows.end(),
            [](const auto& a, const auto& b) { return a.start_us < b.start_us; });
  MemoryRows memory(input.streams.size());
  for (const RetentionRow& row : rows) memory.Add(0, row);
  return PlanRetention(input, memory);
}

std::vector<TimeUs> Starts(const RetentionPlan& plan) {
  std::vector<TimeUs> starts;
  for (const Thinning& thinning : plan.thinnings) starts.push_back(thinning.row.start_us);
  return starts;
}

TEST(ThinningPlan, NamesWhatIsOldEnoughOnceTheOldestFirst) {
  RetentionRow thinned = Aged(50 * kUsPerDay);
  thinned.thinned = 1;
  const auto rows = std::vector<RetentionRow>{thinned, Aged(40 * kUsPerDay), Aged(30 * kUsPerDay),
                                              Aged(30 * kUsPerDay - 1), Aged(kUsPerDay)};
  const RetentionPlan plan = PlanOf(Input(ThinPolicy(7, 30, 365)), rows);
  EXPECT_EQ(Starts(plan), (std::vector<TimeUs>{rows[1].start_us, rows[2].start_us}));
  EXPECT_EQ(plan.thin_bytes, 1'800u);
  EXPECT_TRUE(plan.victims.empty());
  EXPECT_EQ(plan.PolicyOf(plan.thinnings[0].stream), "default/4");
  EXPECT_EQ(plan.ReasonOf(plan.thinnings[0]), "older than 30 days");
  EXPECT_EQ(plan.sentence,
            "nothing is to be deleted; to be thinned: 2 segments, which frees about 1.8 kB");
  EXPECT_TRUE(PlanOf(Input(ThinPolicy(7, 0, 365)), rows).thinnings.empty());
}

TEST(ThinningPlan, WhatIsToBeDeletedIsNotThinned) {
  const auto rows = std::vector<RetentionRow>{Aged(100 * kUsPerDay), Aged(40 * kUsPerDay)};
  RetentionInput input = Input(ThinPolicy(0, 30, 90));
  RetentionPlan plan = PlanOf(input, rows);
  EXPECT_EQ(plan.victims.size(), 1u);
  EXPECT_EQ(Starts(plan), std::vector<TimeUs>{rows[1].start_us});
  // Nor where the budget keeps it from being deleted today.
  input.budget_bytes = 950;
  plan = PlanOf(input, rows);
  EXPECT_TRUE(plan.victims.empty());
  EXPECT_EQ(Starts(plan), std::vector<TimeUs>{rows[1].start_us});
  // Pressure takes the older one, whole or not.
  input = Input(ThinPolicy(0, 30, 365));
  input.volumes[0] = {"/v0", 1'000, 1'500, 2'000, 0};
  plan = PlanOf(input, rows);
  ASSERT_EQ(plan.victims.size(), 1u);
  EXPECT_EQ(plan.victims[0].row.start_us, rows[0].start_us);
  EXPECT_EQ(Starts(plan), std::vector<TimeUs>{rows[1].start_us});
}

TEST(ThinningPlan, WhatWouldGainLittleOrIsNeededByTheNextSegmentStaysWhole) {
  RetentionRow pictures =
      Aged(40 * kUsPerDay);  // Of a camera that sends JPEG: all are sync samples.
  pictures.sync_bytes = 501;
  RetentionRow unknown = Aged(41 * kUsPerDay);
  unknown.sync_bytes = 0;
  RetentionRow before = Aged(41 * kUsPerDay + kUsPerMinute);  // The GOP goes on in `unknown`.
  ASSERT_EQ(before.end_us, unknown.start_us);
  const RetentionRow good = Aged(42 * kUsPerDay);
  const RetentionPlan plan = PlanOf(Input(ThinPolicy(0, 30, 0)), {pictures, unknown, before, good});
  EXPECT_EQ(Starts(plan), std::vector<TimeUs>{good.start_us});
}

TEST(ThinningPlan, ARoundReadsNoMoreThanItMayAndTheNextOneGoesOn) {
  std::vector<RetentionRow> rows;
  for (int i = 0; i < 20; ++i) rows.push_back(Aged(60 * kUsPerDay - i * kUsPerMinute));
  RetentionInput input = Input(ThinPolicy(0, 30, 0));
  input.thin_read_bytes = 3'500;
  std::set<TimeUs> done;
  for (int round = 0; round < 7; ++round) {
    const RetentionPlan plan = PlanOf(input, rows);
    EXPECT_EQ(plan.thinnings.size(), round < 6 ? 3u : 2u);
    for (const Thinning& thinning : plan.thinnings) {
      EXPECT_TRUE(done.insert(thinning.row.start_us).second);
      for (RetentionRow& row : rows) {
        if (row.start_us == thinning.row.start_us) row.thinned = 1;
      }
    }
    input.streams[0].thin_from_us = plan.streams[0].thin_from_us;
  }
  EXPECT_EQ(done.size(), rows.size());
  EXPECT_TRUE(PlanOf(input, rows).thinnings.empty());
}

// Everything at once, against a rule that is written down a second time here.
class Trial {
 public:
  explicit Trial(uint32_t seed) : random_(seed) {
    input_ = Input(ThinPolicy(Pick(2) ? 0 : Pick(60), 20 + Pick(20), Pick(2) ? 0 : 40 + Pick(40)));
    input_.confirmed = Pick(10) > 0;
    input_.clock_trusted = Pick(10) > 0;
    free_ = Pick(3) * 500;
    input_.volumes.push_back({"/v1", free_, 0, 0, 500});
    if (Pick(3) == 0) input_.budget_bytes = Pick(30) * 1'000;
    TimeUs at_us = kThinNow - 100 * kUsPerDay;
    while (at_us < kThinNow) {
      RetentionRow row;
      row.start_us = at_us;
      row.end_us = at_us + kUsPerMinute;
      row.bytes = 1'000;
      row.volume = Pick(8) == 0 ? kNoVolume : Pick(2);
      row.sync_bytes = Pick(6) == 0 ? 0 : Pick(1'000);
      row.thinned = Pick(3) == 0 ? 1 : 0;
      row.sequence = static_cast<uint32_t>(rows_.size());
      rows_.push_back(row);
      at_us = row.end_us + (Pick(2) ? 0 : Pick(2'000) * kUsPerMinute);
    }
    for (uint32_t i = Pick(5); i > 0; --i) {
      index::Marker hold;
      hold.cameras = {kGate.camera};
      hold.hold = true;
      hold.range.start_us = kThinNow - static_cast<int64_t>(Pick(100)) * kUsPerDay;
      hold.range.end_us = hold.range.start_us + Pick(200) * kUsPerHour + 1;
      if (Pick(3) == 0) hold.expires_us = kThinNow + static_cast<int64_t>(Pick(3)) - 1;
      input_.holds.push_back(hold);
    }
  }

  void Run() {
    const RetentionPlan plan = PlanOf(input_, rows_);
    std::set<uint32_t> planned, doomed;
    for (const Victim& victim : plan.victims) {
      doomed.insert(victim.row.sequence);
      if (victim.row.volume == 1) free_ += victim.row.bytes;
    }
    uint64_t gain = 0;
    for (const Thinning& thinning : plan.thinnings) {
      EXPECT_TRUE(planned.insert(thinning.row.sequence).second) << "named twice";
      EXPECT_FALSE(doomed.contains(thinning.row.sequence)) << "named to be deleted, too";
      EXPECT_TRUE(May(thinning.row.sequence)) << "row " << thinning.row.sequence;
      gain += thinning.gain();
    }
    EXPECT_EQ(plan.thin_bytes, gain);
    EXPECT_LE(gain, input_.budget_bytes);
    if (input_.budget_bytes == UINT64_MAX) {
      for (const RetentionRow& row : rows_) {
        EXPECT_EQ(planned.contains(row.sequence), May(row.sequence)) << row.sequence;
      }
    }
    // Once it is done it is not named again, wherever the look begins.
    for (const uint32_t sequence : planned) rows_[sequence].thinned = 1;
    const auto again = Starts(PlanOf(input_, rows_));
    for (const RetentionRow& row : rows_) {
      if (planned.contains(row.sequence)) {
        EXPECT_EQ(std::count(again.begin(), again.end(), row.start_us), 0);
      }
    }
    input_.streams[0].thin_from_us = plan.streams[0].thin_from_us;
    EXPECT_EQ(Starts(PlanOf(input_, rows_)), again);
  }

 private:
  uint32_t Pick(uint32_t n) { return random_() % n; }

  bool May(uint32_t sequence) const {
    const RetentionRow& row = rows_[sequence];
    const index::Policy& policy = input_.policies[0];
    const int64_t age_us = kThinNow - row.end_us;
    if (!input_.confirmed || !input_.clock_trusted || row.thinned != 0) return false;
    if (row.volume > 1 || (row.volume == 1 && free_ < 500)) return false;
    if (age_us < policy.thin_days * kUsPerDay || age_us < policy.min_days * kUsPerDay) return false;
    if (policy.max_days > 0 && age_us >= policy.max_days * kUsPerDay) return false;
    if (row.sync_bytes == 0 || row.sync_bytes > 500) return false;
    for (const index::Marker& hold : input_.holds) {
      const bool over = hold.expires_us != 0 && hold.expires_us <= kThinNow;
      if (!over && hold.range.start_us < row.end_us && row.start_us < hold.range.end_us) {
        return false;
      }
    }
    if (sequence + 1 == rows_.size()) return true;
    const RetentionRow& next = rows_[sequence + 1];
    return next.start_us != row.end_us || next.sync_bytes > 0;
  }

  std::mt19937 random_;
  RetentionInput input_;
  std::vector<RetentionRow> rows_;
  uint64_t free_ = 0;  // On the second volume, once the plan's deletions are done.
};

TEST(ThinningPlan, NamesAllThatMayBeThinnedAndNothingElse) {
  for (uint32_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Trial(seed).Run();
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace lookback::storage
