#include "storage/recorded_footage.h"

#include <functional>
#include <string_view>
#include <variant>

namespace lookback::storage {

bool CameraShare::Has(const CameraId& camera) const {
  return std::hash<std::string_view>()(camera.text()) % of == number;
}

void RecordedFootage::Apply(const index::NumberedRecord& numbered) {
  if (!IsWanted(numbered.record)) return;
  if (const auto* seal = std::get_if<index::Seal>(&numbered.record)) {
    RecordedSegment& entry = entries[index::KeyOf(*seal)];
    entry.on_ledger = true;
    entry.standing = Standing::kSealed;
    entry.end_us = seal->end_us;
    entry.bytes = seal->bytes;
    entry.volume = seal->volume;
    entry.sha256 = seal->sha256;
    entry.thinned = seal->thinned;
    entry.number = numbered.number;
    LoseCopies(index::KeyOf(*seal), &seal->volume, numbered.number);
  } else if (const auto* thin = std::get_if<index::Thin>(&numbered.record)) {
    ApplyThin(*thin, numbered.number);
  } else if (const auto* copy = std::get_if<index::Copy>(&numbered.record)) {
    ApplyCopy(*copy, numbered.number);
  } else if (const auto* gone = std::get_if<index::Delete>(&numbered.record)) {
    SetStanding(gone->segment, Standing::kDeleted, numbered.number);
  } else if (const auto* missing = std::get_if<index::Missing>(&numbered.record)) {
    SetStanding(missing->segment, Standing::kMissing, numbered.number);
  }
}

bool RecordedFootage::IsWanted(const index::Record& record) const {
  const auto has = [this](const index::SegmentKey& key) { return share.Has(key.stream.camera); };
  if (const auto* seal = std::get_if<index::Seal>(&record)) return has(index::KeyOf(*seal));
  if (const auto* thin = std::get_if<index::Thin>(&record)) return has(thin->segment);
  if (const auto* copy = std::get_if<index::Copy>(&record)) return has(copy->segment);
  if (const auto* gone = std::get_if<index::Delete>(&record)) return has(gone->segment);
  if (const auto* missing = std::get_if<index::Missing>(&record)) return has(missing->segment);
  return false;
}

void RecordedFootage::ApplyThin(const index::Thin& thin, uint64_t number) {
  const auto segment = entries.find(thin.segment);
  if (segment == entries.end() || segment->second.standing != Standing::kSealed) return;
  RecordedSegment& entry = segment->second;
  entry.thinned = true;
  entry.bytes = thin.bytes;
  entry.sha256 = thin.sha256;
  entry.number = number;
  LoseCopies(thin.segment, nullptr, number);
}

void RecordedFootage::ApplyCopy(const index::Copy& copy, uint64_t number) {
  const auto segment = entries.find(copy.segment);
  const bool stands = !copy.gone && segment != entries.end() && segment->second.on_ledger &&
                      segment->second.standing == Standing::kSealed &&
                      segment->second.volume != copy.volume;
  RecordedCopy& entry = copies[{copy.segment, copy.volume}];
  entry.on_ledger = stands;
  entry.number = number;
}

// On that volume, or on all.
void RecordedFootage::LoseCopies(const index::SegmentKey& key, const Uuid* volume,
                                 uint64_t number) {
  for (auto it = copies.lower_bound({key, Uuid()}); it != copies.end(); ++it) {
    if (it->first.first != key) break;
    if (volume != nullptr && it->first.second != *volume) continue;
    it->second.on_ledger = false;
    it->second.number = number;
  }
}

void RecordedFootage::SetStanding(const index::SegmentKey& key, Standing standing,
                                  uint64_t number) {
  RecordedSegment& entry = entries[key];
  entry.on_ledger = true;
  entry.standing = standing;
  entry.number = number;
  LoseCopies(key, nullptr, number);
}

}  // namespace lookback::storage
