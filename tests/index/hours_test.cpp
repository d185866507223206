// The catalog's hours against a calendar of single seconds: the one is kept by sums and intervals,
// the other counts each second by itself.
#include "index/hours.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>

#include "index/catalog.h"
#include "index/catalog_rows.h"
#include "tests/support/raw_catalog.h"
#include "tests/support/temp_dir.h"

namespace lookback::index {
namespace {

constexpr TimeUs kStart = 1'777'852'800 * kUsPerSecond;  // 2026-05-04T00:00:00Z
constexpr int kHours = 60;                               // Of the calendar: two days and a half.
constexpr int kSecondsAnHour = 3'600;
constexpr uint64_t kBytesASecond = 1'000;

using Hours = std::map<TimeUs, FootageTotals>;

StreamId Gate(Stream stream = Stream::kMain) { return {*CameraId::Parse("gate"), stream}; }

Seal Segment(int second, int seconds, uint32_t sequence, Stream stream = Stream::kMain) {
  Seal seal;
  seal.stream = Gate(stream);
  seal.epoch = 1;
  seal.sequence = sequence;
  seal.start_us = kStart + second * kUsPerSecond;
  seal.end_us = seal.start_us + seconds * kUsPerSecond;
  seal.bytes = static_cast<uint64_t>(seconds) * kBytesASecond;
  return seal;
}

// Counts seconds. What it cannot tell apart from others is left to their sums.
Hours CountSeconds(const std::map<SegmentKey, Seal>& segments, const StreamId& stream) {
  constexpr size_t kSeconds = size_t{kHours} * kSecondsAnHour;
  std::vector<int> whole(kSeconds), thinned(kSeconds);
  Hours hours;
  for (const auto& [key, seal] : segments) {
    if (key.stream != stream) continue;
    const auto first = static_cast<size_t>((seal.start_us - kStart) / kUsPerSecond);
    const auto last = static_cast<size_t>((seal.end_us - kStart) / kUsPerSecond);
    const uint64_t a_second = seal.bytes / (last - first);
    TimeUs touched = -1;
    for (size_t second = first; second < last; ++second) {
      (seal.thinned ? thinned : whole)[second] += 1;
      const TimeUs hour = kStart + static_cast<TimeUs>(second / kSecondsAnHour) * kUsPerHour;
      FootageTotals& totals = hours[hour];
      totals.segments += touched != hour ? 1 : 0;
      touched = hour;
      totals.bytes += a_second;
      totals.summed_us += kUsPerSecond;
    }
  }
  for (auto& [start_us, totals] : hours) {
    const auto first = static_cast<size_t>((start_us - kStart) / kUsPerSecond);
    for (size_t i = 0; i < kSecondsAnHour; ++i) {
      const bool is_whole = whole[first + i] > 0, is_thinned = thinned[first + i] > 0;
      if (is_whole || is_thinned) {
        totals.covered_us += kUsPerSecond;
        totals.last_end_us = static_cast<int64_t>(i + 1) * kUsPerSecond;
      }
      if (is_thinned && !is_whole) totals.thinned_us += kUsPerSecond;
    }
  }
  return hours;
}

Hours HoursOf(const Catalog& catalog, const StreamId& stream,
              TimeRange range = {kTimeMinUs, kTimeMaxUs}) {
  Hours hours;
  const Status visited =
      catalog.VisitHours(stream, range, [&](TimeUs start_us, const FootageTotals& totals) {
        EXPECT_TRUE(hours.emplace(start_us, totals).second);
        return true;
      });
  EXPECT_TRUE(visited) << (visited ? "" : visited.message());
  return hours;
}

std::string Text(const Hours& hours) {
  std::string text;
  for (const auto& [start_us, t] : hours) {
    text += FormatTime(start_us) + " segments " + std::to_string(t.segments) + " bytes " +
            std::to_string(t.bytes) + " covered " + std::to_string(t.covered_us) + " thinned " +
            std::to_string(t.thinned_us) + " summed " + std::to_string(t.summed_us) + " last " +
            std::to_string(t.last_end_us) + "\n";
  }
  return text;
}

class HoursTest : public testing::Test {
 protected:
  HoursTest() { Open(); }

