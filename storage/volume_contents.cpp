#include "storage/volume_contents.h"

#include "storage/held_ranges.h"

namespace lookback::storage {

Result<std::map<Uuid, VolumeContents>> CountContents(const index::Catalog& catalog,
                                                     const std::vector<Volume*>& volumes,
                                                     TimeUs now_us,
                                                     const std::function<bool()>& go_on) {
  LB_TRY_ASSIGN(markers, catalog.Markers(CameraId(), {kTimeMinUs, kTimeMaxUs}));
  const HeldFootage held(markers, now_us);
  std::map<Uuid, VolumeContents> counted;
  for (const Volume* volume : volumes) counted[volume->id()].counted_us = now_us;
  const auto count = [&](const Uuid& volume, const index::Seal& seal) {
    const auto found = counted.find(volume);
    if (found == counted.end()) return;
    VolumeContents& contents = found->second;
    ++contents.segments;
    contents.bytes += seal.bytes;
    if (!held.Touches(seal.stream.camera, seal.range())) return;
    ++contents.held_segments;
    contents.held_bytes += seal.bytes;
  };
  LB_TRY(catalog.VisitAllSegments([&](const index::Seal& seal) {
    count(seal.volume, seal);
    return go_on();
  }));
  Status read = Ok();
  LB_TRY(catalog.VisitAllCopies([&](const index::Copy& copy) {
    const auto row = catalog.FindSegment(copy.segment);
    if (!row) read = Pass(row.error());
    if (row && *row) count(copy.volume, **row);
    return read && go_on();
  }));
  LB_TRY(std::move(read));
  return counted;
}

}  // namespace lookback::storage
