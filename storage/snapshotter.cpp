#include "storage/snapshotter.h"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "base/worker_pool.h"
#include "storage/data_directory.h"

namespace lookback::storage {
namespace {

class SnapshotterThread : public Snapshotter {
 public:
  SnapshotterThread(Store& store, Clock& clock, FileSystem& files)
      : store_(store),
        clock_(clock),
        files_(files),
        directory_(JoinPath(store.data(), kSnapshotFolder)) {
    LookForNewest();
  }

  ~SnapshotterThread() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  void StartThread() override {
    thread_ = std::thread([this] {
      NameThisThread("snapshot");
      LowerThisThread();
      Work();
    });
  }

  void RunDue() override {
    if (Due()) Run();
  }

  void Ask() override {
    {
      const std::lock_guard lock(mutex_);
      asked_ = state_.running = true;
    }
    wake_.notify_all();
  }

  State Report() const override {
    const std::lock_guard lock(mutex_);
    return state_;
  }

 private:
  void LookForNewest() {
    const auto list = ListSnapshots(directory_, files_);
    if (!list) return;
    for (const SnapshotFile& file : *list) {
      const auto header = ReadSnapshotHeader(file.path, files_);
      if (!header || header->store != store_.id()) continue;
      state_.newest = *header;
      state_.path = file.path;
      return;
    }
  }

  void Work() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      wake_.wait_for(lock, std::chrono::microseconds(kSnapshotLookUs),
                     [this] { return stopping_ || asked_; });
      if (stopping_) return;
      lock.unlock();
      RunDue();
      lock.lock();
    }
  }

  bool Due() {
    const bool behind = store_.journal().catalog_behind();
    const std::lock_guard lock(mutex_);
    if (behind) {
      // Who asked is told so: it may be long before the catalog is there again.
      if (asked_) state_.trouble = "the catalog is behind the ledger; ask again when it is not";
      asked_ = state_.running = false;
      return false;
    }
    if (asked_) return true;
    const int64_t now_us = clock_.MonotonicUs();
    if (tried_us_ && now_us - *tried_us_ < kSnapshotRetryUs) return false;
    if (!state_.newest) return true;
    if (state_.newest->records == store_.catalog().position()) return false;
    // One that is yet to come is a clock that was wrong then, or is now.
    const int64_t age_us = clock_.NowUs() - state_.newest->time_us;
    return age_us < 0 || age_us >= kSnapshotIntervalUs;
  }

  void Run() {
    {
      const std::lock_guard lock(mutex_);
      state_.running = true;
      asked_ = false;
      tried_us_ = clock_.MonotonicUs();
    }
    const auto go_on = [this] { return !stopping_ && !store_.journal().catalog_behind(); };
    // Below a mount point that is bare now it would be on another disk.
    const auto there = files_.Stat(JoinPath(store_.data(), kStoreFile));
    const auto written = there ? WriteSnapshot(directory_, store_.id(), store_.catalog(),
                                               store_.ledger(), clock_.NowUs(), files_, go_on)
                               : Result<Snapshot>(Pass(there.error()));
    const std::lock_guard lock(mutex_);
    state_.running = asked_;
    state_.trouble = written ? "" : written.message();
    if (!written) {
      if (!stopping_) LogWarning("snapshot", "there is no new one: " + written.message());
      return;
    }
    state_.newest = written->header;
    state_.path = written->path;
    state_.rows = written->rows;
    state_.bytes = written->bytes;
    LogInfo("snapshot",
            fmt::format("{} has {} rows of {} ledger records, in {} bytes", written->path,
                        written->rows, written->header.records, written->bytes));
  }

  Store& store_;
  Clock& clock_;
  FileSystem& files_;
  const std::string directory_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool asked_ = false;
  std::optional<int64_t> tried_us_;  // Monotonic.
  State state_;
};

}  // namespace

std::unique_ptr<Snapshotter> Snapshotter::Open(Store& store, Clock& clock, FileSystem& files) {
  return std::make_unique<SnapshotterThread>(store, clock, files);
}

}  // namespace lookback::storage
