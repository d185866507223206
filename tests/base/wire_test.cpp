#include "base/wire.h"

#include <gtest/gtest.h>

#include <limits>

namespace lookback {
namespace {

TEST(Wire, AgreesWithTheProtobufDocumentation) {
  // protobuf.dev/programming-guides/encoding: field 1 = 150; field 2 = "testing".
  Bytes out;
  WireWriter writer(out);
  writer.Unsigned(1, 150);
  writer.Text(2, "testing");
  EXPECT_EQ(HexEncode(out), "0896011207" + HexEncode(AsBytes("testing")));
}

TEST(Wire, ReadsWhatItWritesAndSkipsWhatItDoesNotKnow) {
  Bytes out;
  WireWriter writer(out);
  writer.Signed(1, -1);
  writer.Text(2, "unknown to the reader");
  writer.Signed(3, std::numeric_limits<int64_t>::min());
  writer.Unsigned(4, std::numeric_limits<uint64_t>::max());
  writer.Unsigned(5, 0);
  WireReader reader(out);
  ASSERT_TRUE(reader.Next());
  EXPECT_EQ(reader.Signed(), -1);
  ASSERT_TRUE(reader.Next());
  ASSERT_TRUE(reader.Next());
  EXPECT_EQ(reader.Signed(), std::numeric_limits<int64_t>::min());
  ASSERT_TRUE(reader.Next());
  EXPECT_EQ(reader.field(), 4u);
  EXPECT_EQ(reader.Unsigned(), std::numeric_limits<uint64_t>::max());
  EXPECT_FALSE(reader.Next());
  EXPECT_TRUE(reader.ok());
}

TEST(Wire, EveryPrefixAndEveryFlippedBitIsReadWithinBounds) {
  Bytes out;
  WireWriter writer(out);
  writer.Unsigned(1, 1'234'567);
  writer.Text(2, "text");
  writer.Signed(300, -7);
  const auto walk = [](ByteSpan bytes) {
    WireReader reader(bytes);
    size_t fields = 0;
    while (reader.Next()) ++fields;
    return fields;
  };
  for (size_t n = 0; n <= out.size(); ++n) EXPECT_LE(walk(ByteSpan(out).first(n)), 3u);
  for (size_t bit = 0; bit < out.size() * 8; ++bit) {
    Bytes bad = out;
    bad[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
    walk(bad);
  }
}

TEST(Wire, AFieldOfAnotherTypeIsAnErrorNotAGuess) {
  Bytes out;
  WireWriter(out).Text(1, "x");
  WireReader reader(out);
  ASSERT_TRUE(reader.Next());
  EXPECT_EQ(reader.Unsigned(), 0u);
  EXPECT_FALSE(reader.ok());
}

}  // namespace
}  // namespace lookback
