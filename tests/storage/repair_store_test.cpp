// Fsck names what ails a copy of the ledger, and RepairStore makes good what it names, from what is
// whole elsewhere.
#include <fstream>
#include <set>

#include "index/schema.h"
#include "storage/check.h"
#include "tests/storage/store_fixture.h"
#include "tests/support/raw_catalog.h"

namespace lookback::storage {
namespace {

namespace fs = std::filesystem;
using test::kEvening;
using test::SyntheticRun;

class RepairStoreTest : public StoreFixture {
 protected:
  void SetUp() override {
    StoreFixture::SetUp();
    options_.copy_ledger = true;
    options_.volumes.push_back(root_ + "/volume2");
    ASSERT_OK(Open());
    Record();
    Close();
    ASSERT_EQ(Faults(), Kinds());
  }
  void Record() {
    SyntheticRun run(gate_, kEvening + hours_++ * kUsPerHour);
    RecordAndSeal(run, 70 * kUsPerSecond);
  }

  using Kinds = std::set<std::string_view>;
  Kinds Faults() {
    const auto report = Fsck(options_.data, *files_, {});
    EXPECT_TRUE(report.has_value()) << (report ? "" : report.message());
    Kinds kinds;
    if (!report) return kinds;
    for (const Finding& finding : report->findings) {
      if (finding.fault) kinds.insert(FindingKindName(finding.kind));
    }
    return kinds;
  }
  // All that was done, a line each.
  std::string Repair() {
    const auto done = RepairStore(options_.data, clock_, *files_, {});
    EXPECT_TRUE(done.has_value()) << (done ? "" : done.message());
    std::string lines;
    if (done) {
      for (const std::string& sentence : *done) lines += sentence + "\n";
    }
    return lines;
  }
  std::set<std::string> SegmentFiles() const {
    std::set<std::string> paths;
    for (const auto& entry : fs::recursive_directory_iterator(root_)) {
      if (entry.path().extension() == ".mp4") paths.insert(entry.path().string());
    }
    return paths;
  }
  // The one that the records of this store stand in.
  static std::string FirstFileOf(const std::string& directory) {
    std::set<std::string> paths;
    for (const auto& entry : fs::directory_iterator(directory)) {
      if (entry.is_regular_file() && entry.path().filename() != "leaves")
        paths.insert(entry.path());
    }
    return paths.empty() ? std::string() : *paths.begin();
  }
  static void Spoil(const std::string& path) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    ASSERT_TRUE(file.good()) << path;
    file.seekp(300);
    file << "rubbish";
  }
  std::string Ledger() const { return options_.data + "/ledger"; }
  std::string Copy() const { return LedgerCopyPath(options_.volumes[1]); }

  int hours_ = 0;
};

TEST_F(RepairStoreTest, ADamagedCopyOfTheLedgerIsNamedAndMadeAnew) {
  Spoil(FirstFileOf(Copy()));
  EXPECT_EQ(Faults(), Kinds{"ledger-copy-damage"});
  const std::string done = Repair();
  EXPECT_NE(done.find(Copy()), std::string::npos) << done;
  EXPECT_EQ(Faults(), Kinds());
}

TEST_F(RepairStoreTest, ACopyOfAnotherHistoryIsNamedAndSetApart) {
  // The store as it was goes on elsewhere; its copy comes back.
  fs::copy(root_, root_ + "-before", fs::copy_options::recursive);
  ASSERT_OK(Open());
  Record();
  Close();
  const std::string before = root_ + "-before";
  fs::rename(root_, root_ + "-one");
  fs::rename(before, root_);
  ASSERT_OK(Open());
  Record();
  Record();
  Close();
  fs::remove_all(Copy());
  fs::copy(root_ + "-one" + Copy().substr(root_.size()), Copy(), fs::copy_options::recursive);
  fs::remove_all(root_ + "-one");

  EXPECT_EQ(Faults(), Kinds{"ledger-copy-damage"});
  const std::string done = Repair();
  EXPECT_NE(done.find("apart"), std::string::npos) << done;
  EXPECT_EQ(Faults(), Kinds());
}

TEST_F(RepairStoreTest, ADamagedLedgerIsMendedFromItsCopies) {
  Spoil(FirstFileOf(Ledger()));
  EXPECT_EQ(Faults(), Kinds{"ledger-damage"});
  const std::string done = Repair();
  EXPECT_NE(done.find("mended from its copies"), std::string::npos) << done;
  EXPECT_EQ(Faults(), Kinds());
}

TEST_F(RepairStoreTest, ARowThatTheCatalogLacksIsMadeAnew) {
  ASSERT_OK(Open());
  const index::SegmentKey key = index::KeyOf(Segments(gate_).at(0).row);
  Close();
  test::RawCatalog(options_.data + "/catalog")
      .Erase("segments", index::schema::SegmentKeyBytes(key));
  EXPECT_EQ(Faults(), (Kinds{"foreign-row", "missing-row"}));  // The hours still count it.
  const std::string done = Repair();
  EXPECT_NE(done.find("the catalog was made anew"), std::string::npos) << done;
  EXPECT_EQ(Faults(), Kinds());
}

TEST_F(RepairStoreTest, WhatACrashLeftIsPutOnRecordAndNoSegmentGoes) {
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening + hours_++ * kUsPerHour);
  AppendAll(Begin(run), run.Until(10 * kUsPerSecond));
  ASSERT_OK(archive().Drain());
  files_->CutPower();
  Close();
  files_->RestorePower();
  const auto before = SegmentFiles();
  ASSERT_FALSE(before.empty());
  const std::string done = Repair();
  EXPECT_NE(done.find("and sealed: 1"), std::string::npos) << done;
  EXPECT_EQ(SegmentFiles(), before);
  EXPECT_EQ(Faults(), Kinds());
}

TEST_F(RepairStoreTest, AWholeStoreIsLeftAsItIs) {
  const auto before = SegmentFiles();
  EXPECT_EQ(Repair(), "");
  EXPECT_EQ(SegmentFiles(), before);
}

TEST_F(RepairStoreTest, IsRefusedWhileTheStoreRuns) {
  ASSERT_OK(Open());
  const auto done = RepairStore(options_.data, clock_, *files_, {});
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.code(), Code::kUnavailable);
}

}  // namespace
}  // namespace lookback::storage
