// What the store makes of the copies of its ledger.
#include <fstream>

#include "tests/storage/ledger_copy_fixture.h"
#include "tests/storage/store_fixture.h"

namespace lookback::storage {
namespace {

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
