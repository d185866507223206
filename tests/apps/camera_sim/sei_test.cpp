#include "apps/camera_sim/sei.h"

#include <gtest/gtest.h>

#include <random>

#include "apps/camera_sim/nal.h"

namespace lookback::camera_sim {
namespace {

// Whether a byte string could be mistaken for a start code (ISO/IEC 14496-10, 7.4.1).
bool HasForbiddenSequence(ByteSpan nal) {
  for (size_t i = 0; i + 2 < nal.size(); ++i) {
    if (nal[i] == 0 && nal[i + 1] == 0 && nal[i + 2] < 3) return true;
  }
  return false;
}

TEST(Sei, InH265TheSameMessageStandsInAPrefixSeiNal) {
  const Mark mark{"cam1", 0x0000030000000001, 5};
  const Bytes h264 = BuildMarkNal(mark);
  const Bytes h265 = BuildMarkNal(mark, VideoCodec::kH265);
  EXPECT_EQ(HexEncode(h265), "4e01" + HexEncode(ByteSpan(h264).subspan(1)));
  EXPECT_EQ(ParseMarkNal(h265, VideoCodec::kH265), mark);
  EXPECT_EQ(ParseMarkNal(h265), std::nullopt);
  EXPECT_EQ(ParseMarkNal(h264, VideoCodec::kH265), std::nullopt);
  EXPECT_EQ(ParseMarkNal(Bytes{0x4e}, VideoCodec::kH265), std::nullopt);
}

TEST(Sei, InJpegItIsACommentInFrontOfTheEndOfImage) {
  const Mark mark{"cam1", 7, 9};
  const Bytes comment = BuildMarkComment(mark);
  EXPECT_EQ(HexEncode(ByteSpan(comment).first(4)), "fffe0028");  // 2 + 16 + 1 + 8 + 8 + 1 + 4.
  Bytes picture(5'000, 0x11);
  picture.insert(picture.end(), comment.begin(), comment.end());
  picture.insert(picture.end(), {0xff, 0xd9});
  EXPECT_EQ(ParseMarkedPicture(picture), mark);
  EXPECT_EQ(ParseMarkedPicture(ByteSpan(picture).first(5'020)), std::nullopt);
  EXPECT_EQ(ParseMarkedPicture({}), std::nullopt);
}

TEST(Sei, MarkNalIsTheDocumentedBytes) {
  const Bytes nal = BuildMarkNal({"cam1", 0xff, 0x0006123456789abc});
  // Worked by hand: 38 (0x26) bytes of payload are 34 and the id's four; an 03 goes after every two
  // zeros that a byte below 4 follows, so the frame's seven zeros have three of them.
  EXPECT_EQ(HexEncode(nal),
            "060526"
            "6c6f6f6b6261636b2d73696d2d736569"
            "01"
            "0000030000030000"
            "0300ff"
            "0006123456789abc"
            "04"
            "63616d31"
            "80");
}

TEST(Sei, MarksSurviveEmulationPrevention) {
  std::mt19937_64 random(20260504);
  for (int i = 0; i < 5'000; ++i) {
    // Few distinct byte values, so that every pattern of zeros and small bytes comes up.
    const auto draw = [&random] {
      uint64_t value = 0;
      for (int byte = 0; byte < 8; ++byte) value = value << 8 | random() % 5;
      return value;
    };
    const Mark mark{std::string(1 + random() % kMarkCameraMaxBytes, 'c'), draw(),
                    static_cast<TimeUs>(draw())};
    const Bytes nal = BuildMarkNal(mark);
    ASSERT_FALSE(HasForbiddenSequence(nal)) << HexEncode(nal);
    ASSERT_EQ(ParseMarkNal(nal), mark) << HexEncode(nal);
  }
}

TEST(Sei, EscapedBytesNeverLookLikeAStartCode) {
  const Bytes zeros(64, 0);
  EXPECT_FALSE(HasForbiddenSequence(Escape(zeros)));
  EXPECT_EQ(Unescape(Escape(zeros)), zeros);
  // 00 00 03 in the payload is escaped as well, or a decoder would drop the 03.
  EXPECT_EQ(Escape(Bytes{0, 0, 3, 0, 0, 1}), (Bytes{0, 0, 3, 3, 0, 0, 3, 1}));
}

TEST(Sei, OtherMessagesBesideTheMarkAreSkipped) {
  const Mark mark{"north-gate", 77, 1'777'888'999'000'111};
  const Bytes nal = BuildMarkNal(mark);
  // A message of type 300 with 260 bytes before it: both need a continuation byte.
  Bytes joined = {6, 0xff, 45, 0xff, 5};
  joined.insert(joined.end(), 260, 0x55);
  joined.insert(joined.end(), nal.begin() + 1, nal.end());
  EXPECT_EQ(ParseMarkNal(joined), mark);
}

TEST(Sei, ForeignOrTornBytesAreNoMark) {
  const Bytes nal = BuildMarkNal({"cam1", 1, 2});
  for (size_t length = 0; length + 2 < nal.size(); ++length) {
    EXPECT_EQ(ParseMarkNal(ByteSpan(nal).first(length)), std::nullopt) << length;
  }
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    Bytes noise(random() % 80);
    for (uint8_t& byte : noise) byte = static_cast<uint8_t>(random());
    if (!noise.empty()) noise[0] = kNalSei;
    EXPECT_EQ(ParseMarkNal(noise), std::nullopt);
  }
  Bytes foreign = nal;
  foreign[5] ^= 1;  // In the UUID.
  EXPECT_EQ(ParseMarkNal(foreign), std::nullopt);
}

TEST(Nal, BothFormsOfASampleSplitIntoTheSameUnits) {
  const Bytes annex_b = {0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 1, 0x65, 4, 0, 5, 0, 0};
  const Bytes prefixed = {0, 3, 0x67, 1, 2, 0, 2, 0x68, 3, 0, 4, 0x65, 4, 0, 5};
  const auto a = SplitAnnexB(annex_b);
  const auto b = SplitLengthPrefixed(prefixed, 2);
  ASSERT_TRUE(b);
  ASSERT_EQ(a.size(), 3u);
  ASSERT_EQ(b->size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(HexEncode(a[i]), HexEncode((*b)[i]));
}

TEST(Nal, ALengthPastItsSampleIsCorrupt) {
  EXPECT_EQ(SplitLengthPrefixed(Bytes{0, 0, 0, 9, 0x65}, 4).error().code, Code::kCorrupt);
  EXPECT_EQ(SplitLengthPrefixed(Bytes{0xff, 0xff, 0xff, 0xff, 0x65}, 4).error().code,
            Code::kCorrupt);
  EXPECT_EQ(SplitLengthPrefixed(Bytes{0, 0}, 4).error().code, Code::kCorrupt);
  EXPECT_TRUE(SplitAnnexB(Bytes{0, 0, 1}).empty());
  EXPECT_TRUE(SplitAnnexB({}).empty());
}

}  // namespace
}  // namespace lookback::camera_sim
