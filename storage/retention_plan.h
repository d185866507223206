// storage/retention_plan.h: what is deleted or thinned, and why, by a function that the purge, its
// preview and the forecast share, so that they cannot differ.
//
// Invariant: a hold in force beats everything. Nothing younger than its policy's min_days is a
//            victim, except under disk pressure, with at_floor = shorten, when no other is left.
//            Thinned is only what is older than thin_days and min_days, once, and what is not to be
//            deleted. Nothing is deleted while policies are unconfirmed, nor by age while the clock
//            is in doubt. What is on a volume that is not in the input stays.
// Threads:   PlanRetention is pure: the same input and rows give the same plan.
// Errors:    none. Rows that cannot be read end their stream; who reads them drops the plan.
//
// A plan of n victims over s streams costs O(s + n log s), and memory for its victims and a
// few rows of each stream; while the clock is in doubt, pressure reads all rows, to find the
// oldest by epoch and sequence.
#pragma once

#include <string>
#include <vector>

#include "index/records.h"

namespace lookback::storage {

// A sealed segment as the planner sees it.
struct RetentionRow {
  TimeUs start_us = 0;
  TimeUs end_us = 0;
  uint64_t bytes = 0;
  uint32_t epoch = 0;
  uint32_t sequence = 0;
  uint64_t volume : 16 = 0;      // Its place in RetentionInput::volumes, or kNoVolume.
  uint64_t sync_bytes : 47 = 0;  // As of index::Seal; a forecast's row is hours of footage.
  uint64_t thinned : 1 = 0;

  TimeRange range() const { return {start_us, end_us}; }
};
static_assert(sizeof(RetentionRow) <= 40);
inline constexpr uint32_t kNoVolume = UINT16_MAX;  // Not there now: its rows stay.

// Where rows come from. Reading again gives the same while a plan is made.
class RetentionRows {
 public:
  virtual ~RetentionRows() = default;
  // Appends the rows of a stream (its place in RetentionInput::streams) that start at `from_us` or
  // later, by start; fewer than `max` when there are no more.
  virtual void Read(size_t stream, TimeUs from_us, size_t max,
                    std::vector<RetentionRow>& rows) const = 0;
};

struct RetentionStream {
  StreamId id;
  uint64_t bytes = 0;      // All that it has, on whatever volume: what a quota limits.
  std::string group = {};  // Of its camera; empty: none.
  // What starts before needs no look to find what is to be thinned.
  TimeUs thin_from_us = kTimeMinUs;
};

struct RetentionVolume {
  std::string root;
  uint64_t free_bytes = 0;
  uint64_t pressure_bytes = 0;  // Pressure while less is free than this;
  uint64_t relief_bytes = 0;    // then this much is to be free.
  uint64_t stop_bytes = 0;      // Recording must stop below this, if nothing more may go.
};

struct RetentionInput {
  std::vector<RetentionStream> streams;
  std::vector<RetentionVolume> volumes;  // Those that are online.
  std::vector<index::Policy> policies;
  std::vector<index::Marker> holds;
  TimeUs now_us = 0;
  // Nothing is deleted until the caller says that it may be.
  bool clock_trusted = false;  // False: nothing goes by age, no floor has passed, no hold expired.
  bool confirmed = false;      // False: nothing goes.
  // What expiry and quotas may take, and thinning may free; disk pressure is bounded by its relief.
  uint64_t budget_bytes = 0;
  uint64_t thin_read_bytes = UINT64_MAX;  // The files that are thinned have no more in all.
};

enum class DeleteCause : uint8_t { kCeiling, kQuota, kPressure };

struct Victim {
  uint32_t stream = 0;  // Its place in RetentionPlan::streams.
  DeleteCause cause = DeleteCause::kPressure;
  bool below_floor = false;
  RetentionRow row;
};

struct Thinning {
  uint32_t stream = 0;  // Its place in RetentionPlan::streams.
  RetentionRow row;

  uint64_t gain() const { return row.bytes - row.sync_bytes; }  // About so many bytes get free.
};

struct RetentionPlan {
  struct Stream {
    StreamId id;
    index::Policy policy;              // That governs it.
    TimeUs thin_from_us = kTimeMinUs;  // As of RetentionStream, once what is planned is done.
  };
  std::vector<Stream> streams;
  std::vector<Victim> victims;  // In the order of deletion.
  uint64_t bytes = 0;
  std::vector<Thinning> thinnings;  // In their order, the oldest first; after the deletions.
  uint64_t thin_bytes = 0;          // What they free.
  bool below_floor = false;         // Some victims are below a floor, by at_floor = shorten.
  bool frozen = false;     // Something kept this round from deleting; the sentence says what.
  bool must_stop = false;  // A disk is nearly full, and nothing more may be deleted there.
  int64_t overdue_us = 0;  // By how much the oldest that stays is past its ceiling, unheld.
  std::string sentence;    // What a person should read first.

  const StreamId& StreamOf(const Victim& victim) const { return streams[victim.stream].id; }
  index::SegmentKey KeyOf(const Victim& victim) const { return KeyOf(victim.stream, victim.row); }
  index::SegmentKey KeyOf(uint32_t stream, const RetentionRow& row) const;
  std::string PolicyOf(const Victim& victim) const { return PolicyOf(victim.stream); }
  std::string PolicyOf(uint32_t stream) const;       // "default/3"
  std::string ReasonOf(const Victim& victim) const;  // "older than 30 days", "disk pressure"
  std::string ReasonOf(const Thinning& thinning) const;
};

RetentionPlan PlanRetention(const RetentionInput& input, const RetentionRows& rows);

// Rows in memory: of a forecast, or of a test.
class MemoryRows : public RetentionRows {
 public:
  explicit MemoryRows(size_t streams) : streams_(streams) {}

  // By rising start in each stream, each with some bytes.
  void Add(size_t stream, const RetentionRow& row) { streams_[stream].rows.push_back(row); }
  void Remove(size_t stream, TimeUs start_us);
  // What is left of it are its sync samples.
  void Thin(size_t stream, TimeUs start_us);
  void Read(size_t stream, TimeUs from_us, size_t max,
            std::vector<RetentionRow>& rows) const override;

 private:
  struct Rows {
    std::vector<RetentionRow> rows;  // Removed ones have no bytes.
    size_t first = 0;                // The ones before are removed.
  };
  RetentionRow* Find(size_t stream, TimeUs start_us);
  std::vector<Rows> streams_;
};

}  // namespace lookback::storage
