#include "base/bytes.h"

#include <gtest/gtest.h>

namespace lookback {
namespace {

TEST(Bytes, IntegersAreBigEndian) {
  Bytes out;
  ByteWriter writer(out);
  writer.U8(1);
  writer.U16(0x0203);
  writer.U24(0x040506);
  writer.U32(0x0708090a);
  writer.I64(-2);
  EXPECT_EQ(HexEncode(out), "0102030405060708090afffffffffffffffe");
  writer.PatchU32(0, 0xdeadbeef);
  EXPECT_EQ(HexEncode(out).substr(0, 8), "deadbeef");
  ByteReader reader(out);
  EXPECT_EQ(reader.U32(), 0xdeadbeefu);
  reader.Skip(6);
  EXPECT_EQ(reader.I64(), -2);
  EXPECT_TRUE(reader.ok());
}

TEST(Bytes, AShortReadStaysFailedAndGivesZeros) {
  const Bytes three{1, 2, 3};
  ByteReader reader(three);
  EXPECT_EQ(reader.U32(), 0u);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.U8(), 0u);
  EXPECT_TRUE(reader.Take(1).empty());
  EXPECT_FALSE(reader.ok());
}

TEST(Bytes, HugeCountsDoNotWrapAround) {
  const Bytes three{1, 2, 3};
  ByteReader reader(three);
  reader.U8();
  EXPECT_TRUE(reader.Take(SIZE_MAX).empty());
  EXPECT_FALSE(reader.ok());
}

TEST(Bytes, Base64AgreesWithRfc4648) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : vectors) {
    EXPECT_EQ(Base64Encode(AsBytes(plain)), coded);
    Bytes out;
    ASSERT_TRUE(Base64Decode(coded, out)) << coded;
    EXPECT_EQ(AsText(out), plain);
  }
  Bytes out;
  EXPECT_TRUE(Base64Decode("Zg", out));
  EXPECT_FALSE(Base64Decode("Z", out));
  EXPECT_FALSE(Base64Decode("Zm9v!", out));
}

TEST(Bytes, HexRefusesWhatIsNotHex) {
  Bytes out;
  EXPECT_TRUE(HexDecode("00fFa1", out));
  EXPECT_EQ(out, (Bytes{0, 0xff, 0xa1}));
  EXPECT_FALSE(HexDecode("0", out));
  EXPECT_FALSE(HexDecode("0g", out));
}

}  // namespace
}  // namespace lookback
