// What the ledger promises when its disk fails or the power goes.

#include <gtest/gtest.h>

#include <set>

#include "storage/ledger.h"
#include "storage/ledger_format.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/temp_dir.h"

namespace lookback::storage {
namespace {

using test::FaultFileSystem;
using test::Op;

class LedgerFaultTest : public testing::Test {
 protected:
  // A disk of its own for each attempt of a test.
  struct Attempt {
    test::TempDir dir;
    std::unique_ptr<FileSystem> posix = MakePosixFileSystem();
    FaultFileSystem files{*posix, dir.path()};
    std::unique_ptr<Ledger> ledger;
    std::vector<std::string> acknowledged;

    Attempt() {
      LB_CHECK(files.MakeDirectories(Directory()).has_value());
      LB_CHECK(files.SyncDirectory(dir.path()).has_value());
    }
    std::string Directory() const { return dir.Path("ledger"); }
  };

  Status Open(Attempt& a) {
    a.ledger.reset();
    LB_TRY_ASSIGN(ledger, Ledger::Open(a.Directory(), store_, clock_, a.files));
    a.ledger = std::move(ledger);
    return Ok();
  }
  // The one call that fails may be one of the start itself.
  bool Start(Attempt& a) { return Open(a).has_value() || Open(a).has_value(); }
  static index::Record Act(const std::string& what) {
    index::Act act;
    act.person = "li";
    act.what = what;
    // Groups then lie over several pages, which a torn write-back loses one by one.
    act.reason.assign(1'500, 'r');
    return act;
  }
  // Puts a group of three on the ledger, as the journal does; remembers what was acknowledged.
  static void Commit(Attempt& a, int number) {
    std::vector<index::Record> group;
    std::vector<std::string> names;
    for (const char part : {'a', 'b', 'c'}) {
      names.push_back(std::to_string(number) + part);
      group.push_back(Act(names.back()));
    }
    if (a.ledger->Append(group) && a.ledger->Sync()) {
      a.acknowledged.insert(a.acknowledged.end(), names.begin(), names.end());
    }
  }
  static std::vector<std::string> All(const Ledger& ledger) {
    std::vector<std::string> all;
    const auto read = ledger.Read(0, [&](const index::NumberedRecord& record) {
      EXPECT_EQ(record.number, all.size());
      all.push_back(std::get<index::Act>(record.record).what);
      return true;
    });
    EXPECT_TRUE(read) << read.message();
    return all;
  }
  // Every leaf is that of its record.
  static void ExpectLeavesFollow(Attempt& a) {
    const Status verified = a.ledger->Verify();
    EXPECT_TRUE(verified) << verified.message();
  }

  ManualClock clock_{1'777'903'200 * kUsPerSecond};
  const Uuid store_ = Uuid::Random();
};

TEST_F(LedgerFaultTest, ExactlyWhatWasAcknowledgedStandsWhicheverCallFails) {
  for (const Op op : {Op::kWrite, Op::kSync, Op::kSyncDirectory, Op::kCreate, Op::kTruncate}) {
    for (uint64_t n = 1;; ++n) {
      SCOPED_TRACE("call " + std::to_string(n) + " of kind " + std::to_string(int(op)));
      Attempt a;
      a.files.FailNth(op, n, n % 2 ? Code::kDiskFull : Code::kDiskFailed);
      ASSERT_TRUE(Start(a));
      for (int group = 0; group < 6; ++group) Commit(a, group);
      EXPECT_EQ(All(*a.ledger), a.acknowledged);
      EXPECT_GE(a.acknowledged.size(), 5u * 3);
      ASSERT_TRUE(Start(a));
      EXPECT_EQ(All(*a.ledger), a.acknowledged);
      Commit(a, 6);
      ASSERT_TRUE(Start(a));
      EXPECT_EQ(All(*a.ledger), a.acknowledged);
      ExpectLeavesFollow(a);
      if (a.files.injected() == 0) break;
    }
  }
}

TEST_F(LedgerFaultTest, AGroupThatFailedDoesNotComeBackAtTheNextStart) {
  for (const Op op : {Op::kWrite, Op::kSync}) {
    Attempt a;
    ASSERT_TRUE(Open(a));
    Commit(a, 0);
    a.files.FailNth(op, 1, Code::kDiskFailed);
    Commit(a, 1);
    ASSERT_EQ(a.files.injected(), 1u);
    ASSERT_TRUE(Open(a));
    EXPECT_EQ(All(*a.ledger), a.acknowledged);
  }
}

TEST_F(LedgerFaultTest, KeepsEverythingThatWasSyncedWhereverThePowerGoes) {
  for (uint64_t at = 1;; ++at) {
    SCOPED_TRACE("power cut at change " + std::to_string(at));
    for (const auto seed : {std::optional<uint64_t>(), std::optional<uint64_t>(at)}) {
      Attempt a;
      a.files.CutPowerAt(at);
      if (Open(a)) {
        for (int group = 0; group < 4; ++group) Commit(a, group);
      }
      const bool cut = !a.files.power();
      a.ledger.reset();
      if (!cut) a.files.CutPower();
      a.files.RestorePower(seed);
      const Status opened = Open(a);
      ASSERT_TRUE(opened) << opened.message();
      const std::vector<std::string> all = All(*a.ledger);
      ASSERT_GE(all.size(), a.acknowledged.size());
      EXPECT_TRUE(std::equal(a.acknowledged.begin(), a.acknowledged.end(), all.begin()));
      // At most the group under way is there beyond them.
      EXPECT_LE(all.size(), a.acknowledged.size() + 3);
      ExpectLeavesFollow(a);
      if (!cut && seed) return;
    }
  }
}

TEST_F(LedgerFaultTest, WhatAStartCountsSurvivesAPowerCut) {
  Attempt a;
  ASSERT_TRUE(Open(a));
  Commit(a, 0);
  // The process is killed between append and sync: the kernel still has the bytes.
  ASSERT_TRUE(a.ledger->Append({Act("unsynced")}));
  ASSERT_TRUE(Open(a));
  const std::vector<std::string> counted = All(*a.ledger);
  a.files.CutPower();
  a.ledger.reset();
  a.files.RestorePower();
  ASSERT_TRUE(Open(a));
  EXPECT_EQ(All(*a.ledger), counted);
}

TEST_F(LedgerFaultTest, RotIsKnownHoweverMuchFollowsIt) {
  Attempt a;
  ASSERT_TRUE(Open(a));
  // The damaged record is the first of a group so large that its end lies far behind.
  index::Act act;
  act.reason.assign(index::kMaxRecordText, 'x');
  ASSERT_TRUE(a.ledger->Append(std::vector<index::Record>(600, act)));  // 9.6 MiB.
  ASSERT_TRUE(a.ledger->Sync());
  Commit(a, 1);
  a.ledger.reset();
  const std::string path = JoinPath(a.Directory(), "0000000000000000.lkl");
  {
    auto file = a.files.Open(path, OpenMode::kReadWrite);
    ASSERT_TRUE(file);
    const ByteSpan rot = AsBytes("rot");
    ASSERT_TRUE((*file)->WriteAt(kLedgerHeaderBytes + 100, std::span(&rot, 1)));
  }
  const uint64_t size = a.files.Stat(path)->size;
  ASSERT_TRUE(Open(a));
  EXPECT_EQ(a.files.Stat(path)->size, size);
  EXPECT_EQ(a.ledger->size(), 603u);
  uint64_t read = 0;
  const auto lost = a.ledger->Read(0, [&](const index::NumberedRecord&) { return ++read > 0; });
  ASSERT_TRUE(lost);
  EXPECT_EQ(*lost, 1u);
  EXPECT_EQ(read, 602u);
}

TEST_F(LedgerFaultTest, LeavesThatAPowerCutZeroedAreMadeAgain) {
  Attempt a;
  ASSERT_TRUE(Open(a));
  for (int group = 0; group < 3; ++group) Commit(a, group);
  a.ledger.reset();
  const std::string path = JoinPath(a.Directory(), "leaves");
  const auto before = ReadFile(a.files, path, 1'000);
  {
    auto file = a.files.Open(path, OpenMode::kReadWrite);
    ASSERT_TRUE(file);
    const Bytes zeros(2 * 32);
    const ByteSpan part = zeros;
    ASSERT_TRUE((*file)->WriteAt(32, std::span(&part, 1)));
  }
  ASSERT_TRUE(Open(a));
  EXPECT_EQ(*ReadFile(a.files, path, 1'000), *before);
}

TEST_F(LedgerFaultTest, ARecordThatIsNotTheOneOfItsLeafIsNamed) {
  Attempt a;
  ASSERT_TRUE(Open(a));
  for (int group = 0; group < 3; ++group) Commit(a, group);
  ExpectLeavesFollow(a);
  a.ledger.reset();
  const std::string path = JoinPath(a.Directory(), "leaves");
  {
    auto file = a.files.Open(path, OpenMode::kReadWrite);
    ASSERT_TRUE(file);
    const ByteSpan other = AsBytes("not the hash of any record");
    ASSERT_TRUE((*file)->WriteAt(4 * 32, std::span(&other, 1)));
  }
  const auto before = ReadFile(a.files, path, 1'000);
  ASSERT_TRUE(Open(a));  // Recording goes on.
  EXPECT_EQ(*ReadFile(a.files, path, 1'000), *before) << "evidence is not written over";
  const Status verified = a.ledger->Verify();
  ASSERT_FALSE(verified);
  EXPECT_EQ(verified.error().code, Code::kCorrupt);
  EXPECT_NE(verified.error().message.find("record 4"), std::string::npos) << verified.message();
}

TEST_F(LedgerFaultTest, AWriterDoesNotStartOnRecordsOfALaterVersion) {
  Attempt a;
  ASSERT_TRUE(Open(a));
  Commit(a, 0);
  const uint64_t end = a.ledger->bytes();
  a.ledger.reset();
  LedgerRecord later;
  later.kind = static_cast<index::RecordKind>(99);
  later.number = 3;
  Bytes bytes;
  AppendLedgerRecord(bytes, later);
  {
    auto file = a.files.Open(JoinPath(a.Directory(), "0000000000000000.lkl"), OpenMode::kReadWrite);
    ASSERT_TRUE(file);
    const ByteSpan part = bytes;
    ASSERT_TRUE((*file)->WriteAt(end, std::span(&part, 1)));
  }
  EXPECT_EQ(Open(a).error().code, Code::kUnsupported);
  const auto reader = Ledger::OpenReadOnly(a.Directory(), a.files);
  ASSERT_TRUE(reader) << reader.message();
  EXPECT_EQ(All(**reader), a.acknowledged);
}

}  // namespace
}  // namespace lookback::storage
