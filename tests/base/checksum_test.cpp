#include "base/checksum.h"

#include <gtest/gtest.h>

#include <string>

namespace lookback {
namespace {

TEST(Checksum, Sha256AgreesWithFips180) {
  EXPECT_EQ(HexEncode(Sha256(AsBytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(HexEncode(Sha256({})),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Checksum, Xxh3AgreesWithXxhsum) {
  // printf abc | xxhsum -H3 and -H128
  Bytes out;
  ByteWriter(out).U64(Xxh3_64(AsBytes("abc")));
  EXPECT_EQ(HexEncode(out), "78af5f94892f3950");
  EXPECT_EQ(HexEncode(Xxh3_128(AsBytes("abc"))), "06b05ab6733a618578af5f94892f3950");
}

TEST(Checksum, DoesNotDependOnHowTheBytesWereCut) {
  std::string text;
  for (int i = 0; i < 5'000; ++i) text += std::to_string(i);
  for (const size_t step : {1u, 7u, 240u, 4'096u}) {
    Xxh64Hasher h64;
    Xxh128Hasher h128;
    Sha256Hasher sha;
    for (size_t at = 0; at < text.size(); at += step) {
      const ByteSpan piece = AsBytes(std::string_view(text).substr(at, step));
      h64.Update(piece);
      h128.Update(piece);
      sha.Update(piece);
    }
    EXPECT_EQ(h64.Digest(), Xxh3_64(AsBytes(text)));
    EXPECT_EQ(h128.Digest(), Xxh3_128(AsBytes(text)));
    EXPECT_EQ(sha.Finish(), Sha256(AsBytes(text)));
  }
}

}  // namespace
}  // namespace lookback
