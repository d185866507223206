#include <fmt/format.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "base/worker_pool.h"
#include "storage/retention.h"

namespace lookback::storage {
namespace {

constexpr TimeRange kAllTime{kTimeMinUs, kTimeMaxUs};

std::vector<index::Policy> WithChange(std::vector<index::Policy> policies,
                                      const index::Policy* change) {
  if (!change) return policies;
  std::erase_if(policies, [&](const index::Policy& p) { return p.scope == change->scope; });
  policies.push_back(*change);
  return policies;
}

TimeUs NewestRecordBefore(Store& store) {
  TimeUs newest_us = 0;
  auto totals = store.catalog().Totals();
  if (!totals) return 0;
  for (const index::StreamTotals& stream : *totals) {
    auto last = store.catalog().LastSegment(stream.stream);
    if (last && *last) newest_us = std::max(newest_us, (*last)->end_us);
  }
  return newest_us;
}

class PurgerThread : public Purger {
 public:
  PurgerThread(Store& store, Clock& clock, OnRound on_round)
      : store_(store),
        clock_(clock),
        judge_(clock, NewestRecordBefore(store)),
        on_round_(std::move(on_round)),
        thread_([this] { Work(); }) {}

  ~PurgerThread() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

  Result<RetentionPlan> RunOnce() override {
    const std::lock_guard lock(round_);
    LB_TRY_ASSIGN(plan, PlanAll(nullptr));
    std::map<Uuid, bool> takes;  // Volumes on which something can be removed.
    for (const Victim& victim : plan.victims) {
      const auto [volume, first] = takes.try_emplace(victim.segment.volume, true);
      if (first) volume->second = CanRemove(victim.segment.volume);
      if (!volume->second) continue;
      const Status deleted = store_.DeleteSegment(victim.segment, victim.policy, victim.reason);
      if (!deleted) {
        LogWarning("retention", deleted.message());
        // One that is held, or gone already, says nothing of the others.
        volume->second = deleted.code() == Code::kDenied || deleted.code() == Code::kNotFound;
        continue;
      }
      if (!victim.reason.starts_with(kPressureReason))
        spent_.emplace_back(clock_.MonotonicUs(), victim.segment.bytes);
    }
    Report(plan);
    return plan;
  }

  Result<RetentionPlan> Preview(const index::Policy* change) override {
    const std::lock_guard lock(round_);
    return PlanAll(change);
  }

 private:
  static constexpr std::string_view kPressureReason = "disk pressure";

  void Work() {
    NameThisThread("purger");
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      wake_.wait_for(lock, std::chrono::microseconds(kPurgeIntervalUs),
                     [this] { return stopping_; });
      if (stopping_) return;
      lock.unlock();
      const auto plan = RunOnce();
      if (!plan) {
        LogError("retention", "this round was left out: " + plan.message());
      } else if (on_round_) {
        on_round_(*plan);
      }
      lock.lock();
    }
  }

  // A DELETE is final, also where the file then cannot be removed: a volume that turned read-only
  // would lose all its footage that way, and gain no space.
  bool CanRemove(const Uuid& id) {
    for (Volume* volume : store_.volumes()) {
      if (volume->id() != id) continue;
      const Status probe = volume->Probe();
      if (probe || probe.code() == Code::kDiskFull) return true;
      LogError("retention", "nothing is deleted on " + volume->root() + ": " + probe.message());
    }
    return false;
  }

  void Report(const RetentionPlan& plan) {
    if (plan.must_stop || plan.below_floor) {
      LogError("retention", plan.sentence);
    } else if (plan.frozen && plan.sentence != last_frozen_) {
      LogWarning("retention", plan.sentence);
    } else if (!plan.victims.empty()) {
      LogInfo("retention", plan.sentence);
    }
    last_frozen_ = plan.frozen ? plan.sentence : "";
  }

  // One plan a volume, since space on one is no help to another.
  Result<RetentionPlan> PlanAll(const index::Policy* change) {
    RetentionInput common;
    LB_TRY_ASSIGN(policies, store_.catalog().Policies());
    LB_TRY_ASSIGN(markers, store_.catalog().Markers(CameraId(), kAllTime));
    LB_TRY_ASSIGN(confirmed, store_.catalog().PoliciesConfirmed());
    common.policies = WithChange(std::move(policies), change);
    common.holds = std::move(markers);
    std::erase_if(common.holds, [](const index::Marker& marker) { return !marker.hold; });
    common.now_us = clock_.NowUs();
    common.confirmed = confirmed;
    common.clock_trusted = judge_.Trusted();
    RetentionPlan all;
    for (Volume* volume : store_.volumes()) {
      if (volume->state() != VolumeState::kOnline) continue;
      RetentionInput input = common;
      LB_TRY(Fill(input, *volume));
      Merge(all, PlanRetention(input));
    }
    return all;
  }

