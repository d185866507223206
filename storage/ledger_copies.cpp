#include "storage/ledger_copies.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "base/worker_pool.h"
#include "storage/layout.h"
#include "storage/ledger_copy.h"

namespace lookback::storage {
namespace {

class LedgerCopiesImpl : public LedgerCopies {
 public:
  explicit LedgerCopiesImpl(const Parts& parts) : parts_(parts) {
    for (Volume* volume : parts_.volumes) {
      followers_.push_back(std::make_unique<Follower>(*volume, parts_, mending_));
    }
    for (const auto& follower : followers_) {
      if (IsThere(follower)) Begin(*follower);
    }
  }

  ~LedgerCopiesImpl() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (const auto& follower : followers_) {
      if (follower->thread.joinable()) follower->thread.join();
    }
  }

  void Follow(Volume& volume) override;
  void Leave(Volume& volume) override;
  std::vector<LedgerCopyState> States() const override;
  bool AwaitOn(const Uuid& volume, uint64_t records, int64_t wait_us) override {
    return Await(records, wait_us,
                 [&volume](const Follower& f) { return f.volume.id() == volume; });
  }
  bool AwaitAny(uint64_t records, int64_t wait_us) override {
    {
      const std::lock_guard lock(mutex_);
      if (std::none_of(followers_.begin(), followers_.end(), IsThere)) return true;
    }
    return Await(records, wait_us, [](const Follower&) { return true; });
  }

 private:
  struct Follower {
    Follower(Volume& v, const Parts& parts, std::mutex& mending)
        : volume(v),
          copy({v, parts.ledger, parts.ledger_directory, parts.store, parts.epoch, mending,
                parts.files}),
          whole_at_us(parts.clock.MonotonicUs()) {}

    Volume& volume;
    LedgerCopy copy;
    // Under the mutex.
    std::thread thread;
    bool ended = false;   // Its volume was removed.
    uint64_t wanted = 0;  // Somebody waits for so many records.
    std::string trouble;
    int64_t whole_at_us;  // When it last had all that the ledger had.
  };
  static bool IsThere(const std::unique_ptr<Follower>& follower) {
    const VolumeState state = follower->volume.state();
    return state != VolumeState::kOffline && !IsRemoved(*follower);
  }
  static bool IsRemoved(const Follower& follower) {
    return follower.volume.state() == VolumeState::kRemoved;
  }
  void Begin(Follower& follower) {
    follower.thread = std::thread([this, &follower] { Work(follower); });
  }

  bool Await(uint64_t records, int64_t wait_us, const std::function<bool(const Follower&)>& takes);
  void Work(Follower& follower);
  Status RunOnce(Follower& follower);

  const Parts parts_;
  std::mutex mending_;
  mutable std::mutex mutex_;
  std::condition_variable wake_, advanced_;
  bool stopping_ = false;
  std::vector<std::unique_ptr<Follower>> followers_;
};

void LedgerCopiesImpl::Follow(Volume& volume) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return;
  auto known = std::find_if(followers_.begin(), followers_.end(),
                            [&volume](const auto& f) { return &f->volume == &volume; });
  if (known == followers_.end()) {
    known = followers_.insert(known, std::make_unique<Follower>(volume, parts_, mending_));
  }
  (*known)->whole_at_us = parts_.clock.MonotonicUs();
  if (!(*known)->thread.joinable()) Begin(**known);
}

void LedgerCopiesImpl::Leave(Volume& volume) {
  std::unique_lock lock(mutex_);
  wake_.notify_all();
  advanced_.wait_for(lock, std::chrono::microseconds(kCopyLeaveWaitUs), [&] {
    return std::all_of(followers_.begin(), followers_.end(), [&volume](const auto& f) {
      return &f->volume != &volume || !f->thread.joinable() || f->ended;
    });
  });
}

