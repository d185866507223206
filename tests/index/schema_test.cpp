#include "index/schema.h"

#include <gtest/gtest.h>

#include <random>

#include "base/bytes.h"

namespace lookback::index::schema {
namespace {

StreamId Gate(Stream stream = Stream::kMain) { return {*CameraId::Parse("gate"), stream}; }

TEST(Schema, TheDocumentedExampleIsTrue) {
  const SegmentKey key{Gate(), *ParseTime("2026-05-04T14:00:00Z"), 7, 0};
  EXPECT_EQ(HexEncode(AsBytes(SegmentKeyBytes(key))),
            "67617465"
            "00"
            "00"
            "000650fe58ae5800"
            "00000007"
            "00000000");
  DayTotals hours{};
  hours[14] = {60, 1'000, kUsPerHour, 0, kUsPerHour, kUsPerHour};
  EXPECT_EQ(HexEncode(AsBytes(DayKey(Gate(), HourOf(key.start_us) / kHoursADay))),
            "67617465"
            "00"
            "00"
            "00005061");
  EXPECT_EQ(HexEncode(AsBytes(DayValue(hours))), "0e3ce80700000000");
}

TEST(Schema, HoursReadBackAndNothingElseIsRead) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 200; ++i) {
    DayTotals hours{};
    for (FootageTotals& totals : hours) {
      if (random() % 3 == 0) continue;
      const auto below = [&random](int64_t limit) {
        return static_cast<int64_t>(random() % static_cast<uint64_t>(limit + 1));
      };
      totals.segments = 1 + random() % 4'000;
      totals.bytes = random() >> random() % 64;
      totals.covered_us = below(kUsPerHour);
      totals.thinned_us = below(totals.covered_us);
      totals.summed_us = totals.covered_us + below(5 * kUsPerHour);
      totals.last_end_us = below(kUsPerHour);
    }
    const std::string value = DayValue(hours);
    DayTotals read;
    ASSERT_EQ(ParseDayValue(value, read), !value.empty());
    EXPECT_EQ(read, hours);
    for (size_t at = 0; at < value.size(); ++at) {
      std::string bent = value;
      bent[at] = static_cast<char>(random());
      // What is read of it is what would be written.
      if (ParseDayValue(bent, read)) {
        ASSERT_TRUE(DayValue(read) == bent) << HexEncode(AsBytes(bent));
      }
      if (ParseDayValue(value.substr(0, at), read)) {
        ASSERT_TRUE(DayValue(read) == value.substr(0, at)) << HexEncode(AsBytes(value));
      }
    }
  }
}

TEST(Schema, ByteOrderIsTheOrderOfCameraStreamAndTime) {
  std::mt19937_64 random(1);
  const char* cameras[] = {"a", "a-1", "a1", "b", "gate", "gate-2"};
  std::vector<SegmentKey> keys;
  for (int i = 0; i < 500; ++i) {
    keys.push_back({{*CameraId::Parse(cameras[random() % 6]), static_cast<Stream>(random() % 2)},
                    static_cast<TimeUs>(random() % kTimeMaxUs),
                    static_cast<uint32_t>(random()),
                    static_cast<uint32_t>(random())});
  }
  for (const SegmentKey& a : keys) {
    for (const SegmentKey& b : keys) {
      EXPECT_EQ(a < b, SegmentKeyBytes(a) < SegmentKeyBytes(b));
    }
  }
}

TEST(Schema, GapAndMarkerKeysReadBack) {
  const Gap gap{Gate(Stream::kSub), {1'000'000, 9'000'000}, GapCause::kNetwork, ""};
  Gap read;
  ASSERT_TRUE(ParseGapKey(GapKey(gap), read));
  EXPECT_EQ(read.stream, gap.stream);
  EXPECT_EQ(read.range, gap.range);
  EXPECT_EQ(read.cause, gap.cause);

  const Marked marked{*CameraId::Parse("gate"), true, {5, 4'000'000'000}, 77, Uuid::Random()};
  Marked back;
  ASSERT_TRUE(ParseMarked(MarkedKey(marked), MarkedValue(marked), back));
  EXPECT_EQ(back.camera, marked.camera);
  EXPECT_EQ(back.hold, marked.hold);
  EXPECT_EQ(back.range, marked.range);
  EXPECT_EQ(back.expires_us, marked.expires_us);
  EXPECT_EQ(back.id, marked.id);
}

TEST(Schema, MalformedKeysAreRefused) {
  Gap gap;
  Marked marked;
  StreamId stream;
  for (const std::string& key :
       {std::string(), std::string("gate"), std::string("gate\0", 5), std::string("GATE\0\0", 6),
        std::string("gate\0\x07", 6), std::string("gate\0\0\0\0", 8)}) {
    EXPECT_FALSE(ParseGapKey(key, gap));
    EXPECT_FALSE(ParseMarked(key, "", marked));
  }
  EXPECT_FALSE(ParseStreamPrefix(std::string("gate\0\0x", 7), stream));
}

}  // namespace
}  // namespace lookback::index::schema
