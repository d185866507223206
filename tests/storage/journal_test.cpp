#include "storage/journal.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <thread>

#include "tests/storage/file_size_limit.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/temp_dir.h"

namespace lookback::storage {
namespace {

using test::Op;

index::Record Said(const std::string& what) {
  index::Act act;
  act.person = "li";
  act.what = what;
  return act;
}

class JournalTest : public testing::Test {
 protected:
  void SetUp() override { Start(); }

  void Start() {
    Close();
    auto ledger = Ledger::Open(dir_.Path("ledger"), store_, clock_, files_);
    ASSERT_TRUE(ledger) << ledger.message();
    ledger_ = *std::move(ledger);
    auto catalog = index::Catalog::Open(dir_.Path("catalog"), {});
    ASSERT_TRUE(catalog) << catalog.message();
    catalog_ = *std::move(catalog);
    auto journal = Journal::Start(*ledger_, *catalog_);
    ASSERT_TRUE(journal) << journal.message();
    journal_ = *std::move(journal);
  }
  void Close() {
    journal_.reset();
    catalog_.reset();
    ledger_.reset();
  }

  // Keeps the journal's thread busy until the promise is kept.
  std::shared_ptr<std::promise<void>> Occupy() {
    auto release = std::make_shared<std::promise<void>>();
    auto inside = std::make_shared<std::promise<void>>();
    const auto done = [release, inside](const Status&) {
      inside->set_value();
      release->get_future().wait();
    };
    EXPECT_TRUE(journal_->Post({Said("occupied")}, done));
    inside->get_future().wait();
    return release;
  }

