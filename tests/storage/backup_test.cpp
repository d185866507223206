// A backup holds what the store had synced and passes for whole only when it is.
#include "storage/backup.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "storage/backup_restore.h"
#include "storage/data_directory.h"
#include "storage/ledger_leaves.h"
#include "tests/storage/backup_fixture.h"

namespace lookback::storage {
namespace {

namespace fs = std::filesystem;
using test::Op;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(BackupTest, HoldsNoRecordThatAPowerCutCouldTake) {
  MakeBare();
  ASSERT_OK(ledger_->Append(Group()));  // And not synced.
  const auto report = Backup();
  ASSERT_OK(report);
  EXPECT_EQ(report->info.records, ledger_->size());
  files_->CutPower();
  ledger_.reset();
  files_->RestorePower();
  OpenBareLedger();
  Commit();  // Another record than the one that was lost, under its number.
  const auto source = LeavesOf(options_.data + "/ledger");
  ledger_.reset();
  // By the backup alone, since the restore is on a disk without power for nothing.
  ASSERT_OK(Restore());
  const auto restored = LeavesOf(restored_() + "/ledger");
  ASSERT_EQ(restored.size(), report->info.records);
  EXPECT_TRUE(std::equal(restored.begin(), restored.end(), source.begin()));
}

TEST_F(BackupTest, LostLeavesCostOnlyTheLastGroup) {
  MakeBare();
  fs::remove(options_.data + "/ledger/leaves");
  const auto report = Backup();
  ASSERT_OK(report);
  EXPECT_EQ(report->info.records, ledger_->size() - 2);
  EXPECT_TRUE(report->info.notes.empty());
}

TEST_F(BackupTest, ASecondOneCopiesWhatIsNewAndWhatRotted) {
  MakeBare();
  const auto first = Backup();
  ASSERT_OK(first);
  EXPECT_EQ(first->copied_bytes, first->bytes);
  Commit();
  const auto second = Backup();
  ASSERT_OK(second);
  EXPECT_LT(second->copied_bytes, first->copied_bytes / 2);
  const std::string shared = FilesBelow(into_ + "/ledger").front();
  const std::string good = ReadText(shared);
  FlipBit(shared, 8 * 500);
  EXPECT_FALSE(ManifestHolds(second->path));
  const auto third = Backup();
  ASSERT_OK(third);
  EXPECT_EQ(ReadText(shared), good);
  EXPECT_TRUE(ManifestHolds(first->path));
  EXPECT_TRUE(ManifestHolds(third->path));
}

// A file that is shared spoils, where it rots, every backup that has it:
// that is not mended in silence.
TEST_F(BackupTest, RotThatHarmedEarlierOnesIsToldWithTheirNames) {
  MakeBare();
  GiveBackupsADisk();
  const auto first = Backup();
  ASSERT_OK(first);
  Commit();
  const auto second = Backup();
  ASSERT_OK(second);
  EXPECT_THAT(warnings_, IsEmpty());
  const std::string shared = FilesBelow(into_ + "/ledger").front();
  const auto named = [](const std::string& path) { return HasSubstr(fs::path(path).filename()); };
  FlipBit(shared, 8 * 500);
  ASSERT_FALSE(ManifestHolds(first->path));
  const auto third = Backup();
  ASSERT_OK(third);
  EXPECT_THAT(warnings_, ElementsAre(AllOf(HasSubstr(shared + " was damaged, and is replaced"),
                                           named(first->path), named(second->path))));
  EXPECT_TRUE(ManifestHolds(first->path));
  fs::remove(shared);
  ASSERT_OK(Backup());
  EXPECT_THAT(warnings_, ElementsAre(AllOf(HasSubstr(shared + " was gone"), named(third->path))));
  // The store has lost it by now as well, so nothing can be put in its place.
  ledger_.reset();
  FlipBit(options_.data + "/ledger/" + fs::path(shared).filename().string(), 8 * 500);
  FlipBit(shared, 8 * 500);
  const auto fifth = Backup();
  ASSERT_OK(fifth);
  EXPECT_THAT(warnings_, ElementsAre(AllOf(HasSubstr(shared), HasSubstr("cannot be restored"),
                                           named(first->path), named(third->path))));
  EXPECT_FALSE(ManifestHolds(first->path));
  EXPECT_TRUE(ManifestHolds(fifth->path));
}

TEST_F(BackupTest, WhatItMendedIsToldThoughItFailsAfterwards) {
  MakeBare();
  GiveBackupsADisk();
  ASSERT_OK(Backup());
  const std::string shared = FilesBelow(into_ + "/ledger").front();
  FlipBit(shared, 8 * 500);
  files_->FailNextBelow(Op::kRead, options_.data + "/secrets", Code::kDiskFailed);
  ASSERT_FALSE(Backup());
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr(shared + " was damaged, and is replaced")));
}

