#include "media/h264.h"

#include <gtest/gtest.h>

#include "media/h265.h"
#include "tests/media/test_stream.h"

namespace lookback::media {
namespace {

Bytes Hex(std::string_view text) {
  Bytes bytes;
  EXPECT_TRUE(HexDecode(text, bytes));
  return bytes;
}

TEST(H264Sps, AgreesWithFfprobeOnTheTestStreams) {
  struct Row {
    const char* name;
    int profile, reorder;
  };
  // `ffprobe -show_entries stream=profile,level,width,height,has_b_frames`.
  for (const Row& row : {Row{"baseline", 66, 0}, Row{"closed_gop", 77, 2}, Row{"open_gop", 100, 2},
                         Row{"long_gop", 100, 2}}) {
    const test::TestStream stream = test::LoadTestStream(row.name);
    const H264Sps sps = ParseH264Sps(stream.track.sps[0]).value();
    EXPECT_EQ(sps.profile_idc, row.profile);
    EXPECT_EQ(sps.level_idc, 12);
    EXPECT_EQ(sps.width, 320);
    EXPECT_EQ(sps.height, 180);
    EXPECT_TRUE(sps.reorder_frames_known);
    EXPECT_EQ(sps.max_reorder_frames, row.reorder) << row.name;
    EXPECT_DOUBLE_EQ(sps.frame_rate_hint, 25.0);
  }
}

TEST(H264Sps, CroppingAndInterlacingGiveThePictureShown) {
  // Built by x264: 1920x1080, interlaced, High 4.0.
  const Bytes sps = Hex("67640028acd94078044fde0220000003002000000643e2c5b2c0");
  const auto parsed = ParseH264Sps(sps);
  ASSERT_TRUE(parsed) << parsed.message();
  EXPECT_EQ(parsed->width, 1920);
  EXPECT_EQ(parsed->height, 1080);
  EXPECT_TRUE(parsed->interlaced);
}

TEST(H264Sps, RefusesWhatIsCutShortOrBeyondTheStandard) {
  const Bytes good = test::LoadTestStream("open_gop").track.sps[0];
  for (size_t cut = 0; cut < 8; ++cut) EXPECT_FALSE(ParseH264Sps(ByteSpan(good).first(cut)));
  EXPECT_FALSE(ParseH264Sps(Hex("68ce3880")));
  // seq_parameter_set_id 32.
  EXPECT_EQ(ParseH264Sps(Hex("6742001e043fffffffffffff")).code(), Code::kCorrupt);
  EXPECT_EQ(ParseH264Sps(Hex("6742001e0000000000000000")).code(), Code::kCorrupt);
}

TEST(MakeH264Track, RefusesParameterSetsThatNoSampleEntryHolds) {
  const Bytes sps = test::LoadTestStream("baseline").track.sps[0];
  EXPECT_FALSE(MakeH264Track({sps}, {}));
  EXPECT_EQ(MakeH264Track({sps}, {Bytes{}}).code(), Code::kCorrupt);
  EXPECT_EQ(MakeH264Track({sps, Bytes{0x67}}, {Bytes{0x68}}).code(), Code::kCorrupt);
  EXPECT_EQ(MakeH264Track({sps}, {Bytes(65'536)}).code(), Code::kCorrupt);
  EXPECT_EQ(MakeH264Track({sps}, std::vector<Bytes>(32, Bytes{0x68})).code(), Code::kCorrupt);
}

TEST(InspectH264, TellsIdrRecoveryPointAndOrdinaryPictures) {
  const test::TestStream open = test::LoadTestStream("open_gop");
  size_t closed_count = 0, open_count = 0;
  for (const Sample& sample : open.samples) {
    closed_count += sample.sync == Sync::kClosed;
    open_count += sample.sync == Sync::kOpen;
    EXPECT_TRUE(InspectH264(sample.data).well_formed);
  }
  EXPECT_EQ(closed_count, 1u);
  EXPECT_EQ(open_count, 3u);
  EXPECT_EQ(InspectH264(test::LoadTestStream("long_gop").samples[0].data).slices, 2u);
  EXPECT_TRUE(InspectH264(open.samples[0].data).parameter_sets);
}

TEST(InspectH264, AGradualRefreshIsNoSyncSample) {
  // SEI recovery point: frame count 0 (1), exact, not broken; then with frame count 14 (0001111).
  // Slice: type 7 (I), first macroblock 0.
  const Bytes at_once =
      Hex("00000005060601c480"
          "00000003218880");
  EXPECT_EQ(InspectH264(at_once).sync(), Sync::kOpen);
  const Bytes gradual =
      Hex("000000060606021e0080"
          "00000003218880");
  const H264AccessUnit unit = InspectH264(gradual);
  EXPECT_TRUE(unit.recovery_point);
  EXPECT_EQ(unit.recovery_frame_cnt, 14u);
  EXPECT_EQ(unit.sync(), Sync::kNone);
  // The same promise before a P slice (type 5) is not believed.
  EXPECT_EQ(InspectH264(Hex("00000005060601c480"
                            "00000003219880"))
                .sync(),
            Sync::kNone);
}

TEST(InspectH264, FindsTheRecoveryPointBehindOtherMessages) {
  // Payload 5 of 20 bytes with an emulation prevention byte in it, then payload 6.
  const Bytes sample =
      Hex("0000001c"
          "06"
          "0514"
          "00000301020304050607080900000301020304050607"
          "0601c480"
          "00000003218880");
  Bytes fixed;
  ByteWriter out(fixed);
  const ByteSpan nal = ByteSpan(sample).subspan(4, sample.size() - 4 - 7);
  out.U32(static_cast<uint32_t>(nal.size()));
  out.Raw(nal);
  out.Raw(ByteSpan(sample).last(7));
  const H264AccessUnit unit = InspectH264(fixed);
  EXPECT_TRUE(unit.well_formed);
  EXPECT_TRUE(unit.recovery_point);
  EXPECT_EQ(unit.sync(), Sync::kOpen);
}

TEST(InspectH264, IsSafeOnLengthsThatLie) {
  EXPECT_FALSE(InspectH264(Hex("ffffffff65")).well_formed);
  EXPECT_FALSE(InspectH264(Hex("000000")).well_formed);
  EXPECT_EQ(InspectH264({}).slices, 0u);
}

TEST(H265Sps, GivesSizeAndProfile) {
  // libx265, 320x180, Main, level 2.
  const Bytes sps =
      Hex("42010101600000030090000003000003003ca00a080b9f796566924caf016808000003000800000300c840");
  const auto parsed = ParseH265Sps(sps);
  ASSERT_TRUE(parsed) << parsed.message();
  EXPECT_EQ(parsed->width, 320);
  EXPECT_EQ(parsed->height, 180);
  EXPECT_EQ(parsed->bit_depth_luma, 8);
}

}  // namespace
}  // namespace lookback::media
