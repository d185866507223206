// The scrubber over a real store: whatever is flipped, cut, exchanged or taken away in its files is
// named by camera and time, and nothing else is.
#include "storage/scrubber.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <random>
#include <set>

#include "tests/storage/store_fixture.h"
#include "tests/support/await.h"
#include "tests/support/fake_archive.h"
#include "tests/support/forwarding_file.h"

namespace lookback::storage {
namespace {

namespace fs = std::filesystem;
using test::MakeStream;
using test::SyntheticRun;

// A place in a file, by a walk over its boxes (ISO/IEC 14496-12 §4.2) that knows nothing of ours
// but the names of LKSG, LKFR and LKEN.
struct Place {
  uint64_t end = 0;
  int fragment = 0;  // From 0; -1: the head, -2: LKEN.
};
std::vector<Place> PlacesOf(const Bytes& file) {
  std::vector<Place> places;
  int fragment = -1;
  for (uint64_t at = 0; at < file.size();) {
    const uint64_t size = ByteReader(ByteSpan(file).subspan(at)).U32();
    const std::string name(AsText(ByteSpan(file).subspan(at + 4, 8)));
    at += size;
    places.push_back({at, name == "uuidLKEN" ? -2 : fragment});
    if (name == "uuidLKSG" || name == "uuidLKFR") ++fragment;
  }
  return places;
}

// A disk that does not give back one byte of one file.
class BadSectorDisk : public test::FaultFileSystem {
 public:
  using FaultFileSystem::FaultFileSystem;

  class BadFile : public test::ForwardingFile {
   public:
    BadFile(std::unique_ptr<File> below, uint64_t bad)
        : ForwardingFile(std::move(below)), bad_(bad) {}

    Result<size_t> ReadAt(uint64_t offset, std::span<uint8_t> into) const override {
      if (offset <= bad_ && bad_ < offset + into.size()) {
        return Fail(Code::kDiskFailed, "read: Input/output error");
      }
      return ForwardingFile::ReadAt(offset, into);
    }

   private:
    const uint64_t bad_;
  };

  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    LB_TRY_ASSIGN(file, FaultFileSystem::Open(path, mode));
    if (path != bad_path) return file;
    return std::unique_ptr<File>(std::make_unique<BadFile>(std::move(file), bad_offset));
  }

  std::string bad_path;
  uint64_t bad_offset = 0;
};

class ScrubberTest : public StoreFixture {
 protected:
  static constexpr int64_t kLengthUs = 10 * kUsPerSecond;

  struct Recorded {
    index::Seal row;
    std::vector<media::FragmentInfo> fragments;  // As they were given to the archive.
  };

  void SetUp() override {
    StoreFixture::SetUp();
    files_.reset();
    auto disk = std::make_unique<BadSectorDisk>(*posix_, root_);
    disk_ = disk.get();
    files_ = std::move(disk);
    ASSERT_OK(Open());
  }
  void TearDown() override {
    scrubber_.reset();
    StoreFixture::TearDown();
  }

  void Record(const StreamId& stream, int64_t age_us, bool audio = false,
              size_t frame_bytes = 100) {
    SyntheticRun::Options options;
    options.audio = audio;
    options.frame_bytes = frame_bytes;
    SyntheticRun run(stream, clock_.NowUs() - age_us, options);
    std::vector<media::Fragment> fragments = run.Until(kLengthUs);
    Recorded recorded;
    for (const media::Fragment& fragment : fragments) recorded.fragments.push_back(fragment.info);
    AppendAll(Begin(run), std::move(fragments));
    recordings_.pop_back();
    ASSERT_OK(archive().Drain());
    for (const FootageSegment& segment : Segments(stream)) {
      if (segment.row.start_us == recorded.fragments.front().start_us) recorded.row = segment.row;
    }
    ASSERT_EQ(recorded.row.fragments, recorded.fragments.size());
    recorded_.push_back(std::move(recorded));
  }
  // So many segments of three streams.
  void RecordMany(int count) {
    const StreamId streams[] = {gate_, MakeStream("gate", Stream::kSub), MakeStream("yard")};
    for (int i = 0; i < count; ++i) {
      Record(streams[i % 3], kUsPerHour - i * kUsPerMinute, i % 2 == 0);
    }
  }

