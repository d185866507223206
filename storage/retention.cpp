#include "storage/retention.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace lookback::storage {
namespace {

// A segment as the planner sees it.
struct Candidate {
  const index::Seal* segment = nullptr;
  const index::Policy* policy = nullptr;
  bool below_floor = false;
  double promise_used = 0;  // Age as a share of what the policy promises.
};

std::string PolicyName(const index::Policy& policy) {
  return fmt::format("{}/{}", policy.scope, policy.version);
}

class Planner {
 public:
  explicit Planner(const RetentionInput& input) : input_(input) {}

  RetentionPlan Plan() {
    if (!input_.confirmed) {
      plan_.frozen = true;
      plan_.sentence =
          "nothing is deleted: the catalog was rebuilt, or much footage is missing, and the "
          "policies wait to be confirmed";
      NoteStop();
      return std::move(plan_);
    }
    const std::vector<Candidate> rest = Expire();
    if (Free() < input_.pressure_bytes) Relieve(rest);
    NoteStop();
    if (plan_.sentence.empty()) plan_.sentence = Summary();
    return std::move(plan_);
  }

 private:
  bool Held(const index::Seal& segment) const {
    return std::any_of(input_.holds.begin(), input_.holds.end(), [&](const index::Marker& hold) {
      return hold.hold && (hold.expires_us == 0 || hold.expires_us > input_.now_us) &&
             hold.range.Overlaps(segment.range()) &&
             std::find(hold.cameras.begin(), hold.cameras.end(), segment.stream.camera) !=
                 hold.cameras.end();
    });
  }

  const index::Policy& Policy(const CameraId& camera) {
    const auto [it, added] = policies_.try_emplace(camera);
    if (added) it->second = PolicyFor(input_.policies, camera);
    return it->second;
  }

  uint64_t Free() const { return input_.free_bytes + plan_.bytes; }

  void Take(const Candidate& c, std::string reason) {
    plan_.bytes += c.segment->bytes;
    plan_.below_floor |= c.below_floor;
    plan_.victims.push_back({*c.segment, PolicyName(*c.policy), std::move(reason), c.below_floor});
  }

  // Takes what is past its ceiling; returns what may still go under pressure.
  std::vector<Candidate> Expire() {
    std::vector<Candidate> rest, expired;
    for (const index::Seal& segment : input_.segments) {
      if (Held(segment)) continue;
      const index::Policy& policy = Policy(segment.stream.camera);
      const int64_t age_us = input_.now_us - segment.end_us;
      const bool over = policy.max_days > 0 && age_us >= policy.max_days * kUsPerDay;
      Candidate c{&segment, &policy};
      // Whether a floor has passed is a matter of age too: with the clock in doubt it has not.
      c.below_floor =
          policy.min_days > 0 && (!input_.clock_trusted || age_us < policy.min_days * kUsPerDay);
      const uint32_t promise =
          policy.max_days > 0 ? policy.max_days : std::max(policy.min_days, kDefaultPromiseDays);
      c.promise_used = static_cast<double>(age_us) / static_cast<double>(promise * kUsPerDay);
      if (over && input_.clock_trusted) {
        expired.push_back(c);
      } else {
        frozen_by_clock_ |= over;
        rest.push_back(c);
      }
    }
    TakeExpired(expired, rest);
    if (frozen_by_clock_) {
      plan_.frozen = true;
      plan_.sentence = "nothing is deleted by age: the clock is in doubt";
    }
    return rest;
  }

  void TakeExpired(std::vector<Candidate>& expired, std::vector<Candidate>& rest) {
    std::sort(expired.begin(), expired.end(), Older);
    uint64_t spent = 0;
    for (const Candidate& c : expired) {
      if (spent + c.segment->bytes > input_.expiry_budget_bytes) {
        plan_.frozen = true;
        plan_.sentence = "expiry waits: it has reached its daily budget";
        rest.push_back(c);
        continue;
      }
      spent += c.segment->bytes;
      Take(c, fmt::format("older than {} days", c.policy->max_days));
    }
  }

  // Frees up to relief_bytes: first what no floor protects, then, where the policy says so, the
  // rest.
  void Relieve(std::vector<Candidate> rest) {
    std::sort(rest.begin(), rest.end(), [](const Candidate& a, const Candidate& b) {
      if (a.promise_used != b.promise_used) return a.promise_used > b.promise_used;
      return Older(a, b);
    });
    for (const bool floors : {false, true}) {
      for (const Candidate& c : rest) {
        if (Free() >= input_.relief_bytes) return;
        if (c.below_floor != floors) continue;
        if (floors && c.policy->at_floor != index::AtFloor::kShorten) continue;
        Take(c, floors
                    ? fmt::format("disk pressure, below the floor of {} days", c.policy->min_days)
                    : "disk pressure");
      }
    }
  }

  void NoteStop() {
    if (Free() >= input_.stop_bytes) return;
    plan_.must_stop = true;
    plan_.sentence = fmt::format(
        "the disk is nearly full ({} bytes are free), and all footage is held, below its floor or "
        "frozen: recording stops when it is full",
        Free());
  }

  std::string Summary() const {
    if (plan_.victims.empty()) return "nothing is to be deleted";
    return fmt::format("{} segments with {} bytes are to be deleted{}", plan_.victims.size(),
                       plan_.bytes, plan_.below_floor ? ", some below their floor" : "");
  }

  // The age that no clock can falsify decides between equals.
  static bool Older(const Candidate& a, const Candidate& b) {
    const auto rank = [](const Candidate& c) {
      return std::tuple(c.segment->end_us, c.segment->epoch, c.segment->sequence,
                        c.segment->stream);
    };
    return rank(a) < rank(b);
  }

  const RetentionInput& input_;
  RetentionPlan plan_;
  std::map<CameraId, index::Policy> policies_;
  bool frozen_by_clock_ = false;
};

}  // namespace

RetentionPlan PlanRetention(const RetentionInput& input) { return Planner(input).Plan(); }

index::Policy PolicyFor(const std::vector<index::Policy>& policies, const CameraId& camera) {
  const index::Policy* fallback = nullptr;
  for (const index::Policy& policy : policies) {
    if (policy.removed) continue;
    if (policy.scope == camera.text()) return policy;
    if (policy.scope == kDefaultScope) fallback = &policy;
  }
  if (fallback) return *fallback;
  index::Policy none;
  none.scope = kDefaultScope;
  return none;
}

Status CheckPolicy(const index::Policy& policy) {
  if (policy.scope != kDefaultScope) LB_TRY(CameraId::Parse(policy.scope));
  if (policy.min_days > kMaxPolicyDays || policy.max_days > kMaxPolicyDays) {
    return Fail(Code::kInvalid, fmt::format("a policy's days go from 0 to {}", kMaxPolicyDays));
  }
  if (policy.max_days > 0 && policy.min_days > policy.max_days) {
    return Fail(Code::kInvalid,
                fmt::format("min_days ({}) is more than max_days ({}): footage cannot be kept "
                            "longer than it may be kept",
                            policy.min_days, policy.max_days));
  }
  if (policy.min_days > 0 && policy.at_floor == index::AtFloor::kUnset) {
    return Fail(Code::kInvalid,
                fmt::format("a floor of {} days needs to say what gives when the disk is full and "
                            "only footage below the floor is left: at_floor \"shorten\" (delete "
                            "the oldest all the same) or \"stop\" (stop recording)",
                            policy.min_days));
  }
  return Ok();
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
