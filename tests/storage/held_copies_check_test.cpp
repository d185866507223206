// Copies of held footage under fsck, and in a catalog that is made anew from the
// ledger or from files.
#include <map>

#include "storage/check.h"
#include "storage/snapshot.h"
#include "tests/storage/held_copies_fixture.h"
#include "tests/support/raw_catalog.h"

namespace lookback::storage {
namespace {

namespace fs = std::filesystem;

TEST_F(HeldCopiesTest, FsckNamesWhatIsWrongWithACopy) {
  HoldAndCopy();
  Close();
  EXPECT_TRUE(Check().findings.empty());
  Flip(PathOn(second_, rows_[0]));
  fs::remove(PathOn(second_, rows_[1]));
  const FsckReport report = Check();
  ASSERT_EQ(report.findings.size(), 2u);
  EXPECT_EQ(report.findings[0].kind, FindingKind::kDamagedFile);
  EXPECT_EQ(report.findings[0].path, PathOn(second_, rows_[0]));
  EXPECT_TRUE(report.findings[0].sentence.ends_with("; it is also on " + first_))
      << report.findings[0].sentence;
  EXPECT_EQ(report.findings[1].kind, FindingKind::kMissingFile);
  EXPECT_EQ(report.findings[1].path, PathOn(second_, rows_[1]));
  EXPECT_TRUE(report.findings[1].sentence.ends_with("its copy is gone from " + second_ +
                                                    "; it is also on " + first_))
      << report.findings[1].sentence;
  EXPECT_FALSE(report.clean());
}

TEST_F(HeldCopiesTest, FsckHoldsTheCatalogsCopiesAgainstTheLedger) {
  HoldAndCopy();
  Close();
  {
    test::RawCatalog catalog(options_.data + "/catalog");
    for (const auto& [key, value] : catalog.Rows()) {
      if (!key.starts_with("copies ")) continue;
      catalog.Erase("copies", key.substr(7));
      break;
    }
  }
  const FsckReport report = Check();
  ASSERT_EQ(report.findings.size(), 1u);
  EXPECT_EQ(report.findings[0].kind, FindingKind::kMissingRow);
}

TEST_F(HeldCopiesTest, ARebuiltCatalogKnowsTheSameCopies) {
  HoldAndCopy();
  ASSERT_OK(WriteSnapshot(options_.data + "/snapshots", store_->id(), store_->catalog(),
                          store_->ledger(), clock_.NowUs(), *posix_));
  Close();
  const auto before = Rows();
  for (const bool with_snapshot : {true, false}) {
    fs::remove_all(options_.data + "/catalog");
    if (!with_snapshot) fs::remove_all(options_.data + "/snapshots");
    const auto rebuilt = Rebuild(options_.data, clock_, *posix_, {});
    ASSERT_OK(rebuilt);
    EXPECT_EQ(rebuilt->snapshot.empty(), !with_snapshot);
    EXPECT_TRUE(Rows() == before);
  }
}

class CopiesFromFilesTest : public HeldCopiesTest {
 protected:
  using Rows = std::map<std::string, std::string>;
  static Rows Only(const Rows& rows) {
    Rows some;
    for (const auto& [key, value] : rows) {
      if (key.starts_with("segments ") || key.starts_with("copies ")) some.emplace(key, value);
    }
    return some;
  }
  FromFilesReport FromFiles() {
    Close();
    fs::remove_all(options_.data + "/ledger");
    fs::remove_all(options_.data + "/catalog");
    const auto report = RebuildFromFiles({options_.data, {}, false}, clock_, *posix_, {});
    EXPECT_TRUE(report) << (report ? "" : report.message());
    return report.value_or(FromFilesReport());
  }
};

TEST_F(CopiesFromFilesTest, AreTheSame) {
  HoldAndCopy();
  Close();
  const auto before = Only(HeldCopiesTest::Rows());
  const auto report = FromFiles();
  EXPECT_EQ(report.segments, 2u);
  EXPECT_EQ(report.copies, 2u);
  EXPECT_EQ(report.left, 0u);
  EXPECT_TRUE(Only(HeldCopiesTest::Rows()) == before);
}

TEST_F(CopiesFromFilesTest, TakeThePlaceOfWhatIsLost) {
  HoldAndCopy();
  const auto numbers = AllNumbers();
  Close();
  fs::remove(PathOn(first_, rows_[0]));
  const auto report = FromFiles();
  EXPECT_EQ(report.segments, 2u);
  EXPECT_EQ(report.copies, 1u);
  ASSERT_OK(Open());
  EXPECT_EQ(AllNumbers(), numbers);
  EXPECT_EQ(store_->recovery().missing_segments + store_->recovery().quarantined_files, 0u);
  EXPECT_EQ(store_->catalog().FindSegment(index::KeyOf(rows_[0]))->value().volume, IdOf(second_));
  Close();
  EXPECT_TRUE(Check().findings.empty());
}

TEST_F(CopiesFromFilesTest, TellWhatADamagedSegmentWas) {
  HoldAndCopy();
  Close();
  Flip(PathOn(first_, rows_[0]));
  const auto report = FromFiles();
  EXPECT_EQ(report.damaged, 1u);
  EXPECT_EQ(report.copies, 2u);
  ASSERT_OK(Open());
  const auto row = store_->catalog().FindSegment(index::KeyOf(rows_[0]))->value();
  EXPECT_EQ(row.sha256, rows_[0].sha256);
  ExpectCopied(rows_[0]);
}

TEST_F(CopiesFromFilesTest, ThatAreDamagedAreNone) {
  HoldAndCopy();
  Close();
  Flip(PathOn(second_, rows_[0]));
  const auto report = FromFiles();
  EXPECT_EQ(report.copies, 1u);
  EXPECT_EQ(report.left, 1u);
  EXPECT_EQ(report.damaged, 0u);
  ASSERT_OK(Open());
  ExpectNoCopy(rows_[0]);
}

}  // namespace
}  // namespace lookback::storage