  std::vector<std::string> OnLedger() {
    std::vector<std::string> all;
    EXPECT_TRUE(ledger_->Read(0, [&](const index::NumberedRecord& record) {
      if (const auto* act = std::get_if<index::Act>(&record.record)) all.push_back(act->what);
      return true;
    }));
    return all;
  }
  std::vector<std::string> InCatalog() {
    std::vector<std::string> all;
    const auto acts = catalog_->Acts(0, 100'000);
    EXPECT_TRUE(acts) << acts.message();
    for (auto it = acts->rbegin(); it != acts->rend(); ++it) {
      if (const auto* act = std::get_if<index::Act>(&it->record)) all.push_back(act->what);
    }
    return all;
  }

  test::TempDir dir_;
  ManualClock clock_{1'777'903'200 * kUsPerSecond};
  std::unique_ptr<FileSystem> posix_ = MakePosixFileSystem();
  test::FaultFileSystem files_{*posix_, dir_.path()};
  const Uuid store_ = Uuid::Random();
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<index::Catalog> catalog_;
  std::unique_ptr<Journal> journal_;
};

TEST_F(JournalTest, ACommitterHearsOnlyWhenTheRecordIsOnLedgerAndInCatalog) {
  std::promise<std::pair<uint64_t, uint64_t>> seen;
  ASSERT_TRUE(journal_->Post({Said("a"), Said("b")}, [&](const Status& status) {
    EXPECT_TRUE(status);
    seen.set_value({ledger_->size(), catalog_->position()});
  }));
  EXPECT_EQ(seen.get_future().get(), (std::pair<uint64_t, uint64_t>(2, 2)));
}

TEST_F(JournalTest, OneSyncServesAllThatWaitsInOrder) {
  const auto release = Occupy();
  std::vector<std::string> expected{"occupied"};
  std::promise<void> last;
  const uint64_t syncs = files_.calls(Op::kSync);
  for (int i = 0; i < 100; ++i) {
    expected.push_back(std::to_string(i));
    ASSERT_TRUE(journal_->Post({Said(expected.back())}, [&, i](const Status& status) {
      EXPECT_TRUE(status);
      if (i == 99) last.set_value();
    }));
  }
  release->set_value();
  last.get_future().wait();
  EXPECT_EQ(files_.calls(Op::kSync) - syncs, 1u);
  EXPECT_EQ(OnLedger(), expected);
  EXPECT_EQ(InCatalog(), expected);
}

TEST_F(JournalTest, ACommitterWaitsOnlySoLongAndTheRecordMayStillCome) {
  journal_.reset();
  journal_ = *Journal::Start(*ledger_, *catalog_, kUsPerMs);
  const auto release = Occupy();
  const Status late = journal_->Commit({Said("late")});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::kUnavailable);
  EXPECT_EQ(OnLedger(), std::vector<std::string>{"occupied"});
  release->set_value();
  journal_->Stop();
  EXPECT_EQ(OnLedger(), (std::vector<std::string>{"occupied", "late"}));
}

TEST_F(JournalTest, AFullQueueRefusesWithoutWaiting) {
  const auto release = Occupy();
  const index::Record one = Said("x");
  ASSERT_TRUE(journal_->Post(std::vector<index::Record>(Journal::kMaxWaiting - 1, one), {}));
  EXPECT_TRUE(journal_->Post({one}, {}));
  EXPECT_EQ(journal_->Post({one}, {}).error().code, Code::kUnavailable);
  release->set_value();
  journal_->Stop();
  EXPECT_EQ(ledger_->size(), 1 + Journal::kMaxWaiting);
}

TEST_F(JournalTest, StopCommitsWhatWaitsThenRefuses) {
  const auto release = Occupy();
  std::atomic<int> done = 0;
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(journal_->Post({Said("x")}, [&](const Status& status) { done += status ? 1 : 0; }));
  }
  std::thread one([&] { journal_->Stop(); }), two([&] { journal_->Stop(); });
  release->set_value();
  one.join();
  two.join();
  EXPECT_EQ(done, 10);
  EXPECT_EQ(ledger_->size(), 11u);
  EXPECT_EQ(journal_->Commit({Said("late")}).error().code, Code::kUnavailable);
}

TEST_F(JournalTest, NothingOfAFailedRoundIsOnRecordAndTheNextOneIs) {
  for (const Op op : {Op::kWrite, Op::kSync}) {
    const std::vector<std::string> before = OnLedger();
    files_.FailNth(op, 1, Code::kDiskFull);
    EXPECT_EQ(journal_->Commit({Said("lost")}).error().code, Code::kDiskFull);
    EXPECT_EQ(OnLedger(), before);
    EXPECT_NE(journal_->trouble(), "");
    EXPECT_TRUE(journal_->Commit({Said("kept")}));
    EXPECT_EQ(journal_->trouble(), "");
    EXPECT_EQ(OnLedger().size(), before.size() + 1);
    EXPECT_EQ(InCatalog(), OnLedger());
  }
  Start();
  EXPECT_EQ(OnLedger(), (std::vector<std::string>{"kept", "kept"}));
}

// An open file goes on taking records that no start would find.
TEST_F(JournalTest, NothingIsOnRecordWhileTheLedgerIsGoneFromUnderIt) {
  ASSERT_TRUE(journal_->Commit({Said("before")}));
  const std::string ledger = dir_.Path("ledger");
  for (int i = 0; i < 2; ++i) {
    std::filesystem::rename(ledger, ledger + ".gone");
    EXPECT_EQ(journal_->Commit({Said("lost")}).error().code, Code::kDiskFailed);
    EXPECT_EQ(journal_->Commit({Said("lost too")}).error().code, Code::kDiskFailed);
    EXPECT_NE(journal_->trouble(), "");
    EXPECT_FALSE(std::filesystem::exists(ledger)) << "made anew, on whatever disk is there now";
    std::filesystem::rename(ledger + ".gone", ledger);
    EXPECT_TRUE(journal_->Commit({Said("after")}));
    EXPECT_EQ(journal_->trouble(), "");
  }
  const std::vector<std::string> kept = {"before", "after", "after"};
  EXPECT_EQ(OnLedger(), kept);
  Start();
  EXPECT_EQ(OnLedger(), kept);
  EXPECT_EQ(InCatalog(), kept);
}

TEST_F(JournalTest, NothingIsOnRecordWhereAnotherFileSystemIsInTheLedgersPlace) {
  ASSERT_TRUE(journal_->Commit({Said("before")}));
  files_.SetMount(dir_.Path("ledger/0000000000000000.lkl"));
  EXPECT_EQ(journal_->Commit({Said("lost")}).error().code, Code::kDiskFailed);
  files_.SetMount(dir_.Path("ledger"));
  EXPECT_EQ(journal_->Commit({Said("lost too")}).error().code, Code::kDiskFailed);
  files_.SetMount("");
  EXPECT_TRUE(journal_->Commit({Said("after")}));
  EXPECT_EQ(OnLedger(), (std::vector<std::string>{"before", "after"}));
}

TEST_F(JournalTest, ManyCommittersLoseNothing) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) EXPECT_TRUE(journal_->Commit({Said("x")}));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ledger_->size(), 200u);
  EXPECT_EQ(catalog_->position(), 200u);
}

