#include "query/footage_search.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <set>

#include "query/ranges.h"

namespace lookback::query {
namespace {

using index::GapCause;

constexpr TimeUs kFirstSecond = 1'777'900'000 * kUsPerSecond;
constexpr TimeUs Second(int64_t seconds) { return kFirstSecond + seconds * kUsPerSecond; }
const TimeUs kLongAfter = Second(1'000'000);

CameraId Id(const std::string& text) { return *CameraId::Parse(text); }

// Rows of many cameras: a search reads no files.
class ManyRows final : public storage::Footage {
 public:
  void Add(const std::string& camera, TimeUs start_us, TimeUs end_us) {
    storage::FootageSegment segment;
    segment.row.stream.camera = Id(camera);
    segment.row.run.bytes[0] = static_cast<uint8_t>(segments_.size() + 1);
    segment.row.start_us = start_us;
    segment.row.end_us = end_us;
    segments_.push_back(segment);
  }
  void AddGap(const std::string& camera, TimeUs start_us, TimeUs end_us, GapCause cause) {
    gaps_.push_back({{Id(camera), Stream::kMain}, {start_us, end_us}, cause, ""});
  }
  Result<std::vector<storage::FootageSegment>> Segments(const StreamId& stream,
                                                        TimeRange range) override {
    std::vector<storage::FootageSegment> found;
    for (const auto& segment : segments_) {
      if (segment.row.stream == stream && segment.row.range().Overlaps(range)) {
        found.push_back(segment);
      }
    }
    std::sort(found.begin(), found.end(),
              [](const auto& a, const auto& b) { return a.row.start_us < b.row.start_us; });
    return found;
  }
  Result<std::vector<index::Gap>> Gaps(const StreamId& stream, TimeRange range) override {
    std::vector<index::Gap> found;
    for (const auto& gap : gaps_) {
      if (gap.stream == stream && gap.range.Overlaps(range)) found.push_back(gap);
    }
    return found;
  }
  Result<std::shared_ptr<const storage::SegmentIndex>> Index(
      const storage::FootageSegment&) override {
    return Fail(Code::kUnsupported, "rows only");
  }
  Result<std::unique_ptr<File>> Open(const storage::FootageSegment&, size_t) override {
    return Fail(Code::kUnsupported, "rows only");
  }

