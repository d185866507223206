// Thinning over a real store: what is left of a segment, what is never touched, and what every way
// of being cut off leaves.
#include <algorithm>
#include <thread>

#include "storage/check.h"
#include "storage/purger.h"
#include "storage/segment_copy.h"
#include "storage/segment_thin.h"
#include "storage/snapshot.h"
#include "tests/storage/store_fixture.h"
#include "tests/support/raw_catalog.h"

namespace lookback::storage {
namespace {

namespace fs = std::filesystem;
using media::FragmentTrack;
using media::Sync;
using media::TrackKind;
using test::SyntheticRun;

// A picture of a file, read by its tables.
struct Picture {
  int64_t shown = 0;     // Presentation time, ticks.
  int64_t duration = 0;  // Until the next one in decoding order.
  Sync sync = Sync::kNone;
  Bytes data;
};

class ThinningTest : public StoreFixture {
 protected:
  static constexpr int64_t kAgeUs = 20 * kUsPerDay;

  void SetUp() override {
    StoreFixture::SetUp();
    options_.volumes = {root_ + "/volume", root_ + "/second"};
    ASSERT_OK(Open());
  }
  void TearDown() override {
    purger_.reset();
    StoreFixture::TearDown();
  }

  void Put(uint32_t thin_days) {
    index::Policy policy;
    policy.scope = "default";
    policy.version = ++version_;
    policy.thin_days = thin_days;
    ASSERT_OK(store_->journal().Commit({policy}));
  }
  index::Seal Record(int64_t age_us, const SyntheticRun::Options& options,
                     int64_t length_us = 10 * kUsPerSecond) {
    SyntheticRun run(gate_, clock_.NowUs() - age_us, options);
    RecordAndSeal(run, length_us);
    return Row(clock_.NowUs() - age_us);
  }
  index::Seal Record(int64_t age_us) { return Record(age_us, {}); }
  index::Seal Row(TimeUs start_us) {
    for (const FootageSegment& segment : Segments(gate_)) {
      if (segment.row.start_us == start_us) return segment.row;
    }
    ADD_FAILURE() << "no segment starts at " << FormatTime(start_us);
    return {};
  }
  index::Seal Now(const index::Seal& row) { return Row(row.start_us); }
  index::Marker PutHold(TimeRange range) {
    index::Marker hold;
    hold.id = Uuid::Random();
    hold.cameras = {gate_.camera};
    hold.range = range;
    hold.hold = true;
    EXPECT_TRUE(store_->PutMarker(hold, {}));
    return hold;
  }
  void Release(const index::Marker& hold) {
    ASSERT_OK(store_->journal().Commit({index::MarkerRemoved{hold.id, true, "li", "closed"}}));
  }
  Volume& VolumeOf(const Uuid& id) {
    for (Volume* volume : store_->volumes()) {
      if (volume->id() == id) return *volume;
    }
    LB_CHECK(false);
    return *store_->volumes().front();
  }
  std::string PathOf(const index::Seal& row) {
    return JoinPath(VolumeOf(row.volume).root(), SegmentPath(index::KeyOf(row)));
  }
  void Rot(const index::Seal& segment, uint64_t offset) {
    const auto file = posix_->Open(PathOf(segment), OpenMode::kReadWrite);
    ASSERT_OK(file);
    const Bytes rot(1, 0x5a);
    const ByteSpan part(rot);
    ASSERT_OK((*file)->WriteAt(offset, std::span(&part, 1)));
  }
  RetentionPlan RunOnce() {
    if (!purger_) purger_ = Purger::Start(*store_, clock_, {});
    const auto round = purger_->RunOnce();
    EXPECT_TRUE(round.has_value()) << (round ? "" : round.message());
    return round ? round->plan : RetentionPlan();
  }
  void Reopen() {
    purger_.reset();
    Close();
    ASSERT_OK(Open());
  }
  Bytes Contents(const std::string& path) {
    const auto bytes = ReadFile(*posix_, path, uint64_t{1} << 30);
    EXPECT_TRUE(bytes.has_value()) << path;
    return bytes ? *bytes : Bytes();
  }
  SegmentIndex IndexOf(const std::string& path) {
    const auto file = posix_->Open(path, OpenMode::kRead);
    EXPECT_TRUE(file.has_value()) << path;
    const auto scan = ScanSegment(**file);
    EXPECT_TRUE(scan && scan->end_valid) << path;
    return scan->index;
  }
  static std::vector<Picture> Pictures(const SegmentIndex& index, const Bytes& file) {
    std::vector<Picture> pictures;
    for (const SegmentFragment& fragment : index.fragments) {
      const FragmentTrack& track = *fragment.info.Track(TrackKind::kVideo);
      int64_t at = track.base_decode_time;
      uint64_t offset = fragment.offset + track.data_offset;
      for (const media::SampleInfo& sample : track.samples) {
        const auto begin = file.begin() + static_cast<ptrdiff_t>(offset);
        pictures.push_back({at + sample.composition_offset, sample.duration, sample.sync,
                            Bytes(begin, begin + sample.size)});
        at += sample.duration;
        offset += sample.size;
      }
    }
    return pictures;
  }
  std::vector<index::Thin> Thins() {
    std::vector<index::Thin> thins;
    const auto read = store_->ledger().Read(0, [&](const index::NumberedRecord& numbered) {
      if (const auto* one = std::get_if<index::Thin>(&numbered.record)) thins.push_back(*one);
      return true;
    });
    EXPECT_TRUE(read.has_value());
    return thins;
  }
  // That the new file of `row`, which `old` was, has the sync samples and nothing else.
  void ExpectThinned(const index::Seal& old, const SegmentIndex& old_index, const Bytes& old_file) {
    const index::Seal row = Now(old);
    ASSERT_TRUE(row.thinned);
    EXPECT_FALSE(fs::exists(PathOf(old)));
    const Bytes file = Contents(PathOf(row));
    EXPECT_EQ(Sha256(file), row.sha256);
    EXPECT_EQ(file.size(), row.bytes);
    EXPECT_LT(row.bytes, old.bytes);
    const SegmentIndex index = IndexOf(PathOf(row));
    EXPECT_EQ(index.start_us(), old.start_us);
    EXPECT_EQ(index.end_us(), old.end_us);
    EXPECT_EQ(index.init, old_index.init);
    EXPECT_TRUE(index.header.thinned);
    EXPECT_EQ(row.lost_packets, old.lost_packets);
    std::vector<Picture> expected = Pictures(old_index, old_file);
    std::erase_if(expected, [](const Picture& picture) { return picture.sync == Sync::kNone; });
    const std::vector<Picture> kept = Pictures(index, file);
    ASSERT_EQ(kept.size(), expected.size());
    const FragmentTrack& last = *old_index.fragments.back().info.Track(TrackKind::kVideo);
    int64_t media_end = last.base_decode_time;
    for (const media::SampleInfo& sample : last.samples) media_end += sample.duration;
    for (size_t i = 0; i < kept.size(); ++i) {
      EXPECT_EQ(kept[i].shown, expected[i].shown);
      EXPECT_EQ(kept[i].sync, expected[i].sync);
      EXPECT_EQ(kept[i].data, expected[i].data);
      const int64_t next = i + 1 < kept.size() ? expected[i + 1].shown : media_end;
      EXPECT_EQ(kept[i].shown + kept[i].duration, next);
    }
    TimeUs at_us = old.start_us;
    for (const SegmentFragment& fragment : index.fragments) {
      EXPECT_EQ(fragment.info.start_us, at_us);
      EXPECT_EQ(fragment.info.tracks.size(), 1u);
      at_us = fragment.info.end_us;
    }
    EXPECT_EQ(at_us, old.end_us);
  }
  void ExpectClean() {
    purger_.reset();
    Close();
    const auto report = Fsck(options_.data, *posix_, {}, {.depth = FsckDepth::kBytes});
    ASSERT_OK(report);
    for (const Finding& finding : report->findings) ADD_FAILURE() << finding.sentence;
  }

