#include "storage/store.h"

#include <atomic>
#include <fstream>
#include <future>
#include <latch>
#include <thread>

#include "storage/volume_file.h"
#include "tests/storage/store_fixture.h"
#include "tests/support/await.h"

namespace lookback::storage {
namespace {

using test::kEvening;
using test::MakeStream;
using test::Op;
using test::SyntheticRun;

class StoreTest : public StoreFixture {
 protected:
  index::Marker Hold(TimeRange range) const {
    index::Marker hold;
    hold.id = Uuid::Random();
    hold.cameras = {gate_.camera};
    hold.range = range;
    hold.label = "hit and run";
    hold.hold = true;
    hold.case_name = "2026-118";
    hold.person = "li.wei";
    return hold;
  }
  index::Seal FirstRow() { return Segments(gate_).at(0).row; }
};

TEST_F(StoreTest, ASecondStoreOnTheSameDataIsRefused) {
  ASSERT_OK(Open());
  const auto second = Store::Open(options_, clock_, *files_);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.code(), Code::kUnavailable);
}

TEST_F(StoreTest, ADirectoryOfOtherThingsIsRefusedAndLeftAlone) {
  std::filesystem::create_directories(options_.data);
  std::ofstream(options_.data + "/thesis.tex") << "x";
  const Status opened = Open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.code(), Code::kInvalid);
  EXPECT_FALSE(std::filesystem::exists(options_.data + "/lock"));
}

TEST_F(StoreTest, ANewerStoreIsRefused) {
  std::filesystem::create_directories(options_.data);
  std::ofstream(options_.data + "/store.json") << R"({"format": 3})";
  const Status opened = Open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.code(), Code::kUnsupported);
}

TEST_F(StoreTest, AVolumeThatCannotBeTakenLeavesNoStoreBehind) {
  const std::string foreign = root_ + "/foreign", other = root_ + "/other";
  for (const std::string& root : {foreign, other}) std::filesystem::create_directories(root);
  ASSERT_OK(WriteVolumeFile(*files_, foreign + "/volume.json", {Uuid::Random(), Uuid::Random()}));
  std::ofstream(other + "/holiday.mp4") << "x";
  const std::string fresh = root_ + "/fresh";
  for (const std::string& root : {foreign, other}) {
    StoreOptions options = options_;
    options.data = fresh;
    options.volumes = {root_ + "/good", root};
    const auto opened = Store::Open(options, clock_, *files_);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.code(), Code::kInvalid) << opened.message();
    EXPECT_FALSE(std::filesystem::exists(fresh));
    EXPECT_FALSE(std::filesystem::exists(root_ + "/good"));
  }
}

TEST_F(StoreTest, EachStartHasAnEpochOfItsOwn) {
  ASSERT_OK(Open());
  const Uuid id = store_->id();
  EXPECT_EQ(store_->epoch(), 1u);
  Close();
  ASSERT_OK(Open());
  EXPECT_EQ(store_->epoch(), 2u);
  EXPECT_EQ(store_->id(), id);
  ASSERT_OK(CutPowerAndOpen());
  EXPECT_EQ(store_->epoch(), 3u);
}

// store.json came back from a copy: the epochs after it were given already.
TEST_F(StoreTest, WhoUsedItLastAndHowThatEndedIsKnownToTheNextStart) {
  options_.version = "1.9";
  ASSERT_OK(Open());
  EXPECT_EQ(store_->last_use(), LastUse{});
  const auto on_disk = [this] {
    const auto file = ReadStoreFile(*files_, options_.data + "/store.json");
    EXPECT_TRUE(file) << file.message();
    return file ? file->last_use : LastUse{};
  };
  EXPECT_EQ(on_disk(), (LastUse{"1.9", false})) << "as a crash leaves it";
  store_.reset();
  EXPECT_EQ(on_disk(), (LastUse{"1.9", true}));
  options_.version = "2.0";
  ASSERT_OK(Open());
  EXPECT_EQ(store_->last_use(), (LastUse{"1.9", true}));
  EXPECT_EQ(on_disk(), (LastUse{"2.0", false}));
}

