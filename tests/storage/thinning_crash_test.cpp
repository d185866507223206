// What every way of being cut off leaves of a thinning, and what a catalog that is
// made anew makes of it.
#include <map>

#include "storage/check.h"
#include "storage/segment_thin.h"
#include "storage/snapshot.h"
#include "tests/storage/thinning_fixture.h"
#include "tests/support/raw_catalog.h"

namespace lookback::storage {
namespace {

namespace fs = std::filesystem;

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
