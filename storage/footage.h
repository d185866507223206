// storage/footage.h: what there is to see of a stream: sealed segments and the one being written.
//
// Invariant: a segment's fragments follow one another without a hole (a hole ends a segment), so
//            its range is covered whole. Segments of one answer are in order of start; two overlap
//            only when the wall clock was set back between them.
// Threads:   any.
// Errors:    kNotFound for a camera that never was; kDiskFailed, kCorrupt from files; kNotFound
//            from Open when retention took the file meanwhile.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "index/hours.h"
#include "index/records.h"
#include "storage/damage.h"
#include "storage/read_pins.h"
#include "storage/segment_format.h"

namespace lookback::storage {

struct FootageSegment {
  index::Seal row;                           // For an open segment: as far as it is written.
  std::shared_ptr<const SegmentIndex> open;  // Set while it is not sealed; else nullptr.
};

// What there is of a stream in an hour of UTC.
struct FootageHour {
  TimeUs start_us = 0;
  index::FootageTotals totals;
};

class Footage {
 public:
  virtual ~Footage() = default;

  virtual Result<std::vector<FootageSegment>> Segments(const StreamId& stream, TimeRange range) = 0;
  // Gaps on record, and the one that is going on now, cut off at `now`.
  virtual Result<std::vector<index::Gap>> Gaps(const StreamId& stream, TimeRange range) = 0;
  // The hours that have any and overlap `range`, each whole; by time. What was found damaged
  // counts. An archive need not read the segments for it.
  virtual Result<std::vector<FootageHour>> Hours(const StreamId& stream, TimeRange range);
  // The segment's index: from LKEN, or the open one's snapshot. Of its files the first good one
  // tells it; what is wrong with one before that is noted.
  virtual Result<std::shared_ptr<const SegmentIndex>> Index(const FootageSegment& segment) = 0;
  // Of the segment's files that can be opened the `nth`, from 0: its own, then its copies, which
  // have the same bytes. Who meets damage in one asks for the next.
  virtual Result<std::unique_ptr<File>> Open(const FootageSegment& segment, size_t nth) = 0;

  // Of what was found damaged, that which no copy has either: a gap in every answer.
  std::vector<Damage> Lost(const StreamId& stream, TimeRange range) {
    std::vector<Damage> lost = damage_.Find(stream, range);
    std::erase_if(
        lost, [this](const Damage& damage) { return !damage.everywhere && HasOtherFile(damage); });
    return lost;
  }
  // Of a segment that cannot be read now, since each of its files is on a volume that is away: that
  // volume's root, or its id where no root is known.
  virtual std::optional<std::string> AwayOn(const FootageSegment&) { return std::nullopt; }
  // Whether a file of the segment is on a volume that is away, and so may be
  // better than those here.
  virtual bool HasFileAway(const index::SegmentKey&) { return false; }
  // Whether another file of the segment than the damaged one is on record,
  // on a volume that is there.
  virtual bool HasOtherFile(const Damage&) { return false; }

  // What was found damaged, by whomever; a copy may have it still.
  DamageList& damage() { return damage_; }
  const DamageList& damage() const { return damage_; }

  // What is being read.
  ReadPins& pins() { return pins_; }

 protected:
  // `kept`, with the hours that `live` touches counted anew from the segments:
  // no row tells of those.
  Result<std::vector<FootageHour>> RecountHours(const StreamId& stream, TimeRange range,
                                                const std::vector<TimeRange>& live,
                                                std::vector<FootageHour> kept);

 private:
  DamageList damage_;
  ReadPins pins_;
};

}  // namespace lookback::storage
