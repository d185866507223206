// storage/record_queue.h: what the archive has to put on record, on its way to the journal.
//
// Invariant: records are posted in the order in which they came, one group at a time. One that the
//            journal refused stays at the front and goes with the next Flush(). Its segment or gap
//            leaves its StreamState only once the row is in the catalog.
// Threads:   any. Answers come on the journal's thread.
// Errors:    above kMaxWaitingRecords the newest is given up, with an error in the log: a segment's
//            file is found by recovery at the next start, a gap is lost.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "storage/journal.h"
#include "storage/stream_state.h"

namespace lookback::storage {

inline constexpr size_t kMaxWaitingRecords = 65'536;
inline constexpr size_t kMaxRecordsOfGroup = 4'096;  // Posted to the journal at once.

class RecordQueue : public std::enable_shared_from_this<RecordQueue> {
 public:
  explicit RecordQueue(Journal& journal) : journal_(journal) {}

  void AddRun(index::Run run);
  // `segment` is closed and synced.
  void AddSeal(std::shared_ptr<StreamState> stream, std::shared_ptr<LiveSegment> segment);
  void AddGap(std::shared_ptr<StreamState> stream, index::Gap gap);

  // Posts what waits, unless a group is under way: then what waits goes when it comes back.
  void Flush();
  // Flushes until nothing waits; the first refusal ends it and is returned.
  Status FlushAndWait();
  bool idle() const;

 private:
  struct Item {
    index::Record record;
    std::shared_ptr<StreamState> stream;   // nullptr: nothing is shown of it meanwhile.
    std::shared_ptr<LiveSegment> segment;  // Of a SEAL.
  };

  void Add(Item item);
  void Answered(std::vector<Item> group, const Status& status);
  void ReleaseLocked();
  static void LetGo(const Item& item);

  Journal& journal_;
  mutable std::mutex mutex_;
  std::condition_variable answered_;
  std::deque<Item> waiting_;
  std::vector<Item> awaiting_row_;  // On the ledger; the catalog is behind.
  bool posted_ = false;
  uint64_t answers_ = 0;
  Status last_ = Ok();
};

}  // namespace lookback::storage
