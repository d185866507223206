#include "storage/recovery.h"

#include <fstream>

#include "tests/storage/store_fixture.h"

namespace lookback::storage {
namespace {

using test::kEvening;
using test::MakeStream;
using test::SyntheticRun;

class RecoveryTest : public StoreFixture {
 protected:
  // Ten fragments of one open segment are on the disk, and then the power goes.
  void RecordTenAndCut() {
    ASSERT_OK(Open());
    SyntheticRun run(gate_, kEvening);
    AppendAll(Begin(run), run.Until(10 * kUsPerSecond));
    ASSERT_OK(archive().Drain());
    path_ = FileOf(Segments(gate_).at(0).row);
    index_ = *archive().Index(Segments(gate_).at(0)).value();
    files_->CutPower();
    Close();
    files_->RestorePower();
  }
  static void Overwrite(const std::string& path, uint64_t offset, const std::string& bytes) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file << bytes;
  }
  uint64_t OffsetOf(uint32_t number) const { return index_.fragments.at(number - 1).offset; }

  std::string path_;
  SegmentIndex index_;
};

TEST_F(RecoveryTest, RecoveryDropsOnlyTheTornFragment) {
  RecordTenAndCut();
  std::filesystem::resize_file(path_, OffsetOf(10) + 100);
  ASSERT_OK(Open());
  EXPECT_EQ(Numbers(gate_), UpTo(9));
  EXPECT_EQ(store_->recovery().recovered_segments, 1u);
  const auto segments = Segments(gate_);
  ASSERT_EQ(segments.size(), 1u);
  EXPECT_TRUE(segments[0].row.recovered);
  EXPECT_EQ(segments[0].row.end_us, kEvening + 9 * kUsPerSecond);
  EXPECT_EQ(archive().StatusOf(gate_).recorded_until_us, kEvening + 9 * kUsPerSecond);
  ExpectHonest(gate_);
}

TEST_F(RecoveryTest, BothStreamsOfACameraAreRecoveredEachForItself) {
  ASSERT_OK(Open());
  const StreamId sub = test::MakeStream("gate", Stream::kSub);
  SyntheticRun main_run(gate_, kEvening);
  SyntheticRun sub_run(sub, kEvening);
  AppendAll(Begin(main_run), main_run.Until(10 * kUsPerSecond));
  AppendAll(Begin(sub_run), sub_run.Until(6 * kUsPerSecond));
  ASSERT_OK(archive().Drain());
  ASSERT_OK(CutPowerAndOpen());
  EXPECT_EQ(store_->recovery().recovered_segments, 2u);
  EXPECT_EQ(archive().StatusOf(gate_).recorded_until_us, kEvening + 10 * kUsPerSecond);
  EXPECT_EQ(archive().StatusOf(sub).recorded_until_us, kEvening + 6 * kUsPerSecond);
  ExpectHonest(gate_);
  ExpectHonest(sub);
}

TEST_F(RecoveryTest, WhatRecoverySealsSurvivesTheNextPowerCut) {
  RecordTenAndCut();
  std::filesystem::resize_file(path_, OffsetOf(10) + 100);
  ASSERT_OK(Open());
  ASSERT_OK(CutPowerAndOpen());
  EXPECT_EQ(store_->recovery().recovered_segments, 0u);
  EXPECT_EQ(Numbers(gate_), UpTo(9));
  ExpectHonest(gate_);
}

TEST_F(RecoveryTest, EverythingWholeIsKept) {
  RecordTenAndCut();
  ASSERT_OK(Open());
  EXPECT_EQ(Numbers(gate_), UpTo(10));
  ExpectHonest(gate_);
}

TEST_F(RecoveryTest, WhatFollowsARottenFragmentIsCut) {
  RecordTenAndCut();
  Overwrite(path_, OffsetOf(6) + 500, "rot");
  ASSERT_OK(Open());
  EXPECT_EQ(Numbers(gate_), UpTo(5));
  ExpectHonest(gate_);
}

TEST_F(RecoveryTest, AFileWithoutAGoodFragmentGoesToQuarantine) {
  RecordTenAndCut();
  std::filesystem::resize_file(path_, OffsetOf(1) + 50);
  ASSERT_OK(Open());
  EXPECT_TRUE(Segments(gate_).empty());
  EXPECT_EQ(store_->recovery().quarantined_files, 1u);
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_FALSE(std::filesystem::is_empty(root_ + "/volume/quarantine"));
}

TEST_F(RecoveryTest, AnEmptyFileGoesToQuarantine) {
  RecordTenAndCut();
  std::filesystem::resize_file(path_, 0);
  ASSERT_OK(Open());
  EXPECT_EQ(store_->recovery().quarantined_files, 1u);
}

TEST_F(RecoveryTest, RecoveryTwiceChangesNothing) {
  RecordTenAndCut();
  std::filesystem::resize_file(path_, OffsetOf(10) + 100);
  ASSERT_OK(Open());
  const auto first = Segments(gate_);
  Close();
  ASSERT_OK(Open());
  EXPECT_EQ(store_->recovery().recovered_segments, 0u);
  const auto second = Segments(gate_);
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(index::EncodeRecord(first.at(0).row), index::EncodeRecord(second[0].row));
}

TEST_F(RecoveryTest, AWholeFileThatNobodySealedIsAdopted) {
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening);
  AppendAll(Begin(run), run.Until(10 * kUsPerSecond));
  recordings_.clear();
  files_->FailNth(test::Op::kSync, 2, Code::kDiskFull, /*and_all_later=*/true);  // The ledger's.
  EXPECT_FALSE(archive().Drain());
  files_->StopFailing();
  ASSERT_OK(CutPowerAndOpen());
  EXPECT_EQ(store_->recovery().adopted_segments, 1u);
  EXPECT_EQ(Numbers(gate_), UpTo(10));
  EXPECT_FALSE(Segments(gate_).at(0).row.recovered);
  ExpectHonest(gate_);
}

