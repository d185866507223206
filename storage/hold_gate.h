// storage/hold_gate.h: where holds and what loses footage meet: deletion and thinning.
//
// Invariant: from the look at the holds to the record of a loss no hold is placed,
//            and the other way round; what went to the ledger and was not answered counts
//            as under way until it is.
// Threads:   any. One lock over all, which recovery and removal of volumes take too.
// Errors:    storage/store.h says them, call by call.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "storage/store.h"

namespace lookback::storage {

class HoldGate {
 public:
  // All must outlive it.
  struct Parts {
    Ledger& ledger;
    index::Catalog& catalog;
    Journal& journal;
    Archive& archive;
    PictureCache& pictures;
    LedgerCopies* copies;  // nullptr: none are kept.
    std::function<std::vector<Volume*>()> volumes;
    Clock& clock;
    std::mutex& mutex;
  };
  explicit HoldGate(Parts parts);

  // As of Store.
  Status PutMarker(index::Marker marker, std::optional<index::Act> act);
  Status AwaitSecondCopy();
  Status DeleteSegment(const index::Seal& segment, const std::string& policy,
                       const std::string& reason);
  Status ThinSegment(const index::Seal& thinned, const std::string& policy,
                     const std::string& reason);
  Status RecordCopy(const index::Copy& copy);

 private:
  // A segment of which something may be lost, and where its files are.
  struct Loser {
    index::Seal row;
    std::vector<Volume*> volumes;
  };

  Status CommitCounted(std::vector<index::Record> records, std::atomic<int>& under_way);
  Status CopyAllowsDeletion(const Volume& volume, int64_t wait_us);
  Status AwaitCopiesOf(const index::Seal& row);
  Result<std::vector<Volume*>> VolumesOf(const index::Seal& row);
  Result<Loser> MayLose(const index::SegmentKey& key);
  Result<Loser> MayThin(const index::Seal& thinned);
  void RemoveUnused(const index::Seal& thinned);
  Status CommitLoss(const index::Seal& row, index::Record record);
  static Status RemoveFiles(const Loser& loser);
  tl::unexpected<Error> Unsettled(const std::string& what) const;
  Result<bool> WhollyDeleted(const index::Marker& marker) const;

  const Parts parts_;
  // Those that nobody waits for any more, and that may come on record yet.
  std::atomic<int> holds_under_way_{0}, deletes_under_way_{0};
  // What a volume's copy has to hold before anything is deleted there: every hold is before it.
  std::atomic<uint64_t> holds_end_{0};
};

}  // namespace lookback::storage