TEST_F(StoreTest, NothingIsWrittenIntoABareMountPoint) {
  ASSERT_OK(Open());
  std::filesystem::rename(options_.data, options_.data + ".gone");
  std::filesystem::create_directory(options_.data);
  store_.reset();
  EXPECT_TRUE(std::filesystem::is_empty(options_.data));
  std::filesystem::remove(options_.data);
  std::filesystem::rename(options_.data + ".gone", options_.data);
  ASSERT_OK(Open());
}

TEST_F(StoreTest, AUseWithoutRecordingLeavesItSaidHowTheLastOneEnded) {
  options_.version = "1.9";
  ASSERT_OK(Open());
  store_.reset();
  options_.version = "2.0";
  options_.recording = false;
  ASSERT_OK(Open());
  EXPECT_EQ(store_->epoch(), 2u);
  store_.reset();
  ASSERT_OK(Open());
  EXPECT_EQ(store_->last_use(), (LastUse{"1.9", true}));
}

TEST_F(StoreTest, AStartThatFailsLeavesItSaidHowTheLastUseEnded) {
  options_.version = "1.9";
  ASSERT_OK(Open());
  store_.reset();
  const std::string ledger = options_.data + "/ledger";
  std::filesystem::rename(ledger, ledger + ".kept");
  std::ofstream(ledger) << "no directory";
  ASSERT_FALSE(Open());
  std::filesystem::remove(ledger);
  std::filesystem::rename(ledger + ".kept", ledger);
  ASSERT_OK(Open());
  EXPECT_EQ(store_->last_use(), (LastUse{"1.9", true}));
}

TEST_F(StoreTest, AnOldStoreFileGivesNoEpochTwiceAndHidesNoFootage) {
  ASSERT_OK(Open());
  Close();
  std::filesystem::copy(options_.data + "/store.json", root_ + "/copy");
  for (int start = 2; start < 5; ++start) {
    ASSERT_OK(Open());
    Close();
  }
  ASSERT_OK(Open());
  ASSERT_EQ(store_->epoch(), 5u);
  SyntheticRun run(gate_, kEvening);
  AppendAll(Begin(run), run.Until(10 * kUsPerSecond));
  ASSERT_OK(archive().Drain());
  files_->CutPower();
  Close();
  files_->RestorePower();
  std::filesystem::copy(root_ + "/copy", options_.data + "/store.json",
                        std::filesystem::copy_options::overwrite_existing);
  ASSERT_OK(Open());
  EXPECT_EQ(store_->epoch(), 6u);
  EXPECT_EQ(store_->recovery().recovered_segments, 1u);
  EXPECT_EQ(Numbers(gate_), UpTo(10));
  ExpectHonest(gate_);
  Close();
  ASSERT_OK(Open());
  EXPECT_EQ(store_->epoch(), 7u);
}

TEST_F(StoreTest, WithoutVolumesOneIsMadeBesideTheLedgerAndFoundAgain) {
  options_.volumes.clear();
  ASSERT_OK(Open());
  ASSERT_EQ(store_->volumes().size(), 1u);
  EXPECT_EQ(store_->volumes()[0]->root(), options_.data + "/volume");
  const Uuid id = store_->volumes()[0]->id();
  Close();
  ASSERT_OK(Open());
  ASSERT_EQ(store_->volumes().size(), 1u);
  EXPECT_EQ(store_->volumes()[0]->id(), id);
}

TEST_F(StoreTest, AnUnmountedVolumeIsOfflineItsRowsStandAndItIsNotInitialised) {
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening);
  RecordAndSeal(run, 10 * kUsPerSecond);
  Close();
  std::filesystem::rename(root_ + "/volume", root_ + "/elsewhere");
  std::filesystem::create_directories(root_ + "/volume");
  ASSERT_OK(Open());
  EXPECT_EQ(store_->volumes()[0]->state(), VolumeState::kOffline);
  EXPECT_EQ(store_->recovery().missing_segments, 0u);
  ASSERT_EQ(Segments(gate_).size(), 1u);
  EXPECT_EQ(archive().Open(Segments(gate_)[0], 0).code(), Code::kUnavailable);
  EXPECT_EQ(archive().Begin(run.info()).code(), Code::kUnavailable);
  EXPECT_EQ(store_->DeleteSegment(FirstRow(), "default/1", "age").code(), Code::kUnavailable);
  EXPECT_TRUE(std::filesystem::is_empty(root_ + "/volume"));

  // Mounted elsewhere, it is the same volume.
  Close();
  options_.volumes = {root_ + "/elsewhere"};
  ASSERT_OK(Open());
  ASSERT_EQ(store_->volumes().size(), 1u);
  EXPECT_EQ(store_->volumes()[0]->state(), VolumeState::kOnline);
  EXPECT_TRUE(archive().Open(Segments(gate_)[0], 0).has_value());
}

