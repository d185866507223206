// Volumes are added, drained and removed while the store records; and at each change of the disk on
// the way there the power may go.
#include "storage/volume_set.h"

#include <fstream>
#include <thread>

#include "storage/purger.h"
#include "storage/volume_file.h"
#include "tests/storage/volume_set_fixture.h"
#include "tests/support/await.h"
#include "tests/support/listed_disk.h"

namespace lookback::storage {
namespace {

using test::Await;
using test::kEvening;
using test::MakeStream;
using test::SyntheticRun;

TEST_F(VolumeSetTest, AnAddedVolumeTakesFootageAtOnceAndIsKnownFromThenOn) {
  options_.volumes = {first_()};
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening);
  AppendAll(Begin(run), run.Until(10 * kOneSecond));
  std::filesystem::create_directory(second_());
  ASSERT_OK(store_->AddVolume(second_()));
  SyntheticRun other(MakeStream("yard"), kEvening);
  ASSERT_TRUE(Await([&] {
    Begin(other);
    return VolumeInUse(other.info().stream) == second_();
  }));
  AppendAll(*recordings_.back(), other.Until(10 * kOneSecond));
  recordings_.clear();
  ASSERT_OK(archive().Drain());
  EXPECT_EQ(RowsOn(IdOf(second_())).size(), 1u);
  ExpectAllReadable();
  Close();
  ASSERT_OK(Open());
  EXPECT_EQ(Roots(), (std::vector{first_(), second_()}));
  ExpectAllReadable();
}

TEST_F(VolumeSetTest, AVolumeIsAddedOnlyWhereOneMayBe) {
  options_.volumes = {first_()};
  ASSERT_OK(Open());
  const auto refused = [&](const std::string& root) {
    const auto added = store_->AddVolume(root);
    EXPECT_FALSE(added) << root;
    return added ? Code::kUnsupported : added.code();
  };
  EXPECT_EQ(refused("second"), Code::kInvalid);
  EXPECT_EQ(refused(second_()), Code::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(second_()));
  EXPECT_EQ(refused(first_()), Code::kConflict);
  std::filesystem::create_directories(first_() + "/inside");
  EXPECT_EQ(refused(first_() + "/inside"), Code::kInvalid);
  std::filesystem::create_directories(second_() + "/holiday");
  EXPECT_EQ(refused(second_()), Code::kInvalid);
  std::filesystem::create_directory(third_());
  ASSERT_OK(WriteVolumeFile(*files_, third_() + "/volume.json", {Uuid::Random(), Uuid::Random()}));
  EXPECT_EQ(refused(third_()), Code::kInvalid);
  ASSERT_OK(WriteVolumeFile(*files_, third_() + "/volume.json", {store_->id(), IdOf(first_())}));
  EXPECT_EQ(refused(third_()), Code::kConflict);
  EXPECT_EQ(Roots(), std::vector{first_()});
}

TEST_F(VolumeSetTest, APowerCutWhileOneIsAddedLeavesItKnownOrNot) {
  options_.volumes = {first_()};
  ASSERT_OK(Open());
  RecordSome(gate_);
  bool added = false;
  for (uint64_t n = 1; !added; ++n) {
    ASSERT_LT(n, 100u);
    SCOPED_TRACE(n);
    const std::string root = root_ + "/added" + std::to_string(n);
    std::filesystem::create_directory(root);
    files_->CutPowerAt(n);
    added = Add(root) && files_->power();
    ASSERT_OK(CutPowerAndOpen());
    EXPECT_EQ(RowsOn(IdOf(first_())).size(), 1u);
    ExpectAllReadable();
    // Never refused for what the cut left.
    if (!At(root)) ASSERT_OK(Add(root));
    EXPECT_EQ(At(root)->state(), VolumeState::kOnline);
    ASSERT_OK(CutPowerAndOpen());
    ASSERT_TRUE(At(root));
    EXPECT_EQ(At(root)->state(), VolumeState::kOnline);
  }
}

TEST_F(VolumeSetTest, RunsLeaveADrainingVolumeWithTheirNextSegmentAndLoseNothing) {
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening);
  Recording& recording = Begin(run);
  AppendAll(recording, run.Until(30 * kOneSecond));
  ASSERT_TRUE(AwaitRecorded(30 * kOneSecond));
  const std::string drained = VolumeInUse(gate_);
  const Uuid id = IdOf(drained);
  ASSERT_OK(store_->SetDraining(id, true));
  AppendAll(recording, run.Until(200 * kOneSecond));
  ASSERT_TRUE(AwaitRecorded(200 * kOneSecond));
  EXPECT_NE(VolumeInUse(gate_), drained);
  recordings_.clear();
  ASSERT_OK(archive().Drain());
  EXPECT_EQ(Numbers(gate_), UpTo(200));
  EXPECT_TRUE(Gaps(gate_).empty());
  ASSERT_EQ(RowsOn(id).size(), 1u);  // The one that was open.
  EXPECT_EQ(RowsOn(id)[0].fragments, 60u);
  // The one after it is of the same run, and begins where that ended.
  EXPECT_EQ(Segments(gate_).at(1).row.run, RowsOn(id)[0].run);
  EXPECT_EQ(Segments(gate_).at(1).row.start_us, RowsOn(id)[0].end_us);

