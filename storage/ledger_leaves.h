// storage/ledger_leaves.h: the file of leaf hashes beside the ledger, 32 bytes a record.
//
// Invariant: a leaf that stands is of a synced record: leaves are written after the sync. One that
//            a power cut took (absent or zero) is made again from its record; one that differs from
//            its record is evidence, and is never written over; one without a record tells that the
//            record was lost.
// Threads:   the ledger's appending thread; Verify() on any.
// Errors:    a leaf that cannot be written costs no record: it waits for the next start. kCorrupt
//            by Verify() names the record.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "storage/ledger_file.h"

namespace lookback::storage {

inline constexpr std::string_view kLeavesFile = "leaves";
inline constexpr size_t kLeafBytes = sizeof(Sha256Digest);
inline constexpr uint64_t kLeavesAtOnce = 32'768;  // Of one Read(): a megabyte.

// Whether that is no leaf yet, or one that a power cut took.
bool IsAbsentLeaf(ByteSpan leaf);

class LedgerLeaves {
 public:
  // Opens or creates the file in `directory`, and mends it for the synced records of `ledger`.
  static Result<std::unique_ptr<LedgerLeaves>> Open(const std::string& directory,
                                                    const std::vector<LedgerFile>& ledger,
                                                    FileSystem& files);

  // How many whole leaves the file has; 0 when there is none.
  static Result<uint64_t> Count(const std::string& directory, FileSystem& files);
  // Those of [first, end) as they stand; zeros for those that do not.
  static Result<Bytes> Read(const std::string& directory, uint64_t first, uint64_t end,
                            FileSystem& files);
  // How many leaves stand without a break in [first, end): so many records were synced there.
  static Result<uint64_t> Standing(const std::string& directory, uint64_t first, uint64_t end,
                                   FileSystem& files);

  // Records were appended, and wait for their sync; their leaf hashes, one after another.
  void Add(ByteSpan leaves) { ByteWriter(waiting_).Raw(leaves); }
  // Everything that waits was synced, and ends before record `end_number`.
  void Write(uint64_t end_number);
  // What waits never came to be.
  void Forget() { waiting_.clear(); }
  void Sync();

  // Compares every synced record with its leaf.
  static Status Verify(const std::string& directory, const std::vector<LedgerFile>& ledger,
                       FileSystem& files);

 private:
  explicit LedgerLeaves(std::unique_ptr<File> file) : file_(std::move(file)) {}
  Status Repair(const LedgerFile& ledger, uint64_t from, FileSystem& files);
  void GiveUp(const Error& error);

  std::unique_ptr<File> file_;  // nullptr once it failed.
  Bytes waiting_;
};

}  // namespace lookback::storage
