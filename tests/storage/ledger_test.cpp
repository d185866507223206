#include "storage/ledger.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "storage/journal.h"
#include "storage/ledger_format.h"
#include "tests/support/temp_dir.h"

namespace lookback::storage {
namespace {

index::Record Act(const std::string& what) {
  index::Act act;
  act.person = "li";
  act.what = what;
  return act;
}

std::string WhatOf(const index::NumberedRecord& record) {
  return std::get<index::Act>(record.record).what;
}

class LedgerTest : public testing::Test {
 protected:
  void SetUp() override { Reopen(); }

  void Reopen() {
    ledger_.reset();
    auto opened = Ledger::Open(dir_.Path("ledger"), store_, clock_, *files_);
    ASSERT_TRUE(opened) << opened.message();
    ledger_ = *std::move(opened);
  }
  void Write(const std::string& what) {
    ASSERT_TRUE(ledger_->Append({Act(what)}));
    ASSERT_TRUE(ledger_->Sync());
  }
  std::vector<std::string> All(uint64_t first = 0) {
    std::vector<std::string> all;
    const auto read = ledger_->Read(first, [&](const index::NumberedRecord& record) {
      EXPECT_EQ(record.number, first + all.size());
      all.push_back(WhatOf(record));
      return true;
    });
    EXPECT_TRUE(read) << read.message();
    return all;
  }
  std::string LastFile() {
    std::string last;
    const auto entries = files_->List(dir_.Path("ledger"));
    for (const DirEntry& entry : *entries) {
      if (entry.name.ends_with(".lkl")) last = dir_.Path("ledger/" + entry.name);
    }
    return last;
  }
  void FlipByte(const std::string& path, uint64_t offset) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset));
    const char c = static_cast<char>(file.get() ^ 0x40);
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(c);
  }

  test::TempDir dir_;
  ManualClock clock_{1'777'903'200 * kUsPerSecond};
  std::unique_ptr<FileSystem> files_ = MakePosixFileSystem();
  const Uuid store_ = Uuid::Random();
  std::unique_ptr<Ledger> ledger_;
};

TEST_F(LedgerTest, KeepsWhatWasSyncedInOrder) {
  for (const char* what : {"a", "b", "c"}) Write(what);
  EXPECT_EQ(ledger_->size(), 3u);
  Reopen();
  EXPECT_EQ(ledger_->size(), 3u);
  Write("d");
  EXPECT_EQ(All(), (std::vector<std::string>{"a", "b", "c", "d"}));
  EXPECT_EQ(All(2), (std::vector<std::string>{"c", "d"}));
}

TEST_F(LedgerTest, WhatIsNotSyncedDoesNotCount) {
  Write("a");
  ASSERT_TRUE(ledger_->Append({Act("b")}));
  EXPECT_EQ(ledger_->size(), 1u);
  EXPECT_EQ(All().size(), 1u);
}

TEST_F(LedgerTest, CutsATornTailAtEveryLength) {
  Write("a");
  ASSERT_TRUE(ledger_->Append({Act("b")}));  // Its sync never came.
  ledger_.reset();
  const auto whole = std::filesystem::file_size(LastFile());
  const std::string copy = dir_.Path("copy");
  std::filesystem::copy_file(LastFile(), copy);
  const size_t record = (whole - kLedgerHeaderBytes) / 2;
  for (size_t cut = 1; cut <= record; ++cut) {
    std::filesystem::copy_file(copy, LastFile(), std::filesystem::copy_options::overwrite_existing);
    std::filesystem::resize_file(LastFile(), whole - cut);
    Reopen();
    EXPECT_EQ(All(), std::vector<std::string>{"a"}) << cut;
    EXPECT_EQ(ledger_->torn_bytes(), record - cut);
    ledger_.reset();
  }
}