  Close();
  ASSERT_OK(Open());
  EXPECT_TRUE(At(drained)->draining());
  EXPECT_EQ(Numbers(gate_), UpTo(200));
  for (int i = 0; i < 4; ++i) {
    EXPECT_NE(RecordSome(MakeStream("cam" + std::to_string(i))), drained);
  }
  ASSERT_OK(store_->SetDraining(id, false));
  EXPECT_EQ(RecordSome(MakeStream("yard")), first_());
}

TEST_F(VolumeSetTest, TheLastVolumeThatTakesFootageIsNotDrained) {
  ASSERT_OK(Open());
  ASSERT_OK(store_->SetDraining(IdOf(first_()), true));
  ASSERT_OK(store_->SetDraining(IdOf(first_()), true));
  EXPECT_EQ(store_->SetDraining(IdOf(second_()), true).code(), Code::kConflict);
  EXPECT_FALSE(At(second_())->draining());
  ASSERT_OK(store_->SetDraining(IdOf(first_()), false));
  files_->SetFreeBytes(0);
  ASSERT_TRUE(Await([&] {
    clock_.Advance(kOneSecond);
    return archive().Troubles().size() == 2;
  }));
  EXPECT_EQ(store_->SetDraining(IdOf(first_()), true).code(), Code::kConflict);
  EXPECT_EQ(store_->SetDraining(Uuid::Random(), true).code(), Code::kNotFound);
}

TEST_F(VolumeSetTest, ADrainingVolumeTakesFootageWhileNoOtherDoes) {
  ASSERT_OK(Open());
  ASSERT_OK(store_->SetDraining(IdOf(first_()), true));
  EXPECT_EQ(RecordSome(MakeStream("yard")), second_());
  SyntheticRun run(gate_, kEvening);
  Recording& recording = Begin(run);
  files_->FailBelow(second_(), Code::kDiskFailed);
  AppendAll(recording, run.Until(10 * kOneSecond));
  ASSERT_TRUE(AwaitRecorded(10 * kOneSecond));
  EXPECT_EQ(VolumeInUse(gate_), first_());
  EXPECT_TRUE(Gaps(gate_).empty());
  files_->StopFailing();
  ASSERT_TRUE(Await([&] {
    clock_.Advance(kOneSecond);
    return archive().Troubles().empty();
  }));
  AppendAll(recording, run.Until(100 * kOneSecond));
  ASSERT_TRUE(AwaitRecorded(100 * kOneSecond));
  EXPECT_EQ(VolumeInUse(gate_), second_());
  recordings_.clear();
  ASSERT_OK(archive().Drain());
  EXPECT_EQ(Numbers(gate_), UpTo(100));
}

