#include "media/bmff.h"

#include <gtest/gtest.h>

namespace lookback::media {
namespace {

Bytes Hex(std::string_view text) {
  Bytes bytes;
  EXPECT_TRUE(HexDecode(text, bytes));
  return bytes;
}

TEST(BoxScope, FillsInSizesOfNestedBoxes) {
  Bytes bytes;
  ByteWriter out(bytes);
  {
    const BoxScope outer(out, "moof");
    const BoxScope inner(out, "mfhd", 0, 0x010203);
    out.U32(7);
  }
  EXPECT_EQ(HexEncode(bytes), "000000186d6f6f66000000106d6668640001020300000007");
}

TEST(BoxReader, WalksShortLongAndUuidBoxes) {
  const Bytes bytes =
      Hex("0000000966726565aa"
          "000000016d64617400000000000000120102"
          "0000001975756964000102030405060708090a0b0c0d0e0f55");
  BoxReader boxes(bytes);
  Box box;
  ASSERT_TRUE(boxes.Next(box));
  EXPECT_EQ(box.type, MakeFourCc("free"));
  EXPECT_EQ(box.body.size(), 1u);
  ASSERT_TRUE(boxes.Next(box));
  EXPECT_EQ(box.offset, 9u);
  EXPECT_EQ(box.size, 18u);
  EXPECT_EQ(HexEncode(box.body), "0102");
  ASSERT_TRUE(boxes.Next(box));
  EXPECT_EQ(box.extended_type.text(), "00010203-0405-0607-0809-0a0b0c0d0e0f");
  EXPECT_EQ(HexEncode(box.body), "55");
  EXPECT_FALSE(boxes.Next(box));
  EXPECT_TRUE(boxes.ok());
}

TEST(BoxReader, SizeZeroReachesToTheEndOfAFileOnly) {
  const Bytes bytes = Hex("000000006d646174010203");
  Box box;
  BoxReader file(bytes, BoxLevel::kFile);
  ASSERT_TRUE(file.Next(box));
  EXPECT_EQ(box.body.size(), 3u);
  EXPECT_FALSE(file.Next(box));
  EXPECT_TRUE(file.ok());
  BoxReader inside(bytes);
  EXPECT_FALSE(inside.Next(box));
  EXPECT_FALSE(inside.ok());
}

TEST(BoxReader, EndsAtASizeThatContradictsItsParent) {
  for (const char* bad : {"00000007667265", "0000000766726565", "0000000a66726565aa",
                          "00000001667265650000000000000008", "0000000166726565ffffffffffffffff",
                          "0000001075756964000102030405060708090a0b0c0d0e0f", "00"}) {
    const Bytes bytes = Hex(bad);
    BoxReader boxes(bytes);
    Box box;
    EXPECT_FALSE(boxes.Next(box)) << bad;
    EXPECT_FALSE(boxes.ok()) << bad;
    EXPECT_FALSE(boxes.Next(box)) << bad;
  }
}

}  // namespace
}  // namespace lookback::media