  void Open() {
    catalog_.reset();
    auto opened = Catalog::Open(dir_.Path("catalog"), {});
    ASSERT_TRUE(opened) << opened.message();
    catalog_ = *std::move(opened);
  }
  void Apply(const std::vector<Record>& records) { ApplyTo(*catalog_, records); }
  static void ApplyTo(Catalog& catalog, const std::vector<Record>& records) {
    std::vector<NumberedRecord> numbered;
    uint64_t number = catalog.position();
    for (const Record& record : records) numbered.push_back({number++, kStart, record});
    const Status applied = catalog.Apply(numbered);
    ASSERT_TRUE(applied) << applied.message();
  }
  // What the catalog says of days whose hours do not agree with its rows.
  static std::vector<TimeUs> Miscounted(const Catalog& catalog) {
    std::vector<TimeUs> days;
    EXPECT_TRUE(catalog.VisitDays([&](const StreamId&, TimeUs start_us, bool agrees) {
      if (!agrees) days.push_back(start_us);
      return true;
    }));
    return days;
  }
  std::string path() const { return dir_.Path("catalog"); }

  test::TempDir dir_;
  std::unique_ptr<Catalog> catalog_;
};

TEST_F(HoursTest, ASegmentOverAnHoursBorderIsOfBothByItsShareOfTime) {
  Seal seal = Segment(kSecondsAnHour - 30, 120, 0);
  seal.bytes = 1'003;
  Apply({seal});
  const Hours hours = HoursOf(*catalog_, Gate());
  ASSERT_EQ(hours.size(), 2u) << Text(hours);
  const FootageTotals& before = hours.at(kStart);
  const FootageTotals& after = hours.at(kStart + kUsPerHour);
  EXPECT_EQ(before.covered_us, 30 * kUsPerSecond);
  EXPECT_EQ(after.covered_us, 90 * kUsPerSecond);
  EXPECT_EQ(before.bytes, 250u);
  EXPECT_EQ(before.bytes + after.bytes, seal.bytes);
  // One that ends with the hour is of that one alone.
  Apply({Delete{KeyOf(seal), seal.end_us, 0, "", ""}, Segment(kSecondsAnHour - 60, 60, 1)});
  EXPECT_EQ(HoursOf(*catalog_, Gate()).size(), 1u);
}

TEST_F(HoursTest, AnHourIsAskedForHalfOpenAndNoDayTooMany) {
  Apply({Segment(0, 60, 0), Segment(kSecondsAnHour, 60, 1), Segment(24 * kSecondsAnHour, 60, 2)});
  const auto count = [&](TimeUs a, TimeUs b) { return HoursOf(*catalog_, Gate(), {a, b}).size(); };
  EXPECT_EQ(count(kStart, kStart + kUsPerHour), 1u);
  EXPECT_EQ(count(kStart + 1, kStart + kUsPerHour + 1), 2u);
  EXPECT_EQ(count(kStart - kUsPerDay, kStart), 0u);
  EXPECT_EQ(count(kStart, kStart + kUsPerDay), 2u);
  EXPECT_EQ(count(kStart, kStart + kUsPerDay + 1), 3u);
  EXPECT_EQ(count(kStart, kStart), 0u);
}

TEST_F(HoursTest, WhatOverlapsIsCoveredOnceAndTwiceAsManyBytes) {
  // The clock was set back by 30 s; then the first of both goes.
  const Seal first = Segment(0, 60, 0), second = Segment(30, 60, 1);
  Apply({first, second});
  FootageTotals totals = HoursOf(*catalog_, Gate()).at(kStart);
  EXPECT_EQ(totals.covered_us, 90 * kUsPerSecond);
  EXPECT_EQ(totals.bytes, 120 * kBytesASecond);
  Apply({Delete{KeyOf(first), first.end_us, 0, "", ""}});
  totals = HoursOf(*catalog_, Gate()).at(kStart);
  EXPECT_EQ(totals.covered_us, 60 * kUsPerSecond);
  EXPECT_EQ(totals.summed_us, 60 * kUsPerSecond);
  // Of thinned footage under whole footage nothing is missed.
  Apply({first, Thin{KeyOf(first), first.end_us, 0, {}, 600, 1, {}, "", ""}});
  totals = HoursOf(*catalog_, Gate()).at(kStart);
  EXPECT_EQ(totals.thinned_us, 30 * kUsPerSecond);
  EXPECT_EQ(totals.covered_us, 90 * kUsPerSecond);
}

TEST_F(HoursTest, ARowLongerThanASegmentCanBeCountsAsLongAsOneCanBe) {
  Seal seal = Segment(0, 60, 0);
  seal.end_us = kTimeMaxUs;
  Apply({seal});
  const Hours hours = HoursOf(*catalog_, Gate());
  ASSERT_EQ(hours.size(), 1u);
  EXPECT_EQ(hours.at(kStart).covered_us, kMaxSegmentUs);
  Apply({Delete{KeyOf(seal), seal.end_us, 0, "", ""}});
  EXPECT_TRUE(HoursOf(*catalog_, Gate()).empty());
}

TEST_F(HoursTest, OneGroupMayTouchMoreDaysThanAreKeptInMemory) {
  // A segment a day, another over it, and the first of both gone again: all in one batch.
  constexpr int kDays = 2'500, kSecondsADay = 24 * kSecondsAnHour;
  std::vector<Record> group;
  for (int day = 0; day < kDays; ++day) {
    group.emplace_back(Segment(day * kSecondsADay, 60, static_cast<uint32_t>(2 * day)));
    group.emplace_back(Segment(day * kSecondsADay + 30, 60, static_cast<uint32_t>(2 * day + 1)));
  }
  for (int day = 0; day < kDays; day += 2) {
    const Seal seal = Segment(day * kSecondsADay, 60, static_cast<uint32_t>(2 * day));
    group.emplace_back(Delete{KeyOf(seal), seal.end_us, 0, "", ""});
  }
  Apply(group);
  const Hours hours = HoursOf(*catalog_, Gate());
  ASSERT_EQ(hours.size(), size_t{kDays});
  for (int day = 0; day < kDays; ++day) {
    EXPECT_EQ(hours.at(kStart + day * kUsPerDay).covered_us,
              (day % 2 == 0 ? 60 : 90) * kUsPerSecond);
  }
  EXPECT_TRUE(Miscounted(*catalog_).empty());
}

// Draws what may befall two streams, and keeps what should be left.
class Fates {
 public:
  explicit Fates(uint64_t seed) : random_(seed) {}

