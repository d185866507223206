// storage/segment_files.h: which file of a segment is read: its own, or a copy on another volume.
//
// Invariant: all files of a segment have the same bytes, those of its seal; what is left out of one
//            may be taken from the next. No other place chooses between them.
// Threads:   any.
// Errors:    those of the segment's own file, when no file of it will do: kNotFound when it is
//            gone, kUnavailable when its volume is not there.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "index/catalog.h"
#include "storage/footage.h"
#include "storage/volume.h"

namespace lookback::storage {

class SegmentFiles {
 public:
  // The volume of that identity, or nullptr.
  using FindVolume = std::function<Volume*(const Uuid&)>;

  // `catalog` and the list of damage must outlive it.
  SegmentFiles(FindVolume find_volume, const index::Catalog& catalog, DamageList& damage)
      : find_volume_(std::move(find_volume)), catalog_(catalog), damage_(damage) {}

  // Of those that can be opened the `nth`, from 0. One that is gone from a volume that is there is
  // noted as damage.
  Result<std::unique_ptr<File>> Open(const index::Seal& row, size_t nth) const;
  // Of a sealed segment: by the first file that has a good one.
  Result<std::shared_ptr<const SegmentIndex>> Index(const index::Seal& row) const;
  // As storage/footage.h has them.
  std::optional<std::string> AwayOn(const index::Seal& row) const;
  bool HasAway(const index::SegmentKey& segment) const;
  // Than the damaged one, on a volume that is there.
  bool HasOther(const Damage& damage) const;

 private:
  bool IsThere(const Uuid& volume) const;
  Result<std::unique_ptr<File>> OpenOn(const Uuid& volume, const index::SegmentKey& key) const;

  const FindVolume find_volume_;
  const index::Catalog& catalog_;
  DamageList& damage_;
};

}  // namespace lookback::storage
