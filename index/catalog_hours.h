// index/catalog_hours.h: keeps the catalog's hours right; for this folder's sources alone.
//
// Invariant: once a batch is written, each day's row is what the segments' rows of the catalog
//            say. Where no segments overlap, an hour is told by what came and went; else it is
//            counted anew from its rows.
// Threads:   that of the catalog's writer.
// Errors:    of index/catalog.h.
#pragma once

#include <rocksdb/utilities/write_batch_with_index.h>

#include <map>
#include <string>

#include "index/catalog_state.h"
#include "index/hours.h"

namespace lookback::index {

// The hours that one batch changes.
class BatchHours {
 public:
  // Both must outlive it. Segments' rows are already in the batch when it is told of them.
  BatchHours(const Database& database, rocksdb::WriteBatchWithIndex& batch)
      : database_(database), batch_(batch) {}

  Status Add(const Seal& seal);
  Status Remove(const Seal& seal);
  // Of one segment.
  Status Replace(const Seal& before, const Seal& after);

  // Whether so much waits that Settle() is due.
  bool full() const;
  // Puts into the batch what it was told.
  Status Settle();

 private:
  struct Day {
    StreamId stream;
    int64_t number = 0;
    DayTotals hours;
    std::array<bool, kHoursADay> in_doubt{};  // To be counted anew.
  };

  // What the piece has in each hour that it touches.
  using Change = void(FootageTotals& totals, TimeRange part, const FootagePiece& piece,
                      bool& in_doubt);
  Status Visit(const StreamId& stream, const FootagePiece& piece, Change change);
  Result<Day*> Find(const StreamId& stream, int64_t number);
  Result<FootageTotals> Count(const StreamId& stream, int64_t hour);

  const Database& database_;
  rocksdb::WriteBatchWithIndex& batch_;
  std::map<std::string, Day> days_;  // By their keys.
};

// All hours anew, from the rows, when they are not counted up to `position` yet. For a catalog that
// nobody writes to meanwhile.
Status EnsureHours(const Database& database, uint64_t position);
Result<bool> AreHoursCounted(const Database& database, uint64_t position);

}  // namespace lookback::index
