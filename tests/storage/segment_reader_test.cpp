#include "storage/segment_reader.h"

#include <gtest/gtest.h>

#include "tests/storage/segment_file.h"

namespace lookback::storage {
namespace {

using test::MakeClosedSegment;
using test::MemoryFile;

TEST(ReadClosedSegment, GivesTheIndexInTwoReads) {
  for (const char* name : {"closed_gop", "open_gop", "long_gop", "baseline"}) {
    const test::SegmentFile file = MakeClosedSegment(name);
    const MemoryFile disk(file.bytes);
    const auto index = ReadClosedSegment(disk);
    ASSERT_TRUE(index) << index.message();
    EXPECT_EQ(*index, file.index);
    EXPECT_EQ(disk.reads, 2u);
    EXPECT_LE(disk.largest_read, size_t{64} << 10);
  }
}

TEST(ReadClosedSegment, RefusesEveryShorterFile) {
  const test::SegmentFile file = MakeClosedSegment("baseline");
  for (size_t cut = 0; cut < file.bytes.size(); cut += 1 + cut / 50) {
    const MemoryFile disk(
        Bytes(file.bytes.begin(), file.bytes.begin() + static_cast<ptrdiff_t>(cut)));
    EXPECT_FALSE(ReadClosedSegment(disk)) << cut;
  }
}

TEST(ReadClosedSegment, RefusesAnEndThatFollowsOtherFragments) {
  const test::SegmentFile file = MakeClosedSegment("baseline");
  Bytes bytes = file.bytes;
  bytes.insert(bytes.begin() + static_cast<ptrdiff_t>(file.index.fragments.back().offset), 0);
  EXPECT_EQ(ReadClosedSegment(MemoryFile(bytes)).code(), Code::kCorrupt);
}

TEST(ReadClosedSegment, ReadsTheWholeOfALongEnd) {
  // Sizes without order make the table longer than the first guess.
  std::vector<media::Sample> samples;
  for (int i = 0; i < 40'000; ++i) {
    media::Sample& sample = samples.emplace_back();
    sample.pts = i * 300;
    sample.sync = i % 500 == 0 ? media::Sync::kClosed : media::Sync::kNone;
    sample.data.resize(1 + static_cast<size_t>(i * 7919 % 400));
  }
  const media::TrackConfig track = test::LoadTestStream("baseline").track;
  const auto file = MakeClosedSegment({track}, test::FragmentAll({track}, std::move(samples)));
  const MemoryFile disk(file.bytes);
  const auto index = ReadClosedSegment(disk);
  ASSERT_TRUE(index) << index.message();
  EXPECT_EQ(*index, file.index);
  EXPECT_EQ(disk.reads, 3u);
}

TEST(ScanSegment, OfAClosedFileAgreesWithItsEnd) {
  const test::SegmentFile file = MakeClosedSegment("open_gop");
  uint64_t told = 0;
  const auto scan = ScanSegment(MemoryFile(file.bytes), [&told](uint64_t bytes) {
    told = bytes;
    return true;
  });
  ASSERT_TRUE(scan) << scan.message();
  EXPECT_TRUE(scan->end_valid);
  EXPECT_EQ(scan->problem, "");
  EXPECT_EQ(scan->index, file.index);
  EXPECT_EQ(scan->sha256, Sha256(file.bytes));
  EXPECT_EQ(scan->digest, Xxh3_128(ByteSpan(file.bytes).first(scan->good_bytes)));
  EXPECT_EQ(told, scan->good_bytes);
}

TEST(ScanSegment, OfATornFileKeepsAllButTheTornFragment) {
  const test::SegmentFile file = MakeClosedSegment("long_gop");
  const auto& fragments = file.index.fragments;
  const uint64_t head = fragments[0].offset;
  for (size_t cut = 0; cut < file.bytes.size(); cut += cut < 2000 ? 7 : 131) {
    const auto scan = ScanSegment(
        MemoryFile(Bytes(file.bytes.begin(), file.bytes.begin() + static_cast<ptrdiff_t>(cut))));
    if (cut < head) {
      EXPECT_FALSE(scan) << cut;
      continue;
    }
    ASSERT_TRUE(scan) << cut << scan.message();
    size_t whole = 0;
    uint64_t good = head;
    for (const SegmentFragment& fragment : fragments) {
      const uint64_t end = fragment.offset + fragment.info.length + kFragmentTrailerBytes;
      if (end <= cut) ++whole, good = end;
    }
    EXPECT_EQ(scan->index.fragments.size(), whole) << cut;
    EXPECT_EQ(scan->good_bytes, good);
    EXPECT_EQ(scan->index.file_bytes, good);
    EXPECT_FALSE(scan->end_valid);
    EXPECT_EQ(scan->problem.empty(), cut == good);
    EXPECT_EQ(scan->digest, Xxh3_128(ByteSpan(file.bytes).first(good)));
  }
}

TEST(ScanSegment, StopsAtTheFragmentWithARottenBit) {
  const test::SegmentFile file = MakeClosedSegment("closed_gop");
  for (size_t i = 0; i < file.index.fragments.size(); ++i) {
    const SegmentFragment& fragment = file.index.fragments[i];
    const uint64_t length = fragment.info.length + kFragmentTrailerBytes;
    for (uint64_t at = 0; at < length; at += 37) {
      Bytes bad = file.bytes;
      bad[fragment.offset + at] ^= 0x10;
      const auto scan = ScanSegment(MemoryFile(bad));
      ASSERT_TRUE(scan);
      EXPECT_EQ(scan->index.fragments.size(), i) << at;
      EXPECT_FALSE(scan->end_valid);
      EXPECT_NE(scan->problem, "");
    }
  }
}

TEST(ScanSegment, NoticesBytesAfterTheEnd) {
  test::SegmentFile file = MakeClosedSegment("baseline");
  file.bytes.push_back(0);
  const auto scan = ScanSegment(MemoryFile(file.bytes));
  ASSERT_TRUE(scan);
  EXPECT_FALSE(scan->end_valid);
  EXPECT_EQ(scan->index.fragments.size(), file.index.fragments.size());
}

TEST(ScanSegment, NeverReadsMoreThanAFragmentAtOnceWhateverSizesSay) {
  const test::SegmentFile file = MakeClosedSegment("baseline");
  Bytes bad = file.bytes;
  // The first `mdat` claims 4 GiB, then 47 MiB.
  const uint64_t mdat =
      file.index.fragments[0].offset + file.index.fragments[0].info.tracks[0].data_offset - 8;
  for (const uint8_t high : {0xff, 0x02}) {
    bad[mdat] = high;
    const MemoryFile disk(bad);
    const auto scan = ScanSegment(disk);
    ASSERT_TRUE(scan);
    EXPECT_TRUE(scan->index.fragments.empty());
    EXPECT_LE(disk.largest_read, media::kMaxFragmentLength + (2 << 20));
  }
}

TEST(ScanSegment, ProgressStopsIt) {
  const test::SegmentFile file = MakeClosedSegment("baseline");
  EXPECT_EQ(ScanSegment(MemoryFile(file.bytes), [](uint64_t) { return false; }).code(),
            Code::kUnavailable);
}

TEST(SegmentFile, FfmpegPlaysItLikeTheSource) {
  ASSERT_TRUE(test::HasFfmpeg()) << "tools/install brings ffmpeg";
  const test::TemporaryDirectory directory;
  for (const char* name : {"closed_gop", "open_gop", "long_gop", "baseline"}) {
    const std::string path = directory.Write("a.mp4", MakeClosedSegment(name).bytes);
    EXPECT_EQ(test::Shell("ffmpeg -v warning -i " + path + " -f null -"), "");
    const auto hashes = [](const std::string& file) {
      return test::Shell("ffmpeg -v error -i " + file +
                         " -f framehash -hash md5 - | grep -v '^#' | awk -F, '{print $NF}'");
    };
    EXPECT_EQ(hashes(path), hashes(test::LoadTestStream(name).path)) << name;
  }
}

}  // namespace
}  // namespace lookback::storage
