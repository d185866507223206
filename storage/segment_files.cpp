#include "storage/segment_files.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "storage/layout.h"
#include "storage/segment_reader.h"

namespace lookback::storage {
namespace {

Result<SegmentIndex> ReadIndex(const File& file, const index::Seal& row) {
  LB_TRY_ASSIGN(index, ReadClosedSegment(file));
  const SegmentHeader& header = index.header;
  if (storage::KeyOf(header) != index::KeyOf(row) || header.thinned != row.thinned) {
    return Fail(Code::kCorrupt, SegmentPath(index::KeyOf(row)) + " holds another segment, of " +
                                    header.stream.text());
  }
  return index;
}

}  // namespace

Result<std::unique_ptr<File>> SegmentFiles::OpenOn(const Uuid& volume,
                                                   const index::SegmentKey& key) const {
  Volume* const found = find_volume_(volume);
  if (found != nullptr) return found->Open(key);
  return Fail(Code::kUnavailable, "volume " + volume.text() + " is not attached");
}

Result<std::unique_ptr<File>> SegmentFiles::Open(const index::Seal& row, size_t nth) const {
  const index::SegmentKey key = index::KeyOf(row);
  auto own = OpenOn(row.volume, key);
  if (own && nth == 0) return own;
  size_t before = own ? nth - 1 : nth;
  LB_TRY_ASSIGN(others, catalog_.CopiesOf(key));
  // Since the row was read a copy may have taken the place of a file that is gone.
  LB_TRY_ASSIGN(now, catalog_.FindSegment(key));
  if (!own && now && now->thinned != row.thinned) {
    return Fail(Code::kNotFound, SegmentPath(key) + " was thinned meanwhile");
  }
  const bool moved = now && now->volume != row.volume;
  if (moved) others.insert(others.begin(), now->volume);
  for (const Uuid& volume : others) {
    auto file = OpenOn(volume, key);
    if (!file || before-- > 0) continue;
    if (!own && own.code() == Code::kNotFound && now && !moved) {
      damage_.Add(DamagedSegment(row, "its file is gone", index::GapCause::kMissing));
    }
    return file;
  }
  if (!own) return own;
  return Fail(Code::kNotFound, SegmentPath(key) + " has no further file");
}

Result<std::shared_ptr<const SegmentIndex>> SegmentFiles::Index(const index::Seal& row) const {
  std::optional<Error> first;
  for (size_t nth = 0;; ++nth) {
    const auto file = Open(row, nth);
    if (!file) return Pass(first ? *first : file.error());
    auto index = ReadIndex(**file, row);
    if (index) {
      if (first && first->code == Code::kCorrupt) damage_.Add(DamagedSegment(row, first->message));
      return std::make_shared<const SegmentIndex>(*std::move(index));
    }
    if (!first) first = index.error();
  }
}

bool SegmentFiles::IsThere(const Uuid& volume) const {
  const Volume* const found = find_volume_(volume);
  return found != nullptr && found->there();
}

std::optional<std::string> SegmentFiles::AwayOn(const index::Seal& row) const {
  if (row.volume == Uuid() || IsThere(row.volume)) return std::nullopt;
  const index::SegmentKey key = index::KeyOf(row);
  const auto there = [this](const Uuid& volume) { return IsThere(volume); };
  const auto copies = catalog_.CopiesOf(key);
  if (copies && std::any_of(copies->begin(), copies->end(), there)) return std::nullopt;
  // Since the row was read a copy may have taken its place.
  const auto now = catalog_.FindSegment(key);
  if (now && *now && IsThere((*now)->volume)) return std::nullopt;
  const Volume* const volume = find_volume_(row.volume);
  return volume != nullptr ? volume->root() : row.volume.text();
}

bool SegmentFiles::HasAway(const index::SegmentKey& segment) const {
  auto volumes = catalog_.CopiesOf(segment);
  const auto row = catalog_.FindSegment(segment);
  if (!volumes || !row || !*row) return false;
  volumes->push_back((*row)->volume);
  return std::any_of(volumes->begin(), volumes->end(),
                     [this](const Uuid& volume) { return !IsThere(volume); });
}

bool SegmentFiles::HasOther(const Damage& damage) const {
  auto volumes = catalog_.CopiesOf(damage.segment);
  const auto row = catalog_.FindSegment(damage.segment);
  if (!volumes || !row || !*row) return false;
  if (!damage.IsOn((*row)->volume)) volumes->push_back((*row)->volume);
  return std::any_of(volumes->begin(), volumes->end(),
                     [this](const Uuid& volume) { return IsThere(volume); });
}

}  // namespace lookback::storage
