// The copies of the ledger on the volumes: what they hold at any instant, and what a start makes of
// them. Files are compared with cmp(1).

#include "storage/ledger_copy.h"

#include <fstream>
#include <set>

#include "storage/ledger_leaves.h"
#include "storage/ledger_mend.h"
#include "storage/ledger_restore.h"
#include "tests/storage/store_fixture.h"
#include "tests/support/temp_dir.h"

namespace lookback::storage {
namespace {

using test::FaultFileSystem;
using test::Op;

bool Identical(const std::string& a, const std::string& b) {
  return std::system(("cmp -s '" + a + "' '" + b + "'").c_str()) == 0;
}

void FlipByte(const std::string& path, uint64_t offset) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(offset));
  const int byte = file.get();
  file.seekp(static_cast<std::streamoff>(offset));
  file.put(static_cast<char>(byte ^ 0x55));
}

// A ledger and volumes with copies of it, moved by hand: no thread but the test's.
struct Desk {
  explicit Desk(int volume_count = 1) {
    LB_CHECK(files.MakeDirectories(LedgerDirectory()).has_value());
    LB_CHECK(files.SyncDirectory(dir.path()).has_value());
    for (int i = 0; i < volume_count; ++i) OpenVolume(i);
  }
  std::string LedgerDirectory() const { return dir.Path("ledger"); }
  std::string Root(int i) const { return dir.Path("volume" + std::to_string(i)); }
  std::string CopyDirectory(int i) const { return LedgerCopyPath(Root(i)); }

  void OpenVolume(int i) {
    auto volume = OpenLocalVolume(Root(i), store, nullptr, files);
    LB_CHECK(volume.has_value());
    volumes.push_back(std::move(*volume));
  }
  Result<LedgerRestored> Restore() {
    LedgerPlaces places{LedgerDirectory(), {}, store, ++epoch};
    for (const auto& volume : volumes) places.copies.push_back(LedgerCopyPath(volume->root()));
    return RestoreLedger(places, files);
  }
  Status Open() {
    copies.clear();
    ledger.reset();
    LB_TRY_ASSIGN(opened, Ledger::Open(LedgerDirectory(), store, clock, files));
    ledger = std::move(opened);
    for (const auto& volume : volumes) {
      copies.push_back(std::make_unique<LedgerCopy>(
          LedgerCopy::Parts{*volume, *ledger, LedgerDirectory(), store, epoch, mending, files}));
    }
    return Ok();
  }
  // What a start does.
  Result<LedgerRestored> Start() {
    copies.clear();
    ledger.reset();
    LB_TRY_ASSIGN(restored, Restore());
    LB_TRY(Open());
    return restored;
  }
  static index::Record Act(const std::string& what) {
    index::Act act;
    act.person = "li";
    act.what = what;
    act.reason.assign(1'500, 'r');
    return act;
  }
  void Commit(int count = 3) {
    std::vector<index::Record> group;
    std::vector<std::string> names;
    for (int i = 0; i < count; ++i) {
      names.push_back(std::to_string(++made));
      group.push_back(Act(names.back()));
    }
    if (ledger->Append(group) && ledger->Sync()) {
      acknowledged.insert(acknowledged.end(), names.begin(), names.end());
    }
  }
  static std::vector<std::string> All(const Ledger& ledger) {
    std::vector<std::string> all;
    const auto read = ledger.Read(0, [&](const index::NumberedRecord& record) {
      all.push_back(std::get<index::Act>(record.record).what);
      return true;
    });
    EXPECT_TRUE(read) << read.message();
    return all;
  }
  std::vector<std::string> LedgerFiles() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(LedgerDirectory())) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }
  void ExpectIdentical(int i) const {
    for (const std::string& name : LedgerFiles()) {
      EXPECT_TRUE(Identical(LedgerDirectory() + "/" + name, CopyDirectory(i) + "/" + name)) << name;
    }
  }
  std::string First() const { return LedgerDirectory() + "/" + LedgerFileName(0); }
  std::string CopyOfFirst(int i) const { return CopyDirectory(i) + "/" + LedgerFileName(0); }
  // Ends the last file: its next sync fails, so that another file is begun.
  void EndFile() {
    files.FailNth(Op::kSync, 1, Code::kDiskFailed);
    LB_CHECK(ledger->Append({Act("lost")}).has_value());
    LB_CHECK(!ledger->Sync().has_value());
  }

  test::TempDir dir;
  std::unique_ptr<FileSystem> posix = MakePosixFileSystem();
  FaultFileSystem files{*posix, dir.path()};
  ManualClock clock{1'777'903'200 * kUsPerSecond};
  Uuid store = Uuid::Random();
  uint32_t epoch = 1;
  std::vector<std::unique_ptr<Volume>> volumes;
  std::unique_ptr<Ledger> ledger;
  std::mutex mending;
  std::vector<std::unique_ptr<LedgerCopy>> copies;
  int made = 0;
  std::vector<std::string> acknowledged;
};

