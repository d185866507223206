// storage/ledger.h: the append-only record of everything that happened to the store.
//
// Invariant: records are numbered from 0 without a hole. Record n's leaf hash
//            (storage/ledger_format.h) stands in a file of its own, 32 bytes each, once the record
//            is synced. A torn tail of the last file (after the last Sync) is cut at open; a synced
//            record that is damaged or gone, as later records or leaves tell, is lost by itself: it
//            is reported, nothing is cut, its number is not given again.
// Threads:   Append and Sync on one thread; Read, Verify and the counters on any.
// Errors:    kDiskFull, kDiskFailed: nothing since the last Sync counts, and the next Append begins
//            a new file, since a file whose write or sync failed is never trusted again. kInvalid:
//            a record breaks a limit. kCorrupt names file and offset. kUnsupported at Open: a later
//            version wrote here.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/ids.h"
#include "index/catalog.h"
#include "storage/ledger_file.h"

namespace lookback::storage {

inline constexpr uint64_t kLedgerFileBytes = 64 << 20;  // Then a new file is begun.

class Ledger {
 public:
  // Opens or creates the ledger in `directory`. `store` is checked against the files.
  static Result<std::unique_ptr<Ledger>> Open(const std::string& directory, const Uuid& store,
                                              Clock& clock, FileSystem& files,
                                              uint64_t file_bytes = kLedgerFileBytes);
  // For fsck and copies: opens what is there and changes nothing. `store`, unless null, is checked.
  static Result<std::unique_ptr<Ledger>> OpenReadOnly(const std::string& directory,
                                                      FileSystem& files,
                                                      const Uuid* store = nullptr);
  ~Ledger();

  // Appends a group, all or nothing; the records come back with number and time. They count (and
  // can be read) only after Sync().
  Result<std::vector<index::NumberedRecord>> Append(const std::vector<index::Record>& records);
  Status Sync();

  uint64_t size() const;                  // Records that are synced.
  uint64_t bytes() const;                 // On disk.
  uint64_t torn_bytes() const;            // What Open cut off, or found when read-only.
  std::vector<LedgerFile> Files() const;  // As far as they are synced, oldest first.

  // Visits records from `first` on, in order, as far as they are synced; `visit` returns false to
  // stop. Passes over kinds of a later version, and over lost records: how many is returned.
  Result<uint64_t> Read(uint64_t first,
                        const std::function<bool(const index::NumberedRecord&)>& visit) const;

  // The same with the records as they stand, later kinds too. A payload stands
  // until `visit` returns.
  Result<uint64_t> ReadRaw(uint64_t first,
                           const std::function<bool(const LedgerRecord&)>& visit) const;
  // The leaf hashes of [first, end), which ends at size() or before, 32 bytes each: the one that is
  // kept, else that of the record, else zeros: the record is lost, and its leaf too.
  Result<Bytes> Leaves(uint64_t first, uint64_t end) const;

  // Reads every synced record, and compares each with its leaf hash: kCorrupt names the first that
  // is lost or another than it was. For fsck.
  Status Verify() const;

 private:
  struct State;
  explicit Ledger(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace lookback::storage
