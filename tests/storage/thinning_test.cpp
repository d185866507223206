// Thinning over a real store: what is left of a segment, and what is never touched.
#include <set>
#include <thread>

#include "storage/segment_copy.h"
#include "storage/segment_thin.h"
#include "tests/storage/thinning_fixture.h"

namespace lookback::storage {
namespace {

namespace fs = std::filesystem;
using test::SyntheticRun;

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

}  // namespace
}  // namespace lookback::storage