TEST_F(StoreTest, AMovedDataDirectoryFindsTheVolumesInIt) {
  options_.volumes = {options_.data + "/disks/a", root_ + "/volume"};
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening);
  RecordAndSeal(run, 10 * kUsPerSecond);
  Close();
  std::filesystem::rename(options_.data, root_ + "/moved");
  options_.data = root_ + "/moved";
  options_.volumes.clear();
  ASSERT_OK(Open());
  ASSERT_EQ(store_->volumes().size(), 2u);
  EXPECT_EQ(store_->volumes()[0]->root(), root_ + "/moved/disks/a");
  EXPECT_EQ(store_->volumes()[0]->state(), VolumeState::kOnline);
  EXPECT_EQ(store_->volumes()[1]->root(), root_ + "/volume");
  EXPECT_TRUE(archive().Open(Segments(gate_).at(0), 0).has_value());
}

TEST_F(StoreTest, StopSealsWhatIsOpen) {
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening);
  AppendAll(Begin(run), run.Until(10 * kUsPerSecond));
  Close();
  ASSERT_OK(Open());
  EXPECT_EQ(Numbers(gate_), UpTo(10));
  const auto report = store_->recovery();
  EXPECT_EQ(report.recovered_segments + report.adopted_segments + report.quarantined_files, 0u);
  EXPECT_EQ(archive().StatusOf(gate_).durable_until_us, kEvening + 10 * kUsPerSecond);
  ExpectHonest(gate_);
}

TEST_F(StoreTest, AHoldForbidsDeletion) {
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening);
  RecordAndSeal(run, 10 * kUsPerSecond);
  ASSERT_OK(store_->PutMarker(Hold({kEvening + 9 * kUsPerSecond, kEvening + kUsPerMinute})));
  const Status deleted = store_->DeleteSegment(FirstRow(), "default/1", "older than 30 days");
  ASSERT_FALSE(deleted);
  EXPECT_EQ(deleted.code(), Code::kDenied);
  EXPECT_TRUE(std::filesystem::exists(FileOf(FirstRow())));
}

TEST_F(StoreTest, DeletionTakesRowAndFileAndIsFinal) {
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening);
  RecordAndSeal(run, 10 * kUsPerSecond);
  const index::Seal row = FirstRow();
  const std::string file = FileOf(row);
  ASSERT_OK(store_->DeleteSegment(row, "default/1", "older than 30 days"));
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_TRUE(Segments(gate_).empty());
  EXPECT_EQ(store_->DeleteSegment(row, "default/1", "again").code(), Code::kNotFound);
  const Status held = store_->PutMarker(Hold(row.range()));
  ASSERT_FALSE(held);
  EXPECT_EQ(held.code(), Code::kConflict);
}

TEST_F(StoreTest, AHoldOverWhatIsPartlyLeftIsTaken) {
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening);
  RecordAndSeal(run, 70 * kUsPerSecond);
  ASSERT_OK(store_->DeleteSegment(FirstRow(), "default/1", "older than 30 days"));
  ASSERT_OK(store_->PutMarker(Hold({kEvening, kEvening + kUsPerHour})));
}

// A deleted file that comes back (an old disk) is deleted again; one that is merely unknown is not.
TEST_F(StoreTest, AReappearedFileGoesAgain) {
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening);
  RecordAndSeal(run, 70 * kUsPerSecond);
  const index::Seal row = FirstRow();
  std::filesystem::copy(FileOf(row), root_ + "/copy");
  ASSERT_OK(store_->DeleteSegment(row, "default/1", "older than 30 days"));
  Close();
  std::filesystem::copy(root_ + "/copy", FileOf(row));
  for (int start = 0; start < 2; ++start) {
    ASSERT_OK(Open());
    EXPECT_FALSE(std::filesystem::exists(FileOf(row)));
    EXPECT_EQ(Segments(gate_).size(), 1u);
    Close();
    // In the second round the DELETE is older than the ledger's mark.
    std::filesystem::copy(root_ + "/copy", FileOf(row));
  }
}

