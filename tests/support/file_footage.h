// tests/support/file_footage.h: footage in a directory of its own, without an archive behind it.
//
// Invariant: files are written as docs/format.md says; rows and indexes follow from what was
//            written. What a test does to a file afterwards only the reader notices.
// Threads:   one.
// Errors:    a failed write ends the process: a test cannot go on.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "media/fragmenter.h"
#include "storage/footage.h"
#include "storage/live_segment.h"

namespace lookback::test {

class FileFootage : public storage::Footage {
 public:
  // `directory` must exist; files in it are the caller's to remove.
  FileFootage(FileSystem& files, std::string directory)
      : files_(files), directory_(std::move(directory)) {}

  // Fragments of one run, cut into segments at the first sync sample after `segment_us`.
  void Record(const StreamId& stream, const std::vector<media::TrackConfig>& tracks,
              const std::vector<media::Fragment>& fragments,
              int64_t segment_us = storage::kNominalSegmentUs, bool leave_open = false,
              const Uuid& run = Uuid::Random()) {
    size_t first = 0;
    while (first < fragments.size()) {
      size_t last = first + 1;
      while (last < fragments.size() &&
             (fragments[last].info.start_us - fragments[first].info.start_us < segment_us ||
              (fragments[last].info.flags & media::kContinuation) != 0)) {
        ++last;
      }
      const bool open = leave_open && last == fragments.size();
      WriteSegment(stream, run, tracks, {&fragments[first], last - first}, open);
      first = last;
    }
    std::stable_sort(segments.begin(), segments.end(), [](const Stored& a, const Stored& b) {
      return a.footage.row.start_us < b.footage.row.start_us;
    });
  }

  struct Stored {
    storage::FootageSegment footage;
    std::shared_ptr<const storage::SegmentIndex> index;
    std::string path;
  };
  std::vector<Stored> segments;  // By start. A test may take one out or damage its file.
  std::vector<index::Gap> gaps;
  size_t opened = 0;  // Files, so far.

  Result<std::vector<storage::FootageSegment>> Segments(const StreamId& stream,
                                                        TimeRange range) override {
    std::vector<storage::FootageSegment> found;
    for (const Stored& stored : segments) {
      if (stored.footage.row.stream == stream && stored.footage.row.range().Overlaps(range)) {
        found.push_back(stored.footage);
      }
    }
    return found;
  }

  Result<std::vector<index::Gap>> Gaps(const StreamId& stream, TimeRange range) override {
    std::vector<index::Gap> found;
    for (const index::Gap& gap : gaps) {
      if (gap.stream == stream && gap.range.Overlaps(range)) found.push_back(gap);
    }
    return found;
  }

  Result<std::shared_ptr<const storage::SegmentIndex>> Index(
      const storage::FootageSegment& segment) override {
    const Stored* stored = Find(segment);
    if (stored == nullptr) return Fail(Code::kNotFound, "the segment is gone");
    if (stored->index == nullptr) return Fail(Code::kCorrupt, "LKEN is damaged");
    return stored->index;
  }

  Result<std::unique_ptr<File>> Open(const storage::FootageSegment& segment, size_t nth) override {
    const Stored* stored = Find(segment);
    if (stored == nullptr || nth > 0) return Fail(Code::kNotFound, "the segment is gone");
    ++opened;
    return files_.Open(stored->path, OpenMode::kRead);
  }

 private:
  void WriteSegment(const StreamId& stream, const Uuid& run,
                    const std::vector<media::TrackConfig>& tracks,
                    std::span<const media::Fragment> fragments, bool open) {
    auto index = std::make_shared<storage::SegmentIndex>();
    index->header.run = run;
    index->header.stream = stream;
    index->header.sequence = sequence_++;
    index->header.start_us = fragments.front().info.start_us;
    index->init = media::BuildInitSection(tracks);

    Bytes bytes = index->init;
    const Bytes header = storage::EncodeSegmentHeader(index->header);
    bytes.insert(bytes.end(), header.begin(), header.end());
    for (const media::Fragment& fragment : fragments) {
      index->fragments.push_back({bytes.size(), fragment.info});
      const size_t start = bytes.size();
      for (const Bytes& part : fragment.parts) bytes.insert(bytes.end(), part.begin(), part.end());
      const Bytes trailer = storage::EncodeFragmentTrailer(run, fragment.info,
                                                           Xxh3_64(ByteSpan(bytes).subspan(start)));
      bytes.insert(bytes.end(), trailer.begin(), trailer.end());
    }
    if (!open) {
      index->closed = true;
      const Bytes end = storage::EncodeSegmentEnd(*index, Xxh3_128(bytes));
      bytes.insert(bytes.end(), end.begin(), end.end());
    }
    index->file_bytes = bytes.size();

    Stored stored;
    stored.path = JoinPath(directory_, std::to_string(index->header.sequence) + ".mp4");
    auto file = files_.Open(stored.path, OpenMode::kCreateNew);
    LB_CHECK(file.has_value());
    const ByteSpan part = bytes;
    LB_CHECK((*file)->WriteAt(0, {&part, 1}).has_value());

    stored.footage.row = storage::SealOf(*index, {});
    if (open) stored.footage.open = index;
    stored.index = std::move(index);
    segments.push_back(std::move(stored));
  }

  const Stored* Find(const storage::FootageSegment& segment) const {
    for (const Stored& stored : segments) {
      if (stored.footage.row.sequence == segment.row.sequence) return &stored;
    }
    return nullptr;
  }

  FileSystem& files_;
  std::string directory_;
  uint32_t sequence_ = 0;
};

}  // namespace lookback::test
