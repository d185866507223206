// Steps against Python's calendar, and sums against the timeline of each step by itself.
#include "query/summary.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>

#include "query/timeline.h"
#include "tests/support/temp_dir.h"

namespace lookback::query {
namespace {

TimeUs At(const char* text) { return *ParseTime(text); }
TimeZone Zone(const char* name) { return *TimeZone::Find(name); }

// Rows of one stream.
class Rows final : public storage::Footage {
 public:
  Rows() { stream_.camera = *CameraId::Parse("gate"); }

  const StreamId& stream() const { return stream_; }
  index::Seal& Add(int run, TimeUs start_us, int64_t length_us) {
    storage::FootageSegment segment;
    segment.row.stream = stream_;
    segment.row.run.bytes[0] = static_cast<uint8_t>(run);
    segment.row.start_us = start_us;
    segment.row.end_us = start_us + length_us;
    segment.row.sequence = static_cast<uint32_t>(segments_.size());
    segment.row.bytes = static_cast<uint64_t>(length_us / kUsPerMs);
    segments_.push_back(segment);
    return segments_.back().row;
  }
  void Sort() {
    std::stable_sort(segments_.begin(), segments_.end(),
                     [](const auto& a, const auto& b) { return a.row.start_us < b.row.start_us; });
  }
  uint64_t bytes() const {
    uint64_t bytes = 0;
    for (const auto& segment : segments_) bytes += segment.row.bytes;
    return bytes;
  }
  const std::vector<storage::FootageSegment>& segments() const { return segments_; }
  size_t read = 0;  // Segments that anybody asked for.

  Result<std::vector<storage::FootageSegment>> Segments(const StreamId&, TimeRange range) override {
    std::vector<storage::FootageSegment> found;
    std::copy_if(segments_.begin(), segments_.end(), std::back_inserter(found),
                 [&](const auto& segment) { return segment.row.range().Overlaps(range); });
    read += found.size();
    return found;
  }
  Result<std::vector<index::Gap>> Gaps(const StreamId&, TimeRange) override {
    return std::vector<index::Gap>();
  }
  Result<std::shared_ptr<const storage::SegmentIndex>> Index(
      const storage::FootageSegment&) override {
    return Fail(Code::kUnsupported, "rows only");
  }
  Result<std::unique_ptr<File>> Open(const storage::FootageSegment&, size_t) override {
    return Fail(Code::kUnsupported, "rows only");
  }

