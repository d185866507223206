// The copies of the ledger on the volumes: what they hold at any instant.
#include "storage/ledger_copy.h"

#include "storage/ledger_leaves.h"
#include "tests/storage/ledger_copy_fixture.h"

namespace lookback::storage {
namespace {

using test::Op;

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

}  // namespace
}  // namespace lookback::storage