TEST_F(BackupTest, AManifestThatIsDamagedIsToldByTheNextOne) {
  MakeBare();
  GiveBackupsADisk();
  const auto first = Backup();
  ASSERT_OK(first);
  WriteText(first->path + "/MANIFEST.sha256", "no digest  of anything\n");
  ASSERT_OK(Backup());
  EXPECT_THAT(warnings_,
              ElementsAre(AllOf(HasSubstr(first->path), HasSubstr("cannot be restored"))));
}

TEST_F(BackupTest, ALedgerThatBecameAnotherOneLeavesEarlierBackupsWhole) {
  MakeBare();
  ledger_.reset();
  const auto first = Backup();
  ASSERT_OK(first);
  fs::rename(options_.data + "/ledger", root_ + "/first-history");
  OpenBareLedger();
  for (int i = 0; i < 20; ++i) Commit();
  const auto second = Backup();
  ASSERT_OK(second);
  EXPECT_TRUE(ManifestHolds(first->path));
  EXPECT_TRUE(ManifestHolds(second->path));
  ASSERT_OK(RestoreBackup({first->path, root_ + "/of-first", {}, {}}, *files_));
  ASSERT_OK(RestoreBackup({second->path, root_ + "/of-second", {}, {}}, *files_));
  EXPECT_EQ(LeavesOf(root_ + "/of-first/ledger"), LeavesOf(root_ + "/first-history"));
  EXPECT_EQ(LeavesOf(root_ + "/of-second/ledger"), LeavesOf(options_.data + "/ledger"));
}

TEST_F(BackupTest, WhatIsNotItsOwnInItsPlaceIsNeitherCountedNorRemoved) {
  MakeBare();
  const std::string photo = into_ + "/photos.partial/2024/a.jpg";
  fs::create_directories(into_ + "/photos.partial/2024");
  WriteText(photo, "x");
  const auto first = Backup();
  ASSERT_OK(first);
  fs::copy(first->path, into_ + "/zz-before-the-move", fs::copy_options::recursive);
  const auto second = Backup(1);
  ASSERT_OK(second);
  EXPECT_TRUE(fs::exists(photo));
  EXPECT_TRUE(fs::exists(into_ + "/zz-before-the-move"));
  EXPECT_FALSE(fs::exists(first->path));
  const auto restored = Restore();
  ASSERT_OK(restored);
  EXPECT_EQ(restored->backup, second->path);
}

TEST_F(BackupTest, ALinkAmongTheSecretsIsNotFollowed) {
  MakeBare();
  WriteText(root_ + "/shadow", "another one's");
  fs::create_symlink(root_ + "/shadow", options_.data + "/secrets/link.json");
  const auto backup = Backup();
  ASSERT_OK(backup);
  EXPECT_FALSE(fs::exists(backup->path + "/secrets/link.json"));
  ASSERT_EQ(backup->info.notes.size(), 1u);
  EXPECT_NE(backup->info.notes[0].find("symbolic link"), std::string::npos);
}

