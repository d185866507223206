#include "recorder/video_config.h"

#include <gmock/gmock.h>

#include "tests/recorder/packets.h"

namespace lookback::recorder {
namespace {

using media::Codec;
using test::H265Nal;
using test::Nals;

constexpr uint8_t kIdrNal = 19;

Bytes Vps() { return test::H265Vps(); }
Bytes Sps() { return test::H265Sps(); }
Bytes Pps() { return test::H265Pps(); }

TEST(VideoConfig, H265SetsThatComeOnlyInBandMakeATrackTogether) {
  VideoConfig config(Codec::kH265);
  EXPECT_FALSE(config.AddFrom(Nals({Vps(), Sps(), H265Nal(kIdrNal, 40)})));
  EXPECT_FALSE(config.Config());
  EXPECT_FALSE(config.AddFrom(Nals({Pps(), H265Nal(kIdrNal, 40)})));
  ASSERT_TRUE(config.Config());
  EXPECT_EQ(config.Config()->codec, Codec::kH265);
  EXPECT_EQ(config.Config()->width, 320);
  EXPECT_TRUE(config.AddFrom(Nals({Vps(), Sps(), Pps(), H265Nal(kIdrNal, 40)})));
  EXPECT_FALSE(config.changed());
}

TEST(VideoConfig, AnotherSpsOfH265ChangesTheTrackAndMakesItsPpsVoid) {
  VideoConfig config(Codec::kH265);
  config.AddFrom(Nals({Vps(), Sps(), Pps(), H265Nal(kIdrNal, 40)}));
  const auto before = config.Config();
  Bytes other = Sps();
  other[17] ^= 0x20;  // general_level_idc
  config.AddFrom(Nals({other, H265Nal(kIdrNal, 40)}));
  EXPECT_TRUE(config.changed());
  EXPECT_FALSE(config.Config());
  config.AddFrom(Nals({Pps(), H265Nal(kIdrNal, 40)}));
  ASSERT_TRUE(config.Config());
  EXPECT_NE(*config.Config(), *before);
}

TEST(VideoConfig, SetsBehindASliceAreOfTheNextPicture) {
  VideoConfig config(Codec::kH265);
  EXPECT_FALSE(config.AddFrom(Nals({H265Nal(kIdrNal, 40), Vps(), Sps(), Pps()})));
  EXPECT_FALSE(config.Config());
}

TEST(VideoConfig, SetsThatMakeNoSenseAreLeftOut) {
  VideoConfig config(Codec::kH265);
  media::TrackConfig described;
  described.vps = {Vps()};
  described.sps = {{33 << 1, 1, 0xff}};
  described.pps = {Pps(), {34 << 1}, Bytes(VideoConfig::kMaxSetBytes + 1, 34 << 1)};
  config.AddFrom(described);
  EXPECT_FALSE(config.Config());
  described.sps = {Sps()};
  config.AddFrom(described);
  ASSERT_TRUE(config.Config());
  EXPECT_THAT(config.Config()->pps, testing::ElementsAre(Pps()));
}

TEST(VideoConfig, TheSizeOfJpegPicturesIsReadFromThem) {
  const auto picture = [](uint8_t width) {
    return Bytes{0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, 0, 16, 0, width, 1, 1, 0x11, 0};
  };
  VideoConfig config(Codec::kMjpeg);
  EXPECT_FALSE(config.Config());
  EXPECT_FALSE(config.AddFrom(ByteSpan(Bytes{1, 2, 3})));
  EXPECT_TRUE(config.AddFrom(picture(32)));
  EXPECT_EQ(config.Config()->width, 32);
  config.AddFrom(picture(32));
  EXPECT_FALSE(config.changed());
  config.AddFrom(picture(64));
  EXPECT_TRUE(config.changed());
}

TEST(WithParameterSets, TheyStandBehindTheDelimiterInTheOrderOfDecoding) {
  media::TrackConfig track;
  track.codec = Codec::kH265;
  track.vps = {Vps()};
  track.sps = {Sps()};
  track.pps = {Pps()};
  const Bytes delimiter = {35 << 1, 1, 0x50};
  EXPECT_EQ(WithParameterSets(track, Nals({delimiter, H265Nal(kIdrNal, 9)})),
            Nals({delimiter, Vps(), Sps(), Pps(), H265Nal(kIdrNal, 9)}));
  EXPECT_EQ(WithParameterSets(track, Nals({H265Nal(kIdrNal, 9)})),
            Nals({Vps(), Sps(), Pps(), H265Nal(kIdrNal, 9)}));
  track.codec = Codec::kMjpeg;
  EXPECT_EQ(WithParameterSets(track, {0xff, 0xd8}), (Bytes{0xff, 0xd8}));
}

}  // namespace
}  // namespace lookback::recorder
