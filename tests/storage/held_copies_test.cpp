// Held footage on two volumes: when it is copied, and what is never taken for a copy.
#include "storage/held_copies.h"

#include <utility>

#include "storage/check.h"
#include "storage/purger.h"
#include "tests/storage/held_copies_fixture.h"
#include "tests/support/await.h"

namespace lookback::storage {
namespace {

namespace fs = std::filesystem;
using test::Op;

TEST_F(HeldCopiesTest, WhatIsHeldIsCopiedByteForByteAndNothingElse) {
  const Uuid hold = Hold(rows_[0].range());
  const auto state = Run();
  ExpectCopied(rows_[0]);
  ExpectNoCopy(rows_[1]);
  EXPECT_EQ(BytesOn(first_, rows_[0]), BytesOn(second_, rows_[0]));
  EXPECT_TRUE(state.looked);
  EXPECT_EQ(state.all.segments, 1u);
  EXPECT_EQ(state.all.lacking(), 0u);
  EXPECT_EQ(state.holds.at(hold).segments, 1u);
  EXPECT_EQ(state.copied_segments, 1u);
  EXPECT_EQ(state.copied_bytes, rows_[0].bytes);
  EXPECT_EQ(state.trouble, "");
  EXPECT_EQ(Run().copied_segments, 0u) << "it has one";
}

TEST_F(HeldCopiesTest, AHoldThatIsOverAsksForNoCopy) {
  Hold(rows_[0].range(), clock_.NowUs() - 1);
  EXPECT_EQ(Run().all.segments, 0u);
  ExpectNoCopy(rows_[0]);
}

TEST_F(HeldCopiesTest, HoldsThatOverlapCountEachSegmentOnceInAllAndForEachHold) {
  const Uuid both = Hold({rows_[0].start_us, rows_[1].end_us});
  const Uuid one = Hold({rows_[1].start_us, rows_[1].end_us});
  const Uuid later = Hold({rows_[1].end_us - 1, rows_[1].end_us + kUsPerHour});
  const auto state = Run();
  EXPECT_EQ(state.all.segments, 2u);
  EXPECT_EQ(state.holds.at(both).segments, 2u);
  EXPECT_EQ(state.holds.at(one).segments, 1u);
  EXPECT_EQ(state.holds.at(later).segments, 1u);
}

TEST_F(HeldCopiesTest, WithOneVolumeItSaysSo) {
  Close();
  options_.volumes = {first_};
  fs::remove_all(second_);
  ASSERT_OK(Open());
  Hold({rows_[0].start_us, rows_[1].end_us});
  const auto state = Run();
  EXPECT_EQ(state.all.one_volume, 2u);
  EXPECT_EQ(state.all.lacking(), 2u);
}

TEST_F(HeldCopiesTest, ACopyNeverTakesWhatRetentionKeepsFree) {
  const uint64_t total = posix_->FreeSpace(root_)->total_bytes;
  const uint64_t kept = VolumeLimits("", {total, 0}, 0).pressure_bytes;
  ASSERT_GT(kept, 0u);
  Hold(rows_[0].range());
  disk_->SetFreeBytes(kept + rows_[0].bytes - 1);
  const auto state = Run();
  EXPECT_EQ(state.all.no_space, 1u);
  EXPECT_EQ(state.all.lacking(), 1u);
  ExpectNoCopy(rows_[0]);
  disk_->SetFreeBytes(kept + rows_[0].bytes);
  EXPECT_EQ(Run().all.lacking(), 0u);
  ExpectCopied(rows_[0]);
}

TEST_F(HeldCopiesTest, ADiskThatIsFullAllTheSameLeavesNothing) {
  Hold(rows_[0].range());
  disk_->FailNextBelow(Op::kWrite, second_, Code::kDiskFull);
  EXPECT_NE(Run().trouble, "");
  ExpectNoCopy(rows_[0]);
  EXPECT_EQ(Run().trouble, "");
  ExpectCopied(rows_[0]);
}

TEST_F(HeldCopiesTest, WhatDoesNotReadBackIsNoCopy) {
  Hold(rows_[0].range());
  disk_->flipping_below = second_;
  const auto state = Run();
  EXPECT_NE(state.trouble.find("does not read back"), std::string::npos) << state.trouble;
  EXPECT_EQ(state.all.waiting, 1u);
  ExpectNoCopy(rows_[0]);
  disk_->flipping_below = "";
  Run();
  ExpectCopied(rows_[0]);
}

TEST_F(HeldCopiesTest, WhatIsDamagedIsNotCopied) {
  Flip(PathOn(first_, rows_[0]));
  Hold({rows_[0].start_us, rows_[1].end_us});
  const auto state = Run();
  EXPECT_EQ(state.all.unreadable, 1u);
  EXPECT_EQ(state.all.lacking(), 1u);
  ExpectNoCopy(rows_[0]);
  ExpectCopied(rows_[1]);
}

TEST_F(HeldCopiesTest, OneThatCannotBeReadKeepsNoOtherFromItsCopy) {
  disk_->unreadable = PathOn(first_, rows_[0]);
  Hold({rows_[0].start_us, rows_[1].end_us});
  const auto state = Run();
  ExpectNoCopy(rows_[0]);
  ExpectCopied(rows_[1]);
  EXPECT_EQ(state.all.unreadable, 1u);
  EXPECT_NE(state.trouble.find("Input/output error"), std::string::npos) << state.trouble;
}

TEST_F(HeldCopiesTest, WhatAVolumeHasOnRecordIsCountedWithItsCopiesAndApartFromWhatIsHeld) {
  HoldAndCopy();
  Release(hold_);
  Hold(rows_[0].range());
  const auto counted = [this](const std::string& root) { return store_->ContentsOf(IdOf(root)); };
  ASSERT_TRUE(test::Await([&] {
    clock_.Advance(kUsPerHour);
    store_->LookForVolumes();
    return counted(second_).held_segments == 1;
  }));
  for (const std::string& root : {first_, second_}) {
    EXPECT_EQ(counted(root).segments, 2u) << root;
    EXPECT_EQ(counted(root).bytes, rows_[0].bytes + rows_[1].bytes) << root;
    EXPECT_EQ(counted(root).held_segments, 1u) << root;
    EXPECT_EQ(counted(root).held_bytes, rows_[0].bytes) << root;
  }
}

TEST_F(HeldCopiesTest, FromAnAilingVolumeFirstThenTheOldest) {
  // Recorded while the first volume was away: so on the second.
  Close();
  fs::rename(first_, first_ + ".away");
  ASSERT_OK(Open());
  const index::Seal newest = Record(gate_, kUsPerHour);
  const index::Seal damaged = Record(gate_, kUsPerMinute);
  Close();
  fs::rename(first_ + ".away", first_);
  options_.volumes.push_back(root_ + "/volume3");
  ASSERT_OK(Open());
  Hold({rows_[0].start_us, newest.end_us});
  archive().damage().Add(DamagedSegment(damaged, "a bad sector"));
  EXPECT_EQ(Run().copied_segments, 3u);
  std::vector<TimeUs> order;
  ASSERT_OK(store_->ledger().Read(0, [&](const index::NumberedRecord& numbered) {
    const auto* copy = std::get_if<index::Copy>(&numbered.record);
    if (copy != nullptr) order.push_back(copy->segment.start_us);
    return true;
  }));
  EXPECT_EQ(order, (std::vector<TimeUs>{newest.start_us, rows_[0].start_us, rows_[1].start_us}));
}

TEST_F(HeldCopiesTest, APowerCutAtAnyStepLeavesAWholeCopyOnRecordOrNone) {
  Hold(rows_[0].range());
  bool done = false;
  for (uint64_t step = 1; !done; ++step) {
    SCOPED_TRACE(step);
    ASSERT_LT(step, 100u);
    disk_->CutPowerAt(step);
    Run();
    done = disk_->power();
    disk_->CutPowerAt(0);
    const auto seed = step % 2 == 0 ? std::nullopt : std::optional<uint64_t>(step);
    ASSERT_OK(CutPowerAndOpen(seed));
    if (fs::exists(PathOn(second_, rows_[0])) || !CopiesOf(rows_[0]).empty()) {
      ExpectCopied(rows_[0]);
    }
    EXPECT_EQ(store_->recovery().adopted_segments + store_->recovery().quarantined_files, 0u);
    EXPECT_EQ(store_->catalog().Segments(gate_, kEver)->size(), 2u);
    Run();
    ExpectCopied(rows_[0]);
    ASSERT_OK(store_->RecordCopy({index::KeyOf(rows_[0]), IdOf(second_), {}, /*gone=*/true}));
    ASSERT_TRUE(fs::remove(PathOn(second_, rows_[0])));
  }
}

TEST_F(HeldCopiesTest, AFailureAtAnyStepLeavesAWholeCopyOnRecordOrNone) {
  Hold(rows_[0].range());
  for (const Op op : {Op::kCreate, Op::kWrite, Op::kSync, Op::kSyncDirectory, Op::kRead, Op::kOpen,
                      Op::kMakeDirectories}) {
    for (uint64_t nth = 1; nth < 20; ++nth) {
      SCOPED_TRACE(std::to_string(static_cast<int>(op)) + " " + std::to_string(nth));
      const uint64_t before = disk_->injected();
      disk_->FailNth(op, nth, Code::kDiskFailed);
      Run();
      disk_->StopFailing();
      const bool failed = disk_->injected() > before;
      if (!CopiesOf(rows_[0]).empty()) ExpectCopied(rows_[0]);
      Close();
      ASSERT_OK(Open());
      if (CopiesOf(rows_[0]).empty()) ExpectNoCopy(rows_[0]);
      Run();
      ExpectCopied(rows_[0]);
      ASSERT_OK(store_->RecordCopy({index::KeyOf(rows_[0]), IdOf(second_), {}, /*gone=*/true}));
      ASSERT_TRUE(fs::remove(PathOn(second_, rows_[0])));
      if (!failed) break;
    }
  }
}

TEST_F(HeldCopiesTest, AStartRemovesACopyThatWasCutOffAndTakesUpAWholeOne) {
  Hold({rows_[0].start_us, rows_[1].end_us});
  Close();
  for (const index::Seal& row : rows_) {
    fs::create_directories(fs::path(PathOn(second_, row)).parent_path());
    fs::copy_file(PathOn(first_, row), PathOn(second_, row));
  }
  fs::resize_file(PathOn(second_, rows_[0]), rows_[0].bytes / 2);
  // Beside a stopped store they are no fault.
  const FsckReport report = Check();
  EXPECT_TRUE(report.clean());
  EXPECT_EQ(report.findings.size(), 2u);
  ASSERT_OK(Open());
  ExpectNoCopy(rows_[0]);
  ExpectCopied(rows_[1]);
  EXPECT_EQ(store_->catalog().Segments(gate_, kEver)->size(), 2u);
  EXPECT_EQ(store_->recovery().adopted_segments + store_->recovery().quarantined_files, 0u);
}

TEST_F(HeldCopiesTest, WhatIsReleasedWhileItIsCopiedGetsNone) {
  const Uuid hold = Hold(rows_[0].range());
  bool released = false;
  Run([&](int64_t) {
    if (!std::exchange(released, true)) Release(hold);
    return true;
  });
  ASSERT_TRUE(released);
  ExpectNoCopy(rows_[0]);
}

TEST_F(HeldCopiesTest, WhatIsDeletedWhileItIsCopiedLeavesNothing) {
  const Uuid hold = Hold(rows_[0].range());
  bool released = false;
  Run([&](int64_t) {
    if (std::exchange(released, true)) return true;
    Release(hold);
    const Status deleted = store_->DeleteSegment(rows_[0], "default/1", "30 days");
    EXPECT_TRUE(deleted) << (deleted ? "" : deleted.message());
    return true;
  });
  ASSERT_TRUE(released);
  ExpectNoCopy(rows_[0]);
  EXPECT_FALSE(fs::exists(PathOn(first_, rows_[0])));
  Close();
  EXPECT_TRUE(Check().findings.empty());
}

TEST_F(HeldCopiesTest, AStopInTheMiddleLeavesNothing) {
  Hold(rows_[0].range());
  Run([](int64_t) { return false; });
  ExpectNoCopy(rows_[0]);
}

}  // namespace
}  // namespace lookback::storage
