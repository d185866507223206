// storage/damage.h: fragments that were read since the store was opened, and found damaged.
//
// What a reader finds out halfway through cannot be told in the answer under way: that one is cut
// off. From then on the fragment is missing, with the cause `corrupt`, in every answer. The files
// decide: a process that starts anew finds it anew.
//
// Invariant: a fragment stands once, however often it was met.
// Threads:   any.
// Errors:    none. Past kMaxFragments nothing more is taken in: such a volume is beyond this list.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include "index/records.h"

namespace lookback::storage {

struct Damage {
  index::SegmentKey segment;
  Uuid run;
  uint32_t fragment = 0;  // Its number in the run.
  TimeRange range;
  std::string what;  // For people: where, and what does not agree.
};

class DamageList {
 public:
  static constexpr size_t kMaxFragments = 65'536;

  void Add(Damage damage);
  // Of the stream, overlapping `range`; by start.
  std::vector<Damage> Find(const StreamId& stream, TimeRange range) const;
  size_t size() const;

 private:
  using Key = std::tuple<StreamId, TimeUs, index::SegmentKey, uint32_t>;

  mutable std::mutex mutex_;
  std::map<Key, Damage> found_;
};

}  // namespace lookback::storage
