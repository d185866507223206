// The scrubber over a real store: whatever is flipped, cut, exchanged or taken away in its files is
// named by camera and time, and nothing else is.
#include "storage/scrubber.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <set>
#include <utility>

#include "tests/storage/scrubber_fixture.h"

namespace lookback::storage {
namespace {

namespace fs = std::filesystem;
using test::MakeStream;

TEST_F(ScrubberTest, GoodFilesGiveNoFindingAndEachIsReadOnce) {
  RecordMany(6);
  RunDue();
  EXPECT_TRUE(Found().empty());
  uint64_t bytes = 0;
  for (const Recorded& recorded : recorded_) bytes += recorded.row.bytes;
  const VolumeScrub scrub = Scrub();
  EXPECT_EQ(scrub.last.segments, 6u);
  EXPECT_EQ(scrub.last.bytes, bytes);
  EXPECT_EQ(scrub.bytes, bytes);
  EXPECT_EQ(scrub.last.findings, 0u);
  EXPECT_EQ(scrub.pass.began_us, 0);
  EXPECT_EQ(scrubber().checked_bytes(), bytes);
}

// LOOKBACK_FLIPS=1000 is the long form.
TEST_F(ScrubberTest, EveryBitThatIsFlippedAtRandomIsNamedByCameraAndTime) {
  const char* const seed_text = std::getenv("LOOKBACK_SEED");
  const uint64_t seed = seed_text ? std::strtoull(seed_text, nullptr, 10) : std::random_device()();
  const char* const flips_text = std::getenv("LOOKBACK_FLIPS");
  const size_t flips = flips_text ? std::strtoull(flips_text, nullptr, 10) : 60;
  SCOPED_TRACE("LOOKBACK_SEED=" + std::to_string(seed));
  fmt::print("LOOKBACK_SEED={}, {} flips\n", seed, flips);
  std::mt19937_64 random(seed);
  RecordMany(20);
  for (size_t done = 0; done < flips;) {
    std::shuffle(recorded_.begin(), recorded_.end(), random);
    std::set<std::tuple<index::SegmentKey, uint32_t, TimeUs, TimeUs>> expected;
    std::vector<std::pair<index::Seal, Bytes>> before;
    for (const Recorded& recorded : recorded_) {
      if (done++ == flips) break;
      const Bytes good = ReadAll(recorded.row);
      const uint64_t bit = random() % (good.size() * 8);
      expected.insert(Expected(recorded, good, bit / 8));
      Flip(recorded.row, bit);
      before.emplace_back(recorded.row, good);
    }
    RunPass();
    std::set<std::tuple<index::SegmentKey, uint32_t, TimeUs, TimeUs>> found;
    for (const Damage& damage : Found()) {
      found.emplace(damage.segment, damage.fragment, damage.range.start_us, damage.range.end_us);
      EXPECT_EQ(damage.cause, index::GapCause::kCorrupt);
    }
    EXPECT_EQ(found, expected);
    EXPECT_EQ(Scrub().last.findings, expected.size());
    for (const auto& [row, good] : before) WriteAll(row, good);
    if (HasFailure()) return;
  }
  RunPass();
  EXPECT_TRUE(Found().empty());
}

TEST_F(ScrubberTest, EachDamagedFragmentOfASegmentIsNamed) {
  Record(gate_, kUsPerHour);
  const Bytes good = ReadAll(Only().row);
  const auto places = PlacesOf(good);
  for (const int wanted : {2, 5, 9}) {
    const auto place = std::find_if(places.begin(), places.end(),
                                    [wanted](const Place& p) { return p.fragment == wanted; });
    Flip(Only().row, place->end * 8 - 1);
  }
  RunPass();
  std::vector<TimeUs> starts;
  for (const Damage& damage : Found()) starts.push_back(damage.range.start_us);
  EXPECT_EQ(starts, (std::vector<TimeUs>{Only().fragments[2].start_us, Only().fragments[5].start_us,
                                         Only().fragments[9].start_us}));
}

TEST_F(ScrubberTest, ACutFileIsNamedWithWhatIsLeftOfIt) {
  Record(gate_, kUsPerHour);
  const Bytes good = ReadAll(Only().row);
  WriteAll(Only().row, ByteSpan(good).first(good.size() / 2));
  RunPass();
  ExpectWhole(Only().row, "can be had from the file itself");
}

TEST_F(ScrubberTest, BytesBehindTheEndAreNamed) {
  Record(gate_, kUsPerHour);
  Bytes bytes = ReadAll(Only().row);
  bytes.push_back(0);
  WriteAll(Only().row, bytes);
  RunPass();
  ExpectWhole(Only().row, "all can be had");
}

TEST_F(ScrubberTest, AnotherSegmentsFileInItsPlaceIsNamed) {
  Record(gate_, kUsPerHour);
  Record(MakeStream("yard"), kUsPerHour);
  WriteAll(recorded_[0].row, ReadAll(recorded_[1].row));
  RunPass();
  ExpectWhole(recorded_[0].row, "");
}

TEST_F(ScrubberTest, AFileThatIsGoneIsMissingNotCorrupt) {
  RecordMany(3);
  fs::remove(FileOf(recorded_[1].row));
  RunPass();
  ExpectWhole(recorded_[1].row, "its file is gone", index::GapCause::kMissing);
}

TEST_F(ScrubberTest, WhatTheDiskDoesNotGiveBackIsNamed) {
  Record(gate_, kUsPerHour, /*audio=*/false, /*frame_bytes=*/1'000);
  const auto places = PlacesOf(ReadAll(Only().row));
  const auto place =
      std::find_if(places.begin(), places.end(), [](const Place& p) { return p.fragment == 3; });
  disk_->bad_path = FileOf(Only().row);
  disk_->bad_offset = place->end - 1;
  RunPass();
  EXPECT_EQ(OnlyDamage().range.start_us, Only().fragments[3].start_us);
  EXPECT_EQ(OnlyDamage().range.end_us, Only().fragments[3].end_us);
  EXPECT_NE(OnlyDamage().what.find("Input/output error"), std::string::npos);
}

TEST_F(ScrubberTest, WhatIsWellAgainIsServedAgain) {
  Record(gate_, kUsPerHour);
  const Bytes good = ReadAll(Only().row);
  Flip(Only().row, good.size() * 4);
  RunPass();
  EXPECT_EQ(Found().size(), 1u);
  WriteAll(Only().row, good);
  RunPass();
  EXPECT_TRUE(Found().empty());
}

TEST_F(ScrubberTest, WhatRetentionTakesMeanwhileIsNoFinding) {
  RecordMany(4);
  Flip(recorded_[0].row, 8'000);
  // While the first one is read, it and the rest of its camera go.
  bool first = true;
  on_wait_ = [&] {
    if (!std::exchange(first, false)) return true;
    for (const Recorded& recorded : recorded_) {
      const Status deleted = store_->DeleteSegment(recorded.row, "default/1", "test");
      EXPECT_TRUE(deleted.has_value()) << (deleted ? "" : deleted.message());
    }
    return true;
  };
  RunPass();
  EXPECT_FALSE(first);
  EXPECT_TRUE(Found().empty());
  EXPECT_EQ(Scrub().last.findings, 0u);
}

TEST_F(ScrubberTest, ADeletedSegmentIsDamagedNoMore) {
  RecordMany(2);
  Flip(recorded_[0].row, 8'000);
  Flip(recorded_[1].row, 8'000);
  RunPass();
  EXPECT_EQ(Found().size(), 2u);
  ASSERT_OK(store_->DeleteSegment(recorded_[0].row, "default/1", "test"));
  RunDue();
  EXPECT_EQ(OnlyDamage().segment, index::KeyOf(recorded_[1].row));
}

}  // namespace
}  // namespace lookback::storage
