// storage/journal.h: the one writer of ledger and catalog.
//
// Invariant: a record is on the synced ledger before it is in the catalog, and in the catalog
//            before its committer hears of it, unless catalog_behind(). Groups are committed in the
//            order in which they were posted.
// Threads:   Commit and Post on any, but Commit never on the journal's own; the work is done on the
//            journal's thread, many groups with one sync. Stop on any.
// Errors:    kInvalid: a record breaks a limit; that group alone is refused. kDiskFull,
//            kDiskFailed: the group is not on record. kUnavailable: the queue (kMaxWaiting records)
//            is full, the journal stopped, or Commit waited long enough. When only the catalog
//            fails, the record stands, the committer hears Ok, catalog_behind() turns true, and the
//            journal opens the catalog again from time to time until it has caught up.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "index/catalog.h"
#include "storage/ledger.h"

namespace lookback::storage {

class Journal {
 public:
  static constexpr size_t kMaxWaiting = 65'536;
  static constexpr int64_t kCommitWaitUs = 10 * kUsPerSecond;
  using Done =
      std::function<void(const Status&)>;  // Called on the journal's thread; must not block.

  // Brings the catalog up to the ledger's end, then starts; a catalog whose disk fails is left
  // behind. Both must outlive the journal.
  static Result<std::unique_ptr<Journal>> Start(Ledger& ledger, index::Catalog& catalog,
                                                int64_t wait_us = kCommitWaitUs);
  ~Journal();  // Stops.

  // Waits until the records are on the synced ledger and in the catalog, but at most `wait_us`:
  // then kUnavailable, and the group is neither refused nor on record; it may come there later,
  // when the disk answers, or never. Never on a loop's thread.
  Status Commit(std::vector<index::Record> records);

  // The same without waiting; `done` may be empty.
  Status Post(std::vector<index::Record> records, Done done);
  // Waits for what a `done` promised, as Commit does.
  Status Await(std::future<Status> answer) const;

  // Commits what waits, then refuses.
  void Stop();

  bool catalog_behind() const;
  // Why the last round of groups could not be put on the ledger; empty: it was.
  std::string trouble() const;
  // Records that Start() found damaged on the ledger and missing in the catalog: nobody knows what
  // they said.
  uint64_t lost_records() const;

 private:
  struct State;
  explicit Journal(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace lookback::storage