TEST_F(LedgerTest, APartOfAnUnsyncedGroupIsATearAndIsCut) {
  Write("a");
  ASSERT_TRUE(ledger_->Append({Act("b"), Act("c"), Act("d")}));
  const uint64_t synced = ledger_->bytes();
  ledger_.reset();
  FlipByte(LastFile(), synced + 30);  // "b" did not reach the disk; "c" and "d" did.
  Reopen();
  EXPECT_EQ(All(), std::vector<std::string>{"a"});
  Write("e");
  EXPECT_EQ(All(), (std::vector<std::string>{"a", "e"}));
}

// Wherever it is: in the header, the first record, one in the middle, the last; by leaves alone, by
// later records alone, where those can tell.
TEST_F(LedgerTest, RotCostsTheRottenRecordAloneAndNothingIsCut) {
  for (const char* what : {"a", "b", "c"}) Write(what);
  ledger_.reset();
  const std::string file = LastFile(), copy = dir_.Path("copy"),
                    leaves = dir_.Path("ledger/leaves");
  std::filesystem::copy_file(file, copy);
  std::filesystem::copy_file(leaves, dir_.Path("leaves"));
  const auto size = std::filesystem::file_size(file);
  const uint64_t record = (size - kLedgerHeaderBytes) / 3;
  const std::vector<std::string> all = {"a", "b", "c"};
  for (uint64_t offset = 0; offset < size; ++offset) {
    for (const bool with_leaves : {true, false}) {
      SCOPED_TRACE(std::to_string(offset) + (with_leaves ? "" : ", without leaves"));
      const uint64_t rotten = (offset - kLedgerHeaderBytes) / record;
      const bool header = offset < kLedgerHeaderBytes;
      if (!header && rotten == 2 && !with_leaves) continue;  // It looks like a tear.
      std::filesystem::remove_all(dir_.Path("ledger"));
      std::filesystem::create_directories(dir_.Path("ledger"));
      std::filesystem::copy_file(copy, file);
      if (with_leaves) std::filesystem::copy_file(dir_.Path("leaves"), leaves);
      FlipByte(file, offset);
      Reopen();
      EXPECT_EQ(std::filesystem::file_size(file), size);
      EXPECT_EQ(ledger_->size(), 3u);
      EXPECT_EQ(ledger_->torn_bytes(), 0u);
      Write("d");
      std::vector<std::string> expected = all;
      if (!header) expected.erase(expected.begin() + static_cast<ptrdiff_t>(rotten));
      expected.emplace_back("d");
      for (int start = 0; start < 2; ++start) {
        std::vector<std::string> read;
        const auto lost = ledger_->Read(0, [&](const index::NumberedRecord& one) {
          read.push_back(WhatOf(one));
          return true;
        });
        ASSERT_TRUE(lost);
        EXPECT_EQ(*lost, header ? 0u : 1u);
        EXPECT_EQ(read, expected);
        EXPECT_FALSE(ledger_->Verify());
        Reopen();
      }
    }
  }
}

TEST_F(LedgerTest, AFileThatIsGoneOrEmptyIsToldByTheLeaves) {
  for (const bool gone : {true, false}) {
    for (const char* what : {"a", "b", "c"}) Write(what);
    const uint64_t before = ledger_->size();
    ledger_.reset();
    if (gone) {
      std::filesystem::remove(LastFile());
    } else {
      std::filesystem::resize_file(LastFile(), 0);
    }
    for (int start = 0; start < 2; ++start) {
      Reopen();
      EXPECT_EQ(ledger_->size(), before) << "no number is given twice";
      EXPECT_FALSE(ledger_->Verify());
      const auto lost = ledger_->Read(0, [](const index::NumberedRecord&) { return true; });
      ASSERT_TRUE(lost);
      EXPECT_EQ(*lost, before);
    }
  }
}

