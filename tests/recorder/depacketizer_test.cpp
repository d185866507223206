#include <gmock/gmock.h>

#include "media/audio.h"
#include "media/fragment.h"
#include "recorder/aac_depacketizer.h"
#include "recorder/h264_depacketizer.h"
#include "recorder/packet_depacketizer.h"
#include "tests/recorder/packets.h"

namespace lookback::recorder {
namespace {

using media::Sync;
using test::Idr;
using test::Nals;
using test::Predicted;

class H264 : public testing::Test {
 protected:
  void Push(int64_t time, bool marker, const Bytes& payload, uint32_t lost = 0) {
    RtpPacket packet;
    packet.marker = marker;
    packet.payload = payload;
    depacketizer_.Push(packet, {time, ++now_us_, lost});
  }
  // FU-A, `pieces` of them.
  void PushFragments(int64_t time, const Bytes& nal, size_t pieces, bool marker = true) {
    const size_t step = (nal.size() - 1 + pieces - 1) / pieces;
    for (size_t i = 0; i < pieces; ++i) Push(time, marker && i + 1 == pieces, Fu(nal, i, step));
  }
  static Bytes Fu(const Bytes& nal, size_t i, size_t step) {
    const size_t begin = 1 + i * step;
    const size_t end = std::min(begin + step, nal.size());
    Bytes fu = {static_cast<uint8_t>((nal[0] & 0xe0) | 28),
                static_cast<uint8_t>((i == 0 ? 0x80 : 0) | (end == nal.size() ? 0x40 : 0) |
                                     (nal[0] & 0x1f))};
    fu.insert(fu.end(), nal.begin() + static_cast<ptrdiff_t>(begin),
              nal.begin() + static_cast<ptrdiff_t>(end));
    return fu;
  }

  const std::vector<media::Sample>& samples() const { return list_.samples; }

