// An archive of many segments loses its catalog, and then its ledger too: what comes back is what
// was there. 2,000 segments; in the long form as many as LOOKBACK_SEGMENTS says.
#include <cstdlib>
#include <fstream>

#include "storage/check.h"
#include "storage/data_directory.h"
#include "storage/snapshot.h"
#include "storage/store_catalog.h"
#include "storage/volume_file.h"
#include "tests/storage/store_fixture.h"
#include "tests/support/raw_catalog.h"
#include "tests/support/synthetic_archive.h"

namespace lookback::storage {
namespace {

namespace fs = std::filesystem;
using Rows = std::map<std::string, std::string>;

uint64_t SegmentsAsked() {
  const char* const said = std::getenv("LOOKBACK_SEGMENTS");
  return said == nullptr ? 2'000 : std::stoull(said);
}

class RebuildTest : public StoreFixture {
 protected:
  // Files, ledger and catalog; a snapshot at two thirds of them.
  void Fill(uint64_t segments) {
    ASSERT_OK(Open());
    const Uuid volume = store_->volumes().front()->id();
    const Uuid store = store_->id();
    Close();
    test::SyntheticArchive archive({store, volume, options_.volumes.front()}, *posix_);
    {
      const auto ledger = Ledger::Open(options_.data + "/ledger", store, clock_, *posix_).value();
      const auto catalog = index::Catalog::Open(CatalogPath(), {}).value();
      bool taken = false;
      for (uint64_t done = 0; done < segments;) {
        const uint64_t count = std::min<uint64_t>(test::SyntheticArchive::kGroup, segments - done);
        const auto numbered = ledger->Append(archive.Next(count));
        ASSERT_OK(numbered);
        ASSERT_OK(ledger->Sync());
        ASSERT_OK(catalog->Apply(*numbered));
        done += count;
        if (taken || done * 3 < segments * 2) continue;
        taken = true;
        ASSERT_OK(WriteSnapshot(SnapshotPath(), store, *catalog, *ledger, clock_.NowUs(), *posix_));
      }
      ASSERT_OK(catalog->Flush());
    }
    live_ = archive.live();
    holds_ = archive.holds();
  }
  std::string CatalogPath() const { return options_.data + "/catalog"; }
  std::string SnapshotPath() const { return options_.data + "/snapshots"; }
  Rows Catalog() { return test::RawCatalog(CatalogPath()).Rows(); }
  // The acts of people and of the store, but for those of rebuilds.
  std::vector<Bytes> Acts() {
    std::vector<Bytes> acts;
    const auto catalog = index::Catalog::Open(CatalogPath(), {}).value();
    const auto all = catalog->Acts(0, 1'000'000).value();
    for (const auto& act : all) {
      if (std::holds_alternative<index::Rebuilt>(act.record)) continue;
      acts.push_back(index::EncodeRecord(act.record));
      ByteWriter(acts.back()).U64(act.number);
    }
    return acts;
  }
  static Rows Only(const Rows& rows, std::initializer_list<std::string_view> families) {
    Rows some;
    for (const auto& [key, value] : rows) {
      for (const std::string_view family : families) {
        if (key.starts_with(std::string(family) + " ")) some.emplace(key, value);
      }
    }
    return some;
  }
  // The ledger, its copies and the catalog are gone; snapshots too, unless they are to stay.
  void LoseAllButFiles(bool keep_snapshots) {
    fs::remove_all(options_.data + "/ledger");
    fs::remove_all(options_.volumes.front() + "/v1/ledger");
    fs::remove_all(CatalogPath());
    if (!keep_snapshots) fs::remove_all(SnapshotPath());
  }
  Result<FromFilesReport> FromFiles(bool set_ledger_apart = false) {
    return RebuildFromFiles({options_.data, {}, set_ledger_apart}, clock_, *posix_, {});
  }
  uint64_t LiveHolds() {
    const auto markers = store_->catalog().Markers(CameraId(), kEver);
    uint64_t holds = 0;
    if (markers) {
      for (const index::Marker& marker : *markers) holds += marker.hold;
    }
    return holds;
  }