  uint32_t version_ = 0;
  std::unique_ptr<Purger> purger_;
};

TEST_F(ThinningTest, KeepsEachSyncSampleByteForByteAtItsTimeAndNothingElse) {
  SyntheticRun::Options sound, long_gop;
  sound.audio = true;
  long_gop.frames_per_gop = 130;  // Over five seconds: fragments without a sync sample.
  const index::Seal old[] = {Record(kAgeUs, sound),
                             Record(kAgeUs - kUsPerHour, long_gop, 50 * kUsPerSecond)};
  std::vector<SegmentIndex> indexes;
  std::vector<Bytes> files;
  for (const index::Seal& row : old) {
    indexes.push_back(IndexOf(PathOf(row)));
    files.push_back(Contents(PathOf(row)));
  }
  EXPECT_GT(indexes[0].fragments.front().info.tracks.size(), 1u);
  Put(10);
  const RetentionPlan plan = RunOnce();
  EXPECT_EQ(plan.thinnings.size(), 2u);
  const auto thins = Thins();
  ASSERT_EQ(thins.size(), 2u);
  uint64_t freed = 0, bytes = 0;
  for (size_t i = 0; i < 2; ++i) {
    ExpectThinned(old[i], indexes[i], files[i]);
    EXPECT_EQ(thins[i].segment, index::KeyOf(old[i]));
    EXPECT_EQ(thins[i].old_sha256, old[i].sha256);
    EXPECT_EQ(thins[i].old_bytes, old[i].bytes);
    EXPECT_EQ(thins[i].sha256, Now(old[i]).sha256);
    EXPECT_EQ(thins[i].policy, "default/1");
    EXPECT_EQ(thins[i].reason, "older than 10 days");
    freed += old[i].bytes - Now(old[i]).bytes;
    bytes += Now(old[i]).bytes;
  }
  EXPECT_EQ(purger_->Thinned().segments, 2u);
  EXPECT_EQ(purger_->Thinned().bytes, freed);
  EXPECT_EQ(store_->catalog().Totals()->front().bytes, bytes);
  EXPECT_TRUE(Gaps(gate_).empty());
  ExpectClean();
}

TEST_F(ThinningTest, WhatIsHeldYoungOrAllSyncSamplesStaysAndNothingIsThinnedTwice) {
  SyntheticRun::Options pictures;
  pictures.frames_per_gop = 1;
  const index::Seal held = Record(kAgeUs + kUsPerHour), young = Record(5 * kUsPerDay),
                    all_sync = Record(kAgeUs - kUsPerHour, pictures), old = Record(kAgeUs);
  PutHold({held.end_us - 1, held.end_us});
  Put(10);
  EXPECT_EQ(RunOnce().thinnings.size(), 1u);
  for (const index::Seal& row : {held, young, all_sync}) {
    EXPECT_FALSE(Now(row).thinned);
    EXPECT_EQ(Sha256(Contents(PathOf(row))), row.sha256);
  }
  const index::Seal thinned = Now(old);
  EXPECT_TRUE(thinned.thinned);
  EXPECT_TRUE(RunOnce().thinnings.empty());
  Reopen();
  EXPECT_TRUE(RunOnce().thinnings.empty());
  EXPECT_EQ(Thins().size(), 1u);
  EXPECT_EQ(Now(old).sha256, thinned.sha256);
}

TEST_F(ThinningTest, AHoldThatIsPlacedInTheMiddleWins) {
  const index::Seal old = Record(kAgeUs);
  Volume& volume = VolumeOf(old.volume);
  const auto file = volume.Open(index::KeyOf(old));
  ASSERT_OK(file);
  const auto written = WriteThinned(**file, old, store_->id(), volume, {});
  ASSERT_OK(written);
  EXPECT_TRUE(fs::exists(PathOf(*written)));
  const index::Marker hold = PutHold(old.range());
  const Status thinned = store_->ThinSegment(*written, "default/1", "age");
  EXPECT_EQ(thinned.code(), Code::kDenied);
  EXPECT_NE(thinned.message().find("held"), std::string::npos);
  EXPECT_FALSE(fs::exists(PathOf(*written)));
  EXPECT_EQ(Sha256(Contents(PathOf(old))), old.sha256);
  EXPECT_TRUE(Thins().empty());
  // Of what was changed since the new file was made it is not taken either.
  Release(hold);
  const auto again = WriteThinned(**file, old, store_->id(), volume, {});
  ASSERT_OK(again);
  ASSERT_OK(store_->ThinSegment(*again, "default/1", "age"));
  EXPECT_EQ(store_->ThinSegment(*again, "default/1", "age").code(), Code::kConflict);
  EXPECT_TRUE(fs::exists(PathOf(*again)));  // It is the segment's own by now.
  EXPECT_EQ(Thins().size(), 1u);
}

TEST_F(ThinningTest, HoldsAndThinningTakeTurns) {
  std::vector<index::Seal> rows;
  for (int i = 0; i < 12; ++i)
    rows.push_back(Record(kAgeUs - i * kUsPerHour, {}, 2 * kUsPerSecond));
  Put(10);
  std::thread holder([&] {
    for (const index::Seal& row : rows) PutHold(row.range());
  });
  RunOnce();
  holder.join();
  RunOnce();
  // A THIN of a segment is before the hold on it, or there is none.
  std::set<index::SegmentKey> held;
  const auto read = store_->ledger().Read(0, [&](const index::NumberedRecord& numbered) {
    if (const auto* hold = std::get_if<index::Marker>(&numbered.record)) {
      for (const index::Seal& row : rows) {
        if (hold->range == row.range()) held.insert(index::KeyOf(row));
      }
    } else if (const auto* thin = std::get_if<index::Thin>(&numbered.record)) {
      EXPECT_FALSE(held.contains(thin->segment));
    }
    return true;
  });
  ASSERT_OK(read);
  EXPECT_EQ(held.size(), rows.size());
  ExpectClean();
}

TEST_F(ThinningTest, WhoReadsTheOldFileReadsItToItsEndAndWhoComesLateIsTold) {
  const index::Seal old = Record(kAgeUs);
  const auto open = archive().Open({old, nullptr}, 0);
  ASSERT_OK(open);
  Put(10);
  RunOnce();
  Bytes bytes(old.bytes);
  ASSERT_EQ((*open)->ReadAt(0, bytes).value(), old.bytes);
  EXPECT_EQ(Sha256(bytes), old.sha256);
  EXPECT_EQ(archive().Open({old, nullptr}, 0).code(), Code::kNotFound);
  EXPECT_EQ(archive().Index({old, nullptr}).code(), Code::kNotFound);
  EXPECT_EQ(archive().damage().size(), 0u);
  EXPECT_TRUE(archive().Index({Now(old), nullptr}));
}

TEST_F(ThinningTest, CopiesOfAHoldThatEndedGoAsAfterADeletion) {
  const index::Seal old = Record(kAgeUs);
  const index::Marker hold = PutHold(old.range());
  Volume* other = nullptr;
  for (Volume* volume : store_->volumes()) {
    if (volume->id() != old.volume) other = volume;
  }
  const auto file = VolumeOf(old.volume).Open(index::KeyOf(old));
  ASSERT_OK(file);
  ASSERT_OK(CopySegment(**file, old, *other, {}));
  ASSERT_OK(store_->RecordCopy({index::KeyOf(old), other->id(), old.sha256}));
  const std::string copy = JoinPath(other->root(), SegmentPath(index::KeyOf(old)));
  Put(10);
  EXPECT_TRUE(RunOnce().thinnings.empty());
  Release(hold);
  EXPECT_EQ(RunOnce().thinnings.size(), 1u);
  EXPECT_FALSE(fs::exists(copy));
  EXPECT_TRUE(store_->catalog().CopiesOf(index::KeyOf(old))->empty());
  // A hold that comes now has what is left copied, and nothing of before.
  PutHold(old.range());
  EXPECT_EQ(store_->RecordCopy({index::KeyOf(old), other->id(), old.sha256}).code(),
            Code::kNotFound);
  const index::Seal row = Now(old);
  const auto thinned = VolumeOf(row.volume).Open(index::KeyOf(row));
  ASSERT_OK(thinned);
  ASSERT_OK(CopySegment(**thinned, row, *other, {}));
  ASSERT_OK(store_->RecordCopy({index::KeyOf(row), other->id(), row.sha256}));
  Reopen();
  EXPECT_EQ(store_->recovery().missing_segments, 0u);
  EXPECT_EQ(store_->catalog().CopiesOf(index::KeyOf(row))->size(), 1u);
  ExpectClean();
}

TEST_F(ThinningTest, WhatIsDamagedIsNotThinnedNorTriedAgainAndAgain) {
  const index::Seal old = Record(kAgeUs);
  Rot(old, old.bytes / 2);
  Put(10);
  EXPECT_EQ(RunOnce().thinnings.size(), 1u);
  EXPECT_TRUE(RunOnce().thinnings.empty());
  EXPECT_FALSE(Now(old).thinned);
  EXPECT_TRUE(fs::exists(PathOf(old)));
  EXPECT_TRUE(Thins().empty());
}

// What no fragment's own checksum covers would look good in the new file.
TEST_F(ThinningTest, ADamagedHeadIsNotCopied) {
  const index::Seal old = Record(kAgeUs);
  Rot(old, 100);
  Put(10);
  RunOnce();
  EXPECT_FALSE(Now(old).thinned);
  EXPECT_TRUE(Thins().empty());
}

TEST_F(ThinningTest, AThinThatDoesNotComeOnRecordTakesNothing) {
  const index::Seal old = Record(kAgeUs);
  const auto file = VolumeOf(old.volume).Open(index::KeyOf(old));
  ASSERT_OK(file);
  const auto written = WriteThinned(**file, old, store_->id(), VolumeOf(old.volume), {});
  ASSERT_OK(written);
  files_->FailNth(test::Op::kSync, 1, Code::kDiskFailed, /*and_all_later=*/true);
  EXPECT_FALSE(store_->ThinSegment(*written, "default/1", "age"));
  files_->StopFailing();
  EXPECT_EQ(Sha256(Contents(PathOf(old))), old.sha256);
  Reopen();
  EXPECT_EQ(Sha256(Contents(PathOf(old))), old.sha256);
  EXPECT_FALSE(Now(old).thinned);
  EXPECT_EQ(Segments(gate_).size(), 1u);
}

// The files as each instant of a crash leaves them.
TEST_F(ThinningTest, AStartRemovesTheFileThatIsNotOnRecordAndTakesWhatIsLeft) {
  const index::Seal old = Record(kAgeUs);
  index::Seal row = old;
  row.thinned = true;
  const std::string whole = PathOf(old), thin = PathOf(row), kept = root_ + "/kept";
  fs::create_directories(kept);
  fs::copy_file(whole, kept + "/whole");
  {
    const auto file = VolumeOf(old.volume).Open(index::KeyOf(old));
    ASSERT_OK(file);
    ASSERT_OK(WriteThinned(**file, old, store_->id(), VolumeOf(old.volume), {}));
  }
  fs::copy_file(thin, kept + "/thin");
  // The new file is there, whole or torn; no THIN.
  for (const uint64_t cut : {uint64_t{0}, uint64_t{100}}) {
    fs::resize_file(thin, fs::file_size(thin) - cut);
    Reopen();
    EXPECT_FALSE(fs::exists(thin));
    EXPECT_FALSE(Now(old).thinned);
    EXPECT_EQ(Segments(gate_).size(), 1u);
    fs::copy_file(kept + "/thin", thin);
  }
  // Of the two the old one is gone, as with a ledger that was put back from before its THIN.
  fs::remove(whole);
  Reopen();
  row = Now(old);
  EXPECT_TRUE(row.thinned);
  EXPECT_EQ(Sha256(Contents(thin)), row.sha256);
  EXPECT_EQ(store_->recovery().missing_segments, 1u);
  EXPECT_EQ(Segments(gate_).size(), 1u);
  // Then the old one is there again: no THIN says that it was to go.
  fs::copy_file(kept + "/whole", whole);
  Reopen();
  EXPECT_TRUE(fs::exists(whole));
  EXPECT_TRUE(fs::exists(thin));
}

TEST_F(ThinningTest, AStartRemovesTheOldFileThatAThinNamesOnlyWhenTheNewOneIsGood) {
  const index::Seal old = Record(kAgeUs);
  const std::string whole = PathOf(old), kept = root_ + "/kept";
  fs::copy_file(whole, kept);
  Put(10);
  RunOnce();
  const std::string thin = PathOf(Now(old));
  fs::copy_file(kept, whole);
  Reopen();
  EXPECT_FALSE(fs::exists(whole));
  EXPECT_TRUE(Now(old).thinned);
  // The new one is lost, and the old one came back.
  fs::copy_file(kept, whole);
  fs::remove(thin);
  Reopen();
  EXPECT_FALSE(Now(old).thinned);
  EXPECT_EQ(Now(old).sha256, old.sha256);
  EXPECT_EQ(Segments(gate_).size(), 1u);
  ExpectClean();
}

TEST_F(ThinningTest, LedgerSnapshotAndFilesGiveTheSameCatalog) {
  Record(kAgeUs);
  Record(kAgeUs - kUsPerHour);
  Record(kUsPerDay);
  Put(10);
  EXPECT_EQ(RunOnce().thinnings.size(), 2u);
  ASSERT_OK(WriteSnapshot(options_.data + "/snapshots", store_->id(), store_->catalog(),
                          store_->ledger(), clock_.NowUs(), *posix_));
  purger_.reset();
  Close();
  const std::string catalog = options_.data + "/catalog";
  const auto rows = [&] { return test::RawCatalog(catalog).Rows(); };
  const auto before = rows();
  for (const bool snapshot : {true, false}) {
    fs::remove_all(catalog);
    if (!snapshot) fs::remove_all(options_.data + "/snapshots");
    const auto report = Rebuild(options_.data, clock_, *posix_, {});
    ASSERT_OK(report);
    EXPECT_EQ(report->snapshot.empty(), !snapshot);
    EXPECT_TRUE(rows() == before);
  }
  fs::remove_all(options_.data + "/ledger");
  fs::remove_all(catalog);
  const auto report = RebuildFromFiles({options_.data, {}, false}, clock_, *posix_, {});
  ASSERT_OK(report);
  EXPECT_EQ(report->segments, 3u);
  EXPECT_EQ(report->left + report->damaged, 0u);
  const auto after = rows();
  const auto footage = [](std::map<std::string, std::string> all) {
    std::erase_if(all, [](const auto& row) {
      return !row.first.starts_with("segments ") && !row.first.starts_with("totals ");
    });
    return all;
  };
  EXPECT_TRUE(footage(after) == footage(before));
  ASSERT_OK(Open());
  EXPECT_EQ(store_->recovery().adopted_segments + store_->recovery().missing_segments, 0u);
}

TEST_F(ThinningTest, OfBothFilesARebuildFromFilesTakesTheWholeOne) {
  const index::Seal old = Record(kAgeUs);
  {
    const auto file = VolumeOf(old.volume).Open(index::KeyOf(old));
    ASSERT_OK(file);
    ASSERT_OK(WriteThinned(**file, old, store_->id(), VolumeOf(old.volume), {}));
  }
  Close();
  fs::remove_all(options_.data + "/ledger");
  fs::remove_all(options_.data + "/catalog");
  const auto report = RebuildFromFiles({options_.data, {}, false}, clock_, *posix_, {});
  ASSERT_OK(report);
  EXPECT_EQ(report->segments, 1u);
  ASSERT_OK(Open());
  EXPECT_EQ(Now(old).sha256, old.sha256);
  EXPECT_FALSE(Now(old).thinned);
  ExpectClean();
}

}  // namespace
}  // namespace lookback::storage
