#include "media/audio.h"

#include <gtest/gtest.h>

namespace lookback::media {
namespace {

TEST(AacConfig, GivesRateAndChannels) {
  const AacConfig lc = ParseAacConfig(Bytes{0x11, 0x90}).value();  // AAC-LC, 48 kHz, stereo.
  EXPECT_EQ(lc.object_type, 2);
  EXPECT_EQ(lc.sample_rate, 48'000u);
  EXPECT_EQ(lc.channels, 2);
  EXPECT_EQ(lc.frame_samples, 1024);
  EXPECT_EQ(ParseAacConfig(Bytes{0x15, 0x88})->sample_rate, 8'000u);
  // Index 15: the rate, 12,345 Hz, is spelled out in 24 bits.
  EXPECT_EQ(ParseAacConfig(Bytes{0x17, 0x80, 0x18, 0x1c, 0x88})->sample_rate, 12'345u);
}

TEST(AacConfig, OfHeAacIsThatOfItsCore) {
  const AacConfig he = ParseAacConfig(Bytes{0x2b, 0x11, 0x88, 0x00}).value();  // SBR, 24/48 kHz.
  EXPECT_EQ(he.object_type, 2);
  EXPECT_EQ(he.sample_rate, 24'000u);
}

TEST(AacConfig, RefusesWhatIsCutShortOrNotForUs) {
  EXPECT_EQ(ParseAacConfig({}).code(), Code::kCorrupt);
  EXPECT_EQ(ParseAacConfig(Bytes{0x11}).code(), Code::kCorrupt);
  EXPECT_EQ(ParseAacConfig(Bytes{0x16, 0x88}).code(), Code::kCorrupt);      // Rate index 13.
  EXPECT_EQ(ParseAacConfig(Bytes{0x11, 0x80}).code(), Code::kUnsupported);  // Channels elsewhere.
}

TEST(NominalAudioTicks, IsTheLengthOfOneFrame) {
  EXPECT_EQ(NominalAudioTicks(MakeG711Track(Codec::kPcmu, 8'000, 1), Bytes(160)), 160u);
  EXPECT_EQ(NominalAudioTicks(MakeG711Track(Codec::kPcmu, 8'000, 2), Bytes(320)), 160u);
  EXPECT_EQ(NominalAudioTicks(MakeAacTrack({0x11, 0x90}).value(), Bytes(77)), 1024u);
  EXPECT_EQ(NominalAudioTicks(MakeG726Track(4), Bytes(80)), 160u);
  EXPECT_EQ(NominalAudioTicks(MakeG726Track(5), Bytes(100)), 160u);
}

TEST(NominalAudioTicks, OfOpusStandInThePacketsFirstByte) {
  const TrackConfig opus = MakeOpusTrack(2);
  // RFC 6716 table 2: configurations 0 to 31; the low bits say 1, 2, 2 or so many frames.
  EXPECT_EQ(NominalAudioTicks(opus, Bytes{1 << 3}), 960u);            // SILK, 20 ms.
  EXPECT_EQ(NominalAudioTicks(opus, Bytes{3 << 3}), 2'880u);          // SILK, 60 ms.
  EXPECT_EQ(NominalAudioTicks(opus, Bytes{12 << 3}), 480u);           // Hybrid, 10 ms.
  EXPECT_EQ(NominalAudioTicks(opus, Bytes{16 << 3}), 120u);           // CELT, 2.5 ms.
  EXPECT_EQ(NominalAudioTicks(opus, Bytes{31 << 3 | 1}), 1'920u);     // Two of 20 ms.
  EXPECT_EQ(NominalAudioTicks(opus, Bytes{31 << 3 | 3, 3}), 2'880u);  // Three of them.
  EXPECT_EQ(NominalAudioTicks(opus, Bytes{31 << 3 | 3, 63}), 5'760u);
  EXPECT_EQ(NominalAudioTicks(opus, Bytes{31 << 3 | 3, 0}), 960u);
  EXPECT_EQ(NominalAudioTicks(opus, Bytes{}), 960u);
}

}  // namespace
}  // namespace lookback::media
