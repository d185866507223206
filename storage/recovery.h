// storage/recovery.h: brings volumes, ledger and catalog to agree after a start (docs/recovery.md
// has the steps).
//
// Invariant: a file that the ledger does not know is repaired (repair.h), synced, then sealed; it
//            is unlinked only when its DELETE is on the ledger. Files of the present epoch are not
//            touched. Doing it twice does no harm.
// Threads:   RunNewest on the caller's, before recording begins; the rest on one of its own.
//            CheckToo on any, after StartRest.
// Errors:    in the report and the log; what could not be done is done by a later start.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "storage/store.h"

namespace lookback::storage {

class Recovery {
 public:
  // What it works on; all must outlive it. `delete_mutex` is the one that DeleteSegment holds.
  struct Parts {
    Uuid store;
    uint32_t epoch = 0;         // The present one: its files are the archive's.
    uint32_t marked_epoch = 0;  // See StoreFile.
    uint64_t ledger_mark = 0;
    std::function<std::vector<Volume*>()> volumes;  // Those of now.
    Ledger* ledger = nullptr;
    Journal* journal = nullptr;
    index::Catalog* catalog = nullptr;
    std::mutex* delete_mutex = nullptr;
    Clock* clock = nullptr;
  };
  // `report` as it stands before.
  static std::unique_ptr<Recovery> Make(Parts parts, RecoveryReport report);
  virtual ~Recovery() = default;  // Stops.

  // The streams' newest days, where a crash leaves its torn files; gives up after `budget_us`, and
  // at once while the catalog is behind the ledger: the rest waits for it.
  virtual void RunNewest(int64_t budget_us) = 0;
  // All the rest, on a thread of its own.
  virtual void StartRest() = 0;
  // The same for a volume that came while the store runs.
  virtual void CheckToo(Volume& volume) = 0;
  virtual void Wait() = 0;
  virtual void Stop() = 0;
  virtual RecoveryReport report() const = 0;
};

// The epoch of the newest footage that there is, by the catalog and by the newest file names.
uint32_t NewestEpoch(const index::Catalog& catalog, const std::vector<Volume*>& volumes);

}  // namespace lookback::storage