  std::vector<index::Seal> live_;
  std::vector<index::Marker> holds_;
};

TEST_F(RebuildTest, ALostCatalogComesBackTheSameWithASnapshotAndWithout) {
  Fill(SegmentsAsked());
  const Rows before = Catalog();
  const auto acts = Acts();
  ASSERT_EQ(Only(before, {"segments"}).size(), live_.size());
  fs::remove_all(CatalogPath());
  const auto with = Rebuild(options_.data, clock_, *posix_, {});
  ASSERT_OK(with);
  EXPECT_NE(with->snapshot, "");
  EXPECT_EQ(with->segments, live_.size());
  EXPECT_TRUE(Catalog() == before);
  EXPECT_EQ(Acts(), acts);
  fs::remove_all(CatalogPath());
  fs::remove_all(SnapshotPath());
  const auto without = Rebuild(options_.data, clock_, *posix_, {});
  ASSERT_OK(without);
  EXPECT_EQ(without->snapshot, "");
  EXPECT_TRUE(Catalog() == before);
  EXPECT_EQ(Acts(), acts);
  EXPECT_EQ(without->segments, with->segments);
}

TEST_F(RebuildTest, FilesAloneGiveEverySegmentBackAndNothingIsDeletedUntilAnAdminConfirms) {
  Fill(SegmentsAsked());
  const Rows before = Catalog();
  LoseAllButFiles(/*keep_snapshots=*/false);
  const auto report = FromFiles();
  ASSERT_OK(report);
  EXPECT_EQ(report->segments, live_.size());
  EXPECT_EQ(report->damaged + report->unfinished + report->left, 0u);
  EXPECT_EQ(report->snapshot, "");
  const Rows after = Catalog();
  const auto footage = {std::string_view("segments"), std::string_view("totals"),
                        std::string_view("hours")};
  EXPECT_FALSE(Only(before, {"hours"}).empty());
  EXPECT_TRUE(Only(after, footage) == Only(before, footage));
  EXPECT_TRUE(Only(after, {"markers", "marked", "policies", "persons", "gaps", "lost"}).empty());
  for (const index::Seal& seal : live_) EXPECT_TRUE(fs::exists(FileOf(seal)));

  ASSERT_OK(Open());
  EXPECT_EQ(store_->catalog().Cameras()->size(), size_t{test::SyntheticArchive::kCameras});
  EXPECT_EQ(store_->recovery().adopted_segments + store_->recovery().missing_segments, 0u);
  EXPECT_FALSE(*store_->catalog().PoliciesConfirmed());
  EXPECT_EQ(store_->DeleteSegment(live_[0], "default/1", "age").code(), Code::kDenied);
  EXPECT_TRUE(fs::exists(FileOf(live_[0])));
  Close();
  ASSERT_OK(Open());
  EXPECT_EQ(store_->DeleteSegment(live_[0], "default/1", "age").code(), Code::kDenied);
  ASSERT_OK(store_->journal().Commit({index::PoliciesConfirmed{"admin"}}));
  ASSERT_OK(store_->DeleteSegment(live_[0], "default/1", "age"));
}

TEST_F(RebuildTest, FilesAndASnapshotGiveSettingsAndHoldsBackToo) {
  Fill(600);
  // The snapshot has all of it.
  fs::remove_all(SnapshotPath());
  ASSERT_OK(Open());
  ASSERT_OK(WriteSnapshot(SnapshotPath(), store_->id(), store_->catalog(), store_->ledger(),
                          clock_.NowUs(), *posix_));
  const uint64_t holds = LiveHolds();
  ASSERT_GT(holds, 0u);
  const auto gaps = store_->catalog().Gaps(live_[0].stream, kEver).value();
  Close();
  const Rows before = Catalog();
  LoseAllButFiles(/*keep_snapshots=*/true);
  const auto report = FromFiles();
  ASSERT_OK(report);
  EXPECT_TRUE(fs::exists(report->snapshot)) << report->snapshot;
  EXPECT_EQ(report->holds, holds);
  EXPECT_EQ(report->cameras, 0u);
  EXPECT_EQ(report->set_apart.size(), 1u);
  for (const char* family :
       {"segments", "totals", "markers", "marked", "policies", "persons", "cameras"}) {
    EXPECT_TRUE(Only(Catalog(), {family}) == Only(before, {family})) << family;
  }
  ASSERT_OK(Open());
  EXPECT_EQ(LiveHolds(), holds);
  const auto gaps_after = store_->catalog().Gaps(live_[0].stream, kEver).value();
  ASSERT_EQ(gaps_after.size(), gaps.size());
  for (size_t i = 0; i < gaps.size(); ++i) {
    EXPECT_EQ(index::EncodeRecord(gaps_after[i]), index::EncodeRecord(gaps[i]));
  }
}

TEST_F(RebuildTest, WhereALedgerIsFilesAreNotTakenForItUnlessAnAdminSaysSo) {
  Fill(100);
  const auto refused = FromFiles();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.code(), Code::kConflict);
  EXPECT_NE(refused.message().find("--set-ledger-apart"), std::string::npos);
  // A copy on a volume is one, too.
  fs::create_directories(options_.volumes.front() + "/v1");
  fs::rename(options_.data + "/ledger", options_.volumes.front() + "/v1/ledger");
  EXPECT_EQ(FromFiles().code(), Code::kConflict);
  const auto report = FromFiles(/*set_ledger_apart=*/true);
  ASSERT_OK(report);
  ASSERT_EQ(report->set_apart.size(), 2u) << "the copy, and the snapshots";
  for (const std::string& path : report->set_apart) EXPECT_TRUE(fs::exists(path)) << path;
  options_.copy_ledger = true;
  ASSERT_OK(Open());
  EXPECT_EQ(store_->recovery().notes, std::vector<std::string>());
  EXPECT_FALSE(*store_->catalog().PoliciesConfirmed());
}

TEST_F(RebuildTest, WhatFailsInTheMiddleCanBeTriedAgainWithTheSnapshot) {
  Fill(100);
  files_->FailNextBelow(test::Op::kRename, options_.data + "/ledger", Code::kDiskFailed);
  ASSERT_FALSE(RebuildFromFiles({options_.data, {}, true}, clock_, *files_, {}));
  ASSERT_GT(files_->injected(), 0u);
  files_->StopFailing();
  // Of a rebuild before, too, things stand aside under the names of this epoch.
  for (const auto& entry : fs::directory_iterator(options_.data)) {
    const auto epoch = std::to_string(ReadStoreFile(*posix_, options_.data + "/store.json")->epoch);
    fs::create_directories(entry.path().string() + ".apart-" + epoch + "/something");
  }
  const auto report = FromFiles(/*set_ledger_apart=*/true);
  ASSERT_OK(report);
  EXPECT_NE(report->snapshot, "");
  EXPECT_TRUE(fs::exists(report->snapshot)) << report->snapshot;
  EXPECT_EQ(report->set_apart.size(), 2u) << "the ledger, and the snapshots";
  for (const std::string& path : report->set_apart) {
    EXPECT_TRUE(fs::exists(path)) << path;
    EXPECT_FALSE(fs::exists(path + "/something")) << path;
  }
}

TEST_F(RebuildTest, ACatalogIsMovedAsideWhereAnotherOneStandsAlready) {
  Fill(100);
  const auto epoch = ReadStoreFile(*posix_, options_.data + "/store.json")->epoch + 1;
  const std::string aside = CatalogPath() + ".bad-" + std::to_string(epoch);
  fs::create_directories(aside + "/something");
  std::ofstream(CatalogPath() + "/CURRENT") << "nothing";
  ASSERT_OK(Open());
  EXPECT_TRUE(store_->recovery().catalog_rebuilt);
  EXPECT_TRUE(fs::exists(aside + "-2/CURRENT"));
}

TEST_F(RebuildTest, ALedgerThatOnlyAVolumeHasIsUsedEvenWithoutTheDataDirectory) {
  Fill(100);
  const Rows before = Catalog();
  fs::create_directories(options_.volumes.front() + "/v1");
  fs::rename(options_.data + "/ledger", options_.volumes.front() + "/v1/ledger");
  fs::remove_all(options_.data);
  EXPECT_EQ(Rebuild(options_.data, clock_, *posix_, {}).code(), Code::kNotFound);
  const auto report = Rebuild(options_.data, clock_, *posix_, {}, options_.volumes);
  ASSERT_OK(report);
  EXPECT_EQ(report->segments, live_.size());
  EXPECT_TRUE(Catalog() == before);
  options_.copy_ledger = true;
  ASSERT_OK(Open());
  EXPECT_EQ(store_->recovery().missing_segments, 0u);
  EXPECT_FALSE(*store_->catalog().PoliciesConfirmed());
}

TEST_F(RebuildTest, AnInterruptedRestoreIsNotRebuiltOver) {
  Fill(20);
  const std::string waiting = options_.data + "/" + std::string(kWaitingStoreFile);
  fs::rename(options_.data + "/store.json", waiting);
  const auto report = Rebuild(options_.data, clock_, *posix_, {}, options_.volumes);
  EXPECT_EQ(report.code(), Code::kInvalid);
  EXPECT_NE(report.message().find("`lookback restore DIR --data "), std::string::npos);
  EXPECT_FALSE(fs::exists(options_.data + "/store.json"));
  EXPECT_TRUE(fs::exists(waiting));
}

TEST_F(RebuildTest, DamagedFilesGoOnRecordAndOthersAreNamedAndLeftAlone) {
  Fill(60);
  const auto flip = [](const std::string& path, uint64_t offset) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset));
    const char byte = static_cast<char>(file.get());
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(static_cast<char>(byte ^ 1));
  };
  // Of its fragment; behind it are trailer and LKEN.
  const auto file = posix_->Open(FileOf(live_[0]), OpenMode::kRead).value();
  const auto index = ReadClosedSegment(*file);
  ASSERT_OK(index);
  flip(FileOf(live_[0]), index->fragments[0].offset + 200);
  fs::resize_file(FileOf(live_[1]), live_[1].bytes - 20);  // Its LKEN is torn.
  const std::string stray = fs::path(FileOf(live_[2])).parent_path().string() + "/notes.txt";
  std::ofstream(stray) << "x";
  LoseAllButFiles(/*keep_snapshots=*/false);
  const auto bytes = ReadFile(*posix_, FileOf(live_[0]), 1 << 20).value();
  const auto report = FromFiles();
  ASSERT_OK(report);
  EXPECT_EQ(report->segments, live_.size() - 1);
  EXPECT_EQ(report->damaged, 1u);
  EXPECT_EQ(report->unfinished, 1u);
  EXPECT_EQ(report->left, 1u);
  EXPECT_TRUE(fs::exists(stray));
  ASSERT_OK(Open());
  EXPECT_EQ(ReadFile(*posix_, FileOf(live_[0]), 1 << 20).value(), bytes) << "nobody cuts it";
  EXPECT_EQ(store_->recovery().recovered_segments, 1u);
  EXPECT_TRUE(store_->catalog().FindSegment(index::KeyOf(live_[0])).value().has_value());
  EXPECT_TRUE(store_->catalog().FindSegment(index::KeyOf(live_[1])).value().has_value());
}

}  // namespace
}  // namespace lookback::storage
