// tests/storage/backup_fixture.h: the directory of a store, a place for backups beside it, and one
// to restore to. Digests are held against sha256sum(1).
#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "storage/backup.h"
#include "storage/backup_restore.h"
#include "storage/data_directory.h"
#include "storage/ledger_leaves.h"
#include "storage/volume_file.h"
#include "tests/storage/store_fixture.h"

namespace lookback::storage {

class BackupTest : public StoreFixture {
 protected:
  static constexpr uint64_t kSmallLedgerFile = 3'000;

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
    if (!std::filesystem::exists(into_)) return;
    const auto list = ListBackups(into_, *posix_);
    ASSERT_OK(list);
    for (const std::string& backup : *list) EXPECT_TRUE(ManifestHolds(backup)) << backup;
  }

  static std::string ReadText(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static void WriteText(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
  }
  static void FlipBit(const std::string& path, uint64_t bit) {
    std::string text = ReadText(path);
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << bit % 8));
    WriteText(path, text);
  }
  // By another program than ours.
  static bool ManifestHolds(const std::string& backup) {
    return std::system(("cd '" + backup +
                        "' && sha256sum --quiet --strict -c MANIFEST.sha256 "
                        ">/dev/null 2>&1")
                           .c_str()) == 0;
  }
  static std::vector<std::string> FilesBelow(const std::string& directory) {
    std::vector<std::string> all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
      if (entry.is_regular_file()) all.push_back(entry.path().string());
    }
    std::sort(all.begin(), all.end());
    return all;
  }
  static std::map<std::string, std::string> Contents(const std::string& directory) {
    std::map<std::string, std::string> contents;
    for (const std::string& path : FilesBelow(directory)) contents[path] = ReadText(path);
    return contents;
  }

  std::string into_;
  std::vector<std::string> warnings_;  // Of the last backup or restore.
  const Uuid bare_ = Uuid::Random();
  std::unique_ptr<Ledger> ledger_;
};

}  // namespace lookback::storage
