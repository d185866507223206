// tests/support/fake_archive.h: an archive that keeps what it is given in memory.
//
// Threads:   any, as the real one; Read() gives a copy.
#pragma once

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "storage/archive.h"

namespace lookback::test {

class FakeArchive : public storage::Archive {
 public:
  struct FakeRun {
    storage::RunInfo info;
    std::vector<media::Fragment> fragments;
    std::optional<int64_t> camera_offset_us;
    bool ended = false;
  };
  struct Contents {
    std::vector<FakeRun> runs;
    std::vector<index::Gap> gaps;
    std::map<StreamId, index::Gap> open_gaps;
  };

  Contents Read() const {
    const std::lock_guard lock(mutex_);
    return contents_;
  }
  // Footage and gaps of before this start.
  void SetRecordedUntil(TimeUs end_us) { recorded_until_us_ = end_us; }
  void AddOldGap(index::Gap gap) { old_gaps_.push_back(std::move(gap)); }
  void RefuseRuns(bool refuse) {
    const std::lock_guard lock(mutex_);
    refuse_ = refuse;
  }

  Result<std::unique_ptr<storage::Recording>> Begin(storage::RunInfo run) override {
    const std::lock_guard lock(mutex_);
    if (refuse_) return Fail(Code::kUnavailable, "no volume is online");
    contents_.runs.push_back({std::move(run), {}, std::nullopt, false});
    return std::unique_ptr<storage::Recording>(
        std::make_unique<FakeRecording>(*this, contents_.runs.size() - 1));
  }
  void RecordGap(index::Gap gap) override {
    const std::lock_guard lock(mutex_);
    contents_.gaps.push_back(std::move(gap));
  }
  void SetOpenGap(const StreamId& stream, std::optional<index::Gap> gap) override {
    const std::lock_guard lock(mutex_);
    if (gap) {
      contents_.open_gaps[stream] = std::move(*gap);
    } else {
      contents_.open_gaps.erase(stream);
    }
  }
  storage::StreamStatus StatusOf(const StreamId& stream) override {
    const std::lock_guard lock(mutex_);
    storage::StreamStatus status;
    status.stream = stream;
    status.recorded_until_us = recorded_until_us_;
    return status;
  }
  double Backlog() const override { return 0; }
  std::vector<storage::VolumeLoad> Loads() const override { return {}; }
  void Use(storage::Volume&) override {}
  std::vector<storage::VolumeTrouble> Troubles() const override { return {}; }
  Status Drain() override { return Ok(); }
  Status Stop() override { return Ok(); }

  Result<std::vector<storage::FootageSegment>> Segments(const StreamId&, TimeRange) override {
    return std::vector<storage::FootageSegment>();
  }
  Result<std::vector<index::Gap>> Gaps(const StreamId&, TimeRange range) override {
    std::vector<index::Gap> found;
    std::copy_if(old_gaps_.begin(), old_gaps_.end(), std::back_inserter(found),
                 [&range](const index::Gap& gap) { return gap.range.Overlaps(range); });
    return found;
  }
  Result<std::shared_ptr<const storage::SegmentIndex>> Index(
      const storage::FootageSegment&) override {
    return Fail(Code::kNotFound, "the fake archive has no files");
  }
  Result<std::unique_ptr<File>> Open(const storage::FootageSegment&, size_t) override {
    return Fail(Code::kNotFound, "the fake archive has no files");
  }

 private:
  class FakeRecording : public storage::Recording {
   public:
    FakeRecording(FakeArchive& archive, size_t run) : archive_(archive), run_(run) {}
    ~FakeRecording() override {
      const std::lock_guard lock(archive_.mutex_);
      archive_.contents_.runs[run_].ended = true;
    }
    Status Append(media::Fragment fragment) override {
      const std::lock_guard lock(archive_.mutex_);
      archive_.contents_.runs[run_].fragments.push_back(std::move(fragment));
      return Ok();
    }
    Status AppendLast(media::Fragment fragment) override { return Append(std::move(fragment)); }
    void SetCameraOffset(int64_t offset_us) override {
      const std::lock_guard lock(archive_.mutex_);
      archive_.contents_.runs[run_].camera_offset_us = offset_us;
    }

   private:
    FakeArchive& archive_;
    const size_t run_;
  };

  mutable std::mutex mutex_;
  Contents contents_;
  TimeUs recorded_until_us_ = 0;
  std::vector<index::Gap> old_gaps_;
  bool refuse_ = false;
};

}  // namespace lookback::test