bool LedgerCopiesImpl::Await(uint64_t records, int64_t wait_us,
                             const std::function<bool(const Follower&)>& takes) {
  const auto holds = [&] {
    return std::any_of(followers_.begin(), followers_.end(), [&](const auto& follower) {
      return takes(*follower) && IsThere(follower) && follower->copy.held() >= records;
    });
  };
  std::unique_lock lock(mutex_);
  if (holds()) return true;
  for (const auto& follower : followers_) {
    if (takes(*follower)) follower->wanted = std::max(follower->wanted, records);
  }
  wake_.notify_all();
  return advanced_.wait_for(lock, std::chrono::microseconds(wait_us), holds);
}

Status LedgerCopiesImpl::RunOnce(Follower& follower) {
  const int64_t began_us = parts_.clock.MonotonicUs();
  const uint64_t size = parts_.ledger.size();
  Status done = Ok();
  if (follower.copy.held() < size || size == 0 || !follower.trouble.empty()) {
    done = follower.copy.Round();
  }
  if (done) {
    const auto checked = follower.copy.CheckOne();
    // What was set apart is made anew at once.
    if (!checked.has_value()) {
      done = checked.code() == Code::kConflict ? follower.copy.Round() : Pass(checked.error());
    }
  }
  const std::lock_guard lock(mutex_);
  if (done) follower.whole_at_us = began_us;
  const std::string trouble = done ? "" : done.message();
  if (trouble != follower.trouble && !trouble.empty()) {
    LogWarning("ledger", "its copy on " + follower.volume.root() + " does not follow: " + trouble);
  }
  follower.trouble = trouble;
  advanced_.notify_all();
  return done;
}

void LedgerCopiesImpl::Work(Follower& follower) {
  NameThisThread("ledger copy");
  LowerThisThread();
  int64_t pause_us = 0, retry_us = kCopyRetryUs;
  std::unique_lock lock(mutex_);
  while (true) {
    // A failed copy waits its time, whoever wants it.
    const bool failed = !follower.trouble.empty();
    wake_.wait_for(lock, std::chrono::microseconds(pause_us), [&] {
      return stopping_ || IsRemoved(follower) ||
             (!failed && follower.wanted > follower.copy.held());
    });
    const bool last = stopping_;
    if (IsRemoved(follower)) break;
    lock.unlock();
    const Status done = RunOnce(follower);
    if (last) follower.copy.SyncLeaves();
    lock.lock();
    if (last) return;
    if (follower.wanted > parts_.ledger.size()) follower.wanted = 0;
    pause_us = done ? kCopyIntervalUs : retry_us;
    retry_us = done ? kCopyRetryUs : std::min(2 * retry_us, kMaxCopyRetryUs);
  }
  lock.unlock();
  follower.copy.CloseFiles();
  lock.lock();
  follower.ended = true;
  advanced_.notify_all();
}

std::vector<LedgerCopyState> LedgerCopiesImpl::States() const {
  std::vector<LedgerCopyState> states;
  const uint64_t size = parts_.ledger.size();
  const int64_t now_us = parts_.clock.MonotonicUs();
  const std::lock_guard lock(mutex_);
  for (const auto& follower : followers_) {
    if (IsRemoved(*follower)) continue;
    LedgerCopyState state;
    state.volume = follower->volume.id();
    state.root = follower->volume.root();
    state.directory = LedgerCopyPath(state.root);
    state.offline = !IsThere(follower);
    state.records = follower->copy.held();
    state.lag_us = state.records < size ? now_us - follower->whole_at_us : 0;
    state.trouble = follower->trouble;
    state.set_apart = follower->copy.set_apart();
    state.notes = follower->copy.notes();
    states.push_back(std::move(state));
  }
  return states;
}

}  // namespace

std::string_view LedgerCopyStateName(const LedgerCopyState& copy) {
  if (copy.offline) return "offline";
  if (!copy.trouble.empty()) return "failing";
  return copy.lag_us > kMaxCopyLagUs ? "behind" : "current";
}

std::unique_ptr<LedgerCopies> LedgerCopies::Start(const Parts& parts) {
  return std::make_unique<LedgerCopiesImpl>(parts);
}

}  // namespace lookback::storage
