#include "recorder/rtp_reorder.h"

#include <gmock/gmock.h>

#include <random>

#include "tests/recorder/packets.h"

namespace lookback::recorder {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;

class RtpReorderTest : public testing::Test {
 protected:
  void Push(uint16_t sequence, int64_t received_us, uint32_t ssrc = 1) {
    order_.Push(test::Rtp(sequence, 0, false, {1, 2, 3}, 96, ssrc), received_us);
  }
  // Past the wait for the first packets, with 99 as the last that came out.
  void Begin() {
    Push(99, -RtpReorder::kMaxWaitUs);
    order_.Release(0);
    out_.clear();
    times_.clear();
  }

  std::vector<uint16_t> out_;
  std::vector<int64_t> times_;
  RtpReorder order_{[this](ByteSpan packet, int64_t received_us) {
    out_.push_back(ParseRtp(packet)->sequence);
    times_.push_back(received_us);
  }};
};

TEST_F(RtpReorderTest, PacketsInOrderDoNotWait) {
  Begin();
  Push(100, 1);
  Push(101, 2);
  EXPECT_THAT(out_, ElementsAre(100, 101));
  EXPECT_EQ(order_.held(), 0u);
}

TEST_F(RtpReorderTest, APacketThatOvertookWaitsAndKeepsItsOwnTime) {
  Begin();
  Push(101, 5);
  Push(102, 6);
  EXPECT_TRUE(out_.empty());
  Push(100, 7);
  EXPECT_THAT(out_, ElementsAre(100, 101, 102));
  EXPECT_THAT(times_, ElementsAre(7, 5, 6));
}

TEST_F(RtpReorderTest, WhatIsMissingIsGivenUpWhenItsTimeIsUpAndNotBefore) {
  Begin();
  Push(101, 1'000);
  Push(103, 51'000);
  order_.Release(1'000 + RtpReorder::kMaxWaitUs - 1);
  EXPECT_TRUE(out_.empty());
  order_.Release(1'000 + RtpReorder::kMaxWaitUs);
  EXPECT_THAT(out_, ElementsAre(101));
  // The second hole has been known for less long.
  order_.Release(51'000 + RtpReorder::kMaxWaitUs);
  EXPECT_THAT(out_, ElementsAre(101, 103));
}

TEST_F(RtpReorderTest, WhatComesTooLateOrTwiceIsLeftOut) {
  Begin();
  Push(101, 0);
  Push(101, 1);
  order_.Release(RtpReorder::kMaxWaitUs);
  Push(100, RtpReorder::kMaxWaitUs);
  Push(101, RtpReorder::kMaxWaitUs);
  EXPECT_THAT(out_, ElementsAre(101));
  EXPECT_EQ(order_.late(), 3u);
}

TEST_F(RtpReorderTest, TheFirstPacketsMayComeInAnyOrder) {
  Push(12, 0);
  Push(10, 10);
  Push(11, 20);
  order_.Release(RtpReorder::kMaxWaitUs - 1);
  EXPECT_TRUE(out_.empty());
  order_.Release(RtpReorder::kMaxWaitUs);
  EXPECT_THAT(out_, ElementsAre(10, 11, 12));
}

TEST_F(RtpReorderTest, SequenceNumbersWrapWhilePacketsOvertake) {
  Push(65'534, -RtpReorder::kMaxWaitUs);
  order_.Release(0);
  Push(0, 1);
  Push(1, 2);
  Push(65'535, 3);
  EXPECT_THAT(out_, ElementsAre(65'534, 65'535, 0, 1));
}

TEST_F(RtpReorderTest, NoMoreIsHeldThanTheBounds) {
  Begin();
  for (size_t i = 0; i <= RtpReorder::kMaxPackets; ++i) Push(static_cast<uint16_t>(101 + i), 0);
  EXPECT_EQ(out_.size(), RtpReorder::kMaxPackets + 1);  // The hole was given up at the bound.
  out_.clear();
  const Bytes large(60'000, 0x55);
  for (uint16_t i = 0; i < 40; ++i) {
    order_.Push(test::Rtp(static_cast<uint16_t>(900 + i), 0, false, large, 96, 1), 0);
  }
  EXPECT_EQ(out_.size(), 40u);
}

TEST_F(RtpReorderTest, OneWildPacketIsLeftOutAndTwoInARowBeginAnew) {
  Begin();
  Push(100, 0);
  Push(40'000, 1);
  Push(101, 2);
  EXPECT_THAT(out_, ElementsAre(100, 101));
  Push(50'000, 3);
  Push(50'001, 4);
  order_.Release(4 + RtpReorder::kMaxWaitUs);
  EXPECT_THAT(out_, ElementsAre(100, 101, 50'000, 50'001));
}

TEST_F(RtpReorderTest, AnotherSourceFlushesWhatIsHeld) {
  Begin();
  Push(101, 0);
  Push(7, 1, 2);
  EXPECT_THAT(out_, ElementsAre(101));
  order_.Flush();
  EXPECT_THAT(out_, ElementsAre(101, 7));
}

TEST_F(RtpReorderTest, WhatIsNoRtpIsLeftOut) {
  order_.Push(Bytes{}, 0);
  order_.Push(Bytes(12, 0x00), 0);
  order_.Push(Bytes{0x80, 96, 0, 1}, 0);
  order_.Flush();
  EXPECT_TRUE(out_.empty());
}

// Any mix of loss and delay below the bound comes out as what was not lost, in order.
TEST_F(RtpReorderTest, LossAndJitterCostExactlyWhatWasLost) {
  std::random_device device;
  const char* given = std::getenv("LOOKBACK_SEED");
  const uint32_t seed = given ? static_cast<uint32_t>(std::stoul(given)) : device();
  SCOPED_TRACE("LOOKBACK_SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  Begin();
  std::multimap<int64_t, uint16_t> arrivals;
  std::vector<uint16_t> expected;
  constexpr int64_t kSpacingUs = 2'500;
  for (int i = 0; i < 100'000; ++i) {
    const auto sequence = static_cast<uint16_t>(100 + i);
    if (i > 0 && random() % 20 == 0) continue;
    expected.push_back(sequence);
    arrivals.emplace(i * kSpacingUs + random() % 50'000, sequence);
  }
  for (const auto& [at_us, sequence] : arrivals) {
    order_.Release(at_us);
    Push(sequence, at_us);
  }
  order_.Flush();
  EXPECT_THAT(out_, ElementsAreArray(expected));
  EXPECT_EQ(order_.late(), 0u);
}

}  // namespace
}  // namespace lookback::recorder
