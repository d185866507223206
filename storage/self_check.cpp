#include "storage/self_check.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "base/words.h"
#include "base/worker_pool.h"
#include "storage/pace.h"

namespace lookback::storage {
namespace {

class SelfCheckThread : public SelfCheck {
 public:
  SelfCheckThread(Store& store, Clock& clock, FileSystem& files)
      : store_(store), clock_(clock), files_(files) {}

  ~SelfCheckThread() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  void StartThread() override {
    thread_ = std::thread([this] {
      NameThisThread("self-check");
      LowerThisThread();
      std::unique_lock lock(mutex_);
      while (true) {
        wake_.wait(lock, [this] { return stopping_ || state_.running; });
        if (stopping_) return;
        lock.unlock();
        RunDue();
        lock.lock();
      }
    });
  }

  void Ask() override {
    {
      const std::lock_guard lock(mutex_);
      if (!state_.running) state_.progress = {};
      state_.running = true;
    }
    wake_.notify_all();
  }

  void RunDue() override {
    if (!Report().running) return;
    Outcome outcome;
    outcome.began_us = clock_.NowUs();
    Pace pace(clock_, store_.archive(), kSelfCheckFilesPerSecond,
              [this](int64_t us) { return Wait(us); });
    FsckOptions options;
    options.max_segments = kSelfCheckSegments;
    options.in_store = true;
    options.go_on = [&]() -> Status {
      if (!pace.Take(1)) return Fail(Code::kUnavailable, "the store is being closed");
      return Ok();
    };
    auto report = Fsck(
        store_.data(), files_, [this](const CheckProgress& progress) { Note(progress); }, options);
    outcome.ended_us = clock_.NowUs();
    if (report) {
      Take(*std::move(report), outcome);
    } else {
      outcome.trouble = report.message();
      LogWarning("self-check", "it could not be made: " + outcome.trouble);
    }
    const std::lock_guard lock(mutex_);
    state_.last = std::move(outcome);
    state_.running = false;
  }

  State Report() const override {
    const std::lock_guard lock(mutex_);
    return state_;
  }

 private:
  bool Wait(int64_t us) {
    std::unique_lock lock(mutex_);
    if (us > 0) wake_.wait_for(lock, std::chrono::microseconds(us), [this] { return stopping_; });
    return !stopping_;
  }

  void Note(const CheckProgress& progress) {
    const std::lock_guard lock(mutex_);
    state_.progress = progress;
  }

  static void Take(FsckReport report, Outcome& outcome) {
    auto& findings = report.findings;
    const auto end = std::stable_partition(findings.begin(), findings.end(),
                                           [](const Finding& finding) { return finding.fault; });
    outcome.findings = findings.size();
    outcome.faults = static_cast<uint64_t>(end - findings.begin());
    if (findings.size() > kSelfCheckFindings) findings.resize(kSelfCheckFindings);
    const std::string said = Count(outcome.faults, "fault") + " in " +
                             Count(report.segments, "segment") + " and " +
                             Count(report.ledger_records, "ledger record");
    if (outcome.faults > 0) {
      LogWarning("self-check", said + "; the first: " + findings.front().sentence);
    } else {
      LogInfo("self-check", said);
    }
    outcome.report = std::move(report);
  }

  Store& store_;
  Clock& clock_;
  FileSystem& files_;
  std::thread thread_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  State state_;
};

}  // namespace

std::unique_ptr<SelfCheck> SelfCheck::Open(Store& store, Clock& clock, FileSystem& files) {
  return std::make_unique<SelfCheckThread>(store, clock, files);
}

}  // namespace lookback::storage