  int64_t now_us_ = 0;
  test::SampleList list_;
  H264Depacketizer depacketizer_{list_};
};

TEST_F(H264, SingleUnitsAggregatesAndFragmentsMakeAccessUnits) {
  Bytes stap = {24, 0, 9};
  const Bytes sps = test::Sps();
  const Bytes pps = test::Pps();
  stap.insert(stap.end(), sps.begin(), sps.end());
  stap.insert(stap.end(), {0, static_cast<uint8_t>(pps.size())});
  stap.insert(stap.end(), pps.begin(), pps.end());
  stap[2] = static_cast<uint8_t>(sps.size());
  Push(90, false, stap);
  PushFragments(90, Idr(5'000), 4);
  Push(180, true, Predicted());
  ASSERT_EQ(samples().size(), 2u);
  EXPECT_EQ(samples()[0].data, Nals({sps, pps, Idr(5'000)}));
  EXPECT_EQ(samples()[0].sync, Sync::kClosed);
  EXPECT_EQ(samples()[0].pts, 90);
  EXPECT_EQ(samples()[0].received_us, 5);
  EXPECT_FALSE(samples()[0].damaged);
  EXPECT_EQ(samples()[1].data, Nals({Predicted()}));
  EXPECT_EQ(samples()[1].sync, Sync::kNone);
}

TEST_F(H264, WithoutMarkerTheTimestampEndsAnAccessUnit) {
  Push(90, false, Idr());
  Push(180, false, Predicted());
  ASSERT_EQ(samples().size(), 1u);
  EXPECT_EQ(samples()[0].data, Nals({Idr()}));
}

TEST_F(H264, ParameterSetsByThemselvesGoWithTheNextPicture) {
  Push(80, true, test::Sps());
  Push(85, true, test::Pps());
  Push(90, true, Idr());
  ASSERT_EQ(samples().size(), 1u);
  EXPECT_EQ(samples()[0].data, Nals({test::Sps(), test::Pps(), Idr()}));
  EXPECT_EQ(samples()[0].pts, 90);
}

TEST_F(H264, LossInAFragmentLeavesThatUnitOutAndMarksThePicture) {
  const Bytes idr = Idr(3'000);
  Push(90, false, test::Sps());
  Push(90, false, Fu(idr, 0, 1'000));
  Push(90, false, Fu(idr, 2, 1'000), 1);  // The middle is missing.
  Push(90, true, test::SecondSlice());
  ASSERT_EQ(samples().size(), 1u);
  EXPECT_EQ(samples()[0].data, Nals({test::Sps(), test::SecondSlice()}));
  EXPECT_TRUE(samples()[0].damaged);
  EXPECT_EQ(samples()[0].lost_packets, 1u);
  Push(180, true, Predicted());
  EXPECT_FALSE(samples()[1].damaged);
}

TEST_F(H264, LossAcrossPicturesIsCountedOnceAndMarksBoth) {
  Push(90, false, Idr());
  Push(180, true, Predicted(), 3);
  ASSERT_EQ(samples().size(), 2u);
  EXPECT_TRUE(samples()[0].damaged);
  EXPECT_TRUE(samples()[1].damaged);
  EXPECT_EQ(samples()[0].lost_packets + samples()[1].lost_packets, 3u);
}

TEST_F(H264, APictureOfWhichNoSliceIsWholeIsNone) {
  Push(90, false, Fu(Idr(3'000), 0, 1'000));
  Push(180, true, Predicted());
  ASSERT_EQ(samples().size(), 1u);
  EXPECT_EQ(samples()[0].pts, 180);
  EXPECT_TRUE(samples()[0].damaged);
}

TEST_F(H264, AMarkerOnEachSliceIsFoundOut) {
  for (int64_t time = 90; time <= 360; time += 90) {
    Push(time, true, Idr());
    Push(time, true, test::SecondSlice());
  }
  Push(450, true, Predicted());
  ASSERT_EQ(samples().size(), 4u);
  for (size_t i = 1; i < 4; ++i) {
    EXPECT_EQ(samples()[i].data, Nals({Idr(), test::SecondSlice()})) << i;
  }
}

TEST_F(H264, AFragmentWithoutEndBitEndsAtTheMarker) {
  Bytes last = Fu(Idr(100), 0, 200);
  last[1] &= 0xbf;
  Push(90, true, last);
  ASSERT_EQ(samples().size(), 1u);
  EXPECT_EQ(samples()[0].data, Nals({Idr(100)}));
}

TEST_F(H264, AnEndlessAccessUnitIsLeftOutAndTheNextIsWhole) {
  Bytes piece = Fu(Idr(60'000), 0, 60'000);
  piece[1] = 0x85;  // The end is still to come.
  Push(90, false, piece);
  Bytes middle = piece;
  middle[1] = 5;
  for (uint64_t sent = 0; sent < 2 * media::kMaxSampleBytes; sent += middle.size()) {
    Push(90, false, middle);
  }
  EXPECT_EQ(depacketizer_.dropped_access_units(), 1u);
  Push(180, true, Idr());
  ASSERT_EQ(samples().size(), 1u);
  EXPECT_TRUE(samples()[0].damaged);
  EXPECT_EQ(samples()[0].data, Nals({Idr()}));
}

TEST_F(H264, TooManyUnitsAreLeftOut) {
  for (uint32_t i = 0; i <= AccessUnitBuilder::kMaxNalsPerAccessUnit; ++i) Push(90, false, {6, 1});
  EXPECT_EQ(depacketizer_.dropped_access_units(), 1u);
  Push(180, true, Idr());
  EXPECT_EQ(samples().size(), 1u);
}

TEST_F(H264, NonsenseMakesNoSample) {
  for (const Bytes& payload : std::vector<Bytes>{{},
                                                 {0},
                                                 {28},
                                                 {28, 0x80},
                                                 {28, 0x45, 1},
                                                 {24},
                                                 {24, 0},
                                                 {24, 0, 9, 1},
                                                 {29, 1, 2},
                                                 {31}}) {
    Push(90, true, payload);
  }
  EXPECT_TRUE(samples().empty());
  Push(180, true, Idr());
  EXPECT_EQ(samples().size(), 1u);
}

class Aac : public testing::Test {
 protected:
  static RtpFormat Format() {
    RtpFormat format;
    format.codec = media::Codec::kAac;
    format.config.audio_config = {0x14, 0x08};
    format.aac_size_bits = 13;
    format.aac_index_bits = format.aac_index_delta_bits = 3;
    return format;
  }
  void Push(int64_t time, const Bytes& payload, uint32_t lost = 0) {
    RtpPacket packet;
    packet.payload = payload;
    depacketizer_.Push(packet, {time, 7, lost});
  }
  test::SampleList list_;
  AacDepacketizer depacketizer_{Format(), list_};
};

TEST_F(Aac, FramesOfAPacketAreAFrameApart) {
  Push(5'000, {0, 32, 0, 2 << 3, 0, 3 << 3, 'a', 'b', 'c', 'd', 'e'});
  ASSERT_EQ(list_.samples.size(), 2u);
  EXPECT_EQ(list_.samples[0].data, (Bytes{'a', 'b'}));
  EXPECT_EQ(list_.samples[1].data, (Bytes{'c', 'd', 'e'}));
  EXPECT_EQ(list_.samples[0].pts, 5'000);
  EXPECT_EQ(list_.samples[1].pts, 6'024);
}

TEST_F(Aac, AFrameThatSpansPacketsIsJoined) {
  Push(1'000, {0, 16, 0, 5 << 3, 'a', 'b'});
  Push(1'000, {0, 16, 0, 5 << 3, 'c', 'd', 'e'});
  ASSERT_EQ(list_.samples.size(), 1u);
  EXPECT_EQ(AsText(list_.samples[0].data), "abcde");
  Push(2'024, {0, 16, 0, 5 << 3, 'a', 'b'});
  Push(3'048, {0, 16, 0, 1 << 3, 'z'}, 1);
  ASSERT_EQ(list_.samples.size(), 2u);
  EXPECT_EQ(AsText(list_.samples[1].data), "z");
  EXPECT_TRUE(list_.samples[1].damaged);
}

TEST_F(Aac, NonsenseMakesNoSample) {
  for (const Bytes& payload : std::vector<Bytes>{{},
                                                 {0},
                                                 {0, 0},
                                                 {0, 16},
                                                 {0xff, 0xff, 1, 2},
                                                 {0, 16, 0, 1 << 3 | 1, 'a'},
                                                 {0, 32, 0, 8, 0, 0x50, 'a'}}) {
    const size_t before = list_.samples.size();
    Push(1, payload);
    EXPECT_LE(list_.samples.size(), before + 1);
  }
}

TEST(PacketAudio, APacketIsASample) {
  test::SampleList list;
  RtpFormat format;
  format.codec = media::Codec::kOpus;
  PacketDepacketizer depacketizer(format, list);
  const Bytes payload = {0x78, 1, 2};
  RtpPacket packet;
  depacketizer.Push(packet, {1, 1, 0});
  packet.payload = payload;
  depacketizer.Push(packet, {960, 7, 2});
  ASSERT_EQ(list.samples.size(), 1u);
  EXPECT_EQ(list.samples[0].data, payload);
  EXPECT_EQ(list.samples[0].track, media::TrackKind::kAudio);
  EXPECT_EQ(list.samples[0].pts, 960);
  EXPECT_EQ(list.samples[0].lost_packets, 2u);
  EXPECT_TRUE(list.samples[0].damaged);
}

// RFC 3551 figures of §4.5.4: codewords A, B, ... with the first in the low bits.
TEST(G726, CodewordsAreTurnedFromTheLowBitsToTheHigh) {
  // Two bits: D C B A -> A B C D.
  EXPECT_EQ(HighBitsFirst(Bytes{0b11'10'01'00}, 2), (Bytes{0b00'01'10'11}));
  // Three bits, A to H = 0 to 7: C(2 low bits) B A | F(1) E D C(high) | H G F(2 high).
  EXPECT_EQ(HighBitsFirst(Bytes{0b10'001'000, 0b1'100'011'0, 0b111'110'10}, 3),
            (Bytes{0b000'001'01, 0b0'011'100'1, 0b01'110'111}));
  // Four bits: B A -> A B.
  EXPECT_EQ(HighBitsFirst(Bytes{0x21, 0x43}, 4), (Bytes{0x12, 0x34}));
  // Five bits, A to H = 1 to 8.
  EXPECT_EQ(
      HighBitsFirst(Bytes{0b010'00001, 0b0'00011'00, 0b0101'0010, 0b11'00110'0, 0b01000'001}, 5),
      (Bytes{0b00001'000, 0b10'00011'0, 0b0100'0010, 0b1'00110'00, 0b111'01000}));
}

TEST(G726, OnlyRfc3551sOwnOrderIsTurned) {
  for (const bool low_bits_first : {false, true}) {
    test::SampleList list;
    RtpFormat format;
    format.codec = media::Codec::kG726;
    format.config = media::MakeG726Track(4);
    format.g726_low_bits_first = low_bits_first;
    PacketDepacketizer depacketizer(format, list);
    const Bytes payload = {0x21, 0x43};
    RtpPacket packet;
    packet.payload = payload;
    depacketizer.Push(packet, {0, 1, 0});
    ASSERT_EQ(list.samples.size(), 1u);
    EXPECT_EQ(list.samples[0].data, low_bits_first ? (Bytes{0x12, 0x34}) : payload);
  }
}

}  // namespace
}  // namespace lookback::recorder
