// Held footage on two volumes: when it is copied, what is never taken for a copy, and that a copy
// does what its segment's own file did.
#include "storage/held_copies.h"

#include <algorithm>
#include <fstream>
#include <functional>
#include <utility>

#include "storage/check.h"
#include "storage/purger.h"
#include "storage/scrubber.h"
#include "storage/settle_copies.h"
#include "storage/snapshot.h"
#include "tests/storage/store_fixture.h"
#include "tests/support/await.h"
#include "tests/support/forwarding_file.h"
#include "tests/support/listed_disk.h"
#include "tests/support/raw_catalog.h"

namespace lookback::storage {
namespace {

namespace fs = std::filesystem;
using test::Op;
using test::SyntheticRun;

// A disk that writes another byte than it was given, below one path; that does not give back one
// file; and that tells when a directory is listed.
class FlippingDisk : public test::ListedDisk {
 public:
  using ListedDisk::ListedDisk;

  class FlippingFile : public test::ForwardingFile {
   public:
    using ForwardingFile::ForwardingFile;

    Status WriteAt(uint64_t offset, std::span<const ByteSpan> parts) override {
      Bytes bytes;
      for (const ByteSpan& part : parts) bytes.insert(bytes.end(), part.begin(), part.end());
      bytes[bytes.size() / 2] ^= 1;
      const ByteSpan whole = bytes;
      return ForwardingFile::WriteAt(offset, {&whole, 1});
    }
  };

  class UnreadableFile : public test::ForwardingFile {
   public:
    using ForwardingFile::ForwardingFile;

    Result<size_t> ReadAt(uint64_t, std::span<uint8_t>) const override {
      return Fail(Code::kDiskFailed, "read: Input/output error");
    }
  };

  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    LB_TRY_ASSIGN(file, ListedDisk::Open(path, mode));
    if (path == unreadable) return std::unique_ptr<File>(new UnreadableFile(std::move(file)));
    if (flipping_below.empty() || !path.starts_with(flipping_below) || !path.ends_with(".mp4")) {
      return file;
    }
    return std::unique_ptr<File>(std::make_unique<FlippingFile>(std::move(file)));
  }

  std::string flipping_below, unreadable;
};

class HeldCopiesTest : public StoreFixture {
 protected:
  static constexpr int64_t kLengthUs = 10 * kUsPerSecond;  // Of each segment here.

  // Two segments on the first volume, which was alone then; the second has been added since.
  void SetUp() override {
    StoreFixture::SetUp();
    files_.reset();
    auto disk = std::make_unique<FlippingDisk>(*posix_, root_);
    disk_ = disk.get();
    files_ = std::move(disk);
    ASSERT_OK(Open());
    rows_.push_back(Record(gate_, 2 * kUsPerHour));
    rows_.push_back(Record(gate_, 90 * kUsPerMinute));
    Close();
    first_ = options_.volumes.front();
    second_ = root_ + "/volume2";
    options_.volumes.push_back(second_);
    ASSERT_OK(Open());
  }