  Scrubber& scrubber() {
    if (!scrubber_) scrubber_ = Scrubber::Open(*store_, clock_, *files_, options_of_scrub_);
    return *scrubber_;
  }
  bool LetTimePass(int64_t us) {
    clock_.Advance(us);
    ++waits_;
    return !on_wait_ || on_wait_();
  }
  void RunDue() {
    scrubber().RunDue([this](int64_t us) { return LetTimePass(us); });
  }
  void RunPass() {
    scrubber().BeginPass();
    RunDue();
  }
  // Stops the pass once so many segments were checked.
  void RunUntil(uint64_t segments) {
    on_wait_ = [this, segments] { return Scrub().pass.segments < segments; };
    RunDue();
    on_wait_ = nullptr;
  }
  VolumeScrub Scrub() { return scrubber().Report().front().scrub; }
  std::vector<Damage> Found() { return archive().damage().All(); }

  Bytes ReadAll(const index::Seal& row) {
    const auto bytes = ReadFile(*posix_, FileOf(row), uint64_t{1} << 30);
    EXPECT_TRUE(bytes.has_value());
    return bytes ? *bytes : Bytes();
  }
  void WriteAll(const index::Seal& row, ByteSpan bytes) {
    std::ofstream file(FileOf(row), std::ios::binary | std::ios::trunc);
    file << AsText(bytes);
    ASSERT_TRUE(file.good());
  }
  void Flip(const index::Seal& row, uint64_t bit) {
    Bytes bytes = ReadAll(row);
    ASSERT_LT(bit / 8, bytes.size());
    bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    WriteAll(row, bytes);
  }

  // What has to be named when a byte at `offset` is another one.
  std::tuple<index::SegmentKey, uint32_t, TimeUs, TimeUs> Expected(const Recorded& recorded,
                                                                   const Bytes& file,
                                                                   uint64_t offset) {
    const auto places = PlacesOf(file);
    EXPECT_EQ(places.back().end, file.size());
    const auto place = std::find_if(places.begin(), places.end(),
                                    [offset](const Place& p) { return offset < p.end; });
    const index::SegmentKey key = index::KeyOf(recorded.row);
    if (place->fragment < 0) {
      return {key, kWholeSegment, recorded.row.start_us, recorded.row.end_us};
    }
    const media::FragmentInfo& info = recorded.fragments.at(place->fragment);
    return {key, info.number, info.start_us, info.end_us};
  }

  const Recorded& Only() { return recorded_.front(); }
  Damage OnlyDamage() {
    const auto found = Found();
    EXPECT_EQ(found.size(), 1u);
    return found.empty() ? Damage() : found.front();
  }
  void ExpectWhole(const index::Seal& row, const std::string& said,
                   index::GapCause cause = index::GapCause::kCorrupt) {
    const Damage damage = OnlyDamage();
    EXPECT_EQ(damage.segment, index::KeyOf(row));
    EXPECT_EQ(damage.fragment, kWholeSegment);
    EXPECT_EQ(damage.range, row.range());
    EXPECT_EQ(damage.cause, cause);
    EXPECT_NE(damage.what.find(said), std::string::npos) << damage.what;
  }

