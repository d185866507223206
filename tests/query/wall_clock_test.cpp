#include "query/wall_clock.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <set>
#include <sstream>

#include "tests/support/temp_dir.h"

namespace lookback::query {
namespace {

constexpr uint8_t kFriday = 1 << 4;

TimeUs At(const char* text) { return *ParseTime(text); }
int64_t Clock(int hour, int minute) { return (hour * 60 + minute) * kUsPerMinute; }

struct Question {
  WallClockRule rule;
  TimeRange range;
  std::string zone;
};

// What wall_clock.py says of each, minute by minute.
std::vector<std::set<int64_t>> MinutesByPython(const std::vector<Question>& questions) {
  const test::TempDir dir;
  std::ofstream file(dir.Path("questions"));
  for (const Question& question : questions) {
    file << fmt::format("{} {} {} {} {} {}\n", question.zone,
                        question.range.start_us / kUsPerMinute,
                        question.range.end_us / kUsPerMinute, question.rule.from_us / kUsPerMinute,
                        question.rule.to_us / kUsPerMinute, int{question.rule.weekdays});
  }
  file.close();
  const std::string command =
      fmt::format("python3 -B {}/tests/query/wall_clock.py {} > {}", LOOKBACK_SOURCE_DIR,
                  dir.Path("questions"), dir.Path("answers"));
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
  std::vector<std::set<int64_t>> answers;
  std::ifstream lines(dir.Path("answers"));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream minutes(line);
    answers.emplace_back(std::istream_iterator<int64_t>(minutes), std::istream_iterator<int64_t>());
  }
  EXPECT_EQ(answers.size(), questions.size());
  answers.resize(questions.size());
  return answers;
}

std::set<int64_t> MinutesOf(const std::vector<TimeRange>& windows) {
  std::set<int64_t> minutes;
  for (const TimeRange& window : windows) {
    EXPECT_EQ(window.start_us % kUsPerMinute, 0);
    EXPECT_EQ(window.end_us % kUsPerMinute, 0);
    for (int64_t m = window.start_us / kUsPerMinute; m < window.end_us / kUsPerMinute; ++m) {
      EXPECT_TRUE(minutes.insert(m).second) << "minute " << m << " is in two windows";
    }
  }
  return minutes;
}

void CheckAgainstPython(const std::vector<Question>& questions) {
  const auto expected = MinutesByPython(questions);
  for (size_t i = 0; i < questions.size(); ++i) {
    const auto& [rule, range, name] = questions[i];
    const auto zone = TimeZone::Find(name);
    ASSERT_TRUE(zone) << name;
    EXPECT_EQ(MinutesOf(FindWindows(rule, range, *zone)), expected[i])
        << name << " from " << FormatTime(range.start_us) << ", daily from minute "
        << rule.from_us / kUsPerMinute << " to " << rule.to_us / kUsPerMinute;
  }
}

std::vector<TimeRange> Find(const WallClockRule& rule, TimeRange range, const char* zone) {
  return FindWindows(rule, range, *TimeZone::Find(zone));
}

struct Night {
  const char* zone;
  TimeRange range;  // A few days around it.
};
std::vector<Night> ChangingNights() {
  return {{"Europe/Berlin", {At("2026-03-27T12:00:00Z"), At("2026-03-31T12:00:00Z")}},
          {"Europe/Berlin", {At("2026-10-23T12:00:00Z"), At("2026-10-27T12:00:00Z")}},
          {"America/New_York", {At("2026-03-06T12:00:00Z"), At("2026-03-10T12:00:00Z")}},
          {"America/New_York", {At("2026-10-30T12:00:00Z"), At("2026-11-03T12:00:00Z")}}};
}

TEST(WallClock, TheNightsOnWhichClocksChangeHaveExactlyTheMinutesAskedFor) {
  std::vector<Question> questions;
  for (const Night& night : ChangingNights()) {
    for (const WallClockRule& rule :
         {WallClockRule{Clock(22, 0), Clock(5, 0)}, WallClockRule{Clock(2, 0), Clock(3, 0)},
          WallClockRule{Clock(1, 30), Clock(2, 30)}, WallClockRule{Clock(2, 30), Clock(2, 31)},
          WallClockRule{Clock(23, 0), Clock(1, 30)}, WallClockRule{0, kUsPerDay, 1 << 6},
          WallClockRule{Clock(22, 0), Clock(2, 30), 1 << 5}}) {
      questions.push_back({rule, night.range, night.zone});
    }
  }
  CheckAgainstPython(questions);
}

TEST(WallClock, AnyRuleInAnyZoneHasTheMinutesThatPythonHas) {
  const char* const given = std::getenv("LOOKBACK_SEED");
  const uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  SCOPED_TRACE("LOOKBACK_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto below = [&random](int64_t bound) {
    return static_cast<int64_t>(random() % static_cast<uint64_t>(bound));
  };
  const char* const zones[] = {"Europe/Berlin",    "America/New_York", "Australia/Lord_Howe",
                               "America/St_Johns", "Asia/Kathmandu",   "Africa/Casablanca",
                               "Pacific/Apia",     "America/Santiago", "Asia/Shanghai"};
  std::vector<Question> questions;
  for (int i = 0; i < 40; ++i) {
    const char* const zone = zones[below(std::size(zones))];
    const TimeUs start_us =
        At("2005-01-01T00:00:00Z") + below(30 * 365) * kUsPerDay + below(24 * 60) * kUsPerMinute;
    WallClockRule rule{below(24 * 60) * kUsPerMinute, below(24 * 60) * kUsPerMinute,
                       static_cast<uint8_t>(1 + below(kEveryDay))};
    if (rule.from_us == rule.to_us) rule.to_us += kUsPerMinute;
    const TimeRange range{start_us, start_us + (1 + below(9 * 24 * 60)) * kUsPerMinute};
    questions.push_back({rule, range, zone});
  }
  CheckAgainstPython(questions);
}

TEST(WallClock, AnHourThatIsShownTwiceIsInTwice) {
  const TimeRange range{At("2026-10-24T12:00:00Z"), At("2026-10-25T12:00:00Z")};
  const auto windows = Find({Clock(2, 0), Clock(2, 30)}, range, "Europe/Berlin");
  EXPECT_EQ(windows,
            (std::vector<TimeRange>{{At("2026-10-25T00:00:00Z"), At("2026-10-25T00:30:00Z")},
                                    {At("2026-10-25T01:00:00Z"), At("2026-10-25T01:30:00Z")}}));
  // A night around it is one window, an hour longer than others.
  const auto night = Find({Clock(22, 0), Clock(5, 0)}, range, "Europe/Berlin");
  ASSERT_EQ(night.size(), 1U);
  EXPECT_EQ(night[0].duration_us(), 8 * kUsPerHour);
}

TEST(WallClock, AnHourThatIsSkippedIsNotThere) {
  const TimeRange range{At("2026-03-28T12:00:00Z"), At("2026-03-29T12:00:00Z")};
  EXPECT_TRUE(Find({Clock(2, 0), Clock(3, 0)}, range, "Europe/Berlin").empty());
  const auto night = Find({Clock(22, 0), Clock(5, 0)}, range, "Europe/Berlin");
  ASSERT_EQ(night.size(), 1U);
  EXPECT_EQ(night[0].duration_us(), 6 * kUsPerHour);
}

TEST(WallClock, ANightIsOfTheDayOnWhichItBegins) {
  // 8 May 2026 is a Friday.
  const TimeRange week{At("2026-05-04T00:00:00Z"), At("2026-05-11T00:00:00Z")};
  EXPECT_EQ(Find({Clock(22, 0), Clock(5, 0), kFriday}, week, "UTC"),
            (std::vector<TimeRange>{{At("2026-05-08T22:00:00Z"), At("2026-05-09T05:00:00Z")}}));
}

TEST(WallClock, WithoutARuleTheRangeIsOneWindowToTheMicrosecond) {
  const TimeRange range{At("2026-01-01T00:00:00.000001Z"), At("2026-12-31T23:59:59.999999Z")};
  EXPECT_EQ(Find({}, range, "America/New_York"), std::vector<TimeRange>{range});
  const TimeRange all{kTimeMinUs, kTimeMaxUs};
  EXPECT_EQ(Find({}, all, "UTC"), std::vector<TimeRange>{all});
}

}  // namespace
}  // namespace lookback::query
