// What clips keep between two reads: bounded for all of them together, and gone with the clip.
#include "query/clip_reader.h"

#include <gtest/gtest.h>

#include <numeric>

#include "tests/query/clip_fixture.h"

namespace lookback::query {
namespace {

// A clip of bytes that count up; its readers have a block of kBlock in memory.
constexpr uint64_t kBlock = 100;

struct Counts {
  int made = 0;
  int alive = 0;
  int blocks_read = 0;
};

class CountingReader final : public ClipReader {
 public:
  CountingReader(Counts& counts, size_t memory_bytes)
      : counts_(counts), memory_bytes_(memory_bytes) {
    ++counts_.made;
    ++counts_.alive;
  }
  ~CountingReader() override { --counts_.alive; }

  Status Read(uint64_t offset, std::span<uint8_t> into) override {
    for (uint8_t& byte : into) {
      if (block_ != offset / kBlock) ++counts_.blocks_read;
      block_ = offset / kBlock;
      byte = static_cast<uint8_t>(offset++);
    }
    return Ok();
  }
  bool HasInMemory(uint64_t offset) const override { return block_ == offset / kBlock; }
  size_t memory_bytes() const override { return memory_bytes_; }

 private:
  Counts& counts_;
  const size_t memory_bytes_;
  uint64_t block_ = UINT64_MAX;
};

class CountingClip final : public StoredClip {
 public:
  CountingClip(Counts& counts, std::shared_ptr<IdleReaders> readers, size_t memory_bytes = 1'000)
      : StoredClip(std::move(readers)), counts_(counts), memory_bytes_(memory_bytes) {
    std::iota(head_.begin(), head_.end(), uint8_t{0});
  }
  uint64_t size() const override { return 1'000; }
  const std::string& etag() const override { return etag_; }
  const ClipReport& report() const override { return report_; }
  size_t memory_bytes() const override { return 0; }

 private:
  const Bytes& head() const override { return head_; }
  std::unique_ptr<ClipReader> NewReader() const override {
    return std::make_unique<CountingReader>(counts_, memory_bytes_);
  }

  Counts& counts_;
  const size_t memory_bytes_;
  Bytes head_ = Bytes(10);
  std::string etag_;
  ClipReport report_;
};

void ExpectBytes(const Clip& clip, uint64_t offset, size_t count) {
  Bytes bytes(count);
  const auto read = clip.Read(offset, bytes);
  ASSERT_TRUE(read) << read.message();
  ASSERT_EQ(*read, count);
  for (size_t i = 0; i < count; ++i) ASSERT_EQ(bytes[i], static_cast<uint8_t>(offset + i)) << i;
}

TEST(IdleReaders, WhoReadsOnFindsWhatWasInMemory) {
  Counts counts;
  const auto readers = std::make_shared<IdleReaders>();
  const CountingClip clip(counts, readers);
  ExpectBytes(clip, 0, 50);
  for (uint64_t at = 50; at < 100; at += 10) ExpectBytes(clip, at, 10);
  EXPECT_EQ(counts.made, 1);
  EXPECT_EQ(counts.blocks_read, 1);
}

TEST(IdleReaders, TwoPlacesOfOneClipThatAreReadAtOnceKeepAReaderEach) {
  Counts counts;
  const auto readers = std::make_shared<IdleReaders>();
  const CountingClip clip(counts, readers);
  // As if two threads were in Read(): one has its reader while the other takes another.
  auto busy = readers->Take(&clip, 500);
  EXPECT_EQ(busy, nullptr);
  ExpectBytes(clip, 500, 10);
  busy = readers->Take(&clip, 510);
  ASSERT_NE(busy, nullptr);
  ExpectBytes(clip, 900, 10);
  readers->PutAside(&clip, std::move(busy));
  EXPECT_EQ(counts.made, 2);
  // Now each goes on in its own block.
  ExpectBytes(clip, 510, 10);
  ExpectBytes(clip, 910, 10);
  ExpectBytes(clip, 520, 10);
  EXPECT_EQ(counts.made, 2);
  EXPECT_EQ(counts.blocks_read, 2);
}

TEST(IdleReaders, TheHeadNeedsNoReader) {
  Counts counts;
  const CountingClip clip(counts, nullptr);
  ExpectBytes(clip, 0, 10);
  EXPECT_EQ(counts.made, 0);
}

TEST(IdleReaders, AreBoundedByCountForAllClipsTogetherAndLoseNoByte) {
  Counts counts;
  const auto readers = std::make_shared<IdleReaders>();
  std::vector<std::unique_ptr<CountingClip>> clips;
  for (size_t i = 0; i < 2 * kMaxIdleReaders; ++i) {
    clips.push_back(std::make_unique<CountingClip>(counts, readers));
  }
  for (uint64_t at = 0; at < 300; at += 50) {
    for (const auto& clip : clips) ExpectBytes(*clip, at, 50);
    EXPECT_LE(counts.alive, static_cast<int>(kMaxIdleReaders));
  }
  EXPECT_EQ(readers->count(), kMaxIdleReaders);
}

TEST(IdleReaders, AreBoundedByMemory) {
  Counts counts;
  const auto readers = std::make_shared<IdleReaders>();
  std::vector<std::unique_ptr<CountingClip>> clips;
  for (int i = 0; i < 5; ++i) {
    clips.push_back(std::make_unique<CountingClip>(counts, readers, kMaxIdleBytes / 3));
    ExpectBytes(*clips.back(), 20, 10);
    EXPECT_LE(readers->memory_bytes(), kMaxIdleBytes);
  }
  EXPECT_EQ(counts.alive, 3);
  // The last ones are those that are kept.
  ExpectBytes(*clips.back(), 30, 10);
  EXPECT_EQ(counts.made, 5);
  // One that is too large by itself is not kept at all.
  const CountingClip large(counts, readers, kMaxIdleBytes + 1);
  ExpectBytes(large, 20, 10);
  EXPECT_EQ(readers->memory_bytes(), 0U);
}

TEST(IdleReaders, AClipTakesItsReadersWithIt) {
  Counts counts;
  const auto readers = std::make_shared<IdleReaders>();
  const CountingClip stays(counts, readers);
  ExpectBytes(stays, 20, 10);
  {
    const CountingClip goes(counts, readers);
    ExpectBytes(goes, 20, 10);
    EXPECT_EQ(counts.alive, 2);
  }
  EXPECT_EQ(counts.alive, 1);
  EXPECT_EQ(readers->count(), 1U);
}

using IdleReadersClipTest = test::ClipTest;

// Of a real clip: a reader that is taken away between two reads is made anew, and none notices.
TEST_F(IdleReadersClipTest, AReaderThatIsGoneIsMadeAnew) {
  Record(test::StreetClip(), test::kStart);
  const auto whole =
      Plan(Request(test::kStart + 3 * kUsPerSecond, test::kStart + 17 * kUsPerSecond));
  ASSERT_NE(whole, nullptr);
  const Bytes expected = ReadAll(*whole);
  const auto readers = std::make_shared<IdleReaders>();
  const auto clip = Clip::Plan(
      footage_, Request(test::kStart + 3 * kUsPerSecond, test::kStart + 17 * kUsPerSecond),
      test::kNow, readers);
  ASSERT_TRUE(clip) << clip.message();
  Bytes bytes(expected.size());
  constexpr size_t kPiece = 1'000;
  for (size_t at = 0; at < bytes.size(); at += kPiece) {
    const size_t count = std::min(kPiece, bytes.size() - at);
    ASSERT_TRUE((*clip)->Read(at, std::span(bytes).subspan(at, count)));
    EXPECT_LE(readers->count(), 1U);
    readers->Drop(clip->get());
  }
  EXPECT_EQ(bytes, expected);
}

TEST_F(IdleReadersClipTest, WhatAClipShowsIsPinnedWhileItExists) {
  Record(test::StreetClip(), test::kStart);
  const TimeRange shown{test::kStart + 3 * kUsPerSecond, test::kStart + 5 * kUsPerSecond};
  auto clip = Plan(Request(shown.start_us, shown.end_us));
  const auto covers = [&](TimeRange range, TimeUs now_us) {
    return footage_.pins().Covers(stream_, range, now_us);
  };
  EXPECT_TRUE(covers(shown, test::kNow));
  EXPECT_FALSE(covers({shown.end_us, shown.end_us + kUsPerSecond}, test::kNow));
  EXPECT_FALSE(covers(shown, test::kNow + storage::kPinnedUs));
  // Its first picture needs what comes before it, up to a sync sample.
  EXPECT_TRUE(covers({test::kStart, test::kStart + kUsPerSecond}, test::kNow));
  clip->PinAnew(test::kNow + kUsPerHour);
  EXPECT_TRUE(covers(shown, test::kNow + storage::kPinnedUs));
  clip.reset();
  EXPECT_FALSE(covers(shown, test::kNow));
  // What cannot be planned pins nothing.
  (void)PlanError(Request(test::kStart - 2 * kUsPerHour, test::kStart - kUsPerHour));
  EXPECT_FALSE(covers({0, test::kNow}, test::kNow));
}

}  // namespace
}  // namespace lookback::query
