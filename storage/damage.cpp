#include "storage/damage.h"

#include <algorithm>
#include <utility>

namespace lookback::storage {

Damage DamagedFragment(const index::Seal& row, const Uuid& run, uint32_t fragment, TimeRange range,
                       uint64_t offset, std::string_view what) {
  return {index::KeyOf(row),
          run,
          row.volume,
          fragment,
          range,
          "segment of " + FormatTime(row.start_us) + ", fragment " + std::to_string(fragment) +
              " at byte " + std::to_string(offset) + ": " + std::string(what),
          index::GapCause::kCorrupt};
}

Damage DamagedSegment(const index::Seal& row, std::string_view what, index::GapCause cause) {
  return {index::KeyOf(row),
          row.run,
          row.volume,
          kWholeSegment,
          row.range(),
          "segment of " + FormatTime(row.start_us) + ": " + std::string(what),
          cause};
}

void DamageList::AddLocked(Damage damage) {
  if (found_.size() >= kMaxFragments) return;
  Key key{damage.segment.stream, damage.range.start_us, damage.segment, damage.fragment};
  const auto [stands, first] = found_.try_emplace(std::move(key), damage);
  Damage& known = stands->second;
  if (known.volume != damage.volume) {
    known = std::move(damage);
  } else if (!first && (known.everywhere || !damage.everywhere)) {
    return;
  } else {
    known.everywhere = damage.everywhere;
  }
  ++revision_;
}

void DamageList::Add(Damage damage) {
  const std::lock_guard lock(mutex_);
  AddLocked(std::move(damage));
}

void DamageList::Replace(const index::SegmentKey& segment, std::vector<Damage> found) {
  const Key from{segment.stream, segment.start_us, {}, 0};
  const std::lock_guard lock(mutex_);
  for (auto it = found_.lower_bound(from); it != found_.end();) {
    const Damage& damage = it->second;
    if (damage.segment.stream != segment.stream ||
        damage.range.start_us > segment.start_us + index::kMaxSegmentUs) {
      break;
    }
    if (damage.segment != segment) {
      ++it;
      continue;
    }
    it = found_.erase(it);
    ++revision_;
  }
  for (Damage& damage : found) AddLocked(std::move(damage));
}

std::vector<Damage> DamageList::Find(const StreamId& stream, TimeRange range) const {
  // A fragment is no longer than the segment that it stands in.
  const Key from{stream, std::max(kTimeMinUs, range.start_us - index::kMaxSegmentUs), {}, 0};
  std::vector<Damage> found;
  const std::lock_guard lock(mutex_);
  for (auto it = found_.lower_bound(from); it != found_.end(); ++it) {
    const Damage& damage = it->second;
    if (damage.segment.stream != stream || damage.range.start_us >= range.end_us) break;
    if (damage.range.Overlaps(range)) found.push_back(damage);
  }
  return found;
}

std::vector<Damage> DamageList::All() const {
  const std::lock_guard lock(mutex_);
  std::vector<Damage> all;
  all.reserve(found_.size());
  for (const auto& [key, damage] : found_) all.push_back(damage);
  return all;
}

std::vector<DamageTotal> DamageList::Totals() const {
  const std::lock_guard lock(mutex_);
  std::vector<DamageTotal> totals;
  for (const auto& [key, damage] : found_) {
    const StreamId& stream = damage.segment.stream;
    if (totals.empty() || totals.back().stream != stream) {
      totals.push_back({stream, 0, damage.range});
    }
    DamageTotal& total = totals.back();
    ++total.count;
    total.span.end_us = std::max(total.span.end_us, damage.range.end_us);
  }
  return totals;
}

size_t DamageList::size() const {
  const std::lock_guard lock(mutex_);
  return found_.size();
}

uint64_t DamageList::revision() const {
  const std::lock_guard lock(mutex_);
  return revision_;
}

}  // namespace lookback::storage