TEST_F(JournalTest, ACatalogThatCannotBeWrittenCatchesUpOnceItCan) {
  // A marker on many cameras makes the catalog's log far larger than the ledger.
  index::Marker marker;
  marker.range = {clock_.NowUs(), clock_.NowUs() + kUsPerHour};
  for (int i = 0; i < 4'000; ++i) marker.cameras.push_back(*CameraId::Parse(std::to_string(i)));
  for (int i = 0; i < 8; ++i) {
    marker.id = Uuid::Random();
    ASSERT_TRUE(journal_->Commit({marker}));
  }
  ASSERT_LT(ledger_->bytes(), 500'000u);
  {
    const test::FileSizeLimit full(1'000'000);
    EXPECT_TRUE(journal_->Commit({Said("first")})) << "it stands on the ledger";
    EXPECT_TRUE(journal_->catalog_behind());
    EXPECT_TRUE(journal_->Commit({Said("second")}));
    EXPECT_EQ(OnLedger(), (std::vector<std::string>{"first", "second"}));
  }
  int commits = 0;
  for (; journal_->catalog_behind() && commits < 50; ++commits) {
    ASSERT_TRUE(journal_->Commit({Said("later")}));
  }
  EXPECT_FALSE(journal_->catalog_behind());
  EXPECT_EQ(InCatalog(), OnLedger());
  EXPECT_EQ(InCatalog().size(), 2u + static_cast<size_t>(commits));
  EXPECT_EQ(catalog_->position(), ledger_->size());
  EXPECT_EQ(catalog_->Markers({}, marker.range)->size(), 8u);
}

TEST_F(JournalTest, ACatalogThatIsFullAtTheStartAnswersAndCatchesUp) {
  ASSERT_TRUE(journal_->Commit({Said("before")}));
  journal_.reset();
  ASSERT_TRUE(ledger_->Append({Said("missed")}) && ledger_->Sync());
  {
    const test::FileSizeLimit full(0);
    Start();
    ASSERT_NE(journal_, nullptr);
    EXPECT_TRUE(journal_->catalog_behind());
    EXPECT_EQ(InCatalog(), std::vector<std::string>{"before"});
    EXPECT_FALSE(catalog_->Reopen());
    EXPECT_EQ(InCatalog(), std::vector<std::string>{"before"}) << "it can be read all the while";
  }
  for (int commits = 0; journal_->catalog_behind() && commits < 50; ++commits) {
    ASSERT_TRUE(journal_->Commit({Said("later")}));
  }
  EXPECT_FALSE(journal_->catalog_behind());
  EXPECT_EQ(InCatalog(), OnLedger());
}

TEST_F(JournalTest, AReaderInsideKeepsTheCatalogOpen) {
  index::Seal seal;
  seal.stream.camera = *CameraId::Parse("gate");
  seal.start_us = clock_.NowUs();
  seal.end_us = seal.start_us + kUsPerMinute;
  ASSERT_TRUE(journal_->Commit({seal}));
  int seen = 0;
  ASSERT_TRUE(catalog_->VisitAllSegments([&](const index::Seal&) {
    EXPECT_EQ(catalog_->Reopen().error().code, Code::kUnavailable);
    return ++seen < 10;
  }));
  EXPECT_EQ(seen, 1);
  EXPECT_TRUE(catalog_->Reopen());
  EXPECT_EQ(catalog_->position(), 1u);
  EXPECT_TRUE((*catalog_->FindSegment(index::KeyOf(seal))).has_value());
}

TEST_F(JournalTest, TheCatalogCatchesUpWithALedgerOfManyFilesAtStart) {
  journal_.reset();
  for (int i = 0; i < 10; ++i) {
    // Each failed sync makes the ledger begin a new file.
    ASSERT_TRUE(ledger_->Append({Said("lost")}));
    files_.FailNth(Op::kSync, 1, Code::kDiskFailed);
    ASSERT_FALSE(ledger_->Sync());
    ASSERT_TRUE(ledger_->Append(std::vector<index::Record>(1'000, Said("kept"))));
    ASSERT_TRUE(ledger_->Sync());
  }
  EXPECT_EQ(catalog_->position(), 0u);
  Start();
  EXPECT_EQ(catalog_->position(), 10'000u);
  EXPECT_EQ(InCatalog(), OnLedger());
}

TEST_F(JournalTest, ACatalogAheadOfItsLedgerIsRefused) {
  ASSERT_TRUE(journal_->Commit({Said("a")}));
  journal_.reset();
  auto other = Ledger::Open(dir_.Path("other"), store_, clock_, files_);
  ASSERT_TRUE(other);
  const auto journal = Journal::Start(**other, *catalog_);
  ASSERT_FALSE(journal);
  EXPECT_EQ(journal.code(), Code::kCorrupt);
}

}  // namespace
}  // namespace lookback::storage
