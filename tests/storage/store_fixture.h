// tests/storage/store_fixture.h: a store on real files in a directory of its own, below a file
// system that can fail and forget, with a clock that only the test moves.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "storage/layout.h"
#include "storage/segment_reader.h"
#include "storage/store.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/synthetic_footage.h"

namespace lookback::storage {

#define ASSERT_OK(expression)                                                \
  do {                                                                       \
    const auto& assert_ok_status = (expression);                             \
    ASSERT_TRUE(assert_ok_status.has_value()) << assert_ok_status.message(); \
  } while (false)

class StoreFixture : public ::testing::Test {
 protected:
  static constexpr TimeRange kEver{kTimeMinUs, kTimeMaxUs};

  void SetUp() override {
    // In memory where that can be: the tests bring their own power cuts, and RocksDB its syncs.
    const bool memory = access("/dev/shm", W_OK) == 0;
    std::string pattern =
        (memory ? std::string("/dev/shm/") : ::testing::TempDir()) + "lookback-store-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    files_ = std::make_unique<test::FaultFileSystem>(*posix_, root_);
    options_.data = root_ + "/data";
    options_.volumes = {root_ + "/volume"};
    options_.copy_ledger = false;
  }
  void TearDown() override {
    recordings_.clear();
    store_.reset();
    files_.reset();
    std::filesystem::remove_all(root_);
  }

  Status Open() {
    auto store = Store::Open(options_, clock_, *files_);
    if (!store) return Pass(store.error());
    store_ = std::move(*store);
    store_->WaitForRecovery();
    return Ok();
  }
  void Close() {
    recordings_.clear();
    store_.reset();
  }
  // The power goes, and comes back: what was not synced is gone.
  Status CutPowerAndOpen(std::optional<uint64_t> seed = std::nullopt) {
    files_->CutPower();
    Close();
    files_->RestorePower(seed);
    return Open();
  }

  Archive& archive() { return store_->archive(); }

  Recording& Begin(const test::SyntheticRun& run) {
    auto recording = archive().Begin(run.info());
    EXPECT_TRUE(recording.has_value()) << (recording ? "" : recording.message());
    recordings_.push_back(std::move(*recording));
    return *recordings_.back();
  }
  static void AppendAll(Recording& recording, std::vector<media::Fragment> fragments) {
    for (media::Fragment& fragment : fragments) {
      const Status status = recording.Append(std::move(fragment));
      EXPECT_TRUE(status.has_value()) << (status ? "" : status.message());
    }
  }
  // A run of `duration_us`, ended, sealed.
  void RecordAndSeal(test::SyntheticRun& run, int64_t duration_us) {
    AppendAll(Begin(run), run.Until(duration_us));
    recordings_.pop_back();
    const Status drained = archive().Drain();
    EXPECT_TRUE(drained.has_value()) << (drained ? "" : drained.message());
  }

  std::vector<FootageSegment> Segments(const StreamId& stream) {
    auto segments = archive().Segments(stream, kEver);
    if (!segments && segments.code() == Code::kNotFound) return {};  // Never heard of.
    EXPECT_TRUE(segments.has_value()) << (segments ? "" : segments.message());
    return segments ? *segments : std::vector<FootageSegment>();
  }
  std::vector<index::Gap> Gaps(const StreamId& stream) {
    auto gaps = archive().Gaps(stream, kEver);
    return gaps ? *gaps : std::vector<index::Gap>();
  }
  // The numbers of all fragments, segment by segment.
  std::vector<uint32_t> Numbers(const StreamId& stream) {
    std::vector<uint32_t> numbers;
    for (const FootageSegment& segment : Segments(stream)) {
      const auto index = archive().Index(segment);
      EXPECT_TRUE(index.has_value()) << (index ? "" : index.message());
      if (!index) continue;
      for (const SegmentFragment& f : (*index)->fragments) numbers.push_back(f.info.number);
    }
    return numbers;
  }
  static std::vector<uint32_t> UpTo(uint32_t last) {
    std::vector<uint32_t> numbers;
    for (uint32_t n = 1; n <= last; ++n) numbers.push_back(n);
    return numbers;
  }

  std::string FileOf(const index::Seal& row) const {
    return options_.volumes.front() + "/" + SegmentPath(index::KeyOf(row));
  }
  // What the store promises at any time: each row's file is there, whole, and the one that was
  // sealed; segments do not overlap.
  void ExpectHonest(const StreamId& stream) {
    const auto rows = store_->catalog().Segments(stream, kEver);
    ASSERT_OK(rows);
    TimeUs before = 0;
    for (const index::Seal& row : *rows) {
      SCOPED_TRACE(FileOf(row));
      EXPECT_GE(row.start_us, before);
      before = row.end_us;
      const auto bytes = ReadFile(*posix_, FileOf(row), uint64_t{1} << 30);
      ASSERT_OK(bytes);
      EXPECT_EQ(bytes->size(), row.bytes);
      EXPECT_EQ(Sha256(*bytes), row.sha256);
      const auto file = posix_->Open(FileOf(row), OpenMode::kRead);
      ASSERT_OK(file);
      const auto scan = ScanSegment(**file);
      ASSERT_OK(scan);
      EXPECT_TRUE(scan->end_valid) << scan->problem;
      EXPECT_EQ(scan->index.fragments.size(), row.fragments);
      EXPECT_EQ(scan->index.end_us(), row.end_us);
      EXPECT_EQ(scan->index.recovered, row.recovered);
    }
  }

  const std::unique_ptr<FileSystem> posix_ = MakePosixFileSystem();
  std::string root_;
  std::unique_ptr<test::FaultFileSystem> files_;
  ManualClock clock_{test::kEvening + kUsPerDay};
  StoreOptions options_;
  std::unique_ptr<Store> store_;
  std::vector<std::unique_ptr<Recording>> recordings_;
  const StreamId gate_ = test::MakeStream("gate");
};

}  // namespace lookback::storage
