// tests/support/watched_archive.h: an archive that wakes who waits for footage to come in.
//
// Invariant: everything is passed on to the archive behind it.
// Threads:   any.
// Errors:    the other archive's.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "storage/archive.h"

namespace lookback::test {

class WatchedArchive : public storage::Archive {
 public:
  explicit WatchedArchive(storage::Archive& archive) : archive_(archive) {}

  // Looks at `condition` whenever a fragment or a gap came in; false when it does not hold within
  // the time, which only bounds a test that fails.
  bool Await(std::chrono::seconds at_most, const std::function<bool()>& condition) {
    std::unique_lock lock(mutex_);
    const auto end = std::chrono::steady_clock::now() + at_most;
    while (true) {
      const uint64_t seen = events_;
      lock.unlock();
      if (condition()) return true;
      lock.lock();
      if (!came_.wait_until(lock, end, [&] { return events_ != seen; })) return false;
    }
  }

  Result<std::unique_ptr<storage::Recording>> Begin(storage::RunInfo run) override {
    LB_TRY_ASSIGN(recording, archive_.Begin(std::move(run)));
    return std::unique_ptr<storage::Recording>(new Watched(*this, std::move(recording)));
  }
  void RecordGap(index::Gap gap) override {
    archive_.RecordGap(std::move(gap));
    Wake();
  }
  void SetOpenGap(const StreamId& stream, std::optional<index::Gap> gap) override {
    archive_.SetOpenGap(stream, std::move(gap));
  }
  storage::StreamStatus StatusOf(const StreamId& stream) override {
    return archive_.StatusOf(stream);
  }
  double Backlog() const override { return archive_.Backlog(); }
  std::vector<storage::VolumeLoad> Loads() const override { return archive_.Loads(); }
  void Use(storage::Volume& volume) override { archive_.Use(volume); }
  std::vector<storage::VolumeTrouble> Troubles() const override { return archive_.Troubles(); }
  Status Drain() override { return archive_.Drain(); }
  Status Stop() override { return archive_.Stop(); }

  Result<std::vector<storage::FootageSegment>> Segments(const StreamId& stream,
                                                        TimeRange range) override {
    return archive_.Segments(stream, range);
  }
  Result<std::vector<index::Gap>> Gaps(const StreamId& stream, TimeRange range) override {
    return archive_.Gaps(stream, range);
  }
  Result<std::shared_ptr<const storage::SegmentIndex>> Index(
      const storage::FootageSegment& segment) override {
    return archive_.Index(segment);
  }
  Result<std::unique_ptr<File>> Open(const storage::FootageSegment& segment, size_t nth) override {
    return archive_.Open(segment, nth);
  }

 private:
  class Watched : public storage::Recording {
   public:
    Watched(WatchedArchive& owner, std::unique_ptr<storage::Recording> recording)
        : owner_(owner), recording_(std::move(recording)) {}
    Status Append(media::Fragment fragment) override {
      const Status appended = recording_->Append(std::move(fragment));
      owner_.Wake();
      return appended;
    }
    Status AppendLast(media::Fragment fragment) override {
      const Status appended = recording_->AppendLast(std::move(fragment));
      owner_.Wake();
      return appended;
    }
    void SetCameraOffset(int64_t offset_us) override { recording_->SetCameraOffset(offset_us); }

   private:
    WatchedArchive& owner_;
    const std::unique_ptr<storage::Recording> recording_;
  };

  void Wake() {
    {
      const std::lock_guard lock(mutex_);
      ++events_;
    }
    came_.notify_all();
  }

  storage::Archive& archive_;
  std::mutex mutex_;
  std::condition_variable came_;
  uint64_t events_ = 0;
};

}  // namespace lookback::test
