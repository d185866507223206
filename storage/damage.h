// storage/damage.h: what of the stored footage was read and found damaged, or found to be gone.
//
// What a reader finds out halfway through cannot be told in the answer under way: that one is cut
// off. From then on the fragment is missing, with its cause, in every answer. The scrubber reads
// all there is (storage/scrubber.h), and keeps the list over a restart. The files decide: whoever
// checked a whole segment says what is damaged of it now, which may be nothing any more.
//
// Invariant: a fragment stands once, however often it was met; once a copy has taken the place of
//            the file that was looked at, only what is found in that counts.
// Threads:   any.
// Errors:    none. Past kMaxFragments nothing more is taken in: such a volume is beyond this list.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "index/records.h"

namespace lookback::storage {

// In place of a fragment's number: no fragment of the segment can be given out.
inline constexpr uint32_t kWholeSegment = UINT32_MAX;

struct Damage {
  index::SegmentKey segment;
  Uuid run;
  Uuid volume;            // Where the file is that was looked at.
  uint32_t fragment = 0;  // Its number in the run, or kWholeSegment.
  TimeRange range;
  std::string what;                                   // For people: where, and what does not agree.
  index::GapCause cause = index::GapCause::kCorrupt;  // Or kMissing: the file is gone.
  bool everywhere = false;  // A reader tried all files of the segment. Not kept over a restart.

  // Whether it is of the segment's file on that volume. What an older version kept names none.
  bool IsOn(const Uuid& other) const { return volume == other || volume == Uuid(); }

  friend bool operator==(const Damage&, const Damage&) = default;
};

Damage DamagedFragment(const index::Seal& row, const Uuid& run, uint32_t fragment, TimeRange range,
                       uint64_t offset, std::string_view what);
Damage DamagedSegment(const index::Seal& row, std::string_view what,
                      index::GapCause cause = index::GapCause::kCorrupt);

// Of one stream.
struct DamageTotal {
  StreamId stream;
  size_t count = 0;
  TimeRange span;  // From the first one's start to the last one's end.
};

class DamageList {
 public:
  static constexpr size_t kMaxFragments = 65'536;

  void Add(Damage damage);
  // What a check of every byte of the segment found: takes the place of all that stood of it.
  void Replace(const index::SegmentKey& segment, std::vector<Damage> found);

  // Of the stream, overlapping `range`; by start.
  std::vector<Damage> Find(const StreamId& stream, TimeRange range) const;
  std::vector<Damage> All() const;  // By stream, then start.
  std::vector<DamageTotal> Totals() const;
  size_t size() const;
  uint64_t revision() const;  // Another one after each change.

 private:
  using Key = std::tuple<StreamId, TimeUs, index::SegmentKey, uint32_t>;

  void AddLocked(Damage damage);

  mutable std::mutex mutex_;
  std::map<Key, Damage> found_;
  uint64_t revision_ = 0;
};

}  // namespace lookback::storage
