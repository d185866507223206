#include "media/nal.h"

#include <gtest/gtest.h>

namespace lookback::media {
namespace {

std::vector<std::string> AnnexB(std::string_view hex) {
  Bytes bytes;
  EXPECT_TRUE(HexDecode(hex, bytes));
  AnnexBReader reader(bytes);
  std::vector<std::string> nals;
  ByteSpan nal;
  while (reader.Next(nal)) nals.push_back(HexEncode(nal));
  return nals;
}

TEST(AnnexBReader, SplitsAtStartCodesOfThreeAndFourBytes) {
  using Nals = std::vector<std::string>;
  EXPECT_EQ(AnnexB("00000001674200000168ce"), (Nals{"6742", "68ce"}));
  EXPECT_EQ(AnnexB("ffff00000165000003010000000001"), (Nals{"6500000301"}));
  EXPECT_EQ(AnnexB("0000010000010000016101"), (Nals{"6101"}));
  EXPECT_EQ(AnnexB("01000001610000"), (Nals{"61"}));
  EXPECT_EQ(AnnexB("6701"), Nals{});
  EXPECT_EQ(AnnexB(""), Nals{});
}

TEST(NalReader, StopsWhereALengthRunsPastTheEnd) {
  Bytes bytes;
  ASSERT_TRUE(HexDecode("000000026742000000000000000968", bytes));
  NalReader reader(bytes);
  ByteSpan nal;
  ASSERT_TRUE(reader.Next(nal));
  EXPECT_EQ(HexEncode(nal), "6742");
  EXPECT_FALSE(reader.Next(nal));
  EXPECT_FALSE(reader.ok());
}

}  // namespace
}  // namespace lookback::media
