#include "recorder/h265_depacketizer.h"

#include <gmock/gmock.h>

#include "media/fragment.h"
#include "tests/recorder/packets.h"

namespace lookback::recorder {
namespace {

using media::Sync;
using test::H265Nal;
using test::Nals;

constexpr uint8_t kTrailing = 1, kIdr = 19, kCra = 21;

class H265 : public testing::Test {
 protected:
  void Push(int64_t time, bool marker, const Bytes& payload, uint32_t lost = 0) {
    RtpPacket packet;
    packet.marker = marker;
    packet.payload = payload;
    depacketizer_.Push(packet, {time, ++now_us_, lost});
  }
  // Figure 9: two bytes of payload header with type 49, one of FU header, and a piece without the
  // NAL unit's own header.
  static Bytes Fu(const Bytes& nal, size_t i, size_t step) {
    const size_t begin = 2 + i * step;
    const size_t end = std::min(begin + step, nal.size());
    Bytes fu;
    ByteWriter out(fu);
    out.U8(static_cast<uint8_t>((nal[0] & 0x81) | 49 << 1));
    out.U8(nal[1]);
    out.U8(static_cast<uint8_t>((i == 0 ? 0x80 : 0) | (end == nal.size() ? 0x40 : 0) |
                                (nal[0] >> 1 & 63)));
    out.Raw(ByteSpan(nal).subspan(begin, end - begin));
    return fu;
  }
  // Figure 7: payload header with type 48, then NAL units behind their sizes.
  static Bytes Aggregate(const std::vector<Bytes>& nals) {
    Bytes payload = {48 << 1, 1};
    ByteWriter out(payload);
    for (const Bytes& nal : nals) {
      out.U16(static_cast<uint16_t>(nal.size()));
      out.Raw(nal);
    }
    return payload;
  }
  const std::vector<media::Sample>& samples() const { return list_.samples; }

  int64_t now_us_ = 0;
  test::SampleList list_;
  H265Depacketizer depacketizer_{list_};
};

TEST_F(H265, SingleUnitsAggregatesAndFragmentsMakeAccessUnits) {
  const Bytes idr = H265Nal(kIdr, 5'000);
  Push(90, false, Aggregate({test::H265Vps(), test::H265Sps(), test::H265Pps()}));
  for (size_t i = 0; i < 4; ++i) Push(90, i == 3, Fu(idr, i, 1'250));
  Push(180, true, H265Nal(kTrailing, 50));
  ASSERT_EQ(samples().size(), 2u);
  EXPECT_EQ(samples()[0].data, Nals({test::H265Vps(), test::H265Sps(), test::H265Pps(), idr}));
  EXPECT_EQ(samples()[0].sync, Sync::kClosed);
  EXPECT_EQ(samples()[0].pts, 90);
  EXPECT_FALSE(samples()[0].damaged);
  EXPECT_EQ(samples()[1].data, Nals({H265Nal(kTrailing, 50)}));
  EXPECT_EQ(samples()[1].sync, Sync::kNone);
}

TEST_F(H265, ACraPictureIsAnOpenSyncSample) {
  Push(90, true, H265Nal(kCra, 80));
  ASSERT_EQ(samples().size(), 1u);
  EXPECT_EQ(samples()[0].sync, Sync::kOpen);
}

TEST_F(H265, TemporalLayerAndLayerIdOfAFragmentedUnitAreKept) {
  Bytes nal = H265Nal(kTrailing, 100);
  nal[1] = 0x0b;  // Layer 1, temporal id 3.
  Push(90, false, H265Nal(kTrailing, 30));
  Push(90, false, Fu(nal, 0, 49));
  Push(90, true, Fu(nal, 1, 49));
  ASSERT_EQ(samples().size(), 1u);
  EXPECT_EQ(samples()[0].data, Nals({H265Nal(kTrailing, 30), nal}));
}

TEST_F(H265, SlicesOfAPictureStayTogetherThoughEachHasAMarker) {
  const Bytes second = H265Nal(kIdr, 40, false);
  for (int64_t time = 90; time <= 360; time += 90) {
    Push(time, true, H265Nal(kIdr, 60));
    Push(time, true, second);
  }
  Push(450, true, H265Nal(kTrailing, 30));
  ASSERT_EQ(samples().size(), 4u);
  for (size_t i = 1; i < 4; ++i) {
    EXPECT_EQ(samples()[i].data, Nals({H265Nal(kIdr, 60), second})) << i;
  }
}

TEST_F(H265, LossInAFragmentLeavesThatUnitOutAndMarksThePicture) {
  const Bytes idr = H265Nal(kIdr, 3'000);
  Push(90, false, test::H265Pps());
  Push(90, false, Fu(idr, 0, 1'000));
  Push(90, false, Fu(idr, 2, 1'000), 1);
  Push(90, true, H265Nal(kIdr, 60, false));
  ASSERT_EQ(samples().size(), 1u);
  EXPECT_EQ(samples()[0].data, Nals({test::H265Pps(), H265Nal(kIdr, 60, false)}));
  EXPECT_TRUE(samples()[0].damaged);
  EXPECT_EQ(samples()[0].lost_packets, 1u);
}

TEST_F(H265, AnAggregateThatIsCutShortGivesWhatIsWhole) {
  Bytes payload = Aggregate({H265Nal(kTrailing, 20), H265Nal(kTrailing, 20, false)});
  payload.pop_back();
  Push(90, true, payload);
  ASSERT_EQ(samples().size(), 1u);
  EXPECT_EQ(samples()[0].data, Nals({H265Nal(kTrailing, 20)}));
  EXPECT_TRUE(samples()[0].damaged);
}

TEST_F(H265, AnEndlessAccessUnitIsLeftOutAndTheNextIsWhole) {
  Bytes piece = Fu(H265Nal(kIdr, 60'000), 0, 60'000);
  piece[2] = 0x80 | kIdr;  // The end is still to come.
  Push(90, false, piece);
  piece[2] = kIdr;
  for (uint64_t sent = 0; sent < 2 * media::kMaxSampleBytes; sent += piece.size()) {
    Push(90, false, piece);
  }
  EXPECT_EQ(depacketizer_.dropped_access_units(), 1u);
  Push(180, true, H265Nal(kIdr, 60));
  ASSERT_EQ(samples().size(), 1u);
  EXPECT_TRUE(samples()[0].damaged);
}

TEST_F(H265, PaciAndReservedTypesMakeNoSampleAndMarkTheNext) {
  for (const uint8_t type : {48, 49, 50, 51, 63}) {
    Push(90, true, {static_cast<uint8_t>(type << 1), 1, 9, 9});
  }
  EXPECT_TRUE(samples().empty());
  Push(180, true, H265Nal(kIdr, 60));
  ASSERT_EQ(samples().size(), 1u);
  EXPECT_TRUE(samples()[0].damaged);
}

TEST_F(H265, NonsenseMakesNoSample) {
  for (const Bytes& payload : std::vector<Bytes>{{},
                                                 {0x26},
                                                 {49 << 1, 1},
                                                 {49 << 1, 1, 0x80 | 19},
                                                 {49 << 1, 1, 0x45, 1},
                                                 {49 << 1, 1, 0xc0 | 49, 1},
                                                 {48 << 1, 1, 0},
                                                 {48 << 1, 1, 0, 0},
                                                 {48 << 1, 1, 0, 1, 0x26},
                                                 {48 << 1, 1, 0xff, 0xff, 1}}) {
    Push(90, true, payload);
  }
  EXPECT_TRUE(samples().empty());
}

}  // namespace
}  // namespace lookback::recorder
