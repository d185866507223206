#include "recorder/jpeg_depacketizer.h"

#include <gmock/gmock.h>

#include "media/fragment.h"
#include "recorder/jpeg_headers.h"
#include "tests/recorder/packets.h"
#include "tests/support/shell.h"

namespace lookback::recorder {
namespace {

// A picture as RFC 2435 takes it apart.
struct Parts {
  uint8_t type = 1;  // 0: 4:2:2; 1: 4:2:0.
  uint16_t width = 0;
  uint16_t height = 0;
  uint16_t restart_interval = 0;
  Bytes tables;
  Bytes frame_segment;
  Bytes scan;  // Behind the start of scan, end of image and all.
};

Parts TakeApart(const Bytes& picture) {
  Parts parts;
  media::JpegSegmentReader reader(ByteSpan(picture).subspan(2));
  media::JpegSegmentReader::Segment segment;
  while (reader.Next(segment)) {
    const ByteSpan body = segment.body;
    switch (segment.marker) {
      case media::JpegMarker::kQuantizationTables:
        for (size_t at = 0; at + 65 <= body.size(); at += 65) {
          parts.tables.insert(parts.tables.end(), body.begin() + static_cast<ptrdiff_t>(at) + 1,
                              body.begin() + static_cast<ptrdiff_t>(at) + 65);
        }
        break;
      case media::JpegMarker::kStartOfFrame:
        parts.height = static_cast<uint16_t>(body[1] << 8 | body[2]);
        parts.width = static_cast<uint16_t>(body[3] << 8 | body[4]);
        parts.type = body[7] == 0x21 ? 0 : 1;
        parts.frame_segment.assign(segment.whole.begin(), segment.whole.end());
        break;
      case media::JpegMarker::kRestartInterval:
        parts.restart_interval = static_cast<uint16_t>(body[0] << 8 | body[1]);
        break;
      case media::JpegMarker::kStartOfScan:
        parts.scan.assign(picture.begin() + (body.data() + body.size() - picture.data()),
                          picture.end());
        break;
      default:
        break;
    }
  }
  return parts;
}

class Jpeg : public testing::Test {
 protected:
  // §3.1: the main header, that of restart markers, that of the tables.
  static Bytes Payload(const Parts& parts, uint8_t quality, size_t from, size_t bytes) {
    Bytes payload;
    ByteWriter out(payload);
    out.U8(0);
    out.U24(static_cast<uint32_t>(from));
    out.U8(static_cast<uint8_t>(parts.type + (parts.restart_interval > 0 ? 64 : 0)));
    out.U8(quality);
    out.U8(static_cast<uint8_t>(parts.width > 2040 ? 0 : (parts.width + 7) / 8));
    out.U8(static_cast<uint8_t>(parts.height > 2040 ? 0 : (parts.height + 7) / 8));
    if (parts.restart_interval > 0) {
      out.U16(parts.restart_interval);
      out.U16(0xffff);
    }
    if (from == 0 && quality >= 128) {
      out.U16(0);
      out.U16(static_cast<uint16_t>(parts.tables.size()));
      out.Raw(parts.tables);
    }
    const size_t end = std::min(from + bytes, parts.scan.size());
    out.Raw(ByteSpan(parts.scan).subspan(from, end - from));
    return payload;
  }
  void Push(int64_t time, bool marker, const Bytes& payload, uint32_t lost = 0,
            const Bytes& extension = {}) {
    RtpPacket packet;
    packet.marker = marker;
    packet.payload = payload;
    packet.extension = extension;
    packet.extension_profile = extension.empty() ? 0 : 0xffd8;
    depacketizer_.Push(packet, {time, ++now_us_, lost});
  }
  void PushPicture(int64_t time, const Parts& parts, uint8_t quality, const Bytes& extension = {},
                   size_t step = 1'000) {
    for (size_t at = 0; at < parts.scan.size(); at += step) {
      const bool last = at + step >= parts.scan.size();
      Push(time, last, Payload(parts, quality, at, step), 0, at == 0 ? extension : Bytes());
    }
  }
  // Made by ffmpeg, in a size of whole 8 by 8 blocks.
  Bytes Make(const std::string& options, const std::string& size = "320x176") {
    const std::string file = directory_.Path("made.jpg");
    EXPECT_EQ(test::Shell("ffmpeg -v error -y -f lavfi -i testsrc2=size=" + size +
                          " -frames:v 1 -huffman default " + options + " " + file),
              "");
    return test::ReadAll(file);
  }
  std::string PixelHash(const Bytes& picture) {
    return test::Shell("ffmpeg -v warning -f mjpeg -i " + directory_.Write("hash.jpg", picture) +
                       " -f hash -hash md5 -");
  }
  static Parts Small() {
    Parts parts;
    parts.width = 16;
    parts.height = 16;
    parts.tables.assign(128, 1);
    parts.scan.assign(2'500, 0x11);
    return parts;
  }
  const std::vector<media::Sample>& samples() const { return list_.samples; }

  test::TemporaryDirectory directory_;
  int64_t now_us_ = 0;
  test::SampleList list_;
  JpegDepacketizer depacketizer_{RtpFormat{}, list_};
};

TEST_F(Jpeg, PicturesDecodeToThePixelsThatWereSent) {
  ASSERT_TRUE(test::HasFfmpeg()) << "tools/install brings ffmpeg";
  int64_t time = 0;
  for (const char* quantizer : {"2", "9", "31"}) {
    const Bytes picture = Make(std::string("-pix_fmt yuvj420p -q:v ") + quantizer);
    const Parts parts = TakeApart(picture);
    PushPicture(time += 90, parts, 255);
    ASSERT_EQ(samples().size(), static_cast<size_t>(time / 90));
    const media::Sample& sample = samples().back();
    EXPECT_EQ(sample.sync, media::Sync::kClosed);
    EXPECT_EQ(sample.pts, time);
    EXPECT_FALSE(sample.damaged);
    EXPECT_EQ(PixelHash(sample.data), PixelHash(picture)) << quantizer;
    EXPECT_EQ(TakeApart(sample.data).scan, parts.scan);
  }
}

// §4.1: sampling factors of 2:1 and 1:1 in type 0, of 2:2 and 1:1 in type 1.
TEST_F(Jpeg, TypesSayHowChrominanceIsSampled) {
  Parts parts = Small();
  for (const uint8_t type : {0, 1}) {
    parts.type = type;
    PushPicture(90 + type, parts, 50);
    const Bytes frame = TakeApart(samples().back().data).frame_segment;
    EXPECT_EQ(frame, (Bytes{0xff, 0xc0, 0, 17, 8, 0, 16, 0, 16, 3,  //
                            1, static_cast<uint8_t>(0x21 + type), 0, 2, 0x11, 1, 3, 0x11, 1}));
  }
}

// ISO/IEC 10918-1 tables K.1 and K.2, and how libjpeg scales them.
TEST_F(Jpeg, TablesOfAQualityAreComputed) {
  const auto base = JpegTablesOfQuality(50);
  EXPECT_THAT(std::vector<int>(base.begin(), base.begin() + 10),
              testing::ElementsAre(16, 11, 12, 14, 12, 10, 16, 14, 13, 14));
  EXPECT_THAT(std::vector<int>(base.begin() + 64, base.begin() + 70),
              testing::ElementsAre(17, 18, 18, 24, 21, 24));
  const auto fine = JpegTablesOfQuality(90);  // A fifth: 16 -> 3.2, 11 -> 2.2, 99 -> 19.8.
  EXPECT_EQ(fine[0], 3);
  EXPECT_EQ(fine[1], 2);
  EXPECT_EQ(fine[127], 20);
  EXPECT_EQ(JpegTablesOfQuality(99)[0], 1);   // Never 0,
  EXPECT_EQ(JpegTablesOfQuality(1)[0], 255);  // nor above a byte.
  Parts parts = Small();
  PushPicture(90, parts, 50);
  ASSERT_EQ(samples().size(), 1u);
  EXPECT_EQ(TakeApart(samples()[0].data).tables, Bytes(base.begin(), base.end()));
}

TEST_F(Jpeg, TablesThatCameOnceHoldUntilOthersCome) {
  Parts parts = Small();
  PushPicture(90, parts, 200);
  const Bytes tables = std::exchange(parts.tables, Bytes());
  PushPicture(180, parts, 200);
  ASSERT_EQ(samples().size(), 2u);
  EXPECT_EQ(TakeApart(samples()[1].data).tables, tables);
  PushPicture(270, parts, 201);  // Of which none ever came.
  PushPicture(360, parts, 255);  // Which holds for one picture only.
  EXPECT_EQ(samples().size(), 2u);
}

TEST_F(Jpeg, OneTableIsForAllComponents) {
  Parts parts = Small();
  parts.tables.resize(64);
  PushPicture(90, parts, 255);
  ASSERT_EQ(samples().size(), 1u);
  EXPECT_EQ(TakeApart(samples()[0].data).tables, Bytes(128, 1));
}

TEST_F(Jpeg, RestartIntervalsAreDeclared) {
  Parts parts = Small();
  parts.restart_interval = 20;
  PushPicture(90, parts, 60);
  ASSERT_EQ(samples().size(), 1u);
  EXPECT_EQ(TakeApart(samples()[0].data).restart_interval, 20);
}

// ONVIF Streaming Specification, JPEG over RTP: the header says 0, the extension has the frame
// header.
TEST_F(Jpeg, PicturesAbove2040PixelsTakeTheirSizeFromTheExtension) {
  ASSERT_TRUE(test::HasFfmpeg()) << "tools/install brings ffmpeg";
  const Bytes picture = Make("-pix_fmt yuvj420p -q:v 31", "2560x1440");
  const Parts parts = TakeApart(picture);
  Bytes extension = parts.frame_segment;
  while (extension.size() % 4 != 0) extension.push_back(0xff);
  PushPicture(90, parts, 255, extension, 60'000);
  ASSERT_EQ(samples().size(), 1u);
  EXPECT_EQ(PixelHash(samples()[0].data), PixelHash(picture));
  PushPicture(180, parts, 255, {}, 60'000);  // Without it nobody knows the size.
  EXPECT_EQ(samples().size(), 1u);
}

// ISO/IEC 10918-1 table B.1: 0xc2 is progressive, 0xc9 arithmetic-coded.
TEST_F(Jpeg, AnExtensionWithAnotherOrASecondFrameHeaderMakesNoSample) {
  const Parts parts = Small();
  const Bytes body = {0, 17, 8, 0, 16, 0, 16, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1};
  const auto frame = [&body](uint8_t marker) {
    Bytes segment = {0xff, marker};
    segment.insert(segment.end(), body.begin(), body.end());
    return segment;
  };
  for (const uint8_t marker : {0xc2, 0xc9}) PushPicture(90 + marker, parts, 50, frame(marker));
  Bytes two = frame(0xc0);
  const Bytes second = frame(0xc9);
  two.insert(two.end(), second.begin(), second.end());
  PushPicture(900, parts, 50, two);
  EXPECT_TRUE(samples().empty());
  PushPicture(990, parts, 50, frame(0xc0));
  ASSERT_EQ(samples().size(), 1U);
  EXPECT_EQ(TakeApart(samples().back().data).frame_segment, frame(0xc0));
}

TEST_F(Jpeg, TheDescriptionMayGiveTheSizeInstead) {
  RtpFormat format;
  format.config.width = 3'840;
  format.config.height = 2'160;
  JpegDepacketizer depacketizer(format, list_);
  Parts parts = Small();
  parts.width = 3'840;
  parts.height = 2'160;
  const Bytes payload = Payload(parts, 50, 0, 5'000);
  RtpPacket packet;
  packet.marker = true;
  packet.payload = payload;
  depacketizer.Push(packet, {90, 1, 0});
  ASSERT_EQ(samples().size(), 1u);
  EXPECT_EQ(TakeApart(samples()[0].data).width, 3'840);
}

TEST_F(Jpeg, APictureThatLostAPacketIsLeftOutAndTheNextIsMarked) {
  const Parts parts = Small();
  Push(90, false, Payload(parts, 50, 0, 1'000));
  Push(90, true, Payload(parts, 50, 2'000, 1'000), 1);
  EXPECT_TRUE(samples().empty());
  PushPicture(180, parts, 50);
  PushPicture(270, parts, 50);
  ASSERT_EQ(samples().size(), 2u);
  EXPECT_TRUE(samples()[0].damaged);
  EXPECT_EQ(samples()[0].lost_packets, 1u);
  EXPECT_FALSE(samples()[1].damaged);
}

TEST_F(Jpeg, AGapInTheOffsetsIsALossThatNobodyCounted) {
  const Parts parts = Small();
  Push(90, false, Payload(parts, 50, 0, 1'000));
  Push(90, true, Payload(parts, 50, 2'000, 1'000));
  EXPECT_TRUE(samples().empty());
  PushPicture(180, parts, 50);
  ASSERT_EQ(samples().size(), 1u);
  EXPECT_TRUE(samples()[0].damaged);
}

TEST_F(Jpeg, WithoutMarkerTheTimestampEndsAPicture) {
  const Parts parts = Small();
  Push(90, false, Payload(parts, 50, 0, 5'000));
  Push(180, false, Payload(parts, 50, 0, 5'000));
  ASSERT_EQ(samples().size(), 1u);
  EXPECT_EQ(samples()[0].pts, 90);
  Push(270, true, Payload(parts, 50, 0, 5'000), 1);  // Perhaps the rest of that of 180.
  ASSERT_EQ(samples().size(), 2u);
  EXPECT_EQ(samples()[1].pts, 270);
  EXPECT_TRUE(samples()[1].damaged);
}

TEST_F(Jpeg, TheEndOfImageIsThereOnce) {
  Parts parts = Small();
  PushPicture(90, parts, 50);
  parts.scan.insert(parts.scan.end(), {0xff, 0xd9});
  PushPicture(180, parts, 50);
  ASSERT_EQ(samples().size(), 2u);
  EXPECT_EQ(samples()[0].data, samples()[1].data);
}

TEST_F(Jpeg, FieldsAndWhatIsReservedMakeNoSample) {
  Parts parts = Small();
  Bytes field = Payload(parts, 50, 0, 5'000);
  field[0] = 1;
  Push(90, true, field);
  for (const uint8_t quality : {0, 100, 127}) Push(90, true, Payload(parts, quality, 0, 5'000));
  for (const uint8_t type : {2, 63, 128}) {
    parts.type = type;
    Push(90, true, Payload(parts, 50, 0, 5'000));
  }
  EXPECT_TRUE(samples().empty());
}

TEST_F(Jpeg, NonsenseMakesNoSample) {
  const Bytes good = Payload(Small(), 255, 0, 10);
  for (size_t cut = 0; cut < good.size() - 10; ++cut) {
    Push(90, true, Bytes(good.begin(), good.begin() + static_cast<ptrdiff_t>(cut)));
  }
  Bytes wide = good;
  wide[9] = 1;  // Tables of 16 bits.
  Push(90, true, wide);
  Push(90, true, good, 0, {0xff, 0xc0, 0, 4, 1, 2});               // A frame header cut short.
  Push(90, true, good, 0, {0xff, 0xc0, 0, 8, 8, 0, 8, 0, 8, 77});  // Of 77 components.
  EXPECT_TRUE(samples().empty());
}

TEST_F(Jpeg, APictureWithoutEndIsLeftOut) {
  Parts parts = Small();
  parts.scan.assign(60'000, 0x22);
  Push(90, false, Payload(parts, 50, 0, 60'000));
  Bytes piece = Payload(parts, 50, 0, 60'000);
  for (size_t at = 60'000; at < 2 * media::kMaxSampleBytes && at < 1 << 24; at += 60'000) {
    piece[1] = static_cast<uint8_t>(at >> 16);
    piece[2] = static_cast<uint8_t>(at >> 8);
    piece[3] = static_cast<uint8_t>(at);
    Push(90, false, piece);
  }
  Push(90, true, piece);
  EXPECT_TRUE(samples().empty());
}

}  // namespace
}  // namespace lookback::recorder
