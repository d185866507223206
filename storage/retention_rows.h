// storage/retention_rows.h: the catalog's segments as the planner reads them, a few at a time.
//
// Invariant: a row whose volume is none of the given ones has the volume kNoVolume.
// Threads:   one.
// Errors:    the first that the catalog gives is kept in status(), and all streams end there.
#pragma once

#include <set>
#include <string_view>
#include <vector>

#include "index/catalog.h"
#include "storage/retention_plan.h"
#include "storage/store.h"

namespace lookback::storage {

// The volumes that are online and tell their free space. Of one that does not the log says that
// `who` leaves it out: it keeps what it has, and the others from nothing.
struct SpaceOn {
  Volume* volume = nullptr;
  Space space;
};
std::vector<SpaceOn> VolumesWithSpace(Store& store, std::string_view who);

class CatalogRows : public RetentionRows {
 public:
  // `catalog` must outlive it.
  CatalogRows(const index::Catalog& catalog, std::vector<StreamId> streams,
              std::vector<Uuid> volumes);
  // Segments that are not to be thinned, as if they were already. It must outlive the rows.
  void LeaveWhole(const std::set<index::SegmentKey>* whole) { whole_ = whole; }

  void Read(size_t stream, TimeUs from_us, size_t max,
            std::vector<RetentionRow>& rows) const override;
  RetentionRow RowOf(const index::Seal& segment) const;
  const Status& status() const { return status_; }

 private:
  const index::Catalog& catalog_;
  const std::vector<StreamId> streams_;
  const std::vector<Uuid> volumes_;
  const std::set<index::SegmentKey>* whole_ = nullptr;
  mutable Status status_ = Ok();
};

}  // namespace lookback::storage
