#include "query/timeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace lookback::query {
namespace {

using index::Gap;
using index::GapCause;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr TimeUs kBase = 1'777'900'000 * kUsPerSecond;
constexpr TimeUs At(double seconds) {
  return kBase + static_cast<TimeUs>(seconds * static_cast<double>(kUsPerSecond));
}
const TimeUs kLater = At(10'000'000);

// Rows alone: a timeline reads no files.
class RowFootage : public storage::Footage {
 public:
  RowFootage() { stream_.camera = *CameraId::Parse("gate"); }

  storage::FootageSegment& Add(int run, TimeUs start_us, TimeUs end_us) {
    storage::FootageSegment segment;
    segment.row.stream = stream_;
    segment.row.run.bytes[0] = static_cast<uint8_t>(run);
    segment.row.start_us = start_us;
    segment.row.end_us = end_us;
    segment.row.sequence = static_cast<uint32_t>(segments_.size());
    segments_.push_back(segment);
    return segments_.back();
  }
  void AddGap(TimeUs start_us, TimeUs end_us, GapCause cause, std::string detail = {}) {
    gaps_.push_back({stream_, {start_us, end_us}, cause, std::move(detail)});
  }
  Timeline Ask(TimeUs start_us, TimeUs end_us, TimeUs now_us = kLater) {
    auto timeline = BuildTimeline(*this, stream_, {start_us, end_us}, now_us);
    EXPECT_TRUE(timeline.has_value());
    CheckCoversExactly(*timeline);
    return *timeline;
  }
  const StreamId& stream() const { return stream_; }
  // The segment's volume is away.
  void Take(const storage::FootageSegment& segment, const std::string& volume) {
    away_[segment.row.sequence] = volume;
  }
  std::optional<std::string> AwayOn(const storage::FootageSegment& segment) override {
    const auto found = away_.find(segment.row.sequence);
    return found == away_.end() ? std::nullopt : std::optional(found->second);
  }