TEST_F(LedgerTest, LeafHashesFollowFromTheRecords) {
  for (const char* what : {"a", "b", "c"}) Write(what);
  ledger_.reset();
  const auto leaves = ReadFile(*files_, dir_.Path("ledger/leaves"), 1'000);
  ASSERT_EQ(leaves->size(), 96u);
  // RFC 6962 §2.1, computed apart from the code: SHA-256 over 00, the header and the salted digest.
  const auto raw = ReadFile(*files_, LastFile(), 10'000);
  const auto record = ParseLedgerRecord(ByteSpan(*raw).subspan(kLedgerHeaderBytes));
  ASSERT_TRUE(record);
  Bytes salted(record->salt.begin(), record->salt.end());
  salted.insert(salted.end(), record->payload.begin(), record->payload.end());
  Bytes leaf{0};
  const ByteSpan head = ByteSpan(*raw).subspan(kLedgerHeaderBytes);
  leaf.insert(leaf.end(), head.begin() + 4, head.begin() + 8);    // kind version flags
  leaf.insert(leaf.end(), head.begin() + 12, head.begin() + 28);  // number time
  const Sha256Digest payload = Sha256(salted);
  leaf.insert(leaf.end(), payload.begin(), payload.end());
  const Sha256Digest expected = Sha256(leaf);
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), leaves->begin()));
  // Lost leaves are made again.
  std::filesystem::resize_file(dir_.Path("ledger/leaves"), 40);
  Reopen();
  EXPECT_EQ(*ReadFile(*files_, dir_.Path("ledger/leaves"), 1'000), *leaves);
}

TEST_F(LedgerTest, OneSyncCountsForAllThatWasAppendedHoweverMuch) {
  index::Act act;
  act.reason.assign(index::kMaxRecordText, 'x');
  const std::vector<index::Record> group(1'024, act);  // 16 MiB.
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(ledger_->Append(group));
  ASSERT_TRUE(ledger_->Sync());
  Write("last");
  Reopen();
  EXPECT_EQ(ledger_->size(), 6u * 1'024 + 1);
  EXPECT_EQ(All(6 * 1'024), std::vector<std::string>{"last"});
}

TEST_F(LedgerTest, AnotherStoresLedgerIsRefused) {
  Write("a");
  ledger_.reset();
  const auto opened = Ledger::Open(dir_.Path("ledger"), Uuid::Random(), clock_, *files_);
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.message().find(store_.text()), std::string::npos);
}

TEST_F(LedgerTest, ALargeLedgerGoesOverSeveralFiles) {
  index::Act act;
  act.reason.assign(index::kMaxRecordText, 'x');
  const std::vector<index::Record> group(1'024, act);  // 16 MiB.
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(ledger_->Append(group));
    ASSERT_TRUE(ledger_->Sync());
  }
  Write("last");
  Reopen();
  EXPECT_EQ(ledger_->size(), 6u * 1'024 + 1);
  EXPECT_EQ(All(6 * 1'024), std::vector<std::string>{"last"});
  uint64_t count = 0;
  ASSERT_TRUE(ledger_->Read(0, [&](const index::NumberedRecord& r) {
    EXPECT_EQ(r.number, count);
    return ++count < 10'000;
  }));
  EXPECT_EQ(count, 6u * 1'024 + 1);
}

TEST_F(LedgerTest, TheJournalBringsTheCatalogUpToTheLedger) {
  Write("a");
  Write("b");
  auto catalog = index::Catalog::Open(dir_.Path("catalog"), {});
  ASSERT_TRUE(catalog);
  auto journal = Journal::Start(*ledger_, **catalog);
  ASSERT_TRUE(journal) << journal.message();
  EXPECT_EQ((*catalog)->position(), 2u);
  ASSERT_TRUE((*journal)->Commit({Act("c")}));
  EXPECT_EQ(ledger_->size(), 3u);
  EXPECT_EQ((*catalog)->Acts(0, 10)->size(), 3u);
  // One bad group costs no other.
  index::Gap bad;
  Status bad_outcome = Ok();
  ASSERT_TRUE((*journal)->Post({bad}, [&](const Status& status) { bad_outcome = status; }));
  ASSERT_TRUE((*journal)->Commit({Act("d")}));
  EXPECT_EQ(bad_outcome.error().code, Code::kInvalid);
  (*journal)->Stop();
  EXPECT_EQ((*journal)->Commit({Act("e")}).code(), Code::kUnavailable);
  EXPECT_EQ(All(), (std::vector<std::string>{"a", "b", "c", "d"}));
}

}  // namespace
}  // namespace lookback::storage
