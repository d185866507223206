#include "storage/purger.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "base/worker_pool.h"
#include "storage/pace.h"
#include "storage/retention.h"
#include "storage/retention_rows.h"

namespace lookback::storage {
namespace {

std::vector<index::Policy> WithChange(std::vector<index::Policy> policies,
                                      const RetentionChange& change) {
  for (const index::Policy& changed : change.policies) {
    std::erase_if(policies, [&](const index::Policy& p) { return p.scope == changed.scope; });
    policies.push_back(changed);
  }
  return policies;
}

std::map<CameraId, std::string> Groups(const std::vector<index::Camera>& cameras,
                                       const RetentionChange& change) {
  std::map<CameraId, std::string> groups;
  for (const index::Camera& camera : cameras) groups[camera.id] = camera.group;
  for (const index::Camera& camera : change.cameras) groups[camera.id] = camera.group;
  return groups;
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
        on_round_(std::move(on_round)),
        thinner_(store),
        judge_(clock, NewestRecordBefore(store)),
        thread_([this] { Work(); }) {}

  ~PurgerThread() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

  Result<RetentionRound> RunOnce() override {
    const std::lock_guard lock(round_);
    LB_TRY_ASSIGN(planned, Plan({}, Budget::kDaily));
    RetentionRound round{std::move(planned)};
    RetentionPlan& plan = round.plan;
    for (const RetentionPlan::Stream& stream : plan.streams) {
      thin_from_[stream.id] = stream.thin_from_us;
    }
    std::map<Uuid, bool> takes;  // Volumes on which something can be removed.
    for (const Victim& victim : plan.victims) {
      if (Stopping()) break;  // The rest is planned again.
      LB_TRY_ASSIGN(segment, store_.catalog().FindSegment(plan.KeyOf(victim)));
      if (!segment) continue;                                     // Gone since.
      if (!IsUrgent(plan, victim) && IsRead(*segment)) continue;  // The next round's.
      if (Takes(takes, segment->volume) &&
          Delete(round, victim, *segment, takes[segment->volume])) {
        continue;
      }
      if (victim.cause == DeleteCause::kCeiling) {
        plan.overdue_us = std::max(plan.overdue_us, Overdue(plan, victim));
      }
    }
    Report(round);
    Thin(plan, takes);
    return round;
  }

  Result<RetentionPlan> Preview(const RetentionChange& change) override {
    LB_TRY_ASSIGN(plan, Plan(change, Budget::kNone));
    if (!plan.frozen) return plan;
    LB_TRY_ASSIGN(then, Plan(change, Budget::kUnfrozen));
    then.frozen = true;
    then.must_stop = plan.must_stop;
    then.sentence = std::move(plan.sentence);
    return then;
  }

  ThinTotals Thinned() const override { return thinner_.totals(); }

 private:
  enum class Budget { kDaily, kNone, kUnfrozen };

  bool Stopping() {
    const std::lock_guard lock(mutex_);
    return stopping_;
  }

  // False when it ought to have gone and did not; `goes_on` becomes false when the
  // volume is to be left alone.
  bool Delete(RetentionRound& round, const Victim& victim, const index::Seal& segment,
              bool& goes_on) {
    const RetentionPlan& plan = round.plan;
    const Status deleted =
        store_.DeleteSegment(segment, plan.PolicyOf(victim), plan.ReasonOf(victim));
    if (!deleted) {
      LogWarning("retention", deleted.message());
      // One that is held, or gone already, says nothing of the others.
      goes_on = deleted.code() == Code::kDenied || deleted.code() == Code::kNotFound;
      return goes_on;
    }
    ++round.deleted_segments;
    round.deleted_bytes += segment.bytes;
    if (victim.cause != DeleteCause::kPressure) {
      spent_.emplace_back(clock_.MonotonicUs(), segment.bytes);
    }
    return true;
  }

  // By how much it is past its ceiling.
  int64_t Overdue(const RetentionPlan& plan, const Victim& victim) const {
    const uint32_t max_days = plan.streams[victim.stream].policy.max_days;
    return clock_.NowUs() - victim.row.end_us - max_days * kUsPerDay;
  }

  // It does not wait for readers, however often they ask.
  bool IsUrgent(const RetentionPlan& plan, const Victim& victim) const {
    if (victim.cause == DeleteCause::kCeiling) return Overdue(plan, victim) >= kPinnedUs;
    return victim.cause == DeleteCause::kPressure;
  }

  bool IsRead(const index::Seal& segment) {
    return store_.archive().pins().Covers(segment.stream, segment.range(), clock_.NowUs());
  }

  bool Takes(std::map<Uuid, bool>& takes, const Uuid& volume) {
    const auto [found, first] = takes.try_emplace(volume, true);
    if (first) found->second = CanRemove(volume);
    return found->second;
  }

  // What is not done is planned again. However long recording needs the disks for itself,
  // the next round comes.
  void Thin(const RetentionPlan& plan, std::map<Uuid, bool>& takes) {
    // A start's recovery takes files without a record for what was cut off.
    if (plan.thinnings.empty() || !store_.recovery().finished) return;
    const int64_t end_us = clock_.MonotonicUs() + 2 * kThinRoundUs;
    const auto over = [&] { return Stopping() || clock_.MonotonicUs() >= end_us; };
    Pace pace(clock_, store_.archive(), thin_read_bytes_ / (kThinRoundUs / kUsPerSecond),
              [&](int64_t us) {
                std::unique_lock lock(mutex_);
                wake_.wait_for(lock, std::chrono::microseconds(us), [this] { return stopping_; });
                lock.unlock();
                return !over();
              });
    const OnRead on_read = [&pace](uint64_t bytes) { return pace.Take(bytes); };
    for (const Thinning& thinning : plan.thinnings) {
      if (over()) return;
      const auto row = store_.catalog().FindSegment(plan.KeyOf(thinning.stream, thinning.row));
      if (!row || !*row || (*row)->thinned || !Takes(takes, (*row)->volume)) continue;
      if (IsRead(**row)) continue;
      const auto freed =
          thinner_.Thin(**row, plan.PolicyOf(thinning.stream), plan.ReasonOf(thinning), on_read);
      if (freed) {
        spent_.emplace_back(clock_.MonotonicUs(), *freed);
        continue;
      }
      if (over()) return;
      LogWarning("retention", freed.message());
      const bool alone =
          freed.code() == Code::kDenied || thinner_.refused().contains(index::KeyOf(**row));
      takes[(*row)->volume] = alone;
    }
  }

  // Where thinning goes on, unless something changed that it depends on.
  void ContinueThinning(RetentionInput& input, const std::vector<Uuid>& volumes) {
    Bytes basis;
    const auto add = [&basis](const index::Record& record) {
      const Bytes bytes = index::EncodeRecord(record);
      basis.insert(basis.end(), bytes.begin(), bytes.end());
    };
    for (const index::Policy& policy : input.policies) add(policy);
    for (const index::Marker& hold : input.holds) {
      if (hold.expires_us == 0 || hold.expires_us > input.now_us) add(hold);
    }
    for (const Uuid& id : volumes) basis.insert(basis.end(), id.bytes.begin(), id.bytes.end());
    for (const RetentionStream& stream : input.streams) {
      basis.insert(basis.end(), stream.group.begin(), stream.group.end());
      basis.push_back(0);
    }
    const int64_t now_us = clock_.MonotonicUs();
    if (basis != thin_basis_ || now_us - thin_looked_us_ >= kThinLookUs) {
      thin_basis_ = std::move(basis);
      thin_looked_us_ = now_us;
      thin_from_.clear();
      thinner_.Forget();
    }
    for (RetentionStream& stream : input.streams) {
      const auto from = thin_from_.find(stream.id);
      if (from != thin_from_.end()) stream.thin_from_us = from->second;
    }
  }

  void Work() {
    NameThisThread("purger");
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      wake_.wait_for(lock, std::chrono::microseconds(kPurgeIntervalUs),
                     [this] { return stopping_; });
      if (stopping_) return;
      lock.unlock();
      const auto round = RunOnce();
      if (!round) {
        LogError("retention", "this round was left out: " + round.message());
      } else if (on_round_) {
        on_round_(*round);
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

  void Report(const RetentionRound& round) {
    const RetentionPlan& plan = round.plan;
    if (plan.must_stop || plan.below_floor) {
      LogError("retention", plan.sentence);
    } else if (plan.frozen && plan.sentence != last_frozen_) {
      LogWarning("retention", plan.sentence);
    }
    if (!plan.victims.empty()) {
      LogInfo("retention", fmt::format("{} segments with {} bytes were deleted, of {} with {}",
                                       round.deleted_segments, round.deleted_bytes,
                                       plan.victims.size(), plan.bytes));
    }
    last_frozen_ = plan.frozen ? plan.sentence : "";
  }

  Result<RetentionPlan> Plan(const RetentionChange& change, Budget budget) {
    RetentionInput input;
    LB_TRY_ASSIGN(policies, store_.catalog().Policies());
    LB_TRY_ASSIGN(markers, store_.catalog().Markers(CameraId(), kAllTime));
    LB_TRY_ASSIGN(confirmed, store_.catalog().PoliciesConfirmed());
    LB_TRY_ASSIGN(totals, store_.catalog().Totals());
    LB_TRY_ASSIGN(cameras, store_.catalog().Cameras());
    const auto groups = Groups(cameras, change);
    input.policies = WithChange(std::move(policies), change);
    input.holds = std::move(markers);
    std::erase_if(input.holds, [](const index::Marker& marker) { return !marker.hold; });
    input.now_us = clock_.NowUs();
    const bool unfrozen = budget == Budget::kUnfrozen;
    input.confirmed = confirmed || unfrozen;
    input.clock_trusted = ClockTrusted() || unfrozen;

    std::vector<StreamId> streams;
    for (const index::StreamTotals& stream : totals) {
      const auto group = groups.find(stream.stream.camera);
      input.streams.push_back(
          {stream.stream, stream.bytes, group == groups.end() ? "" : group->second});
      streams.push_back(stream.stream);
    }
    LB_TRY_ASSIGN(ids, AddVolumes(input, budget));
    if (budget == Budget::kDaily) ContinueThinning(input, ids);
    CatalogRows rows(store_.catalog(), std::move(streams), std::move(ids));
    const auto refused = thinner_.refused();
    rows.LeaveWhole(&refused);
    RetentionPlan plan = PlanRetention(input, rows);
    LB_TRY(rows.status());
    return plan;
  }

  // Tells which there are.
  Result<std::vector<Uuid>> AddVolumes(RetentionInput& input, Budget budget) {
    LB_TRY_ASSIGN(hour_bytes, LastHourBytes(store_.catalog(), input.now_us));
    uint64_t all_hour_bytes = 0;
    for (const auto& [volume, bytes] : hour_bytes) all_hour_bytes += bytes;
    std::vector<Uuid> ids;
    for (const auto& [volume, space] : VolumesWithSpace(store_, "deletion")) {
      input.volumes.push_back(VolumeLimits(volume->root(), space, hour_bytes[volume->id()]));
      ids.push_back(volume->id());
    }
    input.budget_bytes = budget == Budget::kDaily ? BudgetLeft(all_hour_bytes) : UINT64_MAX;
    if (budget == Budget::kDaily) {
      thin_read_bytes_ = std::max(all_hour_bytes / (kUsPerHour / kThinIngestUs), kThinMinBytes);
      input.thin_read_bytes = thin_read_bytes_;
    }
    return ids;
  }

  bool ClockTrusted() {
    const std::lock_guard lock(mutex_);
    return judge_.Trusted();
  }

  uint64_t BudgetLeft(uint64_t hour_bytes) {
    const int64_t day_ago_us = clock_.MonotonicUs() - kUsPerDay;
    while (!spent_.empty() && spent_.front().first < day_ago_us) spent_.pop_front();
    uint64_t spent = 0;
    for (const auto& [when_us, bytes] : spent_) spent += bytes;
    const uint64_t budget = std::max(hour_bytes * 24 * kBudgetDays, kBudgetMinBytes);
    return budget > spent ? budget - spent : 0;
  }

  Store& store_;
  Clock& clock_;
  const OnRound on_round_;
  std::mutex round_;                                // One round at a time. Of what follows, too.
  std::deque<std::pair<int64_t, uint64_t>> spent_;  // What the budget gave: monotonic time, bytes.
  std::map<StreamId, TimeUs> thin_from_;            // As of RetentionStream.
  Bytes thin_basis_;                                // What that depends on,
  int64_t thin_looked_us_ = 0;                      // and when it was begun, monotonic.
  uint64_t thin_read_bytes_ = kThinMinBytes;
  std::string last_frozen_;
  Thinner thinner_;   // Has its own lock.
  std::mutex mutex_;  // Of what follows.
  ClockJudge judge_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;  // Last: it uses the rest.
};

}  // namespace

Result<std::map<Uuid, uint64_t>> LastHourBytes(const index::Catalog& catalog, TimeUs now_us) {
  std::map<Uuid, uint64_t> bytes;
  LB_TRY_ASSIGN(totals, catalog.Totals());
  for (const index::StreamTotals& stream : totals) {
    LB_TRY(catalog.VisitSegments(stream.stream, {now_us - kUsPerHour, now_us},
                                 [&](const index::Seal& segment) {
                                   bytes[segment.volume] += segment.bytes;
                                   return true;
                                 }));
  }
  return bytes;
}

RetentionVolume VolumeLimits(std::string root, Space space, uint64_t hour_bytes) {
  const auto share = [&](double part) {
    return static_cast<uint64_t>(static_cast<double>(space.total_bytes) * part);
  };
  RetentionVolume volume;
  volume.root = std::move(root);
  volume.free_bytes = space.free_bytes;
  volume.pressure_bytes =
      std::max(hour_bytes * (kPressureIngestUs / kUsPerHour), share(kPressureShare));
  volume.relief_bytes = volume.pressure_bytes + hour_bytes * (kReliefIngestUs / kUsPerHour);
  volume.stop_bytes = share(kStopShare);
  return volume;
}

std::unique_ptr<Purger> Purger::Start(Store& store, Clock& clock, OnRound on_round) {
  return std::make_unique<PurgerThread>(store, clock, std::move(on_round));
}

}  // namespace lookback::storage