TEST(LedgerCopyTest, HoldsTheSameFilesByteByByte) {
  Desk desk;
  ASSERT_OK(desk.Open());
  for (int round = 0; round < 3; ++round) {
    desk.Commit();
    ASSERT_OK(desk.copies[0]->Round());
    EXPECT_EQ(desk.copies[0]->held(), desk.ledger->size());
    desk.ExpectIdentical(0);
  }
  desk.EndFile();
  desk.Commit();
  ASSERT_OK(desk.copies[0]->Round());
  EXPECT_EQ(desk.LedgerFiles().size(), 3u);  // Two, and the leaves.
  desk.ExpectIdentical(0);
  while (true) {
    const auto more = desk.copies[0]->CheckOne();
    ASSERT_OK(more);
    if (!*more) break;
  }
  EXPECT_TRUE(desk.copies[0]->notes().empty());
}

TEST(LedgerCopyTest, TheCopyOfAVolumeThatWasAwayCatchesUp) {
  Desk desk;
  ASSERT_OK(desk.Open());
  desk.Commit();
  ASSERT_OK(desk.copies[0]->Round());
  ASSERT_OK(desk.Open());  // Without a round: it was away.
  desk.Commit();
  desk.EndFile();
  desk.Commit();
  ASSERT_OK(desk.Open());
  desk.Commit();
  ASSERT_OK(desk.copies[0]->Round());
  desk.ExpectIdentical(0);
  EXPECT_TRUE(desk.copies[0]->notes().empty());
}

TEST(LedgerCopyTest, WhatCountsAsHeldSurvivesWhereverThePowerGoes) {
  for (uint64_t at = 1;; ++at) {
    SCOPED_TRACE("power cut at change " + std::to_string(at));
    bool cut = false;
    for (const auto seed : {std::optional<uint64_t>(), std::optional<uint64_t>(at)}) {
      Desk desk;
      desk.files.CutPowerAt(at);
      uint64_t held = 0;
      if (desk.Open()) {
        for (int group = 0; group < 4; ++group) {
          desk.Commit();
          if (group == 2) (void)desk.copies[0]->Round();  // Two groups with one sync, and one.
          if (group == 3) (void)desk.copies[0]->Round();
        }
        held = desk.copies[0]->held();
      }
      cut = !desk.files.power();
      desk.copies.clear();
      desk.ledger.reset();
      if (!cut) desk.files.CutPower();
      desk.files.RestorePower(seed);
      // The store's own ledger is lost as well: the copy alone has to bring everything back.
      std::filesystem::remove_all(desk.LedgerDirectory());
      std::filesystem::create_directories(desk.LedgerDirectory());
      ASSERT_OK(desk.Start());
      const std::vector<std::string> all = Desk::All(*desk.ledger);
      ASSERT_GE(all.size(), held);
      // Nothing but what was acknowledged, and none of it twice.
      ASSERT_LE(all.size(), desk.acknowledged.size());
      EXPECT_EQ(std::set(all.begin(), all.end()).size(), all.size());
      EXPECT_TRUE(std::equal(all.begin(), all.begin() + static_cast<ptrdiff_t>(held),
                             desk.acknowledged.begin()));
      desk.Commit();
      ASSERT_OK(desk.copies[0]->Round());
      desk.ExpectIdentical(0);
    }
    if (!cut) return;
  }
}