TEST_F(StoreTest, HoldAndDeleteNeverBothSucceed) {
  ASSERT_OK(Open());
  for (int round = 0; round < 20; ++round) {
    SyntheticRun run(gate_, kEvening + round * kUsPerHour);
    RecordAndSeal(run, kUsPerSecond);
    const index::Seal row = Segments(gate_).back().row;
    std::atomic<bool> held{false};
    std::latch start(2);
    std::thread holder([&] {
      start.arrive_and_wait();
      held = store_->PutMarker(Hold(row.range())).has_value();
    });
    start.arrive_and_wait();
    // Every other time the holder gets in first, so both orders are seen.
    EXPECT_TRUE(round % 2 == 0 || test::Await([&] { return held.load(); }));
    const bool deleted = store_->DeleteSegment(row, "default/1", "age").has_value();
    holder.join();
    EXPECT_NE(held, deleted);
    EXPECT_EQ(std::filesystem::exists(FileOf(row)), !deleted);
  }
}

// A ledger that does not answer may yet put on record what nobody waits for any more.
TEST_F(StoreTest, WhileAHoldIsNotSettledNothingIsDeleted) {
  options_.commit_wait_us = kUsPerMs;
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening);
  RecordAndSeal(run, 10 * kUsPerSecond);
  const index::Seal row = FirstRow();
  std::promise<void> inside, release;
  const auto released = release.get_future().share();
  const auto hung = [&](const Status&) {
    inside.set_value();
    released.wait();
  };
  ASSERT_OK(store_->journal().Post({index::PoliciesConfirmed{"li.wei"}}, hung));
  inside.get_future().wait();
  EXPECT_EQ(store_->PutMarker(Hold(row.range())).error().code, Code::kUnavailable);
  EXPECT_EQ(store_->DeleteSegment(row, "default/1", "age").error().code, Code::kUnavailable);
  release.set_value();
  std::promise<void> settled;
  ASSERT_OK(store_->journal().Post({index::PoliciesConfirmed{"li.wei"}},
                                   [&](const Status&) { settled.set_value(); }));
  settled.get_future().wait();
  EXPECT_EQ(store_->DeleteSegment(row, "default/1", "age").error().code, Code::kDenied);
  EXPECT_TRUE(std::filesystem::exists(FileOf(row)));
}

TEST_F(StoreTest, AnAbsentCatalogIsRebuiltAndNothingIsDeletedUntilConfirmed) {
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening);
  RecordAndSeal(run, 130 * kUsPerSecond);
  ASSERT_OK(store_->PutMarker(Hold({kEvening, kEvening + kUsPerMinute})));
  const auto before = Segments(gate_);
  Close();
  std::filesystem::remove_all(options_.data + "/catalog");
  ASSERT_OK(Open());
  EXPECT_TRUE(store_->recovery().catalog_rebuilt);
  const auto after = Segments(gate_);
  ASSERT_EQ(after.size(), before.size());
  for (size_t i = 0; i < after.size(); ++i) {
    EXPECT_EQ(index::EncodeRecord(after[i].row), index::EncodeRecord(before[i].row));
  }
  EXPECT_EQ(store_->catalog().Markers(gate_.camera, kEver)->size(), 1u);
  const Status refused = store_->DeleteSegment(after.back().row, "default/1", "age");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.code(), Code::kDenied);
  ASSERT_OK(store_->journal().Commit({index::PoliciesConfirmed{"li.wei"}}));
  ASSERT_OK(store_->DeleteSegment(after.back().row, "default/1", "age"));
}

TEST_F(StoreTest, ACorruptCatalogIsMovedAside) {
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening);
  RecordAndSeal(run, 10 * kUsPerSecond);
  Close();
  for (const auto& entry : std::filesystem::directory_iterator(options_.data + "/catalog")) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("MANIFEST") || name == "CURRENT") std::ofstream(entry.path()) << "rubbish";
  }
  ASSERT_OK(Open());
  EXPECT_TRUE(store_->recovery().catalog_rebuilt);
  EXPECT_TRUE(std::filesystem::exists(options_.data + "/catalog.bad-2"));
  EXPECT_EQ(Numbers(gate_), UpTo(10));
}

}  // namespace
}  // namespace lookback::storage