  const std::map<SegmentKey, Seal>& segments() const { return segments_; }

  Record Next() {
    const int dice = Below(100);
    if (dice < 45 || segments_.empty()) return GoOn();
    if (dice < 60)
      return Keep(
          Segment(Below((kHours - 1) * kSecondsAnHour), 1 + Below(120), next_++, AnyStream()));
    Seal& seal = Any();
    const SegmentKey key = KeyOf(seal);
    if (dice < 65) {  // A record once more, or a copy that takes the place of what was lost.
      seal.volume = Uuid::Random();
      return Keep(seal);
    }
    if (dice < 75) {
      const uint64_t bytes = static_cast<uint64_t>(seal.range().duration_us() / kUsPerSecond) *
                             static_cast<uint64_t>(Below(300));
      const Thin thin{key, seal.end_us, seal.bytes, {}, bytes, 1, {}, "default/1", "age"};
      seal.thinned = true;
      seal.bytes = bytes;
      return thin;
    }
    last_gone_ = Delete{key, seal.end_us, seal.bytes, "default/1", ""};
    if (dice < 78 && gone_before_) return *gone_before_;  // Of one that is deleted already.
    gone_before_ = last_gone_;
    const TimeUs end_us = seal.end_us;
    segments_.erase(key);
    if (dice < 82) return Missing{key, end_us};
    return *last_gone_;
  }