TEST(LedgerCopyTest, IsWholeAgainAfterWhicheverCallFailed) {
  for (const Op op : {Op::kWrite, Op::kSync, Op::kSyncDirectory, Op::kCreate, Op::kRename,
                      Op::kMakeDirectories, Op::kRead, Op::kOpen}) {
    for (uint64_t n = 1;; ++n) {
      SCOPED_TRACE("call " + std::to_string(n) + " of kind " + std::to_string(int(op)));
      Desk desk;
      ASSERT_OK(desk.Open());
      desk.Commit();
      desk.files.FailNth(op, n, Code::kDiskFailed);
      (void)desk.copies[0]->Round();
      const bool injected = desk.files.injected() > 0;
      desk.files.StopFailing();
      desk.Commit();
      ASSERT_OK(desk.copies[0]->Round());
      desk.ExpectIdentical(0);
      // After a cut nothing that counts is gone: what a failed sync dropped was written anew.
      const uint64_t held = desk.copies[0]->held();
      desk.copies.clear();
      desk.ledger.reset();
      desk.files.CutPower();
      desk.files.RestorePower();
      std::filesystem::remove_all(desk.LedgerDirectory());
      std::filesystem::create_directories(desk.LedgerDirectory());
      ASSERT_OK(desk.Start());
      EXPECT_EQ(desk.ledger->size(), held);
      EXPECT_EQ(Desk::All(*desk.ledger), desk.acknowledged);
      if (!injected) break;
    }
  }
}

TEST(LedgerCopyTest, ALostLedgerIsRestoredBeforeAnythingIsWritten) {
  Desk desk(2);
  ASSERT_OK(desk.Open());
  desk.Commit();
  desk.EndFile();
  desk.Commit();
  ASSERT_OK(desk.copies[0]->Round());
  desk.Commit();
  ASSERT_OK(desk.copies[1]->Round());  // The longer one.
  desk.copies.clear();
  desk.ledger.reset();
  std::filesystem::rename(desk.LedgerDirectory(), desk.dir.Path("before"));
  const auto restored = desk.Start();
  ASSERT_OK(restored);
  EXPECT_TRUE(restored->in_doubt);
  EXPECT_FALSE(restored->replaced);
  EXPECT_EQ(restored->records, desk.acknowledged.size());
  EXPECT_EQ(Desk::All(*desk.ledger), desk.acknowledged);
  for (const std::string& name : desk.LedgerFiles()) {
    EXPECT_TRUE(Identical(desk.LedgerDirectory() + "/" + name, desk.dir.Path("before/" + name)));
  }
  ASSERT_OK(desk.copies[0]->Round());
  desk.ExpectIdentical(0);
}

TEST(LedgerCopyTest, ARestoreThatIsCutShortIsFinishedByTheNextStart) {
  for (uint64_t at = 1;; ++at) {
    SCOPED_TRACE("power cut at change " + std::to_string(at));
    Desk desk;
    ASSERT_OK(desk.Open());
    desk.Commit();
    desk.EndFile();
    desk.Commit();
    ASSERT_OK(desk.copies[0]->Round());
    desk.copies[0]->SyncLeaves();
    desk.copies.clear();
    desk.ledger.reset();
    std::filesystem::remove_all(desk.LedgerDirectory());
    desk.files.CutPowerAt(at);
    (void)desk.Restore();
    const bool cut = !desk.files.power();
    if (!cut) desk.files.CutPower();
    desk.files.RestorePower();
    ASSERT_OK(desk.Start());
    EXPECT_EQ(Desk::All(*desk.ledger), desk.acknowledged);
    EXPECT_TRUE(desk.ledger->Verify());
    if (!cut) return;
  }
}