  index::Seal Record(const StreamId& stream, int64_t age_us) {
    SyntheticRun::Options small;
    small.frame_bytes = 100;
    SyntheticRun run(stream, clock_.NowUs() - age_us, small);
    RecordAndSeal(run, kLengthUs);
    const auto rows = store_->catalog().Segments(stream, kEver).value();
    for (const index::Seal& row : rows) {
      if (row.start_us == clock_.NowUs() - age_us) return row;
    }
    ADD_FAILURE() << "nothing was recorded";
    return {};
  }
  Uuid Hold(TimeRange range, TimeUs expires_us = 0) {
    index::Marker hold;
    hold.id = Uuid::Random();
    hold.cameras = {gate_.camera};
    hold.range = range;
    hold.hold = true;
    hold.case_name = "2026-118";
    hold.expires_us = expires_us;
    const Status put = store_->PutMarker(hold);
    EXPECT_TRUE(put) << (put ? "" : put.message());
    return hold.id;
  }
  void Release(const Uuid& hold) {
    ASSERT_OK(store_->journal().Commit({index::MarkerRemoved{hold, true, "li.wei", "closed"}}));
  }
  HeldCopies::State Run(const Pace::Wait& wait = [](int64_t) { return true; }) {
    const auto copies = HeldCopies::Open(*store_, clock_);
    copies->RunOnce(wait);
    return copies->Report();
  }
  // Both are held, and have their copy.
  void HoldAndCopy() {
    hold_ = Hold({rows_[0].start_us, rows_[1].end_us});
    const auto state = Run();
    ASSERT_EQ(state.copied_segments, 2u) << state.trouble;
    for (const index::Seal& row : rows_) ExpectCopied(row);
  }
  Uuid IdOf(const std::string& root) {
    for (Volume* volume : store_->volumes()) {
      if (volume->root() == root) return volume->id();
    }
    ADD_FAILURE() << root;
    return {};
  }
  static std::string PathOn(const std::string& root, const index::Seal& row) {
    return root + "/" + SegmentPath(index::KeyOf(row));
  }
  std::vector<Uuid> CopiesOf(const index::Seal& row) {
    return store_->catalog().CopiesOf(index::KeyOf(row)).value();
  }
  Bytes BytesOn(const std::string& root, const index::Seal& row) {
    return ReadFile(*posix_, PathOn(root, row), uint64_t{1} << 30).value_or(Bytes());
  }
  void ExpectCopied(const index::Seal& row) {
    EXPECT_EQ(CopiesOf(row), std::vector<Uuid>{IdOf(second_)});
    EXPECT_EQ(Sha256(BytesOn(second_, row)), row.sha256);
  }
  void ExpectNoCopy(const index::Seal& row) {
    EXPECT_TRUE(CopiesOf(row).empty());
    EXPECT_FALSE(fs::exists(PathOn(second_, row)));
  }
  static void Flip(const std::string& path, double where = 0.5) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const auto at = static_cast<std::streamoff>(static_cast<double>(fs::file_size(path)) * where);
    file.seekg(at);
    const char byte = static_cast<char>(file.get());
    file.seekp(at);
    file.put(static_cast<char>(byte ^ 1));
  }
  std::vector<uint32_t> AllNumbers() { return Numbers(gate_); }
  std::map<std::string, std::string> Rows() {
    return test::RawCatalog(options_.data + "/catalog").Rows();
  }
  FsckReport Check(FsckDepth depth = FsckDepth::kBytes) {
    return Fsck(options_.data, *posix_, {}, {.depth = depth}).value_or(FsckReport());
  }

  FlippingDisk* disk_ = nullptr;
  std::string first_, second_;
  std::vector<index::Seal> rows_;
  Uuid hold_;
};

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

TEST_F(HeldCopiesTest, FsckNamesWhatIsWrongWithACopy) {
  HoldAndCopy();
  Close();
  EXPECT_TRUE(Check().findings.empty());
  Flip(PathOn(second_, rows_[0]));
  fs::remove(PathOn(second_, rows_[1]));
  const FsckReport report = Check();
  ASSERT_EQ(report.findings.size(), 2u);
  EXPECT_EQ(report.findings[0].kind, FindingKind::kDamagedFile);
  EXPECT_EQ(report.findings[0].path, PathOn(second_, rows_[0]));
  EXPECT_TRUE(report.findings[0].sentence.ends_with("; it is also on " + first_))
      << report.findings[0].sentence;
  EXPECT_EQ(report.findings[1].kind, FindingKind::kMissingFile);
  EXPECT_EQ(report.findings[1].path, PathOn(second_, rows_[1]));
  EXPECT_TRUE(report.findings[1].sentence.ends_with("its copy is gone from " + second_ +
                                                    "; it is also on " + first_))
      << report.findings[1].sentence;
  EXPECT_FALSE(report.clean());
}

TEST_F(HeldCopiesTest, FsckHoldsTheCatalogsCopiesAgainstTheLedger) {
  HoldAndCopy();
  Close();
  {
    test::RawCatalog catalog(options_.data + "/catalog");
    for (const auto& [key, value] : catalog.Rows()) {
      if (!key.starts_with("copies ")) continue;
      catalog.Erase("copies", key.substr(7));
      break;
    }
  }
  const FsckReport report = Check();
  ASSERT_EQ(report.findings.size(), 1u);
  EXPECT_EQ(report.findings[0].kind, FindingKind::kMissingRow);
}

