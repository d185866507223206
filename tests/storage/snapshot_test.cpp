// A snapshot says what the ledger says, or is not used: no byte of it may change unnoticed, and
// none of another ledger is taken.
#include "storage/snapshot.h"

#include <fstream>

#include "storage/check.h"
#include "storage/snapshotter.h"
#include "tests/storage/file_size_limit.h"
#include "tests/storage/store_fixture.h"
#include "tests/support/raw_catalog.h"

namespace lookback::storage {
namespace {

namespace fs = std::filesystem;
using test::kEvening;
using test::SyntheticRun;

TEST(SnapshotFormat, AHeadComesBackAsItWasWritten) {
  SnapshotHeader header;
  header.catalog_format = index::CatalogFormat();
  header.store = Uuid::Random();
  header.records = 1'234'567;
  header.time_us = kEvening;
  header.leaf = Sha256(AsBytes("leaf"));
  const Bytes bytes = EncodeSnapshotHeader(header);
  EXPECT_EQ(bytes.size(), kSnapshotHeaderBytes);
  const auto again = ParseSnapshotHeader(bytes);
  ASSERT_OK(again);
  EXPECT_EQ(*again, header);
  header.version = kSnapshotFormatVersion + 1;
  EXPECT_EQ(ParseSnapshotHeader(EncodeSnapshotHeader(header)).code(), Code::kUnsupported);
}

TEST(SnapshotFormat, RowsComeBackAsTheyWerePut) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"a", ""}, {"ab", "value"}, {std::string("ab\0c", 4), "val"}, {"b", std::string(3'000, 'x')}};
  SnapshotBlock block;
  for (const auto& [key, value] : rows) block.Add({"gaps", key, value});
  EXPECT_TRUE(block.Takes({"gaps", "c", ""}));
  EXPECT_FALSE(block.Takes({"lost", "c", ""}));
  uint64_t digest = 7;
  const Bytes bytes = block.Take(digest);
  EXPECT_EQ(digest, SnapshotDigest(7, ByteSpan(bytes).first(bytes.size() - 8)));
  std::vector<std::pair<std::string, std::string>> again;
  ASSERT_OK(ParseSnapshotRows(ByteSpan(bytes).subspan(4, bytes.size() - kSnapshotBlockOverhead),
                              [&](const index::CatalogRow& row) {
                                EXPECT_EQ(row.family, "gaps");
                                again.emplace_back(row.key, row.value);
                                return Ok();
                              }));
  EXPECT_EQ(again, rows);
}

class SnapshotTest : public StoreFixture {
 protected:
  // Footage, a policy and a hold.
  void Make() {
    ASSERT_OK(Open());
    SyntheticRun run(gate_, kEvening);
    RecordAndSeal(run, 130 * kUsPerSecond);
    index::Camera camera;
    camera.id = gate_.camera;
    index::Policy policy;
    policy.scope = "default";
    policy.version = 1;
    policy.max_days = 30;
    ASSERT_OK(store_->journal().Commit({camera, policy, index::Person{"li.wei", "", true, false}}));
    ASSERT_OK(store_->PutMarker(Hold(0)));
  }
  index::Marker Hold(int second) const {
    index::Marker hold;
    hold.id = Uuid::Random();
    hold.cameras = {gate_.camera};
    hold.range = {kEvening + second * kUsPerSecond, kEvening + (second + 1) * kUsPerSecond};
    hold.hold = true;
    return hold;
  }
  std::string Directory() const { return options_.data + "/" + std::string(kSnapshotFolder); }
  Result<Snapshot> Write() {
    return WriteSnapshot(Directory(), store_->id(), store_->catalog(), store_->ledger(),
                         clock_.NowUs(), *files_);
  }
  std::vector<SnapshotFile> List() { return ListSnapshots(Directory(), *files_).value(); }
  // What a rebuild from the ledger alone gives.
  std::map<std::string, std::string> Rows() {
    return test::RawCatalog(options_.data + "/catalog").Rows();
  }
  RebuildReport RebuildNow() {
    const auto report = Rebuild(options_.data, clock_, *files_, {});
    EXPECT_TRUE(report.has_value()) << (report ? "" : report.message());
    return report ? *report : RebuildReport();
  }
  static void Flip(const std::string& path, uint64_t offset) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset));
    const char byte = static_cast<char>(file.get());
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(static_cast<char>(byte ^ 1));
  }
  bool Tells(const std::vector<std::string>& notes, const std::string& words) {
    return std::any_of(notes.begin(), notes.end(), [&](const std::string& note) {
      return note.find(words) != std::string::npos;
    });
  }
};