TEST_F(VolumeSetTest, AVolumeIsRemovedOnlyWhenItHoldsNothing) {
  options_.copy_ledger = true;
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening);
  Recording& recording = Begin(run);
  AppendAll(recording, run.Until(10 * kOneSecond));
  ASSERT_TRUE(AwaitRecorded(10 * kOneSecond));
  const std::string root = VolumeInUse(gate_);
  const Uuid id = IdOf(root);
  EXPECT_EQ(store_->RemoveVolume(id, false).code(), Code::kConflict);
  ASSERT_OK(store_->SetDraining(id, true));
  // What is being written there is not on record yet.
  EXPECT_EQ(store_->RemoveVolume(id, false).code(), Code::kConflict);
  AppendAll(recording, run.Until(100 * kOneSecond));
  ASSERT_TRUE(AwaitRecorded(100 * kOneSecond));
  ASSERT_OK(archive().Drain());
  ASSERT_EQ(RowsOn(id).size(), 1u);

  index::Marker hold;
  hold.id = Uuid::Random();
  hold.cameras = {gate_.camera};
  hold.range = {kEvening, kEvening + kOneSecond};
  hold.hold = true;
  hold.label = "hit and run";
  hold.person = "li.wei";
  ASSERT_OK(store_->PutMarker(hold));
  EXPECT_EQ(store_->DeleteSegment(RowsOn(id)[0], "default/1", "age").code(), Code::kDenied);
  for (const bool lost : {false, true}) {
    EXPECT_EQ(store_->RemoveVolume(id, lost).code(), Code::kConflict);
  }
  ASSERT_EQ(RowsOn(id).size(), 1u);
  ExpectAllReadable();
  ASSERT_OK(store_->journal().Commit({index::MarkerRemoved{hold.id, true, "li.wei", "closed"}}));
  DeleteAllOn(id);

  ASSERT_OK(store_->RemoveVolume(id, false));
  EXPECT_EQ(Roots().size(), 1u);
  EXPECT_EQ(store_->RemoveVolume(id, false).code(), Code::kNotFound);
  EXPECT_EQ(store_->ledger_copies().size(), 1u);
  // The run, which came from there, goes on; nothing touches that disk any more.
  std::filesystem::remove_all(root);
  AppendAll(recording, run.Until(200 * kOneSecond));
  ASSERT_TRUE(AwaitRecorded(200 * kOneSecond));
  clock_.Advance(kUsPerMinute);
  recordings_.clear();
  ASSERT_OK(archive().Drain());
  EXPECT_EQ(Numbers(gate_).size(), 140u);
  EXPECT_EQ(Numbers(gate_).back(), 200u);
  EXPECT_FALSE(std::filesystem::exists(root));
  EXPECT_TRUE(archive().Troubles().empty());

  // A start that is still told to use it leaves it alone, until somebody adds it again.
  Close();
  ASSERT_OK(Open());
  EXPECT_EQ(Roots().size(), 1u);
  EXPECT_FALSE(std::filesystem::exists(root));
  std::filesystem::create_directory(root);
  ASSERT_OK(store_->AddVolume(root));
  Close();
  ASSERT_OK(Open());
  EXPECT_EQ(Roots().size(), 2u);
}

TEST_F(VolumeSetTest, APowerCutWhileOneIsRemovedLeavesItThereOrNot) {
  ASSERT_OK(Open());
  RecordOnBoth();
  const Uuid id = IdOf(second_());
  ASSERT_OK(store_->SetDraining(id, true));
  DeleteAllOn(id);
  bool removed = false;
  for (uint64_t n = 1; !removed; ++n) {
    ASSERT_LT(n, 100u);
    SCOPED_TRACE(n);
    files_->CutPowerAt(n);
    removed = store_->RemoveVolume(id, false) && files_->power();
    ASSERT_OK(CutPowerAndOpen());
    EXPECT_FALSE(RowsOn(IdOf(first_())).empty());
    ExpectAllReadable();
    EXPECT_NE(RecordSome(MakeStream("new" + std::to_string(n))), second_());
    EXPECT_TRUE(!removed || !At(second_()));
    if (At(second_())) {
      EXPECT_TRUE(At(second_())->draining());
      EXPECT_EQ(At(second_())->state(), VolumeState::kOnline);
      continue;
    }
    removed = true;
  }
  ASSERT_OK(store_->AddVolume(second_()));
}

