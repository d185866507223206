// tests/storage/ledger_copy_fixture.h: a ledger and volumes with copies of it. Files are compared
// with cmp(1).
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "storage/layout.h"
#include "storage/ledger_copy.h"
#include "storage/ledger_file.h"
#include "storage/ledger_restore.h"
#include "storage/volume.h"
#include "tests/storage/store_fixture.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/temp_dir.h"

namespace lookback::storage {

inline bool Identical(const std::string& a, const std::string& b) {
  return std::system(("cmp -s '" + a + "' '" + b + "'").c_str()) == 0;
}

inline void FlipByte(const std::string& path, uint64_t offset) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(offset));
  const int byte = file.get();
  file.seekp(static_cast<std::streamoff>(offset));
  file.put(static_cast<char>(byte ^ 0x55));
}

// A ledger and volumes with copies of it, moved by hand: no thread but the test's.
struct Desk {
  explicit Desk(int volume_count = 1) {
    LB_CHECK(files.MakeDirectories(LedgerDirectory()).has_value());
    LB_CHECK(files.SyncDirectory(dir.path()).has_value());
    for (int i = 0; i < volume_count; ++i) OpenVolume(i);
  }
  std::string LedgerDirectory() const { return dir.Path("ledger"); }
  std::string Root(int i) const { return dir.Path("volume" + std::to_string(i)); }
  std::string CopyDirectory(int i) const { return LedgerCopyPath(Root(i)); }

  void OpenVolume(int i) {
    auto volume = OpenLocalVolume(Root(i), store, nullptr, files);
    LB_CHECK(volume.has_value());
    volumes.push_back(std::move(*volume));
  }
  Result<LedgerRestored> Restore() {
    LedgerPlaces places{LedgerDirectory(), {}, store, ++epoch};
    for (const auto& volume : volumes) places.copies.push_back(LedgerCopyPath(volume->root()));
    return RestoreLedger(places, files);
  }
  Status Open() {
    copies.clear();
    ledger.reset();
    LB_TRY_ASSIGN(opened, Ledger::Open(LedgerDirectory(), store, clock, files));
    ledger = std::move(opened);
    for (const auto& volume : volumes) {
      copies.push_back(std::make_unique<LedgerCopy>(
          LedgerCopy::Parts{*volume, *ledger, LedgerDirectory(), store, epoch, mending, files}));
    }
    return Ok();
  }
  // What a start does.
  Result<LedgerRestored> Start() {
    copies.clear();
    ledger.reset();
    LB_TRY_ASSIGN(restored, Restore());
    LB_TRY(Open());
    return restored;
  }
  static index::Record Act(const std::string& what) {
    index::Act act;
    act.person = "li";
    act.what = what;
    act.reason.assign(1'500, 'r');
    return act;
  }
  void Commit(int count = 3) {
    std::vector<index::Record> group;
    std::vector<std::string> names;
    for (int i = 0; i < count; ++i) {
      names.push_back(std::to_string(++made));
      group.push_back(Act(names.back()));
    }
    if (ledger->Append(group) && ledger->Sync()) {
      acknowledged.insert(acknowledged.end(), names.begin(), names.end());
    }
  }
  static std::vector<std::string> All(const Ledger& ledger) {
    std::vector<std::string> all;
    const auto read = ledger.Read(0, [&](const index::NumberedRecord& record) {
      all.push_back(std::get<index::Act>(record.record).what);
      return true;
    });
    EXPECT_TRUE(read) << read.message();
    return all;
  }
  std::vector<std::string> LedgerFiles() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(LedgerDirectory())) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }
  void ExpectIdentical(int i) const {
    for (const std::string& name : LedgerFiles()) {
      EXPECT_TRUE(Identical(LedgerDirectory() + "/" + name, CopyDirectory(i) + "/" + name)) << name;
    }
  }
  std::string First() const { return LedgerDirectory() + "/" + LedgerFileName(0); }
  std::string CopyOfFirst(int i) const { return CopyDirectory(i) + "/" + LedgerFileName(0); }
  // Ends the last file: its next sync fails, so that another file is begun.
  void EndFile() {
    files.FailNth(test::Op::kSync, 1, Code::kDiskFailed);
    LB_CHECK(ledger->Append({Act("lost")}).has_value());
    LB_CHECK(!ledger->Sync().has_value());
  }

  test::TempDir dir;
  std::unique_ptr<FileSystem> posix = MakePosixFileSystem();
  test::FaultFileSystem files{*posix, dir.path()};
  ManualClock clock{1'777'903'200 * kUsPerSecond};
  Uuid store = Uuid::Random();
  uint32_t epoch = 1;
  std::vector<std::unique_ptr<Volume>> volumes;
  std::unique_ptr<Ledger> ledger;
  std::mutex mending;
  std::vector<std::unique_ptr<LedgerCopy>> copies;
  int made = 0;
  std::vector<std::string> acknowledged;
};

}  // namespace lookback::storage
