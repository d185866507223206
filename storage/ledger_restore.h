// storage/ledger_restore.h: at a start, brings the ledger to the one end that it and its copies on
// the volumes have together.
//
// Two ledgers agree when the records that both have whole, in the last file that both reach into,
// are the same: each record is salted at random, so a ledger that was put back from elsewhere and
// went on differs from there to its end. The truth is what most agree on; the ledger itself wins a
// tie, and the longest of them is the one that the others follow.
//
// Invariant: nothing is written to a copy here, and no record that stands whole anywhere is
//            overwritten. A ledger that the copies outvote is renamed, and made anew from them.
// Threads:   the caller's, before the ledger is opened.
// Errors:    those of the ledger's own disk. A copy that cannot be read is told in `notes`, and
//            left out. kUnsupported: a later version wrote the ledger.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/ids.h"

namespace lookback::storage {

struct LedgerRestored {
  uint64_t records = 0;  // That the ledger had damaged or lacked, and has now.
  // Whether more than that may be lost, holds for one: the ledger had lost its end, and nobody
  // knows that the copies had all of it; or a copy disagrees.
  bool in_doubt = false;
  bool replaced = false;  // It was outvoted: no catalog of before follows from it.
  std::vector<std::string> notes;
};

struct LedgerPlaces {
  std::string ledger;               // The directory of the store's own.
  std::vector<std::string> copies;  // Those of copies on volumes that are there; not all exist.
  Uuid store;
  uint32_t epoch = 0;  // For the name of what is set apart.
};
Result<LedgerRestored> RestoreLedger(const LedgerPlaces& places, FileSystem& files);

// Mends what is damaged in the files that hold records from `first` on, the last one left out: how
// many records. Before a catalog is made from them.
Result<uint64_t> MendLedger(const LedgerPlaces& places, uint64_t first, FileSystem& files);

}  // namespace lookback::storage
