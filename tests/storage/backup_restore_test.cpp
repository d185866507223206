// What is restored from a backup is the store again; and what is not a whole backup, or does not
// fit its place, is not restored.
#include "storage/backup_restore.h"

#include <gmock/gmock.h>

#include <random>

#include "storage/data_directory.h"
#include "storage/ledger_leaves.h"
#include "tests/storage/backup_fixture.h"
#include "tests/storage/promises.h"

namespace lookback::storage {
namespace {

namespace fs = std::filesystem;
using test::SyntheticRun;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(BackupTest, WhatIsRestoredIsTheStoreWithWhatTheVolumesKnowBesides) {
  ASSERT_OK(Open());
  SyntheticRun run(gate_, clock_.NowUs() - kUsPerHour);
  RecordAndSeal(run, 30 * kUsPerSecond);
  index::Marker hold;
  hold.cameras = {gate_.camera};
  hold.hold = true;
  hold.id = Uuid::Random();
  hold.range = {clock_.NowUs() - kUsPerHour, clock_.NowUs()};
  ASSERT_OK(store_->PutMarker(hold, {}));
  const auto report = Backup();
  ASSERT_OK(report);
  EXPECT_TRUE(ManifestHolds(report->path));
  EXPECT_EQ(report->info.records, store_->ledger().size());
  ASSERT_TRUE(report->info.root.has_value());
  EXPECT_EQ(*report->info.root, store_->ledger_tree().Root(report->info.records).value());
  hold.id = Uuid::Random();
  ASSERT_OK(store_->PutMarker(hold, {}));  // After it.
  ASSERT_OK(store_->AwaitSecondCopy());
  Close();
  const auto leaves = LeavesOf(options_.data + "/ledger");
  fs::remove_all(options_.data);

  const auto restored = Restore();
  ASSERT_OK(restored);
  EXPECT_FALSE(restored->ledger_left_out);
  ASSERT_EQ(restored->volumes.size(), 1U);
  EXPECT_TRUE(restored->volumes.front().there);
  options_.data = restored_();
  options_.volumes.clear();
  ASSERT_OK(Open());
  const auto markers = store_->catalog().Markers(CameraId(), kEver);
  ASSERT_OK(markers);
  EXPECT_EQ(markers->size(), 2U);
  EXPECT_EQ(Segments(gate_).size(), 1U);
  const auto now = LeavesOf(options_.data + "/ledger");
  ASSERT_GE(now.size(), leaves.size());
  EXPECT_TRUE(std::equal(leaves.begin(), leaves.end(), now.begin()));
  options_.volumes = {root_ + "/volume"};
  ExpectHonest(gate_);
}

TEST_F(BackupTest, ANewerOneThatIsUnfinishedIsPassedOverAloud) {
  MakeBare();
  const auto older = Backup();
  ASSERT_OK(older);
  const auto taken = Backup();
  ASSERT_OK(taken);
  const auto newer = Backup();
  ASSERT_OK(newer);
  fs::rename(older->path, older->path + ".partial");
  fs::remove(newer->path + "/MANIFEST.sha256");
  const std::string interrupted = into_ + "/20990504T220001.250Z.partial";
  fs::create_directory(interrupted);
  const auto restored = Restore();
  ASSERT_OK(restored);
  EXPECT_EQ(restored->backup, taken->path);
  EXPECT_THAT(warnings_,
              ElementsAre(AllOf(HasSubstr(taken->path + " is taken, of "), HasSubstr(interrupted),
                                HasSubstr("begun at 2099-05-04T22:00:01Z")),
                          AllOf(HasSubstr(newer->path + ", begun at"), HasSubstr("unfinished"))));
}

TEST_F(BackupTest, ADamagedRecordIsDamagedInItTooAndTheRestIsRestored) {
  MakeBare();
  ledger_.reset();
  const std::string file = options_.data + "/ledger/0000000000000000.lkl";
  FlipBit(file, 8 * (fs::file_size(file) / 2));
  const auto backup = Backup();
  ASSERT_OK(backup);
  EXPECT_EQ(backup->info.damaged_records, 1u);
  EXPECT_TRUE(ManifestHolds(backup->path));
  const auto restored = Restore();
  ASSERT_OK(restored);
  EXPECT_EQ(restored->info.damaged_records, 1u);
  EXPECT_EQ(LeavesOf(restored_() + "/ledger"), LeavesOf(options_.data + "/ledger"));
}

TEST_F(BackupTest, AFlippedBitIsNamedAndNothingIsRestored) {
  MakeBare();
  const auto report = Backup();
  ASSERT_OK(report);
  const uint64_t seed = test::SeedFromEnvironment();
  SCOPED_TRACE("LOOKBACK_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (const std::string& path : FilesBelow(into_)) {
    const std::string name = fs::path(path).filename();
    const std::string good = ReadText(path);
    if (good.empty() || name == "lock") continue;
    FlipBit(path, random() % (8 * good.size()));
    const auto restored = Restore();
    ASSERT_FALSE(restored) << path;
    // A bit of the manifest may name another file, or none.
    if (name != "MANIFEST.sha256") {
      EXPECT_NE(restored.message().find(name), std::string::npos) << path;
    }
    EXPECT_FALSE(fs::exists(restored_()));
    WriteText(path, good);
  }
  ASSERT_OK(Restore());
}

TEST_F(BackupTest, ADamagedStoreFileIsNamedAsDamaged) {
  MakeBare();
  const auto backup = Backup();
  ASSERT_OK(backup);
  WriteText(backup->path + "/store.json", "{}");
  const auto restored = Restore();
  ASSERT_FALSE(restored);
  EXPECT_EQ(restored.code(), Code::kCorrupt);
  EXPECT_NE(restored.message().find("store.json is damaged: it has not the SHA-256"),
            std::string::npos)
      << restored.message();
  EXPECT_FALSE(fs::exists(restored_()));
}

TEST_F(BackupTest, ANewerFormatAndADirectoryInUseAreRefused) {
  MakeBare();
  const auto report = Backup();
  ASSERT_OK(report);
  fs::create_directories(restored_());
  WriteText(restored_() + "/letter", "mine");
  EXPECT_EQ(Restore().code(), Code::kConflict);
  EXPECT_EQ(FilesBelow(restored_()).size(), 1U);
  fs::remove(restored_() + "/letter");
  std::string text = ReadText(report->path + "/backup.json");
  text.replace(text.find("\"format\": 1"), 11, "\"format\": 2");
  WriteText(report->path + "/backup.json", text);
  const auto newer = Restore();
  EXPECT_EQ(newer.code(), Code::kUnsupported);
  EXPECT_NE(newer.message().find("format 2"), std::string::npos);
}

TEST_F(BackupTest, AVolumeIsFoundWhereItIsMountedNow) {
  MakeBare();
  ASSERT_OK(Backup());
  const std::string moved = root_ + "/elsewhere";
  fs::rename(options_.volumes.front(), moved);
  EXPECT_EQ(Restore({root_}).code(), Code::kNotFound);  // No volume.
  const auto restored = Restore({moved});
  ASSERT_OK(restored);
  const auto file = ReadStoreFile(*posix_, restored_() + "/store.json");
  ASSERT_OK(file);
  ASSERT_EQ(file->volumes.size(), 1U);
  EXPECT_EQ(file->volumes.front().root, moved);
}

TEST_F(BackupTest, ALedgerThatTheVolumesContradictIsLeftToThem) {
  MakeBare();
  ASSERT_OK(Backup());
  // The store was made anew from an earlier state meanwhile, and went on.
  ledger_.reset();
  const auto volume = ReadStoreFile(*files_, options_.data + "/store.json")->volumes.front();
  const std::string copy = LedgerCopyPath(volume.root);
  {
    const auto other = Ledger::Open(copy, bare_, clock_, *files_);
    ASSERT_OK(other);
    ASSERT_OK((*other)->Append(Group()));
    ASSERT_OK((*other)->Sync());
  }
  const auto restored = Restore();
  ASSERT_OK(restored);
  EXPECT_TRUE(restored->ledger_left_out);
  EXPECT_TRUE(FilesBelow(restored_() + "/ledger").empty());
}

// A restore that is cut short anywhere is no store, and can be done again.
TEST_F(BackupTest, AHalfRestoredDirectoryIsNoStoreAndIsRestoredOver) {
  MakeBare(6);
  ASSERT_OK(Backup());
  ledger_.reset();
  const auto leaves = LeavesOf(options_.data + "/ledger");
  for (uint64_t n = 1; n < 500; ++n) {
    SCOPED_TRACE("change " + std::to_string(n));
    files_->CutPowerAt(n);
    const auto cut_short = Restore();
    const bool cut = !files_->power();
    files_->CutPower();
    files_->RestorePower(n % 2 == 0 ? std::optional<uint64_t>(n) : std::nullopt);
    if (fs::exists(restored_() + "/store.json")) {
      EXPECT_EQ(LeavesOf(restored_() + "/ledger"), leaves);
      EXPECT_EQ(Contents(restored_() + "/secrets").size(), 2U);
    } else if (fs::exists(restored_() + "/ledger")) {
      const auto opened = DataDirectory::Open(restored_(), *files_);
      EXPECT_EQ(opened.code(), Code::kInvalid);
      EXPECT_THAT(opened.message(), HasSubstr("`lookback restore DIR --data " + restored_() + "`"));
    }
    if (!fs::exists(restored_() + "/store.json")) ASSERT_OK(Restore());
    EXPECT_EQ(LeavesOf(restored_() + "/ledger"), leaves);
    if (HasFailure() || !cut) return;
    files_->CutPower();
    files_->RestorePower();
    fs::remove_all(restored_());
  }
  FAIL() << "never done";
}

}  // namespace
}  // namespace lookback::storage