  static void Merge(RetentionPlan& all, RetentionPlan one) {
    all.victims.insert(all.victims.end(), one.victims.begin(), one.victims.end());
    all.bytes += one.bytes;
    all.below_floor |= one.below_floor;
    const bool graver = one.must_stop > all.must_stop || one.frozen > all.frozen;
    all.frozen |= one.frozen;
    all.must_stop |= one.must_stop;
    if (graver || all.sentence.empty() || !one.victims.empty()) all.sentence = one.sentence;
  }

  Status Fill(RetentionInput& input, Volume& volume) {
    LB_TRY_ASSIGN(space, volume.FreeSpace());
    LB_TRY_ASSIGN(totals, store_.catalog().Totals());
    LB_TRY_ASSIGN(hour_bytes, IngestOfLastHour(totals, volume.id()));
    const auto share = [&](double part) {
      return static_cast<uint64_t>(static_cast<double>(space.total_bytes) * part);
    };
    input.free_bytes = space.free_bytes;
    input.pressure_bytes =
        std::max(hour_bytes * (kPressureIngestUs / kUsPerHour), share(kPressureShare));
    input.relief_bytes = input.pressure_bytes + hour_bytes * (kReliefIngestUs / kUsPerHour);
    input.stop_bytes = share(kStopShare);
    input.expiry_budget_bytes = ExpiryBudget(hour_bytes);
    for (const index::StreamTotals& stream : totals) {
      LB_TRY(AddOldest(input, stream.stream, volume.id()));
    }
    return Ok();
  }

  // A stream's oldest segments: all that are past their ceiling, and as many bytes more as the disk
  // needs. No plan can want others, so a round does not read the whole catalog.
  Status AddOldest(RetentionInput& input, const StreamId& stream, const Uuid& volume) {
    const index::Policy policy = PolicyFor(input.policies, stream.camera);
    const TimeUs ceiling_us =
        policy.max_days > 0 ? input.now_us - policy.max_days * kUsPerDay : kTimeMinUs;
    const uint64_t needed =
        input.free_bytes < input.pressure_bytes ? input.relief_bytes - input.free_bytes : 0;
    uint64_t unheld = 0;
    return store_.catalog().VisitSegments(stream, kAllTime, [&](const index::Seal& segment) {
      if (segment.end_us > ceiling_us && unheld >= needed) return false;
      if (segment.volume != volume) return true;
      const auto held = store_.catalog().IsHeld(stream.camera, segment.range(), input.now_us);
      if (held && !*held) unheld += segment.bytes;
      input.segments.push_back(segment);
      return true;
    });
  }

  Result<uint64_t> IngestOfLastHour(const std::vector<index::StreamTotals>& totals,
                                    const Uuid& volume) {
    uint64_t bytes = 0;
    const TimeUs now_us = clock_.NowUs();
    for (const index::StreamTotals& stream : totals) {
      LB_TRY(store_.catalog().VisitSegments(stream.stream, {now_us - kUsPerHour, now_us},
                                            [&](const index::Seal& segment) {
                                              if (segment.volume == volume) bytes += segment.bytes;
                                              return true;
                                            }));
    }
    return bytes;
  }

  uint64_t ExpiryBudget(uint64_t hour_bytes) {
    const int64_t day_ago_us = clock_.MonotonicUs() - kUsPerDay;
    while (!spent_.empty() && spent_.front().first < day_ago_us) spent_.pop_front();
    uint64_t spent = 0;
    for (const auto& [when_us, bytes] : spent_) spent += bytes;
    const uint64_t budget = std::max(hour_bytes * 24 * kExpiryBudgetDays, kExpiryBudgetMinBytes);
    return budget > spent ? budget - spent : 0;
  }

  Store& store_;
  Clock& clock_;
  ClockJudge judge_;
  const OnRound on_round_;
  std::mutex round_;                                // One round or preview at a time.
  std::deque<std::pair<int64_t, uint64_t>> spent_;  // What expiry took: monotonic time, bytes.
  std::string last_frozen_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;  // Last: it uses the rest.
};

}  // namespace

std::unique_ptr<Purger> Purger::Start(Store& store, Clock& clock, OnRound on_round) {
  return std::make_unique<PurgerThread>(store, clock, std::move(on_round));
}

}  // namespace lookback::storage