TEST_F(SnapshotTest, ARebuildFromItGivesTheSameCatalogAndReadsOnlyWhatCameAfter) {
  Make();
  ASSERT_OK(Write());
  ASSERT_OK(store_->PutMarker(Hold(10)));
  SyntheticRun later(gate_, kEvening + kUsPerHour);
  RecordAndSeal(later, 10 * kUsPerSecond);
  Close();
  const auto before = Rows();
  ASSERT_GT(before.size(), 10u);
  const RebuildReport with = RebuildNow();
  EXPECT_EQ(with.snapshot, List().at(0).path);
  EXPECT_GT(with.snapshot_records, 5u);
  EXPECT_GT(with.records, 1u);
  EXPECT_EQ(Rows(), before);
  fs::remove_all(Directory());
  const RebuildReport without = RebuildNow();
  EXPECT_EQ(without.snapshot, "");
  EXPECT_EQ(without.records, with.records + with.snapshot_records + 1) << "the rebuild's own";
  EXPECT_EQ(without.segments, with.segments);
  EXPECT_EQ(Rows(), before);
  ASSERT_OK(Open());
  const auto rows = Segments(gate_);
  EXPECT_EQ(store_->DeleteSegment(rows[0].row, "default/1", "age").code(), Code::kDenied);
  ASSERT_OK(store_->journal().Commit({index::PoliciesConfirmed{"li.wei"}}));
  EXPECT_EQ(store_->DeleteSegment(rows[0].row, "default/1", "age").code(), Code::kDenied)
      << "it is held";
}

