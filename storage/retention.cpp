#include "storage/retention.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/words.h"

namespace lookback::storage {

Status CheckGroupName(const std::string& group) {
  if (CameraId::Parse(group)) return Ok();
  return Fail(
      Code::kInvalid,
      fmt::format("a group's name is 1 to 64 of a-z, 0-9 and \"-\", which \"{}\" is not", group));
}

std::string ScopeOfGroup(const std::string& group) { return std::string(kGroupScope) + group; }

std::optional<std::string> GroupOfScope(std::string_view scope) {
  if (!scope.starts_with(kGroupScope)) return std::nullopt;
  return std::string(scope.substr(kGroupScope.size()));
}

PolicyTable::PolicyTable(const std::vector<index::Policy>& policies) {
  for (const index::Policy& policy : policies) {
    if (!policy.removed) by_scope_[policy.scope] = &policy;
  }
}

index::Policy PolicyTable::For(const CameraId& camera, const std::string& group) const {
  if (const auto own = by_scope_.find(camera.text()); own != by_scope_.end()) return *own->second;
  if (!group.empty()) {
    const auto of_group = by_scope_.find(ScopeOfGroup(group));
    if (of_group != by_scope_.end()) return *of_group->second;
  }
  if (const auto all = by_scope_.find(kDefaultScope); all != by_scope_.end()) return *all->second;
  index::Policy none;
  none.scope = kDefaultScope;
  return none;
}

index::Policy PolicyFor(const std::vector<index::Policy>& policies, const CameraId& camera,
                        const std::string& group) {
  return PolicyTable(policies).For(camera, group);
}

namespace {

// Thinning loses footage, so the floor holds for it too; what goes by then need not be thinned.
Status CheckThinning(const index::Policy& policy) {
  if (policy.thin_days == 0) return Ok();
  if (policy.thin_days < policy.min_days) {
    return Fail(Code::kInvalid,
                fmt::format("thin_days ({}) is less than min_days ({}): below the floor footage is "
                            "kept whole",
                            policy.thin_days, policy.min_days));
  }
  const auto check = [&policy](const char* name, uint32_t days) -> Status {
    if (days == 0 || policy.thin_days < days) return Ok();
    return Fail(Code::kInvalid,
                fmt::format("thin_days ({}) is not less than {} ({}): what is thinned has to be "
                            "kept for a while after",
                            policy.thin_days, name, days));
  };
  LB_TRY(check("target_days", policy.target_days));
  return check("max_days", policy.max_days);
}

}  // namespace

Status CheckPolicy(const index::Policy& policy) {
  if (const auto group = GroupOfScope(policy.scope)) {
    LB_TRY(CheckGroupName(*group));
  } else if (policy.scope != kDefaultScope) {
    LB_TRY(CameraId::Parse(policy.scope));
  }
  if (std::max({policy.min_days, policy.target_days, policy.max_days, policy.thin_days}) >
      kMaxPolicyDays) {
    return Fail(Code::kInvalid, fmt::format("a policy's days go from 0 to {}", kMaxPolicyDays));
  }
  if (policy.max_days > 0 && policy.min_days > policy.max_days) {
    return Fail(Code::kInvalid,
                fmt::format("min_days ({}) is more than max_days ({}): footage cannot be kept "
                            "longer than it may be kept",
                            policy.min_days, policy.max_days));
  }
  if (policy.target_days > 0 && policy.target_days < policy.min_days) {
    return Fail(Code::kInvalid,
                fmt::format("target_days ({}) is less than min_days ({}): the floor is promised "
                            "already",
                            policy.target_days, policy.min_days));
  }
  if (policy.max_days > 0 && policy.target_days > policy.max_days) {
    return Fail(Code::kInvalid,
                fmt::format("target_days ({}) is more than max_days ({}): what must be gone cannot "
                            "be promised",
                            policy.target_days, policy.max_days));
  }
  LB_TRY(CheckThinning(policy));
  if (policy.keep_class > kMaxKeepClass) {
    return Fail(Code::kInvalid, fmt::format("a policy's class is from 0, which gives first under "
                                            "disk pressure, to {}",
                                            kMaxKeepClass));
  }
  if (policy.min_days > 0 && policy.at_floor == index::AtFloor::kUnset) {
    return Fail(Code::kInvalid,
                fmt::format("a floor of {} needs to say what gives when the disk is full and "
                            "only footage below the floor is left: at_floor \"shorten\" (delete "
                            "the oldest all the same) or \"stop\" (stop recording)",
                            Count(policy.min_days, "day")));
  }
  return Ok();
}

uint32_t PromisedDays(const index::Policy& policy) {
  return std::max(policy.target_days, policy.min_days);
}

uint32_t PressureDays(const index::Policy& policy) {
  if (policy.target_days > 0) return policy.target_days;
  return policy.max_days > 0 ? policy.max_days : std::max(policy.min_days, kDefaultPromiseDays);
}

ClockJudge::ClockJudge(const Clock& clock, TimeUs newest_record_us)
    : clock_(clock),
      newest_record_us_(newest_record_us),
      anchor_us_(clock.NowUs()),
      anchor_monotonic_us_(clock.MonotonicUs()),
      doubted_(newest_record_us > 0 && anchor_us_ - newest_record_us > kMaxUnseenUs) {}

bool ClockJudge::Trusted() {
  const TimeUs now_us = clock_.NowUs();
  const int64_t monotonic_us = clock_.MonotonicUs();
  if (clock_.Synchronised()) {
    anchor_us_ = now_us;
    anchor_monotonic_us_ = monotonic_us;
    doubted_ = false;
  } else {
    const int64_t step_us = (now_us - anchor_us_) - (monotonic_us - anchor_monotonic_us_);
    doubted_ |= step_us > kMaxStepUs || step_us < -kMaxStepUs;
  }
  return !doubted_ && now_us >= newest_record_us_ - kUsPerSecond;
}

}  // namespace lookback::storage
