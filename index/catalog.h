// index/catalog.h: the RocksDB index over what the ledger says. It can be deleted and rebuilt.
//
// Invariant: the catalog is a function of the ledger records [0, position()): applying them
//            in order to an empty catalog gives the same rows. It never names a segment
//            that the ledger does not.
// Threads:   Apply(), Flush(), Reopen() and Writable() on one thread at a time; everything else on
//            any.
// Errors:    kDiskFull and kDiskFailed from RocksDB (Apply then changed nothing, and goes on
//            failing until Reopen); kCorrupt for rows that do not decode; kUnavailable while it
//            could not be opened again, not even for reading.
//
// Every overlap query costs O(answer + log n), whatever the length of the longest interval
// (index/schema.h tells how).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "index/hours.h"
#include "index/records.h"

namespace lookback::index {

struct NumberedRecord {
  uint64_t number = 0;  // Its place in the ledger, from 0.
  TimeUs time_us = 0;   // When it was written.
  Record record;
};

struct AlarmEvent {
  Alarm alarm;
  std::optional<AlarmAcknowledged> acknowledged;
};

// Totals of one stream, kept up to date by Apply.
struct StreamTotals {
  StreamId stream;
  uint64_t segments = 0;
  uint64_t bytes = 0;
};

class Catalog {
 public:
  struct Options {
    bool read_only = false;  // For fsck beside a running store.
    bool create = true;
    uint64_t cache_bytes = 64 << 20;
  };

  // Where an earlier build wrote last, which knew of no hours, they are counted:
  // one pass over all segments. Where the disk takes no writes (it is full), an existing catalog
  // is opened for reading alone: its rows answer, Writable() and Apply() say why nothing is
  // added, Reopen() tries again.
  static Result<std::unique_ptr<Catalog>> Open(const std::string& path, const Options& options);
  ~Catalog();

  // The number of the first ledger record that is not applied yet.
  uint64_t position() const;

  // Applies records, in rising order from position() on, as one atomic batch; numbers left out were
  // lost by the ledger. Durable only after Flush(): what a crash takes is applied again from there.
  Status Apply(const std::vector<NumberedRecord>& records);
  Status Flush();

  // The error that keeps Apply() from working until Reopen(); Ok when there is none.
  Status Writable() const;

  // Closes the database and opens it anew: the only way out of a failed write. position() is then
  // what had reached the disk. kUnavailable while a reader is inside: try again later.
  Status Reopen();

  // Segments that overlap `range`, by start. `visit` returns false to stop.
  Status VisitSegments(const StreamId& stream, TimeRange range,
                       const std::function<bool(const Seal&)>& visit) const;
  Result<std::vector<Seal>> Segments(const StreamId& stream, TimeRange range) const;
  Result<std::optional<Seal>> FindSegment(const SegmentKey& key) const;
  // The one that ends last. Nothing when the stream has none.
  Result<std::optional<Seal>> LastSegment(const StreamId& stream) const;
  // Every segment of every stream in key order, from a consistent snapshot.
  Status VisitAllSegments(const std::function<bool(const Seal&)>& visit) const;
  Result<std::vector<StreamTotals>> Totals() const;

  // What there is in each hour of UTC that has any and overlaps `range`; by time. Kept by Apply, so
  // that a year is 366 rows; where they could not be counted yet (Open, without room to write) they
  // are counted from the segments. `visit` returns false to stop.
  using VisitHour = std::function<bool(TimeUs start_us, const FootageTotals&)>;
  Status VisitHours(const StreamId& stream, TimeRange range, const VisitHour& visit) const;
  // Every day of UTC that has segments, or hours that were kept, and whether the latter say what
  // the former do. Reads every segment. None when the hours are not counted yet.
  using VisitDay = std::function<bool(const StreamId&, TimeUs start_us, bool agrees)>;
  Status VisitDays(const VisitDay& visit) const;

  // The volumes that have a copy of the segment, besides the one that its row names.
  Result<std::vector<Uuid>> CopiesOf(const SegmentKey& key) const;
  Result<bool> HasCopy(const SegmentKey& key, const Uuid& volume) const;
  // Whether the volume is on record for a file of the segment: its own, or a copy.
  Result<bool> IsOn(const Seal& row, const Uuid& volume) const;
  // As above, with IsOn() of each segment.
  using VisitOn = std::function<bool(const Seal& row, bool is_on)>;
  Status VisitSegments(const StreamId& stream, TimeRange range, const Uuid& volume,
                       const VisitOn& visit) const;
  Status VisitAllSegments(const Uuid& volume, const VisitOn& visit) const;
  Status VisitAllCopies(const std::function<bool(const Copy&)>& visit) const;

  Result<std::vector<Gap>> Gaps(const StreamId& stream, TimeRange range) const;  // By start.

  Result<std::vector<Camera>> Cameras() const;  // Removed ones too; by id.
  Result<std::optional<Camera>> FindCamera(const CameraId& id) const;
  // The newest version of each scope, removed ones too, whose versions go on; by scope.
  Result<std::vector<Policy>> Policies() const;
  Result<std::vector<Person>> Persons() const;  // By name.

  // Markers and holds on `camera` (any camera when empty) that overlap `range`; by start, then id.
  Result<std::vector<Marker>> Markers(const CameraId& camera, TimeRange range) const;
  Result<std::optional<Marker>> FindMarker(const Uuid& id) const;
  // Whether a hold in force at `now_us` touches the segment's range.
  Result<bool> IsHeld(const CameraId& camera, TimeRange range, TimeUs now_us) const;

  // People's acts, newest first, at most `limit`, older than ledger number `before` (0: from the
  // end).
  Result<std::vector<NumberedRecord>> Acts(uint64_t before, size_t limit) const;

  // What people put on a camera's record: upkeep and clock checks. As Acts() otherwise.
  Result<std::vector<NumberedRecord>> Notes(const CameraId& camera, uint64_t before,
                                            size_t limit) const;

  Result<std::vector<AlarmEvent>> StandingAlarms() const;  // In the order of their beginnings.
  // Those that began before `before` (zero: all), the newest first, ended ones too, until `visit`
  // returns false.
  Status VisitAlarms(const Uuid& before, const std::function<bool(AlarmEvent)>& visit) const;
  Result<std::optional<AlarmEvent>> FindAlarm(const Uuid& id) const;

  // False after a rebuild, until a PoliciesConfirmed record.
  Result<bool> PoliciesConfirmed() const;

  struct State;  // index/catalog_state.h, for this folder alone.

 private:
  friend class CatalogView;  // index/catalog_rows.h
  friend class CatalogLoader;
  explicit Catalog(std::unique_ptr<State> state);
  std::function<bool(const Seal&)> AskingOn(const Uuid& volume, const VisitOn& visit,
                                            Status& asked) const;
  std::unique_ptr<State> state_;
};

}  // namespace lookback::index