TEST_F(RecoveryTest, DeletionStopsWhenMoreThanOneInAHundredIsMissing) {
  ASSERT_OK(Open());
  for (int i = 0; i < 150; ++i) {
    SyntheticRun run(gate_, kEvening + i * kUsPerMinute);
    AppendAll(Begin(run), run.Until(kUsPerSecond));
    recordings_.clear();
  }
  ASSERT_OK(archive().Drain());
  const auto rows = Segments(gate_);
  ASSERT_EQ(rows.size(), 150u);
  Close();
  std::filesystem::remove(FileOf(rows[0].row));
  ASSERT_OK(Open());
  EXPECT_EQ(store_->recovery().missing_segments, 1u);
  EXPECT_TRUE(*store_->catalog().PoliciesConfirmed());
  Close();
  std::filesystem::remove(FileOf(rows[1].row));
  std::filesystem::remove(FileOf(rows[2].row));
  ASSERT_OK(Open());
  EXPECT_EQ(store_->recovery().missing_segments, 2u);
  EXPECT_FALSE(*store_->catalog().PoliciesConfirmed());
  EXPECT_EQ(store_->DeleteSegment(rows[3].row, "default/1", "age").error().code, Code::kDenied);
  ASSERT_OK(store_->journal().Commit({index::PoliciesConfirmed{"li.wei"}}));
  Close();
  ASSERT_OK(Open());
  EXPECT_TRUE(*store_->catalog().PoliciesConfirmed()) << "it is asked once";
}

TEST_F(RecoveryTest, AMissingFileIsNamedOnce) {
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening);
  RecordAndSeal(run, 130 * kUsPerSecond);
  const auto rows = Segments(gate_);
  Close();
  std::filesystem::remove(FileOf(rows.at(1).row));
  ASSERT_OK(Open());
  EXPECT_EQ(store_->recovery().missing_segments, 1u);
  EXPECT_EQ(Segments(gate_).size(), rows.size() - 1);
  Close();
  ASSERT_OK(Open());
  EXPECT_EQ(store_->recovery().missing_segments, 0u);
  Close();
  std::filesystem::remove_all(root_ + "/volume/v1/gate");
  ASSERT_OK(Open());
  EXPECT_EQ(store_->recovery().missing_segments, rows.size() - 1);
}

TEST_F(RecoveryTest, AStrayFileIsToldAndTheRestIsProcessed) {
  RecordTenAndCut();
  std::ofstream(std::filesystem::path(path_).parent_path() / "notes.txt") << "x";
  ASSERT_OK(Open());
  EXPECT_EQ(Numbers(gate_), UpTo(10));
  const auto notes = store_->recovery().notes;
  EXPECT_TRUE(std::any_of(notes.begin(), notes.end(), [](const std::string& note) {
    return note.find("notes.txt") != std::string::npos;
  }));
  EXPECT_TRUE(std::filesystem::exists(std::filesystem::path(path_).parent_path() / "notes.txt"));
}

TEST_F(RecoveryTest, ASegmentOfAnotherStoreIsNotAdopted) {
  RecordTenAndCut();
  Close();
  std::filesystem::copy(path_, root_ + "/foreign");
  std::filesystem::remove_all(root_ + "/data");
  std::filesystem::remove_all(root_ + "/volume");
  ASSERT_OK(Open());
  Close();
  std::filesystem::create_directories(std::filesystem::path(path_).parent_path());
  std::filesystem::copy(root_ + "/foreign", path_);
  ASSERT_OK(Open());
  EXPECT_EQ(store_->recovery().quarantined_files, 1u);
  EXPECT_EQ(archive().Segments(gate_, kEver).code(), Code::kNotFound);
}

}  // namespace
}  // namespace lookback::storage
