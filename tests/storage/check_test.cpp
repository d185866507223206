// Fsck names each kind of disagreement and touches nothing; Rebuild makes the same catalog again.
#include "storage/check.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include "index/catalog_state.h"
#include "index/schema.h"
#include "tests/storage/store_fixture.h"
#include "tests/support/raw_catalog.h"

namespace lookback::storage {
namespace {

namespace fs = std::filesystem;
using test::kEvening;
using test::SyntheticRun;

class CheckTest : public StoreFixture {
 protected:
  // Three segments of the gate, one of the yard's sub stream, a gap, a policy
  // and a hold; then closed.
  void Make() {
    ASSERT_OK(Open());
    SyntheticRun gate(gate_, kEvening), yard(yard_, kEvening);
    RecordAndSeal(gate, 130 * kUsPerSecond);
    RecordAndSeal(yard, 10 * kUsPerSecond);
    for (const FootageSegment& segment : Segments(gate_)) rows_.push_back(segment.row);
    ASSERT_EQ(rows_.size(), 3u);
    index::Camera camera;
    camera.id = gate_.camera;
    camera.name = "市场路口东";
    index::Policy policy;
    policy.scope = "default";
    policy.version = 1;
    policy.max_days = 30;
    index::Gap gap{
        yard_, {kEvening - kUsPerMinute, kEvening}, index::GapCause::kNetwork, "refused"};
    ASSERT_OK(store_->journal().Commit({camera, policy, gap}));
    index::Marker hold;
    hold.id = Uuid::Random();
    hold.cameras = {gate_.camera};
    hold.range = {kEvening, kEvening + kUsPerSecond};
    hold.hold = true;
    ASSERT_OK(store_->PutMarker(hold));
    Close();
  }

