#include "media/jpeg.h"

#include "tests/media/test_stream.h"

namespace lookback::media {
namespace {

TEST(Jpeg, TheSizeIsWhatFfmpegWrote) {
  ASSERT_TRUE(test::HasFfmpeg()) << "tools/install brings ffmpeg";
  const test::TemporaryDirectory directory;
  const std::string file = directory.Path("a.jpg");
  for (const char* kind : {"yuvj420p", "yuvj422p"}) {
    ASSERT_EQ(test::Shell("ffmpeg -v error -y -f lavfi -i testsrc=size=326x182 -frames:v 1 "
                          "-pix_fmt " +
                          std::string(kind) + " " + file),
              "");
    const Bytes picture = test::ReadAll(file);
    const auto size = ParseJpegSize(picture);
    ASSERT_TRUE(size) << size.message();
    EXPECT_EQ(size->width, 326);
    EXPECT_EQ(size->height, 182);
    for (size_t cut = 0; cut < 700; ++cut) (void)ParseJpegSize(ByteSpan(picture).first(cut));
  }
}

TEST(Jpeg, FillBytesAreNoSegments) {
  const Bytes picture = {0xff, 0xd8, 0xff, 0xff, 0xff, 0xfe, 0, 2,    0xff, 0xc0, 0,   11,
                         8,    0,    16,   0,    32,   1,    1, 0x11, 0,    0xff, 0xff};
  const auto size = ParseJpegSize(picture);
  ASSERT_TRUE(size);
  EXPECT_EQ(size->width, 32);
  EXPECT_EQ(size->height, 16);
}

TEST(Jpeg, SegmentsAreWholeAndEndWithTheScan) {
  const Bytes segments = {0xff, 0xfe, 0, 3, 'a', 0xff, 0xda, 0, 2, 1, 2, 3};
  JpegSegmentReader reader(segments);
  JpegSegmentReader::Segment segment;
  ASSERT_TRUE(reader.Next(segment));
  EXPECT_EQ(segment.marker, JpegMarker::kComment);
  EXPECT_EQ(AsText(segment.body), "a");
  EXPECT_EQ(Bytes(segment.whole.begin(), segment.whole.end()), (Bytes{0xff, 0xfe, 0, 3, 'a'}));
  ASSERT_TRUE(reader.Next(segment));
  EXPECT_EQ(segment.marker, JpegMarker::kStartOfScan);
  EXPECT_FALSE(reader.Next(segment));
  EXPECT_TRUE(reader.ok());
}

TEST(Jpeg, NonsenseIsCorrupt) {
  for (const Bytes& bytes : std::vector<Bytes>{{},
                                               {0xff},
                                               {0xff, 0xd8},
                                               {0xff, 0xd8, 0xff, 0xd9},
                                               {0xff, 0xd8, 0, 0, 0, 0},
                                               {0xff, 0xd8, 0xff, 0xc0, 0, 1},
                                               {0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, 0, 16},
                                               {0xff, 0xd8, 0xff, 0xc0, 0, 7, 8, 0, 0, 0, 1}}) {
    EXPECT_EQ(ParseJpegSize(bytes).code(), Code::kCorrupt);
  }
}

}  // namespace
}  // namespace lookback::media
