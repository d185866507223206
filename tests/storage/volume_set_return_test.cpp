// Volumes that were away, exchanged or lost, and what becomes of them when they are there again.
#include "storage/ledger_file.h"
#include "storage/volume_file.h"
#include "tests/storage/volume_set_fixture.h"
#include "tests/support/await.h"

namespace lookback::storage {
namespace {

using test::Await;
using test::kEvening;
using test::MakeStream;
using test::SyntheticRun;

TEST_F(VolumeSetTest, AVolumeThatReturnsIsTakenBack) {
  options_.copy_ledger = true;
  ASSERT_OK(Open());
  RecordOnBoth();
  const Uuid id = IdOf(second_());
  // What a crash left open there is settled when it returns.
  SyntheticRun torn(gate_, kEvening);
  SyntheticRun yard(MakeStream("yard"), kEvening);
  AppendAll(Begin(torn), torn.Until(10 * kOneSecond));
  AppendAll(Begin(yard), yard.Until(10 * kOneSecond));
  ASSERT_OK(archive().Drain());
  files_->CutPower();
  Close();
  files_->RestorePower();
  Unmount(second_());
  ASSERT_OK(Open());
  ASSERT_EQ(At(second_())->state(), VolumeState::kOffline);
  store_->LookForVolumes();
  EXPECT_EQ(At(second_())->state(), VolumeState::kOffline);
  EXPECT_NE(RecordSome(MakeStream("later")), second_());
  EXPECT_TRUE(std::filesystem::is_empty(second_()));
  EXPECT_EQ(archive().Open({RowsOn(id).at(0), nullptr}, 0).code(), Code::kUnavailable);

  Mount(second_());
  store_->LookForVolumes();
  ASSERT_EQ(At(second_())->state(), VolumeState::kOnline);
  store_->WaitForRecovery();
  ExpectAllReadable();
  EXPECT_EQ(Numbers(gate_), UpTo(10));
  EXPECT_EQ(Numbers(MakeStream("yard")), UpTo(10));
  EXPECT_EQ(store_->recovery().recovered_segments, 2u);
  EXPECT_EQ(store_->recovery().missing_segments, 0u);
  ASSERT_TRUE(Await([&] {
    const auto copies = store_->ledger_copies();
    return copies.size() == 2 && LedgerCopyStateName(copies[1]) == "current" &&
           copies[1].records == store_->ledger().size();
  }));
  const std::string file = "/" + LedgerFileName(0);
  const std::string pair = options_.data + "/ledger" + file + " " + second_() + "/v1/ledger" + file;
  EXPECT_EQ(std::system(("cmp -s " + pair).c_str()), 0);
  ASSERT_OK(store_->SetDraining(IdOf(first_()), true));
  int i = 0;
  ASSERT_TRUE(
      Await([&] { return RecordSome(MakeStream("last" + std::to_string(++i))) == second_(); }));
  EXPECT_TRUE(*store_->catalog().PoliciesConfirmed());
}

TEST_F(VolumeSetTest, AnotherDiskInItsPlaceIsNotTakenForOneThatWasAway) {
  ASSERT_OK(Open());
  Close();
  Unmount(second_());
  ASSERT_OK(WriteVolumeFile(*posix_, second_() + "/volume.json", {Uuid::Random(), Uuid::Random()}));
  ASSERT_OK(Open());
  store_->LookForVolumes();
  EXPECT_EQ(At(second_())->state(), VolumeState::kOffline);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(second_()), {}), 1);
}

// The data directory was put back from a backup while the volume, which knows a hold, was away.
TEST_F(VolumeSetTest, NothingIsDeletedOnceACopyThatReturnsDisagrees) {
  options_.copy_ledger = true;
  ASSERT_OK(Open());
  RecordSome(gate_);
  Close();
  std::filesystem::copy(options_.data, root_ + "/backup", std::filesystem::copy_options::recursive);
  ASSERT_OK(Open());
  ASSERT_OK(store_->journal().Commit({index::Person{"li.wei", "Li Wei", true, false}}));
  Close();
  std::filesystem::remove_all(options_.data);
  std::filesystem::rename(root_ + "/backup", options_.data);
  std::filesystem::remove_all(first_() + "/v1/ledger");
  Unmount(second_());
  ASSERT_OK(Open());
  ASSERT_TRUE(*store_->catalog().PoliciesConfirmed());
  ASSERT_OK(store_->journal().Commit({index::Person{"wang.fang", "Wang Fang", true, false}}));
  Mount(second_());
  ASSERT_TRUE(Await([&] {
    store_->LookForVolumes();
    return !*store_->catalog().PoliciesConfirmed();
  }));
}

TEST_F(VolumeSetTest, ALostVolumeIsMissingOnRecordAndComesBackWithItsFootage) {
  ASSERT_OK(Open());
  RecordOnBoth();
  const Uuid id = IdOf(second_());
  const auto rows = RowsOn(id);
  Close();
  Unmount(second_());
  ASSERT_OK(Open());
  EXPECT_EQ(store_->RemoveVolume(id, false).code(), Code::kConflict);
  EXPECT_EQ(store_->RemoveVolume(IdOf(first_()), true).code(), Code::kConflict);
  bool removed = false;
  for (uint64_t n = 1; !removed; ++n) {
    ASSERT_LT(n, 100u);
    SCOPED_TRACE(n);
    files_->CutPowerAt(n);
    removed = store_->RemoveVolume(id, true) && files_->power();
    ASSERT_OK(CutPowerAndOpen());
    if (!At(second_())) removed = true;
  }
  EXPECT_TRUE(RowsOn(id).empty());
  for (const index::Seal& row : rows) {
    const auto gaps = archive().Gaps(row.stream, row.range());
    ASSERT_OK(gaps);
    ASSERT_FALSE(gaps->empty());
    EXPECT_EQ(gaps->front().cause, index::GapCause::kMissing);
  }
  Mount(second_());
  ASSERT_OK(store_->AddVolume(second_()));
  store_->WaitForRecovery();
  EXPECT_EQ(RowsOn(id).size(), rows.size());
  ExpectAllReadable();
}

// Each volume's loss stops deletion, also where another one's did before and was looked at.
TEST_F(VolumeSetTest, DeletionStopsAgainWhenTheNextVolumeLacksMuch) {
  ASSERT_OK(Open());
  RecordOnBoth();
  const auto path = [this](const std::string& root) {
    return root + "/" + SegmentPath(index::KeyOf(RowsOn(IdOf(root)).at(0)));
  };
  const std::string on_first = path(first_()), on_second = path(second_());
  Close();
  std::filesystem::remove(on_first);
  std::filesystem::remove(on_second);
  Unmount(second_());
  ASSERT_OK(Open());
  ASSERT_FALSE(*store_->catalog().PoliciesConfirmed());
  ASSERT_OK(store_->journal().Commit({index::PoliciesConfirmed{"li.wei"}}));
  ASSERT_TRUE(*store_->catalog().PoliciesConfirmed());
  Mount(second_());
  store_->LookForVolumes();
  store_->WaitForRecovery();
  EXPECT_EQ(store_->recovery().missing_segments, 2u);
  EXPECT_FALSE(*store_->catalog().PoliciesConfirmed());
}

}  // namespace
}  // namespace lookback::storage
