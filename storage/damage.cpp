#include "storage/damage.h"

#include <algorithm>
#include <utility>

namespace lookback::storage {

void DamageList::Add(Damage damage) {
  const std::lock_guard lock(mutex_);
  if (found_.size() >= kMaxFragments) return;
  Key key{damage.segment.stream, damage.range.start_us, damage.segment, damage.fragment};
  found_.try_emplace(std::move(key), std::move(damage));
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

size_t DamageList::size() const {
  const std::lock_guard lock(mutex_);
  return found_.size();
}

}  // namespace lookback::storage
