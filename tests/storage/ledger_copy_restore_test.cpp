// What a start makes of a ledger and its copies on the volumes, of which some are lost, rotten, cut
// short or of another ledger.
#include "storage/ledger_leaves.h"
#include "storage/ledger_mend.h"
#include "tests/storage/ledger_copy_fixture.h"

namespace lookback::storage {
namespace {

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

}  // namespace
}  // namespace lookback::storage
