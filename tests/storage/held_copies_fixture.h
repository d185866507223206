// tests/storage/held_copies_fixture.h: a store of two volumes with footage on the first, which may
// be held, copied and spoilt.
#pragma once

#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/check.h"
#include "storage/held_copies.h"
#include "tests/storage/store_fixture.h"
#include "tests/support/forwarding_file.h"
#include "tests/support/listed_disk.h"
#include "tests/support/raw_catalog.h"

namespace lookback::storage {

// A disk that writes another byte than it was given, below one path; that does not give back one
// file; and that tells when a directory is listed.
class FlippingDisk : public test::ListedDisk {
 public:
  using ListedDisk::ListedDisk;

  class FlippingFile : public test::ForwardingFile {
   public:
    using ForwardingFile::ForwardingFile;

    Status WriteAt(uint64_t offset, std::span<const ByteSpan> parts) override {
      Bytes bytes;
      for (const ByteSpan& part : parts) bytes.insert(bytes.end(), part.begin(), part.end());
      bytes[bytes.size() / 2] ^= 1;
      const ByteSpan whole = bytes;
      return ForwardingFile::WriteAt(offset, {&whole, 1});
    }
  };

  class UnreadableFile : public test::ForwardingFile {
   public:
    using ForwardingFile::ForwardingFile;

    Result<size_t> ReadAt(uint64_t, std::span<uint8_t>) const override {
      return Fail(Code::kDiskFailed, "read: Input/output error");
    }
  };

  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    LB_TRY_ASSIGN(file, ListedDisk::Open(path, mode));
    if (path == unreadable) return std::unique_ptr<File>(new UnreadableFile(std::move(file)));
    if (flipping_below.empty() || !path.starts_with(flipping_below) || !path.ends_with(".mp4")) {
      return file;
    }
    return std::unique_ptr<File>(std::make_unique<FlippingFile>(std::move(file)));
  }

  std::string flipping_below, unreadable;
};

class HeldCopiesTest : public StoreFixture {
 protected:
  static constexpr int64_t kLengthUs = 10 * kUsPerSecond;  // Of each segment here.

  // Two segments on the first volume, which was alone then; the second has been added since.
  void SetUp() override {
    StoreFixture::SetUp();
    files_.reset();
    auto disk = std::make_unique<FlippingDisk>(*posix_, root_);
    disk_ = disk.get();
    files_ = std::move(disk);
    ASSERT_OK(Open());
    rows_.push_back(Record(gate_, 2 * kUsPerHour));
    rows_.push_back(Record(gate_, 90 * kUsPerMinute));
    Close();
    first_ = options_.volumes.front();
    second_ = root_ + "/volume2";
    options_.volumes.push_back(second_);
    ASSERT_OK(Open());
  }

  index::Seal Record(const StreamId& stream, int64_t age_us) {
    test::SyntheticRun::Options small;
    small.frame_bytes = 100;
    test::SyntheticRun run(stream, clock_.NowUs() - age_us, small);
    RecordAndSeal(run, kLengthUs);
    const auto rows = store_->catalog().Segments(stream, kEver).value();
    for (const index::Seal& row : rows) {
      if (row.start_us == clock_.NowUs() - age_us) return row;
    }
    ADD_FAILURE() << "nothing was recorded";
    return {};
  }
  Uuid Hold(TimeRange range, TimeUs expires_us = 0) {
    index::Marker hold;
    hold.id = Uuid::Random();
    hold.cameras = {gate_.camera};
    hold.range = range;
    hold.hold = true;
    hold.case_name = "2026-118";
    hold.expires_us = expires_us;
    const Status put = store_->PutMarker(hold);
    EXPECT_TRUE(put) << (put ? "" : put.message());
    return hold.id;
  }
  void Release(const Uuid& hold) {
    ASSERT_OK(store_->journal().Commit({index::MarkerRemoved{hold, true, "li.wei", "closed"}}));
  }
  HeldCopies::State Run(const Pace::Wait& wait = [](int64_t) { return true; }) {
    const auto copies = HeldCopies::Open(*store_, clock_);
    copies->RunOnce(wait);
    return copies->Report();
  }
  // Both are held, and have their copy.
  void HoldAndCopy() {
    hold_ = Hold({rows_[0].start_us, rows_[1].end_us});
    const auto state = Run();
    ASSERT_EQ(state.copied_segments, 2u) << state.trouble;
    for (const index::Seal& row : rows_) ExpectCopied(row);
  }
  Uuid IdOf(const std::string& root) {
    for (Volume* volume : store_->volumes()) {
      if (volume->root() == root) return volume->id();
    }
    ADD_FAILURE() << root;
    return {};
  }
  static std::string PathOn(const std::string& root, const index::Seal& row) {
    return root + "/" + SegmentPath(index::KeyOf(row));
  }
  std::vector<Uuid> CopiesOf(const index::Seal& row) {
    return store_->catalog().CopiesOf(index::KeyOf(row)).value();
  }
  Bytes BytesOn(const std::string& root, const index::Seal& row) {
    return ReadFile(*posix_, PathOn(root, row), uint64_t{1} << 30).value_or(Bytes());
  }
  void ExpectCopied(const index::Seal& row) {
    EXPECT_EQ(CopiesOf(row), std::vector<Uuid>{IdOf(second_)});
    EXPECT_EQ(Sha256(BytesOn(second_, row)), row.sha256);
  }
  void ExpectNoCopy(const index::Seal& row) {
    EXPECT_TRUE(CopiesOf(row).empty());
    EXPECT_FALSE(std::filesystem::exists(PathOn(second_, row)));
  }
  static void Flip(const std::string& path, double where = 0.5) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const auto at =
        static_cast<std::streamoff>(static_cast<double>(std::filesystem::file_size(path)) * where);
    file.seekg(at);
    const char byte = static_cast<char>(file.get());
    file.seekp(at);
    file.put(static_cast<char>(byte ^ 1));
  }
  std::vector<uint32_t> AllNumbers() { return Numbers(gate_); }
  std::map<std::string, std::string> Rows() {
    return test::RawCatalog(options_.data + "/catalog").Rows();
  }
  FsckReport Check(FsckDepth depth = FsckDepth::kBytes) {
    return Fsck(options_.data, *posix_, {}, {.depth = depth}).value_or(FsckReport());
  }

  FlippingDisk* disk_ = nullptr;
  std::string first_, second_;
  std::vector<index::Seal> rows_;
  Uuid hold_;
};

}  // namespace lookback::storage