 private:
  int Below(int limit) { return static_cast<int>(random_() % static_cast<uint64_t>(limit)); }
  Stream AnyStream() { return Below(4) == 0 ? Stream::kSub : Stream::kMain; }
  Record Keep(const Seal& seal) {
    // A key that was deleted may come again: then its DELETE may not be said twice any more.
    if (gone_before_ && gone_before_->segment == KeyOf(seal)) gone_before_.reset();
    segments_[KeyOf(seal)] = seal;
    return seal;
  }
  // As a rule segments follow one another; now and then after a hole, or with the clock set back.
  Record GoOn() {
    const Stream stream = AnyStream();
    int& at = at_[static_cast<size_t>(stream)];
    if (Below(12) == 0) at += Below(4'000);
    if (Below(25) == 0) at -= Below(100);
    at = at < 0 || at > (kHours - 1) * kSecondsAnHour ? 0 : at;
    const int seconds = Below(3) == 0 ? 1 + Below(120) : 60;
    const Record record = Keep(Segment(at, seconds, next_++, stream));
    at += seconds;
    return record;
  }
  Seal& Any() {
    // Retention takes the oldest first; people anything.
    auto it = segments_.begin();
    if (Below(2) == 0) std::advance(it, Below(static_cast<int>(segments_.size())));
    return it->second;
  }

  std::mt19937_64 random_;
  std::map<SegmentKey, Seal> segments_;
  std::optional<Delete> last_gone_, gone_before_;
  std::array<int, 2> at_{};
  uint32_t next_ = 0;
};

TEST_F(HoursTest, WhateverBefallsFootageTheyAreWhatItsSecondsSay) {
  const char* const given = std::getenv("LOOKBACK_SEED");
  const uint64_t first = given ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  for (uint64_t seed = first; seed < first + 3; ++seed) {
    SCOPED_TRACE("LOOKBACK_SEED=" + std::to_string(seed));
    test::TempDir dir;
    auto catalog = *Catalog::Open(dir.Path("catalog"), {});
    Fates fates(seed);
    std::mt19937_64 random(seed);
    std::vector<Record> all;
    for (int step = 0; step < 60; ++step) {
      std::vector<Record> group(1 + random() % 40);
      for (Record& record : group) record = fates.Next();
      ApplyTo(*catalog, group);
      all.insert(all.end(), group.begin(), group.end());
      if (step % 20 == 7) {  // A stop between.
        ASSERT_TRUE(random() % 2 == 0 ? catalog->Flush() : Ok());
        catalog.reset();
        catalog = *Catalog::Open(dir.Path("catalog"), {});
      }
      for (const Stream stream : {Stream::kMain, Stream::kSub}) {
        const Hours expected = CountSeconds(fates.segments(), Gate(stream));
        const Hours kept = HoursOf(*catalog, Gate(stream));
        ASSERT_EQ(kept, expected) << "step " << step << "\n"
                                  << Text(kept) << "but by seconds\n"
                                  << Text(expected);
      }
      ASSERT_TRUE(Miscounted(*catalog).empty());
    }
    // Applied at once, and put back row by row, they are the same.
    auto replayed = *Catalog::Open(dir.Path("replayed"), {});
    ApplyTo(*replayed, all);
    auto loaded = *Catalog::Open(dir.Path("loaded"), {});
    CatalogLoader loader(*loaded);
    ASSERT_TRUE((*CatalogView::Of(*catalog))->Visit([&loader](const CatalogRow& row) {
      const Status added = loader.Add(row);
      EXPECT_TRUE(added) << row.family;
      return added.has_value();
    }));
    ASSERT_TRUE(loader.Finish(catalog->position()));
    for (const Stream stream : {Stream::kMain, Stream::kSub}) {
      const Hours expected = CountSeconds(fates.segments(), Gate(stream));
      EXPECT_EQ(HoursOf(*replayed, Gate(stream)), expected);
      EXPECT_EQ(HoursOf(*loaded, Gate(stream)), expected);
    }
  }
}

TEST_F(HoursTest, ACatalogThatAnOlderBuildWroteGetsThemAtTheStart) {
  std::vector<Record> records;
  for (int i = 0; i < 3'000; ++i) records.push_back(Segment(i * 60, 60, static_cast<uint32_t>(i)));
  Apply(records);
  const Hours counted = HoursOf(*catalog_, Gate());
  ASSERT_EQ(counted.size(), 50u);
  const Seal gone = Segment(0, 60, 0);
  catalog_.reset();
  {
    // Which knew of no hours: rows and position moved on, the hours stayed.
    test::RawCatalog raw(path());
    raw.Erase("segments", raw.FirstKey("segments"));
    raw.Put("default", "position", std::string(7, '\0') + "\x7f");
  }
  {
    auto beside = Catalog::Open(path(), {.read_only = true, .create = false});
    ASSERT_TRUE(beside);
    Hours read = HoursOf(**beside, Gate());  // Told from the segments, and right.
    EXPECT_EQ(read.at(kStart).covered_us, counted.at(kStart).covered_us - 60 * kUsPerSecond);
    read[kStart] = counted.at(kStart);
    EXPECT_EQ(read, counted);
    EXPECT_EQ(HoursOf(**beside, Gate(), {kStart + 1, kStart + 2}).size(), 1u);
  }
  Open();
  EXPECT_EQ(HoursOf(*catalog_, Gate()).at(kStart).segments, 59u);
  EXPECT_TRUE(Miscounted(*catalog_).empty());
  // One that never had any.
  catalog_.reset();
  {
    test::RawCatalog raw(path());
    raw.Drop("hours");
    raw.Erase("default", "hours");
  }
  Open();
  EXPECT_EQ(HoursOf(*catalog_, Gate()).size(), 50u);
  EXPECT_TRUE(Miscounted(*catalog_).empty());
}

TEST_F(HoursTest, HoursThatSayOtherwiseThanTheSegmentsAreNamed) {
  Apply({Segment(0, 60, 0), Segment(24 * kSecondsAnHour, 60, 1)});
  EXPECT_TRUE(Miscounted(*catalog_).empty());
  catalog_.reset();
  {
    test::RawCatalog raw(path());
    raw.Erase("segments", raw.FirstKey("segments"));
  }
  Open();
  EXPECT_EQ(Miscounted(*catalog_), std::vector{kStart});
  catalog_.reset();
  {
    test::RawCatalog raw(path());
    raw.Erase("hours", raw.FirstKey("hours"));  // So that day is right again,
    raw.Erase("hours", raw.FirstKey("hours"));  // and the other one lacks.
  }
  Open();
  EXPECT_EQ(Miscounted(*catalog_), std::vector{kStart + kUsPerDay});
}

}  // namespace
}  // namespace lookback::index