 private:
  std::vector<storage::FootageSegment> segments_;
  std::vector<index::Gap> gaps_;
};

SearchTarget Target(const std::string& camera, std::vector<TimeRange> windows) {
  return {{Id(camera), Stream::kMain},
          std::make_shared<const std::vector<TimeRange>>(std::move(windows))};
}

struct Walk {
  std::vector<FoundWindow> found;
  std::optional<SearchPlace> next;
};
Walk Go(ManyRows& rows, SearchPlan plan, const std::vector<index::Marker>& markers = {},
        TimeUs now_us = kLongAfter) {
  FootageSearch search(
      rows,
      [&markers](const CameraId& camera, TimeRange range) {
        std::vector<index::Marker> found;
        for (const auto& marker : markers) {
          if (marker.cameras.front() == camera && marker.range.Overlaps(range)) {
            found.push_back(marker);
          }
        }
        return Result<std::vector<index::Marker>>(found);
      },
      std::move(plan), now_us);
  Walk walk;
  while (true) {
    auto found = search.Next();
    EXPECT_TRUE(found) << found.message();
    if (!found || !*found) break;
    walk.found.push_back(std::move(**found));
  }
  walk.next = search.next();
  return walk;
}

SearchPlan PlanOf(std::vector<SearchTarget> targets, size_t limit = 1'000) {
  SearchPlan plan;
  plan.targets = std::move(targets);
  plan.limit = limit;
  return plan;
}

index::Marker MarkerOn(const std::string& camera, TimeRange range, std::string label) {
  index::Marker marker;
  marker.id = Uuid::Random();
  marker.cameras = {Id(camera)};
  marker.range = range;
  marker.label = std::move(label);
  return marker;
}

TEST(FootageSearch, AWindowTellsWhatIsThereAndWhyTheRestIsNot) {
  ManyRows rows;
  rows.Add("gate", Second(10), Second(20));
  rows.Add("gate", Second(20), Second(30));  // Another run: one range all the same.
  rows.Add("gate", Second(40), Second(50));
  rows.AddGap("gate", Second(0), Second(10), GapCause::kNetwork);
  rows.AddGap("gate", Second(30), Second(35), GapCause::kNetwork);
  rows.AddGap("gate", Second(35), Second(40), GapCause::kRetention);
  const Walk walk = Go(rows, PlanOf({Target("gate", {{Second(0), Second(50)}})}));
  ASSERT_EQ(walk.found.size(), 1U);
  const FoundWindow& found = walk.found[0];
  EXPECT_EQ(found.covered,
            (std::vector<TimeRange>{{Second(10), Second(30)}, {Second(40), Second(50)}}));
  EXPECT_EQ(found.covered_us, 30 * kUsPerSecond);
  EXPECT_EQ(found.missing_us, 20 * kUsPerSecond);
  ASSERT_EQ(found.missing.size(), 2U);
  EXPECT_EQ(found.missing.at({GapCause::kNetwork, ""}).gaps, 2U);
  EXPECT_EQ(found.missing.at({GapCause::kNetwork, ""}).duration_us, 15 * kUsPerSecond);
  EXPECT_EQ(found.missing.at({GapCause::kRetention, ""}).duration_us, 5 * kUsPerSecond);
  EXPECT_FALSE(walk.next);
}

TEST(FootageSearch, OnlyWithFootageLeavesOutTheOthersAndNothingElse) {
  ManyRows rows;
  rows.Add("gate", Second(10), Second(20));
  SearchPlan plan = PlanOf(
      {Target("gate", {{Second(0), Second(5)}, {Second(5), Second(11)}, {Second(30), Second(40)}}),
       Target("yard", {{Second(0), Second(50)}})});
  EXPECT_EQ(Go(rows, plan).found.size(), 4U);
  plan.with_footage = true;
  const Walk walk = Go(rows, plan);
  ASSERT_EQ(walk.found.size(), 1U);
  EXPECT_EQ(walk.found[0].range, (TimeRange{Second(5), Second(11)}));
}

TEST(FootageSearch, MarkerTextCutsWindowsToWhatWasMarked) {
  ManyRows rows;
  rows.Add("gate", Second(0), Second(100));
  SearchPlan plan = PlanOf({Target("gate", {{Second(0), Second(40)}, {Second(60), Second(100)}}),
                            Target("yard", {{Second(0), Second(100)}})});
  plan.marker_text = "WHITE van";
  auto noted = MarkerOn("gate", {Second(90), Second(200)}, "");
  noted.note = "the white van again";
  const Walk walk = Go(rows, plan,
                       {MarkerOn("gate", {Second(30), Second(70)}, "White Van"),
                        MarkerOn("gate", {Second(10), Second(20)}, "a black one"), noted});
  ASSERT_EQ(walk.found.size(), 3U);
  EXPECT_EQ(walk.found[0].range, (TimeRange{Second(30), Second(40)}));
  EXPECT_EQ(walk.found[0].markers.front().label, "White Van");
  EXPECT_EQ(walk.found[1].range, (TimeRange{Second(60), Second(70)}));
  EXPECT_EQ(walk.found[2].range, (TimeRange{Second(90), Second(100)}));
}

TEST(FootageSearch, WhatHasNotHappenedYetIsNeitherThereNorMissing) {
  ManyRows rows;
  rows.Add("gate", Second(0), Second(100));
  const Walk walk =
      Go(rows, PlanOf({Target("gate", {{Second(90), Second(200)}, {Second(300), Second(400)}})}),
         {}, Second(101));
  ASSERT_EQ(walk.found.size(), 1U);
  EXPECT_EQ(walk.found[0].covered_us + walk.found[0].missing_us, 10 * kUsPerSecond);
}

TEST(FootageSearch, AWalkLooksAtNoMoreThanItsBounds) {
  ManyRows rows;
  std::vector<TimeRange> windows;
  for (size_t i = 0; i < kMaxWindowsExamined + 10; ++i) {
    windows.push_back(
        {Second(static_cast<int64_t>(i) * 2), Second(static_cast<int64_t>(i) * 2 + 1)});
  }
  SearchPlan plan = PlanOf({Target("gate", windows)}, 100'000);
  plan.with_footage = true;
  const Walk walk = Go(rows, plan);
  EXPECT_TRUE(walk.found.empty());
  ASSERT_TRUE(walk.next);
  EXPECT_EQ(walk.next->start_us, windows[kMaxWindowsExamined - 1].start_us);
  plan.after = walk.next;
  EXPECT_FALSE(Go(rows, plan).next);

  // Long windows count by their length; one alone is always looked at.
  const TimeRange year{kFirstSecond - 366 * kUsPerDay, kFirstSecond};
  plan = PlanOf({Target("a", {year}), Target("b", {year})});
  const Walk first = Go(rows, plan);
  EXPECT_EQ(first.found.size(), 1U);
  plan.after = first.next;
  EXPECT_EQ(Go(rows, plan).found.size(), 1U);
}

TEST(FootageSearch, PagesOfAnySizeAreTheWholeInOrder) {
  const char* const given = std::getenv("LOOKBACK_SEED");
  const uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  SCOPED_TRACE("LOOKBACK_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto below = [&random](uint64_t bound) { return static_cast<int64_t>(random() % bound); };
  for (int round = 0; round < 50; ++round) {
    ManyRows rows;
    std::vector<SearchTarget> targets;
    for (const char* camera : {"a", "a-1", "a1", "b", "gate-2", "z"}) {
      std::vector<TimeRange> windows;
      for (int i = 0; i < below(12); ++i) {
        const TimeUs start_us = Second(below(1'000));
        windows.push_back({start_us, start_us + (1 + below(60)) * kUsPerSecond});
      }
      for (int i = 0; i < below(8); ++i) {
        const TimeUs start_us = Second(below(1'000));
        rows.Add(camera, start_us, start_us + (1 + below(90)) * kUsPerSecond);
      }
      targets.push_back(Target(camera, Merged(std::move(windows))));
    }
    SearchPlan plan = PlanOf(targets);
    plan.with_footage = below(2) == 0;
    const Walk whole = Go(rows, plan);
    std::vector<FoundWindow> paged;
    int pages = 0;
    do {
      plan.limit = static_cast<size_t>(1 + below(7));
      Walk page = Go(rows, plan);
      EXPECT_LE(page.found.size(), plan.limit);
      for (FoundWindow& found : page.found) paged.push_back(std::move(found));
      plan.after = page.next;
      // What is recorded between two pages, of cameras before and behind, moves no window.
      rows.Add("a", Second(2'000 + pages), Second(2'001 + pages));
    } while (plan.after && ++pages < 1'000);
    ASSERT_EQ(paged.size(), whole.found.size());
    for (size_t i = 0; i < paged.size(); ++i) {
      EXPECT_EQ(paged[i].stream, whole.found[i].stream);
      EXPECT_EQ(paged[i].range, whole.found[i].range);
      EXPECT_EQ(paged[i].covered, whole.found[i].covered);
      if (i == 0) continue;
      EXPECT_LT((SearchPlace{paged[i - 1].stream.camera, paged[i - 1].range.start_us}),
                (SearchPlace{paged[i].stream.camera, paged[i].range.start_us}));
    }
  }
}

}  // namespace
}  // namespace lookback::query
