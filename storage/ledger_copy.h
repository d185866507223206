// storage/ledger_copy.h: the copy of the ledger on one volume: the same files, byte by byte, as far
// as the ledger is synced.
//
// Invariant: a byte is copied only when it is synced in the ledger, and counts in held() only when
//            it is synced in the copy, too. A file whose write or sync failed is made anew. A copy
//            that says something else than the ledger is never written over: its files are moved to
//            a folder "apart-<epoch>" beside them. Nothing is made on a volume before its root was
//            seen to be ours.
// Threads:   Round, CheckOne, SyncLeaves and CloseFiles on one; the rest on any.
// Errors:    of the disks: the next Round takes up what this one left. kUnavailable: the volume is
//            offline. kCorrupt: the copy has records that the ledger has lost; it stays as it is,
//            and the next start mends the ledger.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "storage/ledger.h"
#include "storage/volume.h"

namespace lookback::storage {

class LedgerCopy {
 public:
  struct Parts {
    Volume& volume;
    const Ledger& ledger;
    std::string ledger_directory;
    Uuid store;
    uint32_t epoch = 0;
    std::mutex& mending;  // Shared by the copies: one at a time makes a file of the ledger anew.
    FileSystem& files;
  };
  // All in `parts` must outlive the copy.
  explicit LedgerCopy(const Parts& parts) : parts_(parts) {}

  // Brings the copy to the ledger's synced end. At first a file that the ledger has finished is
  // taken for its copy when it has its size.
  Status Round();
  // Compares one more finished file with its copy, byte by byte, and mends whichever is
  // damaged; false when all were.
  Result<bool> CheckOne();
  // What a stop leaves is as durable as the ledger's own.
  void SyncLeaves();
  // Lets go of its files; a further Round opens them again.
  void CloseFiles();

  uint64_t held() const { return held_; }  // Records, from the first on, that the copy has synced.
  // What happened to it: one sentence each.
  std::vector<std::string> notes() const;
  bool set_apart() const { return set_apart_; }

 private:
  Status TryRound();
  Status Prepare(const std::string& directory, const std::vector<LedgerFile>& list);
  Status Follow(const std::string& directory, const LedgerFile& file, bool last);
  Status LookAtCurrent(const std::string& path, const LedgerFile& file);
  Status OpenFor(const std::string& path, const LedgerFile& file, bool last);
  Status Append(const LedgerFile& file);
  Status CopyLeaves(const std::string& directory, const LedgerFile& file);
  Result<bool> Same(const std::string& path, const LedgerFile& file, uint64_t bytes) const;
  Status Settle(const std::string& path, const LedgerFile& file, bool last);
  Status SetApart(const std::string& directory, const std::string& why);
  void Note(std::string note);

  const Parts parts_;
  bool prepared_ = false;
  bool begin_again_ = false;       // The files were set apart.
  uint64_t at_ = 0;                // The first number of the file that is followed.
  std::unique_ptr<File> current_;  // Its copy.
  uint64_t current_bytes_ = 0;     // Of it, synced.
  bool suspect_ = false;           // A write or sync of it failed.
  std::unique_ptr<File> leaves_;
  uint64_t leaves_end_ = 0;
  uint64_t check_at_ = 0;
  std::atomic<uint64_t> held_{0};
  std::atomic<bool> set_apart_{false};
  mutable std::mutex mutex_;
  std::vector<std::string> notes_;
};

}  // namespace lookback::storage
