#include "storage/retention_rows.h"

#include <algorithm>

#include "base/log.h"
#include "storage/archive.h"
#include "storage/segment_format.h"

namespace lookback::storage {

std::vector<SpaceOn> VolumesWithSpace(Store& store, std::string_view who) {
  std::vector<SpaceOn> found;
  for (Volume* volume : store.volumes()) {
    if (volume->state() != VolumeState::kOnline) continue;
    const auto space = volume->FreeSpace();
    if (space) {
      found.push_back({volume, *space});
    } else {
      LogWarning("retention", std::string(who) + " leaves out " + volume->root() +
                                  ", whose free space is not known: " + space.message());
    }
  }
  return found;
}

CatalogRows::CatalogRows(const index::Catalog& catalog, std::vector<StreamId> streams,
                         std::vector<Uuid> volumes)
    : catalog_(catalog), streams_(std::move(streams)), volumes_(std::move(volumes)) {}

void CatalogRows::Read(size_t stream, TimeUs from_us, size_t max,
                       std::vector<RetentionRow>& rows) const {
  if (!status_ || max == 0) return;
  size_t read = 0;
  status_ = catalog_.VisitSegments(streams_[stream], {from_us, kTimeMaxUs},
                                   [&](const index::Seal& segment) {
                                     if (segment.start_us < from_us) return true;
                                     rows.push_back(RowOf(segment));
                                     return ++read < max;
                                   });
}

RetentionRow CatalogRows::RowOf(const index::Seal& segment) const {
  RetentionRow row;
  row.start_us = segment.start_us;
  row.end_us = segment.end_us;
  row.bytes = segment.bytes;
  row.epoch = segment.epoch;
  row.sequence = segment.sequence;
  row.thinned =
      segment.thinned || (whole_ != nullptr && whole_->contains(index::KeyOf(segment))) ? 1 : 0;
  row.sync_bytes = std::min(segment.sync_bytes, kMaxSegmentBytes);
  const auto volume = std::find(volumes_.begin(), volumes_.end(), segment.volume);
  static_assert(kMaxVolumes < kNoVolume);
  row.volume = volume == volumes_.end()
                   ? kNoVolume
                   : static_cast<uint32_t>(volume - volumes_.begin()) & kNoVolume;
  return row;
}

}  // namespace lookback::storage