TEST_F(BackupTest, KeepsSoManyAndIsItsOwnersAloneToRead) {
  MakeBare();
  for (int i = 0; i < 4; ++i) ASSERT_OK(Backup(2));
  const auto list = ListBackups(into_, *posix_);
  ASSERT_OK(list);
  EXPECT_EQ(list->size(), 2U);
  ExpectOnlyWholeOnes();
  for (const auto& entry : fs::recursive_directory_iterator(into_)) {
    if (entry.path().filename() == "lock") continue;
    struct stat info {};
    ASSERT_EQ(stat(entry.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, entry.is_directory() ? 0700 : 0600) << entry.path();
  }
}

TEST_F(BackupTest, RefusesPlacesThatAreLostWithTheStore) {
  MakeBare(1);
  for (const std::string& place :
       {options_.data, options_.data + "/backups", options_.volumes.front() + "/backups"}) {
    into_ = place;
    EXPECT_EQ(Backup().code(), Code::kInvalid) << place;
  }
  fs::create_directory_symlink(options_.data, root_ + "/link");
  into_ = root_ + "/link/backups";
  EXPECT_EQ(Backup().code(), Code::kInvalid);
  EXPECT_FALSE(fs::exists(options_.data + "/backups"));
}

TEST_F(BackupTest, RefusesAPlaceWithBackupsOfAnotherStore) {
  MakeBare(1);
  ASSERT_OK(Backup());
  fs::remove_all(options_.data);
  StoreFile other;
  other.store = Uuid::Random();
  ASSERT_OK(files_->MakeDirectories(options_.data));
  ASSERT_OK(WriteStoreFile(*files_, options_.data + "/store.json", other));
  EXPECT_EQ(Backup().code(), Code::kInvalid);
}

// Its disk may not be mounted, and what is made there would be on the system's.
TEST_F(BackupTest, APlaceThatIsNotThereIsNotMade) {
  MakeBare(1);
  into_ = root_ + "/not-mounted/backups";
  const auto backup = Backup();
  ASSERT_FALSE(backup);
  EXPECT_EQ(backup.code(), Code::kNotFound);
  EXPECT_THAT(backup.message(), HasSubstr("`mkdir -p -m 0700 " + into_ + "`"));
  EXPECT_FALSE(fs::exists(root_ + "/not-mounted"));
  into_ = root_ + "/file";
  WriteText(into_, "a letter");
  const auto onto_file = Backup();
  ASSERT_FALSE(onto_file);
  EXPECT_THAT(onto_file.message(), HasSubstr(into_ + " is a file"));
  EXPECT_EQ(ReadText(into_), "a letter");
}

TEST_F(BackupTest, WarnsWhereOneDiskHasBothStoreAndBackups) {
  MakeBare(1);
  ASSERT_OK(Backup());
  EXPECT_THAT(warnings_, ElementsAre(AllOf(HasSubstr(into_), HasSubstr(options_.data),
                                           HasSubstr("loses both"))));
  GiveBackupsADisk();
  ASSERT_OK(Backup());
  EXPECT_THAT(warnings_, IsEmpty());
}

// Whatever call fails, and wherever the power goes: there is a whole backup or none, the data
// directory is what it was, and the next try works.
TEST_F(BackupTest, NoFailureLeavesWhatPassesForABackup) {
  MakeBare(8);
  ASSERT_OK(Backup());
  Commit();
  const auto before = Contents(options_.data);
  for (const Op op : {Op::kOpen, Op::kCreate, Op::kRead, Op::kWrite, Op::kSync, Op::kSyncDirectory,
                      Op::kMakeDirectories, Op::kRemove, Op::kRename, Op::kList, Op::kStat}) {
    for (uint64_t n = 1;; ++n) {
      SCOPED_TRACE("operation " + std::to_string(static_cast<int>(op)) + ", call " +
                   std::to_string(n));
      const uint64_t injected = files_->injected();
      files_->FailNth(op, n, op == Op::kWrite ? Code::kDiskFull : Code::kDiskFailed);
      const auto made = Backup(2);
      const bool failed = files_->injected() > injected;
      files_->StopFailing();
      ExpectOnlyWholeOnes();
      ASSERT_EQ(Contents(options_.data), before);
      if (HasFailure() || !failed) break;
    }
  }
  ASSERT_OK(Backup(2));
  ExpectOnlyWholeOnes();
}

TEST_F(BackupTest, NoPowerCutLeavesWhatPassesForABackup) {
  MakeBare(4);
  ledger_.reset();
  for (uint64_t n = 1; n < 500; ++n) {
    SCOPED_TRACE("change " + std::to_string(n));
    files_->CutPowerAt(n);
    const auto made = Backup(1);
    const bool cut = !files_->power();
    files_->CutPower();
    files_->RestorePower(n % 2 == 0 ? std::optional<uint64_t>(n) : std::nullopt);
    ExpectOnlyWholeOnes();
    if (HasFailure()) return;
    if (!cut) {
      EXPECT_TRUE(made.has_value());
      EXPECT_EQ(ListBackups(into_, *posix_)->size(), 1U);
      return;
    }
  }
  FAIL() << "never done";
}

}  // namespace
}  // namespace lookback::storage