 private:
  StreamId stream_;
  std::vector<storage::FootageSegment> segments_;
};

std::vector<TimeUs> Begins(const std::vector<TimeRange>& steps) {
  std::vector<TimeUs> begins;
  for (size_t i = 0; i < steps.size(); ++i) {
    EXPECT_FALSE(steps[i].empty());
    EXPECT_TRUE(i == 0 || steps[i - 1].end_us == steps[i].start_us);
    begins.push_back(steps[i].start_us / kUsPerMinute);
  }
  return begins;
}

TEST(FindStepsTest, DaysBeginWherePythonSeesALaterDate) {
  // A change at two o'clock, at midnight, by half an hour, at a minute past midnight,
  // of a whole day.
  struct Question {
    const char* zone;
    TimeRange range;
  };
  const std::vector<Question> questions = {
      {"Europe/Berlin", {At("2026-01-01T00:00:00Z"), At("2026-12-31T23:00:00Z")}},
      {"America/New_York", {At("2026-03-01T05:30:00Z"), At("2026-11-30T00:00:00Z")}},
      {"Asia/Kolkata", {At("2026-05-01T00:00:00Z"), At("2026-06-01T00:00:00Z")}},
      {"Asia/Kathmandu", {At("2026-05-01T18:15:00Z"), At("2026-06-01T00:00:00Z")}},
      {"Africa/Cairo", {At("2024-04-01T00:00:00Z"), At("2024-11-15T00:00:00Z")}},
      {"Asia/Beirut", {At("2024-03-01T00:00:00Z"), At("2024-11-15T00:00:00Z")}},
      {"Australia/Lord_Howe", {At("2026-03-25T00:00:00Z"), At("2026-10-15T00:00:00Z")}},
      {"America/St_Johns", {At("2010-03-01T00:00:00Z"), At("2010-11-30T00:00:00Z")}},
      {"Pacific/Apia", {At("2011-12-20T00:00:00Z"), At("2012-01-10T00:00:00Z")}},
      {"UTC", {At("2026-05-04T00:00:00Z"), At("2026-05-05T00:00:00Z")}}};
  const test::TempDir dir;
  std::ofstream file(dir.Path("questions"));
  for (const Question& question : questions) {
    file << fmt::format("{} {} {}\n", question.zone, question.range.start_us / kUsPerMinute,
                        question.range.end_us / kUsPerMinute);
  }
  file.close();
  const std::string command =
      fmt::format("python3 -B {}/tests/query/zone_days.py {} > {}", LOOKBACK_SOURCE_DIR,
                  dir.Path("questions"), dir.Path("answers"));
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  std::ifstream lines(dir.Path("answers"));
  for (const Question& question : questions) {
    SCOPED_TRACE(question.zone);
    std::string line;
    ASSERT_TRUE(std::getline(lines, line));
    std::istringstream minutes(line);
    const std::vector<TimeUs> expected{std::istream_iterator<int64_t>(minutes),
                                       std::istream_iterator<int64_t>()};
    const auto steps = FindSteps(Step::kDay, question.range, Zone(question.zone));
    EXPECT_EQ(Begins(steps), expected);
    EXPECT_EQ(steps.back().end_us, question.range.end_us);
  }
}

TEST(FindStepsTest, NightsOfAChangeHave23And25Hours) {
  const TimeZone berlin = Zone("Europe/Berlin");
  const auto hours_of = [&](const char* from, const char* to) {
    const auto hours = FindSteps(Step::kHour, {At(from), At(to)}, berlin);
    for (const TimeRange& hour : hours) EXPECT_EQ(hour.duration_us(), kUsPerHour);
    const auto days = FindSteps(Step::kDay, {At(from), At(to)}, berlin);
    EXPECT_EQ(days.size(), 1u);
    return hours.size();
  };
  EXPECT_EQ(hours_of("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"), 23u);
  EXPECT_EQ(hours_of("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"), 25u);
  EXPECT_TRUE(FindSteps(Step::kDay, {5, 5}, berlin).empty());
}

TEST(FindStepsTest, HoursAreWholeOnTheZonesClockAndTheEndsAreCut) {
  const auto hours = FindSteps(
      Step::kHour, {At("2026-05-04T10:10:00Z"), At("2026-05-04T12:00:00Z")}, Zone("Asia/Kolkata"));
  EXPECT_EQ(hours,
            (std::vector<TimeRange>{{At("2026-05-04T10:10:00Z"), At("2026-05-04T10:30:00Z")},
                                    {At("2026-05-04T10:30:00Z"), At("2026-05-04T11:30:00Z")},
                                    {At("2026-05-04T11:30:00Z"), At("2026-05-04T12:00:00Z")}}));
}

// By the timeline: thinned is what no whole span covers.
StepSummary ByTimeline(Rows& rows, TimeRange step) {
  const auto timeline = BuildTimeline(rows, rows.stream(), step, kTimeMaxUs);
  EXPECT_TRUE(timeline);
  TimeUs whole_to = step.start_us;
  int64_t whole_us = 0;
  for (const Span& span : timeline->spans) {
    if (span.thinned) continue;
    whole_us += std::max<int64_t>(0, span.range.end_us - std::max(span.range.start_us, whole_to));
    whole_to = std::max(whole_to, span.range.end_us);
  }
  return {timeline->covered_us, timeline->covered_us - whole_us, 0};
}

// Runs of minutes with holes, clocks set back, thinned stretches and damage, over three days.
void Fill(Rows& rows, std::mt19937_64& random) {
  const auto below = [&random](int64_t limit) {
    return static_cast<int64_t>(random() % static_cast<uint64_t>(limit));
  };
  TimeUs at_us = At("2026-03-28T00:00:00Z") + below(3'600) * kUsPerSecond;
  const TimeUs end_us = at_us + 3 * kUsPerDay;
  int run = 1;
  bool thinned = false;
  while (at_us < end_us) {
    if (below(40) == 0) {
      ++run;
      at_us += (below(4) == 0 ? -below(90) : below(7'000)) * kUsPerSecond;
    }
    if (below(300) == 0) thinned = !thinned;
    const int64_t length_us = (below(5) == 0 ? 1 + below(120) : 60) * kUsPerSecond;
    rows.Add(run, at_us, length_us).thinned = thinned;
    at_us += length_us;
  }
  rows.Sort();
  for (int i = 0; i < 20; ++i) {
    const index::Seal& row = rows.segments()[random() % rows.segments().size()].row;
    const int64_t from_us = below(row.range().duration_us() / kUsPerSecond) * kUsPerSecond;
    rows.damage().Add(storage::DamagedFragment(
        row, row.run, static_cast<uint32_t>(i),
        {row.start_us + from_us, std::min(row.end_us, row.start_us + from_us + 2 * kUsPerSecond)},
        0, "rot"));
  }
}

TEST(SummariseTest, EachStepIsWhatItsTimelineSays) {
  const char* const given = std::getenv("LOOKBACK_SEED");
  const uint64_t first = given ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  for (uint64_t seed = first; seed < first + 8; ++seed) {
    SCOPED_TRACE("LOOKBACK_SEED=" + std::to_string(seed));
    std::mt19937_64 random(seed);
    Rows rows;
    Fill(rows, random);
    const TimeRange range{rows.segments().front().row.start_us - 7 * kUsPerMinute,
                          rows.segments().back().row.end_us + 200 * kUsPerMinute};
    for (const char* zone : {"Europe/Berlin", "Asia/Kathmandu", "UTC"}) {
      for (const Step step : {Step::kHour, Step::kDay}) {
        const auto steps = FindSteps(step, range, Zone(zone));
        const auto sums = Summarise(rows, rows.stream(), steps);
        ASSERT_TRUE(sums);
        ASSERT_EQ(sums->size(), steps.size());
        for (size_t i = 0; i < steps.size(); ++i) {
          const StepSummary expected = ByTimeline(rows, steps[i]);
          const std::string what = fmt::format("{} {} of {}", zone, FormatTime(steps[i].start_us),
                                               FormatDuration(steps[i].duration_us()));
          ASSERT_EQ((*sums)[i].covered_us, expected.covered_us) << what;
          ASSERT_EQ((*sums)[i].thinned_us, expected.thinned_us) << what;
        }
      }
    }
  }
}

TEST(SummariseTest, BytesAreEachSegmentsOnceAndDamagedOnesAreNoFootage) {
  Rows rows;
  for (int i = 0; i < 300; ++i) {
    rows.Add(1, At("2026-05-04T20:30:07Z") + i * kUsPerMinute, kUsPerMinute).bytes = 1'000'003;
  }
  const auto sum = [&](TimeRange range) {
    uint64_t bytes = 0;
    const auto steps = FindSteps(Step::kHour, range, Zone("Asia/Kolkata"));
    const auto sums = *Summarise(rows, rows.stream(), steps);
    for (const StepSummary& step : sums) bytes += step.bytes;
    return bytes;
  };
  const TimeRange all{At("2026-05-04T00:00:00Z"), At("2026-05-06T00:00:00Z")};
  EXPECT_EQ(sum(all), rows.bytes());
  // A range cut anywhere: two parts are the whole.
  const TimeUs middle_us = At("2026-05-04T22:14:31Z");
  const auto parts = sum({all.start_us, middle_us}) + sum({middle_us, all.end_us});
  EXPECT_LE(rows.bytes() - parts, 300u);
  rows.damage().Add(storage::DamagedSegment(rows.segments()[10].row, "gone"));
  EXPECT_EQ(sum(all), rows.bytes() - 1'000'003);
}

// As an archive does, which has its hours without reading segments.
class Kept final : public storage::Footage {
 public:
  explicit Kept(Rows& rows)
      : rows_(rows), hours_(*rows.Hours(rows.stream(), TimeRange{kTimeMinUs, kTimeMaxUs})) {}
  Result<std::vector<storage::FootageHour>> Hours(const StreamId&, TimeRange) override {
    return hours_;
  }
  Result<std::vector<storage::FootageSegment>> Segments(const StreamId& stream,
                                                        TimeRange range) override {
    return rows_.Segments(stream, range);
  }
  Result<std::vector<index::Gap>> Gaps(const StreamId&, TimeRange) override {
    return std::vector<index::Gap>();
  }
  Result<std::shared_ptr<const storage::SegmentIndex>> Index(
      const storage::FootageSegment& segment) override {
    return rows_.Index(segment);
  }
  Result<std::unique_ptr<File>> Open(const storage::FootageSegment& segment, size_t nth) override {
    return rows_.Open(segment, nth);
  }

 private:
  Rows& rows_;
  const std::vector<storage::FootageHour> hours_;
};

TEST(SummariseTest, AnHourThatIsCoveredThroughoutIsCutWithoutALookAtItsSegments) {
  Rows rows;
  for (int i = 0; i < 60 * 24; ++i) {
    rows.Add(1, At("2026-05-04T00:00:00Z") + i * kUsPerMinute, kUsPerMinute);
  }
  Kept kept(rows);
  rows.read = 0;
  const TimeRange range{At("2026-05-03T18:30:00Z"), At("2026-05-05T18:30:00Z")};
  const auto sums =
      *Summarise(kept, rows.stream(), FindSteps(Step::kDay, range, Zone("Asia/Kolkata")));
  ASSERT_EQ(sums.size(), 2u);
  EXPECT_EQ(sums[0].covered_us, 18 * kUsPerHour + 30 * kUsPerMinute);
  EXPECT_EQ(sums[1].covered_us, 5 * kUsPerHour + 30 * kUsPerMinute);
  EXPECT_EQ(sums[0].bytes + sums[1].bytes, rows.bytes());
  EXPECT_EQ(rows.read, 0u);
}

TEST(SummariseTest, WhatIsRoundingOfClocksIsNoHole) {
  const TimeUs start_us = At("2026-05-04T10:00:00Z");
  const auto covered = [&](int64_t hole_us) {
    Rows one;
    for (int i = 0; i < 60; ++i) {
      one.Add(i < 30 ? 1 : 2, start_us + i * kUsPerMinute + (i == 30 ? hole_us : 0),
              kUsPerMinute - (i == 30 ? hole_us : 0));
    }
    return (*Summarise(one, one.stream(), {{start_us, start_us + kUsPerHour}}))[0].covered_us;
  };
  EXPECT_EQ(covered(kSmallestGapUs - 1), kUsPerHour);
  EXPECT_EQ(covered(kSmallestGapUs), kUsPerHour - kSmallestGapUs);
}

}  // namespace
}  // namespace lookback::query
