#include "storage/settle_copies.h"

#include <algorithm>
#include <utility>

#include "storage/layout.h"
#include "storage/segment_thin.h"

namespace lookback::storage {
Result<std::string> SettleCopy(Volume& volume, const index::Seal& row, Journal& journal,
                               const OnRead& on_read) {
  const index::SegmentKey key = index::KeyOf(row);
  const Status whole = CheckCopy(volume, row, on_read);
  if (whole) {
    LB_TRY(journal.Commit({index::Copy{key, volume.id(), row.sha256}}));
    return PathOn(volume, key) + " is a whole copy, and is now on record";
  }
  if (whole.code() != Code::kCorrupt) return Pass(whole.error());
  LB_TRY(volume.Remove(key));
  return PathOn(volume, key) + " was a copy that was not finished, and is removed";
}

Result<std::string> SettleThinning(Volume& volume, const index::SegmentKey& key, bool on_ledger,
                                   const std::vector<Volume*>& volumes,
                                   const index::Catalog& catalog) {
  LB_TRY_ASSIGN(row, catalog.FindSegment(key));
  if (row && row->thinned == key.thinned) return std::string();
  const std::string path = PathOn(volume, key);
  const std::string doubt = path + " is left alone: ";
  if (!row) return doubt + "its segment is not on record any more";
  if (row->thinned && !on_ledger) return doubt + "no THIN tells that another file took its place";
  const auto own = std::find_if(volumes.begin(), volumes.end(),
                                [&](Volume* other) { return other->id() == row->volume; });
  if (own == volumes.end()) return doubt + "the volume of its segment is not there";
  const Status whole = CheckCopy(**own, *row, {});
  if (!whole) return doubt + whole.message();
  LB_TRY(volume.Remove(key));
  return path + (key.thinned ? " was a thinning that was not finished, and is removed"
                             : " was thinned by record, and is now removed");
}

Result<Loss> LossOf(const Volume& volume, const index::Seal& row,
                    const std::vector<Volume*>& volumes, const index::Catalog& catalog,
                    bool for_good) {
  const index::SegmentKey key = index::KeyOf(row);
  const index::Copy gone{key, volume.id(), row.sha256, /*gone=*/true};
  const std::string sentence = "missing: " + PathOn(volume, key) + " is on record, but gone";
  if (row.volume != volume.id()) return Loss{{gone}, sentence + "; it was a copy"};
  LB_TRY_ASSIGN(copies, catalog.CopiesOf(key));
  if (copies.empty()) {
    const auto self = std::find_if(volumes.begin(), volumes.end(),
                                   [&](Volume* other) { return other->id() == volume.id(); });
    const auto other = self == volumes.end() ? Result<index::Seal>(Fail(Code::kNotFound, ""))
                                             : RowOfOther(**self, row);
    if (other) return Loss{{*other}, sentence + "; what thinning left beside it takes its place"};
    if (!for_good && other.code() != Code::kNotFound && other.code() != Code::kCorrupt) {
      return Loss{{}, sentence + "; what thinning left beside it cannot be read now"};
    }
    return Loss{{index::Missing{key, row.end_us, index::GapCause::kMissing}}, sentence};
  }
  const auto reached = std::find_if(volumes.begin(), volumes.end(), [&](Volume* other) {
    return std::find(copies.begin(), copies.end(), other->id()) != copies.end() && other->Open(key);
  });
  const bool found = reached != volumes.end();
  if (!found && !for_good) return Loss{{}, sentence + "; its copy cannot be reached now"};
  index::Seal moved = row;
  moved.volume = found ? (*reached)->id() : copies.front();
  const std::string place = found ? (*reached)->root() : "volume " + moved.volume.text();
  return Loss{{gone, std::move(moved)}, sentence + "; the copy on " + place + " takes its place"};
}

}  // namespace lookback::storage
