// tests/storage/segment_file.h: segment files in memory, put together as docs/format.md says.
//
// Threads:   one.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "storage/segment_reader.h"
#include "tests/media/test_stream.h"

namespace lookback::test {

// A file of bytes that counts what is read of it.
class MemoryFile : public File {
 public:
  explicit MemoryFile(Bytes bytes) : bytes_(std::move(bytes)) {}

  Status WriteAt(uint64_t, std::span<const ByteSpan>) override { return ReadOnly(); }
  Result<size_t> ReadAt(uint64_t offset, std::span<uint8_t> into) const override {
    ++reads;
    largest_read = std::max(largest_read, into.size());
    if (offset >= bytes_.size()) return size_t{0};
    const size_t count = std::min<size_t>(into.size(), bytes_.size() - offset);
    std::copy_n(bytes_.begin() + static_cast<ptrdiff_t>(offset), count, into.begin());
    return count;
  }
  Status Sync() override { return Ok(); }
  Status SyncFileSystem() override { return Ok(); }
  Status Truncate(uint64_t) override { return ReadOnly(); }
  Status Reserve(uint64_t, uint64_t) override { return ReadOnly(); }
  Result<uint64_t> Size() const override { return uint64_t{bytes_.size()}; }

  mutable size_t reads = 0;
  mutable size_t largest_read = 0;

 private:
  static Status ReadOnly() { return Fail(Code::kDenied, "read only"); }
  Bytes bytes_;
};

inline storage::SegmentHeader TestHeader() {
  storage::SegmentHeader header;
  header.store = Uuid::Parse("11111111-1111-4111-8111-111111111111").value();
  header.volume = Uuid::Parse("22222222-2222-4222-8222-222222222222").value();
  header.run = Uuid::Parse("33333333-3333-4333-8333-333333333333").value();
  header.stream.camera = CameraId::Parse("market-east").value();
  header.epoch = 7;
  header.sequence = 42;
  header.start_us = TestUtc(0);
  header.start_monotonic_us = 123'456'789;
  header.has_camera_offset = true;
  header.camera_offset_us = -1500;
  return header;
}

struct SegmentFile {
  storage::SegmentIndex index;
  Bytes bytes;
};

inline void AppendTo(Bytes& bytes, ByteSpan more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}

// Without LKEN.
inline SegmentFile MakeOpenSegment(const std::vector<media::TrackConfig>& tracks,
                                   const std::vector<media::Fragment>& fragments) {
  SegmentFile file;
  file.index.header = TestHeader();
  if (!fragments.empty()) file.index.header.start_us = fragments[0].info.start_us;
  file.index.init = media::BuildInitSection(tracks);
  AppendTo(file.bytes, file.index.init);
  AppendTo(file.bytes, storage::EncodeSegmentHeader(file.index.header));
  for (const media::Fragment& fragment : fragments) {
    const Bytes body = Join(fragment.parts);
    file.index.fragments.push_back({file.bytes.size(), fragment.info});
    AppendTo(file.bytes, body);
    AppendTo(file.bytes,
             storage::EncodeFragmentTrailer(file.index.header.run, fragment.info, Xxh3_64(body)));
  }
  file.index.file_bytes = file.bytes.size();
  return file;
}

inline SegmentFile MakeClosedSegment(const std::vector<media::TrackConfig>& tracks,
                                     const std::vector<media::Fragment>& fragments) {
  SegmentFile file = MakeOpenSegment(tracks, fragments);
  AppendTo(file.bytes, storage::EncodeSegmentEnd(file.index, Xxh3_128(file.bytes)));
  file.index.closed = true;
  file.index.file_bytes = file.bytes.size();
  return file;
}

inline SegmentFile MakeClosedSegment(const std::string& stream_name) {
  const TestStream stream = LoadTestStream(stream_name);
  return MakeClosedSegment({stream.track}, FragmentAll({stream.track}, stream.samples));
}

}  // namespace lookback::test
