// A backup holds what the store had synced and passes for whole only when it is; what is restored
// from it is the store again. Digests are held against sha256sum(1).
#include "storage/backup.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>
#include <random>

#include "base/log.h"
#include "storage/backup_restore.h"
#include "storage/data_directory.h"
#include "storage/ledger_leaves.h"
#include "storage/volume_file.h"
#include "tests/storage/promises.h"
#include "tests/storage/store_fixture.h"

namespace lookback::storage {
namespace {

namespace fs = std::filesystem;
using test::Op;
using test::SyntheticRun;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t kSmallLedgerFile = 3'000;

std::string ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
void WriteText(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}
void FlipBit(const std::string& path, uint64_t bit) {
  std::string text = ReadText(path);
  text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << bit % 8));
  WriteText(path, text);
}
// By another program than ours.
bool ManifestHolds(const std::string& backup) {
  return std::system(("cd '" + backup +
                      "' && sha256sum --quiet --strict -c MANIFEST.sha256 "
                      ">/dev/null 2>&1")
                         .c_str()) == 0;
}
std::vector<std::string> FilesBelow(const std::string& directory) {
  std::vector<std::string> all;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) all.push_back(entry.path().string());
  }
  std::sort(all.begin(), all.end());
  return all;
}
std::map<std::string, std::string> Contents(const std::string& directory) {
  std::map<std::string, std::string> contents;
  for (const std::string& path : FilesBelow(directory)) contents[path] = ReadText(path);
  return contents;
}

class BackupTest : public StoreFixture {
 protected:
  void SetUp() override {
    StoreFixture::SetUp();
    SetLogLevel(LogLevel::kError);
    into_ = root_ + "/backups";
    ASSERT_OK(files_->MakeDirectories(into_, 0700));
    ASSERT_OK(files_->SyncDirectory(root_));
    options_.copy_ledger = true;
    options_.ledger_file_bytes = kSmallLedgerFile;
  }
  void TearDown() override {
    ledger_.reset();
    StoreFixture::TearDown();
    SetLogLevel(LogLevel::kInfo);
  }

  // The directory of a store without its catalog, with `groups` of records on several files.
  void MakeBare(int groups = 20) {
    ASSERT_OK(files_->MakeDirectories(options_.data));
    StoreFile file;
    file.store = bare_;
    file.epoch = 1;
    file.ledger_mark = 1;
    file.volumes.push_back({options_.volumes.front(), Uuid::Random()});
    ASSERT_OK(WriteStoreFile(*files_, options_.data + "/store.json", file));
    ASSERT_OK(WriteVolumeFile(file.volumes.front()));
    ASSERT_OK(files_->MakeDirectories(options_.data + "/secrets", 0700));
    for (const std::string name : {"tokens.json", "cameras.json"}) {
      const std::string text = "the secret of " + name;
      ASSERT_OK(WriteFileDurably(*files_, options_.data + "/secrets/" + name, AsBytes(text),
                                 OpenMode::kSecret));
    }
    OpenBareLedger();
    for (int i = 0; i < groups; ++i) Commit();
  }
  Status WriteVolumeFile(const StoreFile::KnownVolume& volume) {
    LB_TRY(files_->MakeDirectories(volume.root));
    return storage::WriteVolumeFile(*files_, volume.root + "/volume.json", {bare_, volume.id});
  }
  void OpenBareLedger() {
    auto opened = Ledger::Open(options_.data + "/ledger", bare_, clock_, *files_, kSmallLedgerFile);
    ASSERT_OK(opened);
    ledger_ = std::move(*opened);
    for (const std::string& made : {root_, options_.data, options_.volumes.front()}) {
      ASSERT_OK(files_->SyncDirectory(made));
    }
  }
  static std::vector<index::Record> Group() {
    index::Act act;
    act.person = "li";
    act.what = "looked";
    act.reason.assign(300, 'r');
    return {act, act};
  }
  void Commit() {
    ASSERT_OK(ledger_->Append(Group()));
    ASSERT_OK(ledger_->Sync());
  }

  Result<BackupReport> Backup(size_t keep = 0) {
    clock_.Advance(kUsPerSecond);
    warnings_.clear();
    return MakeBackup({options_.data, into_, "1.2.3", keep, Warned()}, clock_, *files_);
  }
  Result<RestoreReport> Restore(std::vector<std::string> volumes = {}) {
    warnings_.clear();
    return RestoreBackup({into_, restored_(), std::move(volumes), {}, Warned()}, *files_);
  }
  OnWarning Warned() {
    return [this](const std::string& said) { warnings_.push_back(said); };
  }
  // All of a test is on one, of which every backup warns.
  void GiveBackupsADisk() { files_->SetMount(into_); }
  std::string restored_() const { return root_ + "/restored"; }
  std::vector<Sha256Digest> LeavesOf(const std::string& directory) {
    std::vector<Sha256Digest> leaves;
    const auto ledger = Ledger::OpenReadOnly(directory, *posix_);
    EXPECT_TRUE(ledger.has_value()) << ledger.message();
    if (!ledger) return leaves;
    const auto read = (*ledger)->ReadRaw(0, [&](const LedgerRecord& record) {
      leaves.push_back(LeafHash(record));
      return true;
    });
    EXPECT_TRUE(read.has_value());
    return leaves;
  }
  // What every instant has to allow: what is there under a backup's name is one.
  void ExpectOnlyWholeOnes() {
    if (!fs::exists(into_)) return;
    const auto list = ListBackups(into_, *posix_);
    ASSERT_OK(list);
    for (const std::string& backup : *list) EXPECT_TRUE(ManifestHolds(backup)) << backup;
  }

  std::string into_;
  std::vector<std::string> warnings_;  // Of the last backup or restore.
  const Uuid bare_ = Uuid::Random();
  std::unique_ptr<Ledger> ledger_;
};

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