// Whether the set was told to stop shows by its thread, which ends then.
bool VolumesAreLookedAt() {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::ifstream(task.path() / "comm") >> name;
    if (name == "volume-look") return true;
  }
  return false;
}

TEST_F(VolumeSetTest, AStopInTheMiddleOfALookAtItsFilesRemovesNoVolume) {
  files_.reset();
  auto disk = std::make_unique<test::ListedDisk>(*posix_, root_);
  test::ListedDisk& listed = *disk;
  files_ = std::move(disk);
  files_->SetFreeBytes(uint64_t{1} << 40);
  ASSERT_OK(Open());
  RecordOnBoth();
  const Uuid id = IdOf(second_());
  ASSERT_OK(store_->SetDraining(id, true));
  DeleteAllOn(id);
  std::thread closes;
  listed.OnList([&](const std::string& path) {
    if (!path.starts_with(second_() + "/v1") || closes.joinable()) return;
    closes = std::thread([this] { store_->Close(); });
    EXPECT_TRUE(Await([] { return !VolumesAreLookedAt(); }));
  });
  EXPECT_EQ(store_->RemoveVolume(id, false).code(), Code::kUnavailable);
  closes.join();
  listed.OnList(nullptr);
  Close();
  ASSERT_OK(Open());
  EXPECT_NE(At(second_()), nullptr);
}

TEST_F(VolumeSetTest, AStopGivesUpTheRemovalOfALostVolume) {
  ASSERT_OK(Open());
  RecordOnBoth();
  const Uuid id = IdOf(second_());
  const size_t rows = RowsOn(id).size();
  Close();
  Unmount(second_());
  ASSERT_OK(Open());
  index::Act act;
  act.what = "volume remove";
  files_->HoldBelow(options_.data + "/ledger");
  Status removed = Ok();
  std::thread removes([&] { removed = store_->RemoveVolume(id, true, act); });
  ASSERT_TRUE(Await([&] { return files_->held() > 0; }));
  std::thread closes([this] { store_->Close(); });
  EXPECT_TRUE(Await([] { return !VolumesAreLookedAt(); }));
  files_->LetGo();
  removes.join();
  closes.join();
  EXPECT_EQ(removed.code(), Code::kUnavailable);
  Close();
  ASSERT_OK(Open());
  ASSERT_NE(At(second_()), nullptr);
  EXPECT_EQ(RowsOn(id).size(), rows);
}

// Whoever walks over the volumes meanwhile meets whole ones. Under ThreadSanitizer this tells more.
TEST_F(VolumeSetTest, VolumesChangeUnderReadersAndWriters) {
  options_.copy_ledger = true;
  ASSERT_OK(Open());
  const auto purger = Purger::Start(*store_, clock_, {});
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    while (!stop) {
      (void)purger->RunOnce();
      (void)store_->ledger_copies();
      (void)archive().Backlog();
      for (Volume* volume : store_->volumes()) (void)volume->FreeSpace();
    }
  });
  std::filesystem::create_directory(third_());
  SyntheticRun run(gate_, kEvening);
  Recording& recording = Begin(run);
  for (int round = 1; round <= 3; ++round) {
    ASSERT_OK(store_->AddVolume(third_()));
    const Uuid id = IdOf(third_());
    AppendAll(recording, run.Until(round * 100 * kOneSecond));
    ASSERT_OK(store_->SetDraining(id, true));
    AppendAll(recording, run.Until((round * 100 + 70) * kOneSecond));
    ASSERT_TRUE(AwaitRecorded((round * 100 + 70) * kOneSecond));
    ASSERT_OK(archive().Drain());
    DeleteAllOn(id);
    ASSERT_OK(store_->RemoveVolume(id, false));
  }
  stop = true;
  reader.join();
  recordings_.clear();
  ASSERT_OK(archive().Drain());
  EXPECT_EQ(archive().StatusOf(gate_).recorded_until_us, kEvening + 370 * kOneSecond);
  EXPECT_EQ(archive().StatusOf(gate_).dropped_fragments, 0u);
}

}  // namespace
}  // namespace lookback::storage
