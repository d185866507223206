// storage/retention.h: what a policy promises, and when the clock may be believed that it is due.
//
// Invariant: a policy that CheckPolicy() refused is never on record.
// Threads:   functions and values; a ClockJudge belongs to one thread at a time.
// Errors:    kInvalid, in words that say what of the policy contradicts what.
//
// What follows of policies is planned in storage/retention_plan.h, done by storage/purger.h, and
// foreseen in storage/retention_forecast.h.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "index/records.h"

namespace lookback::storage {

// The promise of footage whose policy has neither target nor floor nor ceiling.
inline constexpr uint32_t kDefaultPromiseDays = 30;
inline constexpr uint32_t kMaxPolicyDays = 36'500;
inline constexpr uint8_t kMaxKeepClass = 3;
inline constexpr std::string_view kDefaultScope = "default";
inline constexpr std::string_view kGroupScope = "group:";  // Before a group's name.

// A group's name is made as a camera's id is. kInvalid says how.
Status CheckGroupName(const std::string& group);
std::string ScopeOfGroup(const std::string& group);
// nullopt: it is the scope of no group.
std::optional<std::string> GroupOfScope(std::string_view scope);

// The policy that governs a camera: its own, else that of its group, else "default", else one that
// keeps until pressure.
class PolicyTable {
 public:
  // `policies` must outlive it.
  explicit PolicyTable(const std::vector<index::Policy>& policies);
  // `group`: empty, when the camera is in none.
  index::Policy For(const CameraId& camera, const std::string& group) const;

 private:
  std::map<std::string, const index::Policy*, std::less<>> by_scope_;
};
index::Policy PolicyFor(const std::vector<index::Policy>& policies, const CameraId& camera,
                        const std::string& group);

// Checks a policy before it goes on record: kInvalid for a scope that is neither a camera id, nor
// of a group, nor "default", a floor without at_floor, a floor above target or ceiling, a target
// above the ceiling, thinning before the floor or not before target and ceiling, a class beyond
// kMaxKeepClass, or days beyond kMaxPolicyDays.
Status CheckPolicy(const index::Policy& policy);

// What a policy promises outright: its target, else its floor; 0: nothing.
uint32_t PromisedDays(const index::Policy& policy);
// What ages are measured by under pressure, so that all lose the same share of their promise: its
// target, else its ceiling, else its floor, at least kDefaultPromiseDays.
uint32_t PressureDays(const index::Policy& policy);

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

}  // namespace lookback::storage
