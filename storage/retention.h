// storage/retention.h: what is deleted, when, and why: planned by a pure function, done by a
// thread.
//
// Invariant: a hold in force beats everything. Nothing younger than its policy's min_days is a
//            victim, except under disk pressure with at_floor = shorten. Nothing is deleted while
//            policies are unconfirmed, nor by age while the clock is in doubt.
// Threads:   PlanRetention is pure; the Purger works on a thread of its own.
// Errors:    a file that cannot be deleted is logged, and planned again on the next round.
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

// Pressure begins when less is free than two hours of ingest or this share of the disk, whichever
// is more; one hour of ingest more is then freed, so that rounds are not endless.
inline constexpr int64_t kPressureIngestUs = 2 * kUsPerHour;
inline constexpr int64_t kReliefIngestUs = kUsPerHour;
inline constexpr double kPressureShare = 0.02;
// Below this share, with nothing that may be deleted, recording is about to stop: a last alarm.
inline constexpr double kStopShare = 0.002;
// What expiry may take in 24 hours, in days of ingest: a wrong clock or policy empties no archive.
inline constexpr int64_t kExpiryBudgetDays = 4;
// The least of that budget, for stores that hardly record.
inline constexpr uint64_t kExpiryBudgetMinBytes = uint64_t{64} << 30;
// The promise of footage whose policy has neither floor nor ceiling.
inline constexpr uint32_t kDefaultPromiseDays = 30;
inline constexpr uint32_t kMaxPolicyDays = 36'500;
inline constexpr std::string_view kDefaultScope = "default";

struct RetentionInput {
  std::vector<index::Seal> segments;  // Sealed ones; open ones are never here.
  std::vector<index::Policy> policies;
  std::vector<index::Marker> holds;
  TimeUs now_us = 0;
  bool clock_trusted = true;  // False freezes expiry by age, and with it all that a floor protects.
  bool confirmed = true;      // False freezes everything.
  uint64_t free_bytes = 0;
  uint64_t pressure_bytes = 0;  // Pressure while less is free than this;
  uint64_t relief_bytes = 0;    // then this much is to be free.
  uint64_t stop_bytes = 0;      // Recording must stop below this, if nothing more may go.
  uint64_t expiry_budget_bytes = UINT64_MAX;
};

struct Victim {
  index::Seal segment;
  std::string policy;  // "default/3"
  std::string reason;  // "older than 30 days", "disk pressure"
  bool below_floor = false;
};

struct RetentionPlan {
  std::vector<Victim> victims;  // In the order of deletion.
  uint64_t bytes = 0;
  bool below_floor = false;  // Some victims are below a floor, by at_floor = shorten.
  bool frozen = false;       // Something kept this round from deleting; the sentence says what.
  bool must_stop = false;    // The disk is nearly full, and nothing more may be deleted.
  std::string sentence;      // What a person should read first.
};

RetentionPlan PlanRetention(const RetentionInput& input);

// The policy that governs a camera: its own, else "default", else one that keeps until pressure.
index::Policy PolicyFor(const std::vector<index::Policy>& policies, const CameraId& camera);

// Checks a policy before it goes on record: kInvalid for a scope that is neither a camera id nor
// "default", a floor without at_floor, min_days > max_days, or days beyond kMaxPolicyDays.
Status CheckPolicy(const index::Policy& policy);

// Whether ages may be computed from the wall clock. A clock that the kernel holds to be disciplined
// is believed, unless it runs behind what the ledger has seen. One that is not (many closed
// networks have no time server) is believed while nothing contradicts it: it must continue from the
// last start within a day (kMaxUnseenUs), and not step while the store runs.
class ClockJudge {
 public:
  static constexpr int64_t kMaxUnseenUs = kUsPerDay;
  static constexpr int64_t kMaxStepUs = 10 * kUsPerSecond;

  // `newest_record_us`: of the newest ledger record of earlier starts; 0 when there is none.
  ClockJudge(const Clock& clock, TimeUs newest_record_us);
  bool Trusted();

 private:
  const Clock& clock_;
  const TimeUs newest_record_us_;
  TimeUs anchor_us_;  // A pair of readings of both clocks, from a moment of trust.
  int64_t anchor_monotonic_us_;
  bool doubted_;
};

class Purger {
 public:
  using OnRound = std::function<void(const RetentionPlan&)>;

  // `on_round` is called after each round on the purger's thread; it may be empty. `store` and
  // `clock` must outlive the purger.
  static std::unique_ptr<Purger> Start(Store& store, Clock& clock, OnRound on_round);
  virtual ~Purger() = default;  // Stops.

  // Plans and deletes once, on the caller's thread.
  virtual Result<RetentionPlan> RunOnce() = 0;
  // Plans and deletes nothing. `change`: as if this policy were on record already.
  virtual Result<RetentionPlan> Preview(const index::Policy* change) = 0;
};

}  // namespace lookback::storage