  BadSectorDisk* disk_ = nullptr;
  Scrubber::Options options_of_scrub_;
  std::vector<Recorded> recorded_;
  std::unique_ptr<Scrubber> scrubber_;
  std::function<bool()> on_wait_;
  uint64_t waits_ = 0;
};

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

TEST_F(ScrubberTest, AVolumeThatIsGoneGivesNoFindingAndThePassGoesOnWhenItIsBack) {
  RecordMany(6);
  const std::string volume = options_.volumes.front();
  scrubber().BeginPass();
  RunUntil(2);
  fs::rename(volume, volume + ".away");
  RunDue();
  EXPECT_TRUE(Found().empty());
  EXPECT_NE(scrubber().Report().front().hindrance, "");
  fs::rename(volume + ".away", volume);
  RunDue();
  EXPECT_TRUE(Found().empty());
  EXPECT_EQ(scrubber().Report().front().hindrance, "");
  EXPECT_EQ(Scrub().last.segments, 6u);
}

TEST_F(ScrubberTest, GoesOnAfterARestartWhereItWas) {
  RecordMany(8);
  Flip(recorded_[0].row, 8'000);  // Of the first segment in order.
  scrubber().BeginPass();
  const TimeUs began_us = Scrub().pass.began_us;
  RunUntil(3);
  EXPECT_EQ(Scrub().pass.segments, 3u);
  const auto found = Found();
  EXPECT_EQ(found.size(), 1u);
  scrubber_.reset();
  Close();
  clock_.Advance(kUsPerHour);
  ASSERT_OK(Open());
  EXPECT_TRUE(Found().empty());
  EXPECT_EQ(Scrub().pass.segments, 3u);
  EXPECT_EQ(Found(), found);  // What was found is known before anything is read.
  RunDue();
  EXPECT_EQ(Scrub().last.segments, 8u);
  EXPECT_EQ(Scrub().last.began_us, began_us);
  EXPECT_LT(scrubber().checked_bytes(), Scrub().last.bytes * 6 / 8);
  EXPECT_EQ(Found(), found);
}

TEST_F(ScrubberTest, ALostOrDamagedStateBeginsAnew) {
  RecordMany(4);
  RunPass();
  const std::string path = options_.data + "/" + std::string(kScrubStateFile);
  scrubber_.reset();
  const auto good = ReadFile(*posix_, path, 1 << 20);
  ASSERT_OK(good);
  RunDue();
  EXPECT_EQ(scrubber().checked_bytes(), 0u) << "nothing was due";
  scrubber_.reset();
  Bytes bad = *good;
  bad.back() ^= 1;
  std::ofstream(path, std::ios::binary | std::ios::trunc) << AsText(bad);
  RunDue();
  EXPECT_EQ(Scrub().last.segments, 4u);
  EXPECT_GT(scrubber().checked_bytes(), 0u);
  scrubber_.reset();
  fs::remove(path);
  RunDue();
  EXPECT_GT(scrubber().checked_bytes(), 0u);
}

TEST_F(ScrubberTest, APassBeginsEachIntervalOrWhenItIsAskedFor) {
  options_of_scrub_.interval_us = 30 * kUsPerDay;
  RecordMany(3);
  RunDue();
  const TimeUs first_us = Scrub().last.began_us;
  EXPECT_EQ(scrubber().Report().front().next_us, first_us + 30 * kUsPerDay);
  clock_.Advance(29 * kUsPerDay);
  RunDue();
  EXPECT_EQ(Scrub().last.began_us, first_us);
  clock_.Advance(kUsPerDay);
  RunDue();
  EXPECT_GT(Scrub().last.began_us, first_us);
  // A wall clock that was a year ahead must not stop it for a year.
  clock_.Step(-365 * kUsPerDay);
  RunDue();
  EXPECT_LT(Scrub().last.began_us, first_us);

  scrubber_.reset();
  options_of_scrub_.interval_us = 0;
  clock_.Advance(365 * kUsPerDay);
  RunDue();
  EXPECT_EQ(scrubber().checked_bytes(), 0u);
  RunPass();
  EXPECT_GT(scrubber().checked_bytes(), 0u);
}

TEST_F(ScrubberTest, BeginsWithWhatWasNotCheckedForTheLongestTime) {
  RecordMany(6);
  RunPass();
  Record(MakeStream("yard"), kUsPerMinute);  // Behind all others, and never checked.
  clock_.Advance(kUsPerHour);
  scrubber().BeginPass();
  RunUntil(1);
  EXPECT_EQ(Scrub().pass.bytes, recorded_.back().row.bytes);
  EXPECT_TRUE(Scrub().wrapped);
  RunUntil(3);
  const auto stands = Scrub().cursor;
  // Asked for anew, the pass goes round from where it is: all of it is checked, and what was
  // checked just now comes last.
  scrubber().BeginPass();
  RunUntil(1);
  EXPECT_GT(Scrub().cursor, stands);
  RunDue();
  EXPECT_EQ(Scrub().last.segments, 7u);
  EXPECT_EQ(Scrub().cursor, stands);
}

TEST_F(ScrubberTest, ReadsNoFasterThanItsBudget) {
  options_of_scrub_.bytes_per_second = 100'000;
  RecordMany(4);
  const int64_t before_us = clock_.MonotonicUs();
  RunDue();
  const double seconds = static_cast<double>(clock_.MonotonicUs() - before_us) / kUsPerSecond;
  const double expected = static_cast<double>(Scrub().last.bytes) / 100'000;
  EXPECT_NEAR(seconds, expected, 0.05 * expected);
}

TEST_F(ScrubberTest, TheThreadsDoAPassAndStopAtOnce) {
  RecordMany(4);
  Flip(recorded_[2].row, 8'000);
  scrubber().StartThreads();
  ASSERT_TRUE(test::Await([&] { return Scrub().last.ended_us != 0; }));
  EXPECT_EQ(Scrub().last.segments, 4u);
  EXPECT_EQ(OnlyDamage().segment, index::KeyOf(recorded_[2].row));
}

// An archive whose queue is as full as a test wants it.
class BusyArchive : public test::FakeArchive {
 public:
  double Backlog() const override { return backlog; }
  double backlog = 0;
};

TEST(Pace, GivesWayWhileRecordingHasABacklog) {
  ManualClock clock(test::kEvening);
  BusyArchive archive;
  archive.backlog = 0.26;
  int looks = 0;
  const Pace::Wait wait = [&](int64_t us) {
    clock.Advance(us);
    if (us == Pace::kGiveWayUs && ++looks == 5) archive.backlog = 0.25;
    return true;
  };
  Pace pace(clock, archive, 1 << 20, wait);
  EXPECT_TRUE(pace.Take(1));
  EXPECT_EQ(looks, 5);
  EXPECT_TRUE(pace.Take(1));
  EXPECT_EQ(looks, 5);
}

TEST(Pace, ANewRateHoldsFromTheNextBytesOn) {
  ManualClock clock(test::kEvening);
  BusyArchive archive;
  const Pace::Wait wait = [&](int64_t us) {
    clock.Advance(us);
    return true;
  };
  Pace pace(clock, archive, 1 << 20, wait);
  const int64_t start_us = clock.MonotonicUs();
  EXPECT_TRUE(pace.Take(1 << 20));
  EXPECT_EQ(clock.MonotonicUs() - start_us, kUsPerSecond);
  pace.SetRate(1 << 18);
  EXPECT_TRUE(pace.Take(1 << 20));
  EXPECT_EQ(clock.MonotonicUs() - start_us, 5 * kUsPerSecond);
}

TEST(Pace, StopsWhenItsWaitingIsEnded) {
  ManualClock clock(test::kEvening);
  BusyArchive archive;
  const Pace::Wait wait = [](int64_t) { return false; };
  Pace pace(clock, archive, 1, wait);
  EXPECT_FALSE(pace.Take(1));
  archive.backlog = 1;
  EXPECT_FALSE(pace.Take(1));
}

}  // namespace
}  // namespace lookback::storage
