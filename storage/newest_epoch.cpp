#include <algorithm>
#include <set>

#include "storage/recovery.h"

namespace lookback::storage {

uint32_t NewestEpoch(const index::Catalog& catalog, const std::vector<Volume*>& volumes) {
  uint32_t newest = 0;
  if (const auto totals = catalog.Totals()) {
    for (const index::StreamTotals& total : *totals) {
      const auto last = catalog.LastSegment(total.stream);
      if (last && *last) newest = std::max(newest, (*last)->epoch);
    }
  }
  for (Volume* volume : volumes) {
    if (volume->state() == VolumeState::kOffline) continue;
    const auto days = volume->Days();
    if (!days) continue;
    std::set<StreamId> seen;
    for (const Volume::Day& day : *days) {
      if (!seen.insert(day.stream).second) continue;
      const auto files = volume->FilesOf(day);
      if (!files) continue;
      for (const Volume::Found& file : *files) {
        if (!file.stray) newest = std::max(newest, file.key.epoch);
      }
    }
  }
  return newest;
}

}  // namespace lookback::storage