TEST_F(HeldCopiesTest, ARebuiltCatalogKnowsTheSameCopies) {
  HoldAndCopy();
  ASSERT_OK(WriteSnapshot(options_.data + "/snapshots", store_->id(), store_->catalog(),
                          store_->ledger(), clock_.NowUs(), *posix_));
  Close();
  const auto before = Rows();
  for (const bool with_snapshot : {true, false}) {
    fs::remove_all(options_.data + "/catalog");
    if (!with_snapshot) fs::remove_all(options_.data + "/snapshots");
    const auto rebuilt = Rebuild(options_.data, clock_, *posix_, {});
    ASSERT_OK(rebuilt);
    EXPECT_EQ(rebuilt->snapshot.empty(), !with_snapshot);
    EXPECT_TRUE(Rows() == before);
  }
}

class CopiesFromFilesTest : public HeldCopiesTest {
 protected:
  using Rows = std::map<std::string, std::string>;
  static Rows Only(const Rows& rows) {
    Rows some;
    for (const auto& [key, value] : rows) {
      if (key.starts_with("segments ") || key.starts_with("copies ")) some.emplace(key, value);
    }
    return some;
  }
  FromFilesReport FromFiles() {
    Close();
    fs::remove_all(options_.data + "/ledger");
    fs::remove_all(options_.data + "/catalog");
    const auto report = RebuildFromFiles({options_.data, {}, false}, clock_, *posix_, {});
    EXPECT_TRUE(report) << (report ? "" : report.message());
    return report.value_or(FromFilesReport());
  }
};

TEST_F(CopiesFromFilesTest, AreTheSame) {
  HoldAndCopy();
  Close();
  const auto before = Only(HeldCopiesTest::Rows());
  const auto report = FromFiles();
  EXPECT_EQ(report.segments, 2u);
  EXPECT_EQ(report.copies, 2u);
  EXPECT_EQ(report.left, 0u);
  EXPECT_TRUE(Only(HeldCopiesTest::Rows()) == before);
}

TEST_F(CopiesFromFilesTest, TakeThePlaceOfWhatIsLost) {
  HoldAndCopy();
  const auto numbers = AllNumbers();
  Close();
  fs::remove(PathOn(first_, rows_[0]));
  const auto report = FromFiles();
  EXPECT_EQ(report.segments, 2u);
  EXPECT_EQ(report.copies, 1u);
  ASSERT_OK(Open());
  EXPECT_EQ(AllNumbers(), numbers);
  EXPECT_EQ(store_->recovery().missing_segments + store_->recovery().quarantined_files, 0u);
  EXPECT_EQ(store_->catalog().FindSegment(index::KeyOf(rows_[0]))->value().volume, IdOf(second_));
  Close();
  EXPECT_TRUE(Check().findings.empty());
}

TEST_F(CopiesFromFilesTest, TellWhatADamagedSegmentWas) {
  HoldAndCopy();
  Close();
  Flip(PathOn(first_, rows_[0]));
  const auto report = FromFiles();
  EXPECT_EQ(report.damaged, 1u);
  EXPECT_EQ(report.copies, 2u);
  ASSERT_OK(Open());
  const auto row = store_->catalog().FindSegment(index::KeyOf(rows_[0]))->value();
  EXPECT_EQ(row.sha256, rows_[0].sha256);
  ExpectCopied(rows_[0]);
}

TEST_F(CopiesFromFilesTest, ThatAreDamagedAreNone) {
  HoldAndCopy();
  Close();
  Flip(PathOn(second_, rows_[0]));
  const auto report = FromFiles();
  EXPECT_EQ(report.copies, 1u);
  EXPECT_EQ(report.left, 1u);
  EXPECT_EQ(report.damaged, 0u);
  ASSERT_OK(Open());
  ExpectNoCopy(rows_[0]);
}

}  // namespace
}  // namespace lookback::storage
