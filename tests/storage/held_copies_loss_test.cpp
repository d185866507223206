// What copies of held footage are good for: a file, a volume or a disk is lost, and nothing that
// was held is; and how copies go with what they are copies of.
#include <utility>

#include "storage/scrubber.h"
#include "storage/settle_copies.h"
#include "tests/storage/held_copies_fixture.h"
#include "tests/support/listed_disk.h"

namespace lookback::storage {
namespace {

namespace fs = std::filesystem;
using test::Op;

TEST_F(HeldCopiesTest, ACopyStaysWhenTheHoldIsReleasedAndGoesWithItsSegment) {
  HoldAndCopy();
  EXPECT_EQ(store_->DeleteSegment(rows_[0], "default/1", "").code(), Code::kDenied);
  Release(hold_);
  ExpectCopied(rows_[0]);
  ASSERT_OK(store_->DeleteSegment(rows_[0], "default/1", "30 days"));
  ExpectNoCopy(rows_[0]);
  EXPECT_FALSE(fs::exists(PathOn(first_, rows_[0])));
  ExpectCopied(rows_[1]);
  Close();
  EXPECT_TRUE(Check().findings.empty());
}

TEST_F(HeldCopiesTest, ADeletionThatIsCutOffIsFinishedOnBothVolumes) {
  HoldAndCopy();
  Release(hold_);
  disk_->FailNth(Op::kRemove, 1, Code::kDiskFailed, /*and_all_later=*/true);
  EXPECT_FALSE(store_->DeleteSegment(rows_[0], "default/1", "30 days"));
  disk_->StopFailing();
  EXPECT_TRUE(fs::exists(PathOn(first_, rows_[0])) && fs::exists(PathOn(second_, rows_[0])));
  Close();
  ASSERT_OK(Open());
  EXPECT_FALSE(fs::exists(PathOn(first_, rows_[0])) || fs::exists(PathOn(second_, rows_[0])));
}

TEST_F(HeldCopiesTest, ACopyOnAVolumeThatIsAwayIsUnlinkedWhenItReturns) {
  HoldAndCopy();
  Release(hold_);
  Close();
  fs::rename(second_, second_ + ".away");
  ASSERT_OK(Open());
  ASSERT_OK(store_->DeleteSegment(rows_[0], "default/1", "30 days"));
  Close();
  fs::rename(second_ + ".away", second_);
  ASSERT_TRUE(fs::exists(PathOn(second_, rows_[0])));
  ASSERT_OK(Open());
  ExpectNoCopy(rows_[0]);
  ExpectCopied(rows_[1]);
}

TEST_F(HeldCopiesTest, TheLossOfOneDiskLosesNothingThatIsHeld) {
  HoldAndCopy();
  const auto numbers = AllNumbers();
  Close();
  fs::rename(first_, first_ + ".away");
  ASSERT_OK(Open());
  EXPECT_EQ(AllNumbers(), numbers);
  EXPECT_TRUE(archive().damage().All().empty()) << "what is away may come back";
  // One disk is all there is again, and that is told; a third one is used.
  EXPECT_EQ(Run().all.one_volume, 2u);
  Close();
  options_.volumes.push_back(root_ + "/volume3");
  ASSERT_OK(Open());
  EXPECT_EQ(Run().copied_segments, 2u);
  EXPECT_EQ(CopiesOf(rows_[0]).size(), 2u);
}

TEST_F(HeldCopiesTest, OfAVolumeThatIsGivenUpTheCopiesTakeThePlace) {
  HoldAndCopy();
  const Uuid lost = IdOf(first_);
  ASSERT_OK(store_->SetDraining(IdOf(second_), true));
  const index::Seal alone = Record(test::MakeStream("yard"), kUsPerHour);
  ASSERT_OK(store_->SetDraining(IdOf(second_), false));
  ASSERT_EQ(alone.volume, lost);
  const auto numbers = AllNumbers();
  Close();
  fs::rename(first_, root_ + "/pulled");
  fs::create_directory(first_);
  ASSERT_OK(Open());
  EXPECT_EQ(store_->RemoveVolume(lost, /*lost=*/false).code(), Code::kConflict);
  ASSERT_OK(store_->RemoveVolume(lost, /*lost=*/true));
  for (const index::Seal& row : rows_) {
    const auto now = store_->catalog().FindSegment(index::KeyOf(row)).value();
    ASSERT_TRUE(now);
    EXPECT_EQ(now->volume, IdOf(second_));
    EXPECT_TRUE(CopiesOf(row).empty());
  }
  EXPECT_EQ(AllNumbers(), numbers);
  EXPECT_FALSE(store_->catalog().FindSegment(index::KeyOf(alone)).value());
  EXPECT_EQ(Gaps(test::MakeStream("yard"))[0].cause, index::GapCause::kMissing);
  EXPECT_EQ(Run().all.one_volume, 2u);
}

TEST_F(HeldCopiesTest, ADrainingVolumeTakesNoCopyAndIsNotRemovedWithOne) {
  Hold({rows_[0].start_us, rows_[1].end_us});
  const Uuid second = IdOf(second_);
  ASSERT_OK(store_->SetDraining(second, true));
  EXPECT_EQ(Run().all.one_volume, 2u);
  ASSERT_OK(store_->SetDraining(second, false));
  EXPECT_EQ(Run().copied_segments, 2u);
  ASSERT_OK(store_->SetDraining(second, true));
  EXPECT_EQ(store_->RemoveVolume(second, /*lost=*/false).code(), Code::kConflict);
  fs::remove(PathOn(second_, rows_[0]));
  fs::remove(PathOn(second_, rows_[1]));
  EXPECT_EQ(store_->RemoveVolume(second, /*lost=*/false).code(), Code::kConflict) << "on record";
}

TEST_F(HeldCopiesTest, AFileThatIsGoneIsReadFromItsCopyAndToldOf) {
  HoldAndCopy();
  const auto numbers = AllNumbers();
  fs::remove(PathOn(first_, rows_[0]));
  EXPECT_EQ(AllNumbers(), numbers);
  ASSERT_EQ(archive().damage().All().size(), 1u);
  EXPECT_EQ(archive().damage().All()[0].cause, index::GapCause::kMissing);
  EXPECT_TRUE(archive().Lost(gate_, kEver).empty());
  // Without the copy it is lost.
  fs::remove(PathOn(second_, rows_[0]));
  EXPECT_EQ(archive().Index(Segments(gate_)[0]).code(), Code::kNotFound);
}

TEST_F(HeldCopiesTest, WhatWasFoundOfAFileIsNotToldOfTheCopyThatTookItsPlace) {
  HoldAndCopy();
  fs::remove(PathOn(first_, rows_[0]));
  const auto numbers = AllNumbers();
  ASSERT_EQ(archive().damage().size(), 1u);
  const Damage found = archive().damage().All()[0];
  Close();
  ASSERT_OK(Open());
  store_->WaitForRecovery();
  // The scrub's list may be there before recovery is.
  archive().damage().Add(found);
  EXPECT_TRUE(archive().Lost(gate_, kEver).empty());
  EXPECT_EQ(AllNumbers(), numbers);
  EXPECT_EQ(Run().copied_segments, 1u) << "it has one file, and is held";
  Scrubber::Open(*store_, clock_, *files_, {}).reset();
  EXPECT_EQ(archive().damage().size(), 0u);
  // What is found of the other file is another thing.
  const auto row = store_->catalog().FindSegment(index::KeyOf(rows_[0])).value();
  archive().damage().Add(found);
  archive().damage().Add(DamagedSegment(*row, "rot"));
  ASSERT_EQ(archive().damage().size(), 1u);
  EXPECT_EQ(archive().damage().All()[0].volume, IdOf(second_));
}

TEST_F(HeldCopiesTest, AnIndexThatIsDamagedIsReadFromTheCopyAndToldOf) {
  HoldAndCopy();
  const auto numbers = AllNumbers();
  Flip(PathOn(first_, rows_[0]), 0.999);
  EXPECT_EQ(AllNumbers(), numbers);
  ASSERT_EQ(archive().damage().All().size(), 1u);
  EXPECT_EQ(archive().damage().All()[0].cause, index::GapCause::kCorrupt);
  EXPECT_TRUE(archive().Lost(gate_, kEver).empty());
}

TEST_F(HeldCopiesTest, AtAStartACopyTakesThePlaceOfAFileThatIsGone) {
  HoldAndCopy();
  const auto numbers = AllNumbers();
  Close();
  fs::remove(PathOn(first_, rows_[0]));
  ASSERT_OK(Open());
  EXPECT_EQ(store_->recovery().missing_segments, 1u);
  EXPECT_EQ(AllNumbers(), numbers);
  EXPECT_TRUE(CopiesOf(rows_[0]).empty());
  EXPECT_EQ(store_->catalog().FindSegment(index::KeyOf(rows_[0]))->value().volume, IdOf(second_));
  EXPECT_TRUE(store_->catalog().Gaps(gate_, rows_[0].range())->empty());
  ASSERT_OK(store_->journal().Commit({index::PoliciesConfirmed{"admin"}}));
  // It is held still, and gets a second copy, where it was at first.
  EXPECT_EQ(Run().copied_segments, 1u);
  EXPECT_EQ(CopiesOf(rows_[0]), std::vector<Uuid>{IdOf(first_)});
  EXPECT_EQ(BytesOn(first_, rows_[0]), BytesOn(second_, rows_[0]));
  Close();
  EXPECT_TRUE(Check().findings.empty());
  ASSERT_OK(Open());
  EXPECT_EQ(store_->recovery().missing_segments, 0u);
}

// Between the look at a row and what is said of it, a copy takes the place of the file.
TEST_F(HeldCopiesTest, WhatACopyHasTakenThePlaceOfIsNotMissing) {
  HoldAndCopy();
  Close();
  fs::rename(first_, root_ + "/pulled");
  fs::create_directory(first_);
  ASSERT_OK(Open());
  fs::remove(first_);
  fs::rename(root_ + "/pulled", first_);
  fs::remove(PathOn(first_, rows_[0]));
  const std::string day = fs::path(PathOn(first_, rows_[0])).parent_path().string();
  bool moved = false;
  disk_->OnList([&](const std::string& path) {
    if (path != day || std::exchange(moved, true)) return;
    Volume* const first = store_->volumes().front();
    auto loss = LossOf(*first, rows_[0], store_->volumes(), store_->catalog());
    ASSERT_OK(loss);
    ASSERT_OK(store_->journal().Commit(std::move(loss->records)));
  });
  store_->LookForVolumes();
  store_->WaitForRecovery();
  disk_->OnList(nullptr);
  ASSERT_TRUE(moved);
  const auto row = store_->catalog().FindSegment(index::KeyOf(rows_[0])).value();
  ASSERT_TRUE(row.has_value());
  EXPECT_EQ(row->volume, IdOf(second_));
  EXPECT_EQ(AllNumbers().size(), 20u);
}

TEST_F(HeldCopiesTest, AtAStartACopyThatIsGoneIsNoneAnyMore) {
  HoldAndCopy();
  Close();
  fs::remove_all(second_ + "/v1/gate");
  ASSERT_OK(Open());
  EXPECT_EQ(store_->recovery().missing_segments, 2u);
  for (const index::Seal& row : rows_) ExpectNoCopy(row);
  EXPECT_EQ(store_->catalog().Segments(gate_, kEver)->size(), 2u);
  EXPECT_EQ(Run().copied_segments, 2u);
}

TEST_F(HeldCopiesTest, AScrubReadsCopiesTooAndADamagedOneIsMadeAnew) {
  HoldAndCopy();
  Flip(PathOn(second_, rows_[0]));
  const auto scrubber = Scrubber::Open(*store_, clock_, *files_, {});
  scrubber->RunDue([](int64_t) { return true; });
  uint64_t segments = 0, findings = 0;
  for (const auto& volume : scrubber->Report()) {
    segments += volume.scrub.last.segments;
    findings += volume.scrub.last.findings;
  }
  EXPECT_EQ(segments, 4u);
  EXPECT_EQ(findings, 1u);
  EXPECT_TRUE(archive().damage().All().empty()) << "the segment's own file is good";
  ExpectNoCopy(rows_[0]);
  EXPECT_EQ(Run().copied_segments, 1u);
  ExpectCopied(rows_[0]);
}

TEST_F(HeldCopiesTest, WhatAScrubFindsIsNoGapWhileThereIsACopyAndNoCopyOfItGoes) {
  HoldAndCopy();
  Flip(PathOn(first_, rows_[0]), 0.3);
  Flip(PathOn(second_, rows_[0]), 0.7);
  const auto scrubber = Scrubber::Open(*store_, clock_, *files_, {});
  scrubber->RunDue([](int64_t) { return true; });
  EXPECT_EQ(archive().damage().All().size(), 1u);
  EXPECT_TRUE(archive().Lost(gate_, kEver).empty());
  EXPECT_FALSE(CopiesOf(rows_[0]).empty()) << "each has what the other lacks";
  const auto state = Run();
  EXPECT_EQ(state.all.one_volume, 1u) << "its own file is damaged, and nobody else can take one";
}

TEST_F(HeldCopiesTest, ADamagedCopyStaysWhileItIsAllThatCanBeReached) {
  HoldAndCopy();
  Flip(PathOn(second_, rows_[0]), 0.7);
  Close();
  fs::rename(first_, root_ + "/pulled");
  fs::create_directory(first_);
  ASSERT_OK(Open());
  Scrubber::Open(*store_, clock_, *files_, {})->RunDue([](int64_t) { return true; });
  EXPECT_TRUE(fs::exists(PathOn(second_, rows_[0])));
  EXPECT_FALSE(CopiesOf(rows_[0]).empty());
}

TEST_F(HeldCopiesTest, TheSegmentsOwnFileIsNoCopyThatIsGone) {
  HoldAndCopy();
  const index::Copy own{index::KeyOf(rows_[0]), rows_[0].volume, rows_[0].sha256, /*gone=*/true};
  EXPECT_EQ(store_->RecordCopy(own).code(), Code::kConflict);
}

}  // namespace
}  // namespace lookback::storage
