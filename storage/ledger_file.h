// storage/ledger_file.h: one file of the ledger: its name, and a walk over its records.
//
// Invariant: a walk gives whole records only, in the order in which they stand.
// Threads:   values; a LedgerWalker on one thread.
// Errors:    those of reading; kCorrupt by Damaged(), with file, offset and record. Safe on hostile
//            bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/file_system.h"
#include "storage/ledger_format.h"

namespace lookback::storage {

// A ledger file as far as it is known to be good.
struct LedgerFile {
  std::string path;
  uint64_t first_number = 0;
  uint64_t end_number = 0;  // Behind its last synced record.
  uint64_t good_bytes = 0;  // Of them, header included.
};

std::string LedgerFileName(uint64_t first_number);
bool ParseLedgerFileName(std::string_view name, uint64_t& first_number);

class LedgerWalker {
 public:
  // Reads from `offset` up to `limit`. `file` must outlive the walker.
  LedgerWalker(const File& file, uint64_t offset, uint64_t limit)
      : file_(file), offset_(offset), limit_(limit) {}

  // False where no whole record stands: at the end, or at damage. The record's payload stands until
  // the next call.
  Result<bool> Next(LedgerRecord& record);
  // The next whole record numbered `at_least` or more, whatever damage stands before it; false when
  // there is none.
  Result<bool> NextAround(uint64_t at_least, LedgerRecord& record);

  // Behind the last record that Next() gave.
  uint64_t offset() const { return offset_ + position_; }

 private:
  ByteSpan Window() const { return ByteSpan(buffer_).subspan(position_); }
  Status Fill();
  Result<bool> Resync(uint64_t at_least);

  const File& file_;
  uint64_t offset_;
  const uint64_t limit_;
  size_t position_ = 0;
  Bytes buffer_;
  bool at_end_ = false;
};

tl::unexpected<Error> Damaged(const LedgerFile& file, uint64_t offset, uint64_t number);

// Whether what stands from `offset` to `end` proves that the damaged record `number`, in front of
// it, had been synced.
Result<bool> WasSynced(uint64_t number, const File& file, uint64_t offset, uint64_t end);

}  // namespace lookback::storage
