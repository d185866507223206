// storage/purger.h: deletes and thins what the plan says (storage/retention_plan.h), once a minute.
//
// Invariant: nothing is deleted but by Store::DeleteSegment, nor thinned but by Store::ThinSegment,
//            which refuse what is held by then. What is being read waits (storage/read_pins.h),
//            unless the disk is full or it is far past its ceiling.
// Threads:   a thread of its own; RunOnce and Preview on any. Rounds go one at a time;
//            a preview waits for none.
// Errors:    a file that cannot be deleted is logged, and planned again on the next round. A volume
//            that does not tell its free space is left out of a round, and logged. What cannot be
//            thinned is left alone, until kThinLookUs later.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "storage/retention_plan.h"
#include "storage/store.h"
#include "storage/thinner.h"

namespace lookback::storage {

inline constexpr int64_t kPurgeIntervalUs = kUsPerMinute;

// Pressure begins when less is free than two hours of ingest or this share of the disk, whichever
// is more; one hour of ingest more is then freed, so that rounds are not endless.
inline constexpr int64_t kPressureIngestUs = 2 * kUsPerHour;
inline constexpr int64_t kReliefIngestUs = kUsPerHour;
inline constexpr double kPressureShare = 0.02;
// Below this share, with nothing that may be deleted, recording is about to stop: a last alarm.
inline constexpr double kStopShare = 0.002;
// What expiry and quotas may take in 24 hours of one run, in days of ingest: a wrong clock or
// policy empties no archive. A restart begins anew.
inline constexpr int64_t kBudgetDays = 4;
// The least of that budget, for stores that hardly record.
inline constexpr uint64_t kBudgetMinBytes = uint64_t{64} << 30;

// What a round reads to thin, in time of ingest, and at least; and how long that is to take. After
// twice as long, since recording needs the disks, the rest is left to the next round.
inline constexpr int64_t kThinIngestUs = 3 * kUsPerMinute;
inline constexpr uint64_t kThinMinBytes = uint64_t{1} << 30;
inline constexpr int64_t kThinRoundUs = 30 * kUsPerSecond;
// So often all rows are looked through for what is to be thinned; also once holds, policies, groups
// or volumes are others. Else only those behind what has been thinned.
inline constexpr int64_t kThinLookUs = kUsPerDay;

// What each volume took in the last hour, by what is sealed.
Result<std::map<Uuid, uint64_t>> LastHourBytes(const index::Catalog& catalog, TimeUs now_us);

// The limits of a volume of that size which takes so many bytes an hour.
RetentionVolume VolumeLimits(std::string root, Space space, uint64_t hour_bytes);

// Settings as they would stand on record.
struct RetentionChange {
  std::vector<index::Policy> policies;  // In place of those of the same scope.
  std::vector<index::Camera> cameras;   // In place of those of the same id: for their groups.
};

struct RetentionRound {
  RetentionPlan plan;
  uint64_t deleted_segments = 0;  // Of the plan's, those that went.
  uint64_t deleted_bytes = 0;
};

class Purger {
 public:
  using OnRound = std::function<void(const RetentionRound&)>;

  // `on_round` is called after each round on the purger's thread; it may be empty. `store` and
  // `clock` must outlive the purger.
  static std::unique_ptr<Purger> Start(Store& store, Clock& clock, OnRound on_round);
  virtual ~Purger() = default;  // Stops.

  // Plans, deletes and thins once, on the caller's thread.
  virtual Result<RetentionRound> RunOnce() = 0;
  // What rounds would delete and thin now, were there no daily budget and were `change` on record
  // already; of a frozen plan what they would once nothing keeps them from it. Deletes nothing.
  virtual Result<RetentionPlan> Preview(const RetentionChange& change) = 0;
  virtual ThinTotals Thinned() const = 0;
};

}  // namespace lookback::storage