TEST_F(SnapshotTest, EveryFlippedBitAndEveryTearIsNoticed) {
  Make();
  const auto written = Write();
  ASSERT_OK(written);
  const Bytes good = ReadFile(*posix_, written->path, 1 << 20).value();
  EXPECT_EQ(good.size(), written->bytes);
  const std::string path = root_ + "/bad";
  const auto read = [&](const Bytes& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return ReadSnapshot(path, *posix_, [](const index::CatalogRow&) { return Ok(); });
  };
  ASSERT_OK(read(good));
  for (size_t bit = 0; bit < good.size() * 8; bit += 11) {
    Bytes bad = good;
    bad[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_EQ(read(bad).code(), Code::kCorrupt) << "bit " << bit;
  }
  for (size_t length = 0; length < good.size(); length += 5) {
    const Bytes torn(good.begin(), good.begin() + static_cast<ptrdiff_t>(length));
    EXPECT_EQ(read(torn).code(), Code::kCorrupt) << length;
  }
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_EQ(read(longer).code(), Code::kCorrupt);
}

TEST_F(SnapshotTest, ADamagedOneFallsBackToTheOneBeforeAndThenToTheLedgerAndSaysSo) {
  Make();
  ASSERT_OK(Write());
  ASSERT_OK(store_->PutMarker(Hold(10)));
  ASSERT_OK(Write());
  Close();
  const auto before = Rows();
  const auto list = List();
  ASSERT_EQ(list.size(), 2u);
  Flip(list[0].path, 200);
  RebuildReport report = RebuildNow();
  EXPECT_EQ(report.snapshot, list[1].path);
  EXPECT_TRUE(Tells(report.notes, list[0].path));
  EXPECT_EQ(Rows(), before);
  Flip(list[1].path, fs::file_size(list[1].path) - 30);
  report = RebuildNow();
  EXPECT_EQ(report.snapshot, "");
  EXPECT_TRUE(Tells(report.notes, list[0].path));
  EXPECT_TRUE(Tells(report.notes, list[1].path));
  EXPECT_EQ(Rows(), before);
}

TEST_F(SnapshotTest, OneOfAnotherLedgerIsNotUsed) {
  Make();
  ASSERT_OK(Write());
  Close();
  fs::copy(Directory(), root_ + "/kept", fs::copy_options::recursive);
  // The same records once more, but not the same ledger.
  fs::remove_all(options_.data + "/ledger");
  fs::remove_all(options_.data + "/catalog");
  fs::remove_all(Directory());
  ASSERT_OK(Open());
  for (int second = 0; second < 20; ++second) ASSERT_OK(store_->PutMarker(Hold(second)));
  Close();
  const auto before = Rows();
  fs::copy(root_ + "/kept", Directory(), fs::copy_options::recursive);
  const RebuildReport report = RebuildNow();
  EXPECT_EQ(report.snapshot, "");
  EXPECT_TRUE(Tells(report.notes, "is another one on the ledger"));
  EXPECT_EQ(Rows(), before);
}

TEST_F(SnapshotTest, AStartWithoutACatalogBeginsFromIt) {
  Make();
  ASSERT_OK(Write());
  ASSERT_OK(store_->PutMarker(Hold(10)));
  Close();
  const auto before = Rows();
  fs::remove_all(options_.data + "/catalog");
  ASSERT_OK(Open());
  EXPECT_TRUE(store_->recovery().catalog_rebuilt);
  EXPECT_TRUE(Tells(store_->recovery().notes, List().at(0).path));
  EXPECT_FALSE(*store_->catalog().PoliciesConfirmed());
  Close();
  EXPECT_EQ(Rows(), before);
}

TEST_F(SnapshotTest, TheLastTwoAreKeptAndWhatAStopLeftIsRemoved) {
  Make();
  ASSERT_OK(Write());
  const std::string first = List().at(0).path;
  std::ofstream(first + ".new") << "torn";
  for (int i = 1; i < 4; ++i) {
    ASSERT_OK(store_->PutMarker(Hold(i)));
    ASSERT_OK(Write());
  }
  EXPECT_EQ(List().size(), kSnapshotsKept);
  size_t files = 0;
  for (const auto& entry : fs::directory_iterator(Directory())) files += entry.is_regular_file();
  EXPECT_EQ(files, kSnapshotsKept);
  EXPECT_GT(List().at(0).records, List().at(1).records);
}

TEST_F(SnapshotTest, APowerCutLeavesItWholeOrNotAtAll) {
  Make();
  for (const test::Op op : {test::Op::kWrite, test::Op::kSync, test::Op::kRename}) {
    for (int nth = 1; nth <= 2; ++nth) {
      files_->FailNth(op, nth, Code::kDiskFailed, /*and_all_later=*/true);
      const auto written = Write();
      files_->StopFailing();
      EXPECT_EQ(List().empty(), !written.has_value());
      for (const SnapshotFile& file : List()) ASSERT_OK(files_->Remove(file.path));
    }
  }
  ASSERT_OK(Write());
  ASSERT_OK(CutPowerAndOpen());
  ASSERT_EQ(List().size(), 1u);
  ASSERT_OK(ReadSnapshot(List()[0].path, *files_, [](const index::CatalogRow&) { return Ok(); }));
}

TEST_F(SnapshotTest, OneIsWrittenADayAndWhenAsked) {
  Make();
  const auto snapshotter = Snapshotter::Open(*store_, clock_, *files_);
  snapshotter->RunDue();
  ASSERT_EQ(List().size(), 1u);
  const uint64_t first = List()[0].records;
  ASSERT_OK(store_->PutMarker(Hold(10)));
  clock_.Advance(kUsPerDay - 1);
  snapshotter->RunDue();
  EXPECT_EQ(List().size(), 1u);
  clock_.Advance(1);
  snapshotter->RunDue();
  ASSERT_EQ(List().size(), 2u);
  EXPECT_GT(List()[0].records, first);
  clock_.Advance(2 * kUsPerDay);
  snapshotter->RunDue();
  EXPECT_EQ(snapshotter->Report().newest->time_us, clock_.NowUs() - 2 * kUsPerDay)
      << "the ledger has nothing new";
  ASSERT_OK(store_->PutMarker(Hold(20)));
  snapshotter->Ask();
  EXPECT_TRUE(snapshotter->Report().running);
  snapshotter->RunDue();
  EXPECT_FALSE(snapshotter->Report().running);
  EXPECT_EQ(snapshotter->Report().trouble, "");
  EXPECT_EQ(List()[0].records, store_->ledger().size());
  // A start knows the one that is there.
  EXPECT_EQ(Snapshotter::Open(*store_, clock_, *files_)->Report().path, List()[0].path);
}

TEST_F(SnapshotTest, WhoAsksWhileTheCatalogIsBehindIsToldSo) {
  Make();
  const auto snapshotter = Snapshotter::Open(*store_, clock_, *files_);
  // A marker on many cameras makes the catalog's log far larger than the ledger.
  index::Marker marker = Hold(10);
  marker.hold = false;
  for (int i = 0; i < 4'000; ++i) marker.cameras.push_back(*CameraId::Parse(std::to_string(i)));
  for (int i = 0; i < 8; ++i) {
    marker.id = Uuid::Random();
    ASSERT_OK(store_->PutMarker(marker));
  }
  const test::FileSizeLimit full(1'000'000);
  ASSERT_OK(store_->PutMarker(marker));
  ASSERT_TRUE(store_->journal().catalog_behind());
  snapshotter->Ask();
  snapshotter->RunDue();
  EXPECT_FALSE(snapshotter->Report().running) << "nobody waits for what does not come";
  EXPECT_NE(snapshotter->Report().trouble.find("behind"), std::string::npos);
  EXPECT_TRUE(List().empty());
}

}  // namespace
}  // namespace lookback::storage
