// storage/retention.h: what is deleted, when, and why: planned by a pure function, done by a
// thread.
//
// Invariant: a hold in force beats everything. Nothing younger than its policy's min_days is a
// victim,
//            except under disk pressure with at_floor = shorten. Nothing is deleted while policies
//            are unconfirmed, nor by age while the clock is in doubt.
// Threads:   PlanRetention is pure; the Purger works on a thread of its own.
// Errors:    a file that cannot be deleted is reported, logged and tried again on the next round.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "index/records.h"
#include "storage/store.h"

namespace lookback::storage {

inline constexpr int64_t kPurgeIntervalUs = kUsPerMinute;
// Under pressure when less is free than this share of the disk, or two hours of ingest.
inline constexpr double kMinFreeShare = 0.02;
inline constexpr int64_t kMinFreeIngestUs = 2 * kUsPerHour;
inline constexpr int64_t kDailyDeleteBudgetFactor =
    4;  // Times a day's ingest, at least one hour's.

struct RetentionInput {
  std::vector<index::Seal> segments;    // In order of end time; open ones are never here.
  std::vector<index::Policy> policies;  // "default" and cameras'.
  std::vector<index::Marker> holds;
  TimeUs now_us = 0;
  bool clock_trusted = true;  // False freezes expiry by age.
  bool confirmed = true;      // False freezes everything.
  uint64_t free_bytes = 0;
  uint64_t target_free_bytes = 0;  // Pressure when free_bytes is below.
};

struct Victim {
  index::Seal segment;
  std::string policy;  // "default/3"
  std::string reason;  // "older than 30 days", "disk pressure"
};

struct RetentionPlan {
  std::vector<Victim> victims;
  uint64_t bytes = 0;
  bool below_floor = false;  // Some victims are below a floor, by at_floor = shorten.
  bool must_stop = false;    // Pressure stays, and only held or floor-kept footage is left.
  std::string sentence;      // What a person should read first.
};

RetentionPlan PlanRetention(const RetentionInput& input);

// The policy that governs a camera: its own, else "default", else one that keeps until pressure.
index::Policy PolicyFor(const std::vector<index::Policy>& policies, const CameraId& camera);

// Checks a policy before it goes on record: kInvalid when a floor comes without at_floor, when
// min_days > max_days, or days are beyond 36,500.
Status CheckPolicy(const index::Policy& policy);

class Purger {
 public:
  // `on_state` hears after each round (on the purger's thread) whether recording must stop.
  static std::unique_ptr<Purger> Start(Store& store, Clock& clock,
                                       std::function<void(const RetentionPlan&)> on_round);
  virtual ~Purger() = default;  // Stops.

  // Plans and deletes once, on the caller's thread.
  virtual Result<RetentionPlan> RunOnce() = 0;
  // Plans and deletes nothing.
  virtual Result<RetentionPlan> Preview() = 0;
};

}  // namespace lookback::storage