  Result<std::vector<storage::FootageSegment>> Segments(const StreamId&, TimeRange range) override {
    std::vector<storage::FootageSegment> found;
    for (const auto& segment : segments_) {
      if (segment.row.range().Overlaps(range)) found.push_back(segment);
    }
    std::stable_sort(found.begin(), found.end(),
                     [](const auto& a, const auto& b) { return a.row.start_us < b.row.start_us; });
    return found;
  }
  Result<std::vector<Gap>> Gaps(const StreamId&, TimeRange range) override {
    std::vector<Gap> found;
    for (const Gap& gap : gaps_) {
      if (gap.range.Overlaps(range)) found.push_back(gap);
    }
    std::stable_sort(found.begin(), found.end(), [](const Gap& a, const Gap& b) {
      return a.range.start_us < b.range.start_us;
    });
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
  // The promise of the header, for each answer of each test.
  static void CheckCoversExactly(const Timeline& timeline) {
    TimeUs gaps_us = 0;
    TimeUs at = timeline.range.start_us;
    for (const Gap& gap : timeline.gaps) {
      EXPECT_GE(gap.range.start_us, at) << "gaps overlap";
      EXPECT_LT(gap.range.start_us, gap.range.end_us);
      at = gap.range.end_us;
      gaps_us += gap.range.duration_us();
      for (const Span& span : timeline.spans) EXPECT_FALSE(span.range.Overlaps(gap.range));
    }
    EXPECT_EQ(gaps_us + timeline.covered_us, timeline.range.duration_us());
    for (const Gap& away : timeline.away) {
      gaps_us += away.range.duration_us();
      for (const Gap& gap : timeline.gaps) EXPECT_FALSE(gap.range.Overlaps(away.range));
    }
    EXPECT_EQ(gaps_us + timeline.readable_us, timeline.range.duration_us());
  }

  StreamId stream_;
  std::vector<storage::FootageSegment> segments_;
  std::vector<Gap> gaps_;
  std::map<uint32_t, std::string> away_;
};

MATCHER_P2(Covers, start_us, end_us, "") {
  *result_listener << (arg.range.start_us - kBase) << ".." << (arg.range.end_us - kBase);
  return arg.range == TimeRange{start_us, end_us};
}
MATCHER_P3(IsGap, start_us, end_us, cause, "") {
  *result_listener << (arg.range.start_us - kBase) << ".." << (arg.range.end_us - kBase) << " "
                   << index::GapCauseName(arg.cause);
  return arg.range == TimeRange{start_us, end_us} && arg.cause == cause;
}

TEST(Timeline, WhatIsOnAVolumeThatIsAwayStaysFootageAndIsToldBesides) {
  RowFootage footage;
  footage.Take(footage.Add(1, At(0), At(60)), "/b");
  footage.Take(footage.Add(1, At(60), At(120)), "/b");
  footage.Add(1, At(120), At(180));
  footage.Take(footage.Add(1, At(180), At(240)), "/c");
  // Of an hour that was recorded twice the other half can be read.
  footage.Add(2, At(200), At(210));
  // What was found damaged is a gap, wherever its file is.
  storage::Damage damage;
  const storage::FootageSegment damaged = footage.Add(3, At(300), At(360));
  footage.Take(damaged, "/b");
  damage.segment = index::KeyOf(damaged.row);
  damage.run.bytes[0] = 3;
  damage.range = {At(300), At(360)};
  footage.damage().Add(damage);

  const Timeline all = footage.Ask(At(10), At(400));
  ASSERT_EQ(all.spans.size(), 2U);
  EXPECT_EQ(all.covered_us, 230 * kUsPerSecond);
  EXPECT_EQ(all.readable_us, 70 * kUsPerSecond);
  EXPECT_THAT(all.away, ElementsAre(IsGap(At(10), At(120), GapCause::kVolumeAway),
                                    IsGap(At(180), At(200), GapCause::kVolumeAway),
                                    IsGap(At(210), At(240), GapCause::kVolumeAway)));
  EXPECT_EQ(all.away[0].detail, "/b");
  EXPECT_EQ(all.away[1].detail, "/c");
  EXPECT_THAT(footage.Ask(At(120), At(180)).away, IsEmpty());
}

TEST(Timeline, TwoContiguousSegmentsAndOneAYearLaterAreTwoSpans) {
  RowFootage footage;
  const TimeUs year = At(366.0 * 86'400);
  footage.Add(1, At(0), At(62));
  footage.Add(1, At(62), At(66));
  footage.Add(2, year, year + 4 * kUsPerSecond);
  const TimeUs now = year + kUsPerDay;

  const Timeline all = footage.Ask(At(0), now, now);
  EXPECT_THAT(all.spans, ElementsAre(Covers(At(0), At(66)), Covers(year, year + 4 * kUsPerSecond)));
  EXPECT_EQ(all.spans[0].segments, 2U);
  EXPECT_EQ(all.covered_us, 70 * kUsPerSecond);

  const Timeline from_gap = footage.Ask(At(80), now, now);
  EXPECT_THAT(from_gap.spans, ElementsAre(Covers(year, year + 4 * kUsPerSecond)));

  const Timeline after = footage.Ask(year + 60 * kUsPerSecond, now, now);
  EXPECT_THAT(after.spans, IsEmpty());
  EXPECT_THAT(after.gaps, ElementsAre(IsGap(year + 60 * kUsPerSecond, now, GapCause::kUnknown)));
}

TEST(Timeline, ASpanTellsTheRangeOfItsSegmentsCameraOffsets) {
  RowFootage footage;
  footage.Add(1, At(0), At(60)).row.camera_offset_us = 3'000'000;
  footage.Add(1, At(60), At(120));
  footage.Add(1, At(120), At(180)).row.camera_offset_us = -2'000'000;
  footage.Add(2, At(200), At(260));
  const Timeline timeline = footage.Ask(At(0), At(260));
  ASSERT_EQ(timeline.spans.size(), 2U);
  ASSERT_TRUE(timeline.spans[0].camera_offset.has_value());
  EXPECT_EQ(timeline.spans[0].camera_offset->min_us, -2'000'000);
  EXPECT_EQ(timeline.spans[0].camera_offset->max_us, 3'000'000);
  EXPECT_FALSE(timeline.spans[1].camera_offset.has_value());
}

TEST(Timeline, AGapIsExactlyItsHole) {
  RowFootage footage;
  footage.Add(1, At(1000), At(1010));
  footage.Add(2, At(1030), At(1040));
  footage.AddGap(At(1010), At(1030), GapCause::kNetwork, "connection reset");
  const Timeline timeline = footage.Ask(At(1000), At(1040));
  EXPECT_THAT(timeline.gaps, ElementsAre(IsGap(At(1010), At(1030), GapCause::kNetwork)));
  EXPECT_EQ(timeline.gaps[0].detail, "connection reset");
}

TEST(Timeline, OverlappingRecordingsLeaveNoGapAndStayTwoSpans) {
  RowFootage footage;
  footage.Add(1, At(0), At(60));
  footage.Add(2, At(50), At(110));  // The clock was set back.
  footage.Add(1, At(60), At(70));
  const Timeline timeline = footage.Ask(At(0), At(110));
  EXPECT_THAT(timeline.gaps, IsEmpty());
  EXPECT_THAT(timeline.spans, ElementsAre(Covers(At(0), At(70)), Covers(At(50), At(110))));
  EXPECT_EQ(timeline.covered_us, 110 * kUsPerSecond);
}

TEST(Timeline, ARecordedGapYieldsToFootage) {
  RowFootage footage;
  footage.Add(1, At(0), At(60));
  footage.Add(2, At(80), At(100));
  footage.AddGap(At(55), At(85), GapCause::kRecorderDown);
  EXPECT_THAT(footage.Ask(At(0), At(100)).gaps,
              ElementsAre(IsGap(At(60), At(80), GapCause::kRecorderDown)));
}

TEST(Timeline, OfOverlappingCausesTheMoreSpecificIsShown) {
  RowFootage footage;
  footage.Add(1, At(0), At(10));
  footage.Add(2, At(100), At(110));
  footage.AddGap(At(10), At(100), GapCause::kNetwork);
  footage.AddGap(At(40), At(60), GapCause::kRecorderDown);
  footage.AddGap(At(50), At(55), GapCause::kUnknown);
  EXPECT_THAT(footage.Ask(At(0), At(110)).gaps,
              ElementsAre(IsGap(At(10), At(40), GapCause::kNetwork),
                          IsGap(At(40), At(60), GapCause::kRecorderDown),
                          IsGap(At(60), At(100), GapCause::kNetwork)));
}

TEST(Timeline, NeighboursOfOneCauseAndDetailAreOneGap) {
  RowFootage footage;
  footage.Add(1, At(100), At(110));
  footage.AddGap(At(0), At(40), GapCause::kNetwork, "no route");
  footage.AddGap(At(40), At(70), GapCause::kNetwork, "no route");
  footage.AddGap(At(70), At(100), GapCause::kNetwork, "refused");
  EXPECT_THAT(footage.Ask(At(0), At(110)).gaps,
              ElementsAre(IsGap(At(0), At(70), GapCause::kNetwork),
                          IsGap(At(70), At(100), GapCause::kNetwork)));
}

TEST(Timeline, ImportsMakeNoCauseLessKnown) {
  RowFootage footage;
  footage.Add(1, At(0), At(60)).row.imported = true;
  EXPECT_EQ(footage.Ask(At(0), At(100)).gaps.at(0).detail, "nothing was recorded or imported");
  EXPECT_EQ(footage.Ask(At(200), At(300)).gaps.at(0).detail, "nothing was recorded or imported");
  footage.Add(2, At(100), At(160));
  EXPECT_EQ(footage.Ask(At(0), At(160)).gaps.at(0).detail, "before the first recording");
}

TEST(Timeline, TheTimeBeforeTheFirstRecordingSaysSo) {
  RowFootage footage;
  footage.Add(1, At(100), At(160));
  footage.Add(2, At(200), At(260));
  const Timeline timeline = footage.Ask(At(0), At(260));
  EXPECT_THAT(timeline.gaps, ElementsAre(IsGap(At(0), At(100), GapCause::kUnknown),
                                         IsGap(At(160), At(200), GapCause::kUnknown)));
  EXPECT_EQ(timeline.gaps[0].detail, "before the first recording");
  EXPECT_EQ(timeline.gaps[1].detail, "");

  // A later range with footage a long time before it is not "before the first".
  const Timeline later = footage.Ask(At(500'000), At(500'100));
  EXPECT_EQ(later.gaps.at(0).detail, "");
}

TEST(Timeline, WhatRetentionTookWasARecording) {
  RowFootage footage;
  footage.Add(1, At(200), At(260));
  footage.AddGap(At(0), At(100), GapCause::kRetention, "older than 30 days");
  for (const TimeUs start : {At(0), At(120)}) {
    const Timeline timeline = footage.Ask(start, At(260));
    EXPECT_EQ(timeline.gaps.back().cause, GapCause::kUnknown);
    EXPECT_EQ(timeline.gaps.back().detail, "");
  }
}

TEST(Timeline, HolesUnderAMillisecondBetweenRunsAreClosed) {
  RowFootage footage;
  footage.Add(1, At(0), At(60) - 999);
  footage.Add(2, At(60), At(120) - 1000);
  footage.Add(3, At(120), At(180));
  const Timeline timeline = footage.Ask(At(0), At(180));
  EXPECT_THAT(timeline.spans, ElementsAre(Covers(At(0), At(60)), Covers(At(60), At(120) - 1000),
                                          Covers(At(120), At(180))));
  EXPECT_THAT(timeline.gaps, ElementsAre(IsGap(At(120) - 1000, At(120), GapCause::kUnknown)));
}

TEST(Timeline, WhatIsBeingAssembledIsNeitherFootageNorGap) {
  RowFootage footage;
  footage.Add(1, At(0), At(60)).open = std::make_shared<storage::SegmentIndex>();
  const Timeline now = footage.Ask(At(0), At(100), At(62));
  EXPECT_EQ(now.range, (TimeRange{At(0), At(60)}));
  EXPECT_TRUE(now.spans.at(0).open);
  EXPECT_THAT(now.gaps, IsEmpty());

  EXPECT_TRUE(footage.Ask(At(61), At(100), At(62)).range.empty());

  const Timeline overdue = footage.Ask(At(0), At(100), At(66));
  EXPECT_THAT(overdue.gaps, ElementsAre(IsGap(At(60), At(66), GapCause::kUnknown)));
}

TEST(Timeline, TheGapGoingOnReachesToNow) {
  RowFootage footage;
  footage.Add(1, At(0), At(60));
  footage.AddGap(At(60), At(62), GapCause::kNetwork);
  EXPECT_THAT(footage.Ask(At(0), At(100), At(62)).gaps,
              ElementsAre(IsGap(At(60), At(62), GapCause::kNetwork)));
}

TEST(Timeline, FootageDatedAfterNowIsNotHidden) {
  RowFootage footage;
  footage.Add(1, At(1000), At(1060));
  const Timeline timeline = footage.Ask(At(0), At(2000), At(500));
  EXPECT_EQ(timeline.range, (TimeRange{At(0), At(1060)}));
  EXPECT_THAT(timeline.spans, ElementsAre(Covers(At(1000), At(1060))));
}

TEST(Timeline, SpansTellOfLossAndOfAnUnsetClock) {
  RowFootage footage;
  footage.Add(1, At(0), At(60)).row.lost_packets = 3;
  auto& second = footage.Add(1, At(60), At(120));
  second.row.lost_packets = 4;
  second.row.clock_unsynchronised = true;
  const Timeline timeline = footage.Ask(At(10), At(110));
  ASSERT_EQ(timeline.spans.size(), 1U);
  EXPECT_EQ(timeline.spans[0].range, (TimeRange{At(10), At(110)}));
  EXPECT_EQ(timeline.spans[0].lost_packets, 7U);
  EXPECT_TRUE(timeline.spans[0].clock_unsynchronised);
}

TEST(Timeline, ARangeThatDoesNotRiseIsRefused) {
  RowFootage footage;
  const auto answer = BuildTimeline(footage, footage.stream(), {At(5), At(5)}, kLater);
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.code(), Code::kInvalid);
}

}  // namespace
}  // namespace lookback::query
