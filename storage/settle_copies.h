// storage/settle_copies.h: what a start does about further files of segments, copies and those of
// thinning: what was cut off, and what is all that is left.
//
// Invariant: a file is put on record as a copy when every byte of it is the one that was sealed,
//            and removed only when not; none is removed that is on record. Of the two files of a
//            thinning the one goes that is not on record, once the other was seen to be good.
// Threads:   the caller's. LossOf() and the commit of it under the lock that deletions hold.
// Errors:    of journal, catalog and volume: a later start looks again.
#pragma once

#include <string>
#include <vector>

#include "storage/journal.h"
#include "storage/segment_copy.h"

namespace lookback::storage {

// A file that has the name of `row`, on a volume that is not on record for it. Tells what was done.
Result<std::string> SettleCopy(Volume& volume, const index::Seal& row, Journal& journal,
                               const OnRead& on_read);

// A file that thinning left beside that of a segment, the new or the old one. `on_ledger`: a THIN
// of it is. Tells what was done; empty: nothing, the file is the one on record by now. Under the
// lock that deletions hold.
Result<std::string> SettleThinning(Volume& volume, const index::SegmentKey& key, bool on_ledger,
                                   const std::vector<Volume*>& volumes,
                                   const index::Catalog& catalog);

// What goes on record when the file of a segment is gone, and a sentence that tells it.
struct Loss {
  std::vector<index::Record> records;  // Empty: nothing, now.
  std::string sentence;
};
// The file of `row` on `volume`, its own or a copy, is gone. Of its own a copy on another one
// of `volumes` takes the place, else what thinning left beside it; without either the segment
// is missing. Where none can be reached now, nothing is on record yet, or `for_good` the first
// takes the place all the same.
Result<Loss> LossOf(const Volume& volume, const index::Seal& row,
                    const std::vector<Volume*>& volumes, const index::Catalog& catalog,
                    bool for_good = false);

}  // namespace lookback::storage