  FsckReport Check(const OnProgress& progress = {}) {
    const auto report = Fsck(options_.data, *files_, progress, {.depth = depth_});
    EXPECT_TRUE(report.has_value()) << (report ? "" : report.message());
    if (!report) return {};
    if (!progress) ExpectTheSameByShares(*report);
    return *report;
  }
  // What a store is said to have does not depend on how much of it is held in memory at a time.
  void ExpectTheSameByShares(const FsckReport& whole) {
    std::set<std::string> steps;
    const auto note = [&](const CheckProgress& progress) { steps.insert(progress.step); };
    const auto report = Fsck(options_.data, *files_, note, {.depth = depth_, .max_segments = 3});
    ASSERT_OK(report);
    if (whole.ledger_records >= 3) {
      EXPECT_TRUE(std::any_of(steps.begin(), steps.end(), [](const std::string& step) {
        return step.starts_with("files (2 of ");
      }));
    }
    const auto sentences = [](const FsckReport& of) {
      std::multiset<std::string> all;
      for (const Finding& finding : of.findings) all.insert(finding.sentence);
      return all;
    };
    EXPECT_EQ(sentences(*report), sentences(whole));
    EXPECT_EQ(report->segments, whole.segments);
    EXPECT_EQ(report->ledger_records, whole.ledger_records);
  }
  // The one finding there is, checked for its kind.
  Finding Only(FindingKind kind) {
    const FsckReport report = Check();
    std::string all;
    for (const Finding& finding : report.findings) all += finding.sentence + "\n";
    EXPECT_EQ(report.findings.size(), 1u) << all;
    if (report.findings.size() != 1) return {};
    EXPECT_EQ(FindingKindName(report.findings[0].kind), FindingKindName(kind)) << all;
    return report.findings[0];
  }
  // Of a row that was put there or taken: that is named, and that the hours say otherwise.
  Finding OnlyRow(FindingKind kind) {
    const FsckReport report = Check();
    EXPECT_EQ(report.findings.size(), 2u);
    if (report.findings.size() != 2) return {};
    EXPECT_EQ(report.findings[0].kind, FindingKind::kForeignRow);
    EXPECT_THAT(report.findings[0].sentence, testing::HasSubstr("the hours of 1 day"));
    EXPECT_EQ(report.findings[1].kind, kind);
    return report.findings[1];
  }
  void ExpectNames(const Finding& finding, const index::Seal& row, bool fault = true) {
    EXPECT_EQ(finding.fault, fault);
    EXPECT_EQ(finding.camera, row.stream.camera.text());
    EXPECT_EQ(finding.range.start_us, row.start_us);
    EXPECT_EQ(finding.range.end_us, row.end_us);
    EXPECT_TRUE(FileOf(row).ends_with(finding.path)) << finding.path;
    EXPECT_NE(finding.sentence.find(FormatTime(row.start_us)), std::string::npos);
  }
  // Some bytes in the middle of its first records.
  void DamageLedger() {
    std::vector<std::string> ledgers;
    for (const auto& entry : fs::recursive_directory_iterator(options_.data + "/ledger")) {
      if (entry.is_regular_file() && entry.file_size() > 400) ledgers.push_back(entry.path());
    }
    ASSERT_FALSE(ledgers.empty());
    std::sort(ledgers.begin(), ledgers.end());
    {
      std::fstream file(ledgers.front(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(300);
      file << "rubbish";
    }
  }
  std::string CatalogPath() const { return options_.data + "/catalog"; }

  // Every file below the store and its volume, with a digest of its bytes.
  std::map<std::string, Sha256Digest> Tree() {
    std::map<std::string, Sha256Digest> tree;
    for (const auto& entry : fs::recursive_directory_iterator(root_)) {
      if (entry.is_directory()) {
        tree[entry.path().string()] = {};
      } else {
        tree[entry.path().string()] =
            Sha256(ReadFile(*posix_, entry.path().string(), uint64_t{1} << 30).value());
      }
    }
    return tree;
  }

  const StreamId yard_ = test::MakeStream("yard", Stream::kSub);
  FsckDepth depth_ = FsckDepth::kIndexes;
  std::vector<index::Seal> rows_;  // The gate's.
};

TEST_F(CheckTest, ACleanStoreHasNoFindings) {
  Make();
  const FsckReport report = Check();
  EXPECT_TRUE(report.findings.empty()) << report.findings.at(0).sentence;
  EXPECT_TRUE(report.clean());
  EXPECT_EQ(report.segments, 4u);
  EXPECT_GT(report.ledger_records, 8u);
}

TEST_F(CheckTest, ChangesNothing) {
  Make();
  fs::resize_file(FileOf(rows_[0]), rows_[0].bytes / 2);
  fs::remove(FileOf(rows_[1]));
  const auto before = Tree();
  EXPECT_FALSE(Check().clean());
  EXPECT_EQ(Tree(), before);
}

TEST_F(CheckTest, ATruncatedFileIsNamed) {
  Make();
  fs::resize_file(FileOf(rows_[1]), rows_[1].bytes - 1);
  ExpectNames(Only(FindingKind::kTruncatedFile), rows_[1]);
}

TEST_F(CheckTest, AMissingFileIsNamedAndOnceOnRecordIsNoFault) {
  Make();
  fs::remove(FileOf(rows_[1]));
  ExpectNames(Only(FindingKind::kMissingFile), rows_[1]);
  ASSERT_OK(Open());
  EXPECT_EQ(store_->recovery().missing_segments, 1u);
  Close();
  ExpectNames(Only(FindingKind::kMissingFile), rows_[1], /*fault=*/false);
}

TEST_F(CheckTest, AStrayFileIsNamed) {
  Make();
  const std::string path = fs::path(FileOf(rows_[0])).parent_path().string() + "/notes.txt";
  std::ofstream(path) << "x";
  EXPECT_EQ(Only(FindingKind::kStrayFile).path, path);
}

TEST_F(CheckTest, ADamagedEndIsNamed) {
  Make();
  {
    std::fstream file(FileOf(rows_[2]), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(rows_[2].bytes) - 40);
    file << "rubbish";
  }
  ExpectNames(Only(FindingKind::kDamagedFile), rows_[2]);
}

// One bit in a picture: only reading all of it tells.
TEST_F(CheckTest, RotInAPictureIsNamedWhenEveryByteIsRead) {
  Make();
  depth_ = FsckDepth::kBytes;
  EXPECT_TRUE(Check().clean());
  {
    std::fstream file(FileOf(rows_[2]), std::ios::in | std::ios::out | std::ios::binary);
    const auto middle = static_cast<std::streamoff>(rows_[2].bytes / 2);
    file.seekg(middle);
    const char byte = static_cast<char>(file.get());
    file.seekp(middle);
    file.put(static_cast<char>(byte ^ 1));
  }
  const Finding finding = Only(FindingKind::kDamagedFile);
  EXPECT_EQ(finding.camera, rows_[2].stream.camera.text());
  EXPECT_EQ(finding.range.end_us, rows_[2].end_us);
  EXPECT_GT(finding.range.start_us, rows_[2].start_us);
  EXPECT_LT(finding.range.start_us, rows_[2].end_us);
  depth_ = FsckDepth::kIndexes;
  EXPECT_TRUE(Check().clean());
}

// Of the same length and duration, with a good LKEN; only the head tells.
TEST_F(CheckTest, AnotherSegmentsFileInItsPlaceIsNamed) {
  ASSERT_OK(Open());
  std::vector<index::Seal> twins;
  for (const int64_t hour : {1, 2}) {
    SyntheticRun run(gate_, kEvening + hour * kUsPerHour);
    RecordAndSeal(run, 10 * kUsPerSecond);
    twins.push_back(Segments(gate_).back().row);
  }
  Close();
  ASSERT_EQ(twins[0].bytes, twins[1].bytes);
  fs::copy_file(FileOf(twins[0]), FileOf(twins[1]), fs::copy_options::overwrite_existing);
  ExpectNames(Only(FindingKind::kDamagedFile), twins[1]);
}

TEST_F(CheckTest, ARowThatTheCatalogLacksIsNamed) {
  Make();
  test::RawCatalog(CatalogPath())
      .Erase("segments", index::schema::SegmentKeyBytes(index::KeyOf(rows_[1])));
  ExpectNames(OnlyRow(FindingKind::kMissingRow), rows_[1]);
}

TEST_F(CheckTest, ARowThatTheLedgerDoesNotKnowIsNamed) {
  Make();
  index::Seal foreign = rows_[1];
  foreign.sequence = 99;
  test::RawCatalog(CatalogPath())
      .Put("segments", index::schema::SegmentKeyBytes(index::KeyOf(foreign)),
           std::string(AsText(index::EncodeRecord(foreign))));
  ExpectNames(OnlyRow(FindingKind::kForeignRow), foreign);
}

TEST_F(CheckTest, HoursThatSayOtherwiseThanTheRowsAreNamed) {
  Make();
  {
    test::RawCatalog raw(CatalogPath());
    raw.Erase("hours", raw.FirstKey("hours"));
  }
  const Finding finding = Only(FindingKind::kForeignRow);
  EXPECT_TRUE(finding.fault);
  EXPECT_EQ(finding.camera, rows_[0].stream.camera.text());
  EXPECT_THAT(finding.sentence, testing::HasSubstr("the hours of 1 day"));
  EXPECT_THAT(finding.sentence, testing::HasSubstr(FormatTime(rows_[0].start_us).substr(0, 10)));
}

TEST_F(CheckTest, AnAbsentCatalogIsNamed) {
  Make();
  fs::remove_all(CatalogPath());
  EXPECT_TRUE(Only(FindingKind::kMissingRow).fault);
  EXPECT_FALSE(fs::exists(CatalogPath()));
}

TEST_F(CheckTest, ADamagedLedgerIsNamedAndNotTakenForForeignRows) {
  Make();
  DamageLedger();
  const FsckReport report = Check();
  EXPECT_FALSE(report.clean());
  for (const Finding& finding : report.findings) {
    EXPECT_EQ(finding.kind, FindingKind::kLedgerDamage) << finding.sentence;
  }
}

TEST_F(CheckTest, ALedgerRecordThatIsNotTheOneOfItsLeafIsNamed) {
  Make();
  {
    std::fstream leaves(options_.data + "/ledger/leaves",
                        std::ios::in | std::ios::out | std::ios::binary);
    leaves.seekp(2 * 32);
    leaves << "another";
  }
  const Finding finding = Only(FindingKind::kLedgerDamage);
  EXPECT_TRUE(finding.fault);
  EXPECT_NE(finding.sentence.find("record 2"), std::string::npos) << finding.sentence;
}

TEST_F(CheckTest, WhatACrashLeftUnsealedIsNoFault) {
  Make();
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening + kUsPerHour);
  AppendAll(Begin(run), run.Until(10 * kUsPerSecond));
  ASSERT_OK(archive().Drain());
  files_->CutPower();
  Close();
  files_->RestorePower();
  const Finding finding = Only(FindingKind::kUnsealedFile);
  EXPECT_FALSE(finding.fault);
  EXPECT_EQ(finding.camera, "gate");
  EXPECT_TRUE(Check().clean());
  ASSERT_OK(Open());
  Close();
  EXPECT_TRUE(Check().findings.empty());
}

TEST_F(CheckTest, ADeletedFileThatReappearsIsNamed) {
  Make();
  fs::copy_file(FileOf(rows_[2]), root_ + "/copy");
  ASSERT_OK(Open());
  ASSERT_OK(store_->DeleteSegment(rows_[2], "default/1", "older than 30 days"));
  Close();
  EXPECT_TRUE(Check().findings.empty());
  fs::copy_file(root_ + "/copy", FileOf(rows_[2]));
  ExpectNames(Only(FindingKind::kReappearedFile), rows_[2]);
}

TEST_F(CheckTest, AnOfflineVolumeIsNamedAndItsFilesAreNotCalledMissing) {
  Make();
  fs::rename(root_ + "/volume", root_ + "/elsewhere");
  fs::create_directories(root_ + "/volume");
  const Finding finding = Only(FindingKind::kVolumeOffline);
  EXPECT_NE(finding.sentence.find(root_ + "/volume"), std::string::npos);
}

TEST_F(CheckTest, BesideARunningStoreItIsClean) {
  Make();
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening + kUsPerHour);
  AppendAll(Begin(run), run.Until(70 * kUsPerSecond));
  ASSERT_OK(archive().Drain());
  // A segment is sealed, and one is deleted, after the ledger was read and before the files are.
  bool acted = false;
  const FsckReport report = Check([&](const CheckProgress& progress) {
    if (progress.step != "files" || std::exchange(acted, true)) return;
    SyntheticRun late(yard_, kEvening + kUsPerHour);
    RecordAndSeal(late, 10 * kUsPerSecond);
    const Status deleted = store_->DeleteSegment(rows_[2], "default/1", "older than 30 days");
    EXPECT_TRUE(deleted.has_value()) << (deleted ? "" : deleted.message());
  });
  EXPECT_TRUE(acted);
  for (const Finding& finding : report.findings) {
    EXPECT_FALSE(finding.fault) << finding.sentence;
    EXPECT_EQ(finding.kind, FindingKind::kUnsealedFile);
  }
}

TEST_F(CheckTest, RebuildGivesTheSameCatalogKeepsHoldsAndFreezesDeletion) {
  Make();
  ASSERT_OK(Open());
  ASSERT_OK(store_->DeleteSegment(rows_[2], "default/1", "older than 30 days"));
  Close();
  const auto before = test::RawCatalog(CatalogPath()).Rows();
  const auto files = Tree();
  ASSERT_GT(before.size(), 8u);

  const auto report = Rebuild(options_.data, clock_, *files_, {});
  ASSERT_OK(report);
  EXPECT_EQ(report->segments, 3u);
  EXPECT_EQ(test::RawCatalog(CatalogPath()).Rows(), before);
  for (const auto& [path, digest] : files) {
    if (path.find("/catalog/") == std::string::npos && path.find("/ledger/") == std::string::npos) {
      EXPECT_EQ(Tree().count(path), 1u) << path;
    }
  }
  EXPECT_FALSE(fs::exists(CatalogPath() + ".old"));
  EXPECT_FALSE(fs::exists(CatalogPath() + ".rebuilt"));
  EXPECT_TRUE(Check().findings.empty());

  ASSERT_OK(Open());
  EXPECT_FALSE(store_->recovery().catalog_rebuilt);
  EXPECT_EQ(store_->DeleteSegment(rows_[1], "default/1", "age").code(), Code::kDenied);
  ASSERT_OK(store_->journal().Commit({index::PoliciesConfirmed{"li.wei"}}));
  EXPECT_EQ(store_->DeleteSegment(rows_[0], "default/1", "age").code(), Code::kDenied);  // Held.
  ASSERT_OK(store_->DeleteSegment(rows_[1], "default/1", "age"));
}

TEST_F(CheckTest, RebuildMendsAMissingRowAndAnAbsentCatalog) {
  Make();
  const auto before = test::RawCatalog(CatalogPath()).Rows();
  test::RawCatalog(CatalogPath())
      .Erase("segments", index::schema::SegmentKeyBytes(index::KeyOf(rows_[1])));
  ASSERT_OK(Rebuild(options_.data, clock_, *files_, {}));
  EXPECT_EQ(test::RawCatalog(CatalogPath()).Rows(), before);
  fs::remove_all(CatalogPath());
  ASSERT_OK(Rebuild(options_.data, clock_, *files_, {}));
  EXPECT_EQ(test::RawCatalog(CatalogPath()).Rows(), before);
}

TEST_F(CheckTest, ADamagedLedgerGivesACatalogOfTheRestAndSaysSo) {
  Make();
  DamageLedger();
  const auto report = Rebuild(options_.data, clock_, *files_, {});
  ASSERT_OK(report);
  EXPECT_GE(report->lost_records, 1u);
  ASSERT_OK(Open());
  EXPECT_FALSE(*store_->catalog().PoliciesConfirmed());
  EXPECT_EQ(Segments(gate_).size(), 3u) << "what the ledger lost is found on the disk";
}

TEST_F(CheckTest, RebuildRefusesWhileTheStoreIsOpen) {
  Make();
  ASSERT_OK(Open());
  const auto report = Rebuild(options_.data, clock_, *files_, {});
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.code(), Code::kUnavailable);
  EXPECT_EQ(Segments(gate_).size(), 3u);
}

// Whatever call fails, the old catalog or a whole new one stands, and no footage is lost.
TEST_F(CheckTest, ARebuildThatFailsLeavesAStoreThatOpens) {
  Make();
  for (uint64_t nth = 1;; ++nth) {
    ASSERT_LT(nth, 100u);
    const uint64_t before = files_->injected();
    files_->FailNth(test::Op::kRename, nth, Code::kDiskFailed);
    const bool rebuilt = Rebuild(options_.data, clock_, *files_, {}).has_value();
    files_->StopFailing();
    const bool failed = files_->injected() > before;
    EXPECT_NE(rebuilt, failed);
    ASSERT_OK(Open());
    EXPECT_EQ(Segments(gate_).size(), 3u);
    EXPECT_EQ(store_->catalog().Markers(gate_.camera, kEver)->size(), 1u);
    EXPECT_FALSE(*store_->catalog().PoliciesConfirmed());
    Close();
    if (!failed) break;
  }
}

}  // namespace
}  // namespace lookback::storage