TEST(LedgerCopyTest, ARottenRecordIsMendedFromTheCopyInAnyFile) {
  for (const bool finished : {false, true}) {
    Desk desk;
    ASSERT_OK(desk.Open());
    desk.Commit();
    desk.Commit();
    if (finished) desk.EndFile();
    desk.Commit();
    ASSERT_OK(desk.copies[0]->Round());
    std::filesystem::copy_file(desk.First(), desk.dir.Path("whole"));
    FlipByte(desk.First(), 2'000);  // In record 1, with synced groups behind it.
    const auto restored = desk.Start();
    ASSERT_OK(restored);
    EXPECT_FALSE(restored->in_doubt);
    // A finished file is not looked into at a start, unless a catalog is made from it; its copy's
    // thread finds it.
    EXPECT_EQ(restored->records, finished ? 0u : 1u);
    ASSERT_OK(desk.copies[0]->Round());
    if (finished) {
      EXPECT_EQ(Desk::All(*desk.ledger).size(), desk.acknowledged.size() - 1);
      ASSERT_OK(desk.copies[0]->CheckOne());
      EXPECT_EQ(desk.copies[0]->notes().size(), 1u);
    }
    EXPECT_TRUE(Identical(desk.First(), desk.dir.Path("whole")));
    EXPECT_EQ(Desk::All(*desk.ledger), desk.acknowledged);
    EXPECT_TRUE(desk.ledger->Verify());
  }
}

TEST(LedgerCopyTest, ACatalogIsMadeFromMendedFiles) {
  Desk desk;
  ASSERT_OK(desk.Open());
  desk.Commit();
  desk.EndFile();
  desk.Commit();
  ASSERT_OK(desk.copies[0]->Round());
  FlipByte(desk.First(), 2'000);
  const auto mended =
      MendLedger({desk.LedgerDirectory(), {desk.CopyDirectory(0)}, desk.store, 2}, 0, desk.files);
  ASSERT_OK(mended);
  EXPECT_EQ(*mended, 1u);
  EXPECT_EQ(Desk::All(*desk.ledger), desk.acknowledged);
}

TEST(LedgerCopyTest, ARottenCopyIsMadeAnewFromTheLedger) {
  for (const bool finished : {false, true}) {
    Desk desk;
    ASSERT_OK(desk.Open());
    desk.Commit();
    if (finished) desk.EndFile();
    desk.Commit();
    ASSERT_OK(desk.copies[0]->Round());
    FlipByte(desk.CopyOfFirst(0), 2'000);
    const auto restored = desk.Start();
    ASSERT_OK(restored);
    EXPECT_FALSE(restored->in_doubt);
    ASSERT_OK(desk.copies[0]->Round());
    if (finished) ASSERT_OK(desk.copies[0]->CheckOne());
    desk.ExpectIdentical(0);
    EXPECT_EQ(desk.copies[0]->notes().size(), 1u);
    EXPECT_FALSE(desk.copies[0]->set_apart());
  }
}

TEST(LedgerCopyTest, ACopyThatHasWhatTheLedgerLostIsNotWrittenOver) {
  Desk desk;
  ASSERT_OK(desk.Open());
  desk.Commit();
  desk.Commit();
  ASSERT_OK(desk.copies[0]->Round());
  // Both rot while the store runs, in different records.
  FlipByte(desk.First(), 2'000);
  FlipByte(desk.CopyOfFirst(0), 4'000);
  std::filesystem::copy_file(desk.CopyOfFirst(0), desk.dir.Path("copy"));
  ASSERT_OK(desk.Open());
  const Status round = desk.copies[0]->Round();
  ASSERT_FALSE(round);
  EXPECT_EQ(round.code(), Code::kCorrupt);
  EXPECT_TRUE(Identical(desk.CopyOfFirst(0), desk.dir.Path("copy")));
  // The next start makes both whole from one another.
  ASSERT_OK(desk.Start());
  ASSERT_OK(desk.copies[0]->Round());
  EXPECT_EQ(Desk::All(*desk.ledger), desk.acknowledged);
  desk.ExpectIdentical(0);
}

// A copy of what the desk's ledger is now, as a ledger that went on by itself.
void Diverge(Desk& desk, int groups) {
  desk.copies.clear();
  desk.ledger.reset();
  ASSERT_OK(desk.Open());
  for (int i = 0; i < groups; ++i) desk.Commit();
}

TEST(LedgerCopyTest, ACopyThatDisagreesIsKeptApartAndReported) {
  Desk desk;
  ASSERT_OK(desk.Open());
  desk.Commit();
  ASSERT_OK(desk.copies[0]->Round());
  std::filesystem::copy(desk.LedgerDirectory(), desk.dir.Path("old"));
  desk.Commit();
  ASSERT_OK(desk.copies[0]->Round());
  std::filesystem::copy_file(desk.CopyOfFirst(0), desk.dir.Path("copy"));
  // The ledger is put back from a backup, and goes on without the volume.
  desk.copies.clear();
  desk.ledger.reset();
  std::filesystem::remove_all(desk.LedgerDirectory());
  std::filesystem::rename(desk.dir.Path("old"), desk.LedgerDirectory());
  desk.acknowledged.resize(3);
  Diverge(desk, 3);
  const auto restored = desk.Start();
  ASSERT_OK(restored);
  EXPECT_TRUE(restored->in_doubt);
  EXPECT_FALSE(restored->replaced);
  EXPECT_EQ(Desk::All(*desk.ledger), desk.acknowledged);
  ASSERT_OK(desk.copies[0]->Round());
  EXPECT_TRUE(desk.copies[0]->set_apart());
  desk.ExpectIdentical(0);
  const std::string apart = desk.CopyDirectory(0) + "/apart-" + std::to_string(desk.epoch);
  EXPECT_TRUE(Identical(apart + "/" + LedgerFileName(0), desk.dir.Path("copy")));
  EXPECT_TRUE(std::filesystem::exists(apart + "/leaves"));
}

TEST(LedgerCopyTest, ALedgerThatTheCopiesOutvoteIsSetApart) {
  Desk desk(2);
  ASSERT_OK(desk.Open());
  desk.Commit();
  std::filesystem::copy(desk.LedgerDirectory(), desk.dir.Path("old"));
  desk.Commit();
  for (auto& copy : desk.copies) ASSERT_OK(copy->Round());
  const std::vector<std::string> truth = desk.acknowledged;
  desk.copies.clear();
  desk.ledger.reset();
  std::filesystem::remove_all(desk.LedgerDirectory());
  std::filesystem::rename(desk.dir.Path("old"), desk.LedgerDirectory());
  Diverge(desk, 3);
  std::filesystem::copy_file(desk.First(), desk.dir.Path("outvoted"));
  const auto restored = desk.Start();
  ASSERT_OK(restored);
  EXPECT_TRUE(restored->replaced);
  EXPECT_TRUE(restored->in_doubt);
  EXPECT_EQ(Desk::All(*desk.ledger), truth);
  EXPECT_TRUE(Identical(
      desk.LedgerDirectory() + ".apart-" + std::to_string(desk.epoch) + "/" + LedgerFileName(0),
      desk.dir.Path("outvoted")));
}

TEST(LedgerCopyTest, ALedgerThatWasPutBackGetsWhatItLacks) {
  Desk desk;
  ASSERT_OK(desk.Open());
  desk.Commit();
  std::filesystem::copy(desk.LedgerDirectory(), desk.dir.Path("old"));
  desk.Commit();
  ASSERT_OK(desk.copies[0]->Round());
  desk.copies.clear();
  desk.ledger.reset();
  std::filesystem::remove_all(desk.LedgerDirectory());
  std::filesystem::rename(desk.dir.Path("old"), desk.LedgerDirectory());
  const auto restored = desk.Start();
  ASSERT_OK(restored);
  EXPECT_TRUE(restored->in_doubt);
  EXPECT_EQ(restored->records, 3u);
  EXPECT_EQ(Desk::All(*desk.ledger), desk.acknowledged);
}

TEST(LedgerCopyTest, ACopyThatWasTakenAwayIsMadeAgain) {
  Desk desk;
  ASSERT_OK(desk.Open());
  desk.Commit();
  ASSERT_OK(desk.copies[0]->Round());
  std::filesystem::remove_all(desk.CopyDirectory(0));
  desk.Commit();
  ASSERT_OK(desk.copies[0]->Round());
  desk.ExpectIdentical(0);
}

TEST(LedgerCopyTest, NothingIsWrittenToABareMountPointOrAnotherStoresVolume) {
  Desk desk;
  ASSERT_OK(desk.Open());
  desk.Commit();
  std::filesystem::rename(desk.Root(0), desk.dir.Path("elsewhere"));
  std::filesystem::create_directories(desk.Root(0));
  EXPECT_FALSE(desk.copies[0]->Round());
  EXPECT_TRUE(std::filesystem::is_empty(desk.Root(0)));
  ASSERT_OK(OpenLocalVolume(desk.Root(0), Uuid::Random(), nullptr, desk.files));
  EXPECT_FALSE(desk.copies[0]->Round());
  EXPECT_FALSE(std::filesystem::exists(desk.Root(0) + "/v1"));
  std::filesystem::remove_all(desk.Root(0));
  std::filesystem::rename(desk.dir.Path("elsewhere"), desk.Root(0));
  ASSERT_OK(desk.copies[0]->Round());
  desk.ExpectIdentical(0);
}

// What the store makes of them.
class CopiesTest : public StoreFixture {
 protected:
  void SetUp() override {
    StoreFixture::SetUp();
    options_.copy_ledger = true;
  }
  std::string Ledgers() const { return options_.data + "/ledger"; }
  std::string Copy() const { return LedgerCopyPath(options_.volumes.front()); }
  void ExpectIdentical() const {
    for (const auto& entry : std::filesystem::directory_iterator(Ledgers())) {
      const std::string name = entry.path().filename().string();
      EXPECT_TRUE(Identical(Ledgers() + "/" + name, Copy() + "/" + name)) << name;
    }
  }
  index::Marker Hold() const {
    index::Marker hold;
    hold.id = Uuid::Random();
    hold.cameras = {gate_.camera};
    hold.range = {test::kEvening, test::kEvening + kUsPerHour};
    hold.hold = true;
    hold.case_name = "2026-114";
    hold.person = "li";
    return hold;
  }
};

TEST_F(CopiesTest, AStopLeavesIdenticalFilesAndNoStrays) {
  ASSERT_OK(Open());
  test::SyntheticRun run(gate_, test::kEvening);
  RecordAndSeal(run, 30 * kUsPerSecond);
  ASSERT_OK(store_->PutMarker(Hold()));
  ASSERT_OK(store_->AwaitSecondCopy());
  EXPECT_GE(store_->ledger_copies().at(0).records, store_->ledger().size());
  uint64_t strays = 0;
  const auto visit = [&](const Volume::Found& file) {
    strays += file.stray;
    return true;
  };
  ASSERT_OK(store_->volumes().front()->VisitFiles(visit, Volume::EveryDay));
  EXPECT_EQ(strays, 0u);
  Close();
  ExpectIdentical();
}

TEST_F(CopiesTest, ALostLedgerAndCatalogComeBackWithTheirHoldsAndNothingIsDeleted) {
  ASSERT_OK(Open());
  test::SyntheticRun run(gate_, test::kEvening);
  RecordAndSeal(run, 30 * kUsPerSecond);
  const index::Marker hold = Hold();
  ASSERT_OK(store_->PutMarker(hold));
  ASSERT_OK(store_->AwaitSecondCopy());
  const auto segments = store_->catalog().Segments(gate_, kEver);
  ASSERT_OK(segments);
  Close();
  std::filesystem::remove_all(Ledgers());
  std::filesystem::remove_all(options_.data + "/catalog");
  ASSERT_OK(Open());
  EXPECT_GT(store_->recovery().ledger_mended_records, 0u);
  const auto found = store_->catalog().FindMarker(hold.id);
  ASSERT_OK(found);
  EXPECT_TRUE(found->has_value());
  EXPECT_EQ(store_->catalog().Segments(gate_, kEver)->size(), segments->size());
  const auto confirmed = store_->catalog().PoliciesConfirmed();
  ASSERT_OK(confirmed);
  EXPECT_FALSE(*confirmed);
  ExpectHonest(gate_);
}

TEST_F(CopiesTest, AVolumeWhoseCopyLacksAHoldDeletesNothing) {
  ASSERT_OK(Open());
  test::SyntheticRun run(gate_, test::kEvening);
  RecordAndSeal(run, 30 * kUsPerSecond);
  const auto segments = store_->catalog().Segments(gate_, kEver);
  ASSERT_OK(segments);
  ASSERT_FALSE(segments->empty());
  ASSERT_OK(store_->AwaitSecondCopy());
  // The copy's folder cannot be written any more; the hold is of other footage.
  std::filesystem::rename(Copy(), Copy() + "-away");
  std::ofstream(Copy()) << "a file in its place";
  index::Marker hold = Hold();
  hold.range = {test::kEvening - 2 * kUsPerHour, test::kEvening - kUsPerHour};
  ASSERT_OK(store_->PutMarker(hold));
  const Status second = store_->AwaitSecondCopy();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.code(), Code::kUnavailable);
  const Status refused = store_->DeleteSegment(segments->front(), "default/1", "test");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.code(), Code::kUnavailable);
  EXPECT_NE(refused.message().find("copy of the ledger"), std::string::npos);
  EXPECT_FALSE(store_->ledger_copies().at(0).trouble.empty());
  EXPECT_TRUE(std::filesystem::exists(FileOf(segments->front())));
  std::filesystem::remove(Copy());
  std::filesystem::rename(Copy() + "-away", Copy());
  Close();
  ASSERT_OK(Open());
  ASSERT_OK(store_->DeleteSegment(segments->front(), "default/1", "test"));
  EXPECT_FALSE(std::filesystem::exists(FileOf(segments->front())));
}

TEST_F(CopiesTest, ACameraMayBeCalledLedger) {
  ASSERT_OK(Open());
  const StreamId ledger = test::MakeStream("ledger");
  test::SyntheticRun run(ledger, test::kEvening);
  RecordAndSeal(run, 30 * kUsPerSecond);
  ASSERT_OK(store_->AwaitSecondCopy());
  Close();
  ExpectIdentical();
  ASSERT_OK(Open());
  EXPECT_FALSE(Segments(ledger).empty());
  EXPECT_EQ(store_->recovery().missing_segments, 0u);
  EXPECT_EQ(store_->recovery().adopted_segments, 0u);
}

}  // namespace
}  // namespace lookback::storage
