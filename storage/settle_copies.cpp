#include "storage/settle_copies.h"

#include <algorithm>
#include <utility>

#include "storage/layout.h"

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

Result<Loss> LossOf(const Volume& volume, const index::Seal& row,
                    const std::vector<Volume*>& volumes, const index::Catalog& catalog,
                    bool for_good) {
  const index::SegmentKey key = index::KeyOf(row);
  const index::Copy gone{key, volume.id(), row.sha256, /*gone=*/true};
  const std::string sentence = "missing: " + PathOn(volume, key) + " is on record, but gone";
  if (row.volume != volume.id()) return Loss{{gone}, sentence + "; it was a copy"};
  LB_TRY_ASSIGN(copies, catalog.CopiesOf(key));
  if (copies.empty()) {
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
