#include <gtest/gtest.h>

#include "media/audio.h"
#include "media/fragmenter.h"
#include "media/h265.h"
#include "media/jpeg.h"
#include "tests/media/test_stream.h"

namespace lookback::media {
namespace {

Bytes Hex(std::string_view text) {
  Bytes bytes;
  EXPECT_TRUE(HexDecode(text, bytes));
  return bytes;
}

TrackConfig Hevc() {
  return MakeH265Track(
             {Hex("40010c01ffff01600000030090000003000003003c959809")},
             {Hex("42010101600000030090000003000003003ca00a080b9f796566924caf0168080000030008"
                  "00000300c840")},
             {Hex("4401c172b46240")})
      .value();
}

std::vector<std::vector<TrackConfig>> AllTracks() {
  const TrackConfig main = test::LoadTestStream("closed_gop").track;
  const TrackConfig high = test::LoadTestStream("open_gop").track;
  return {{main},
          {high, MakeAacTrack({0x11, 0x90}).value()},
          {main, MakeG711Track(Codec::kPcma, 8000, 1)},
          {high, MakeG711Track(Codec::kPcmu, 16000, 2)},
          {Hevc()},
          {MakeMjpegTrack({1920, 1080}), MakeOpusTrack(2)},
          {MakeMjpegTrack({4000, 3000}), MakeG726Track(4)},
          {main, MakeOpusTrack(1)},
          {main, MakeG726Track(2)},
          {MakeAacTrack({0x14, 0x08}).value()}};
}

TEST(InitSection, ParsedGivesTheTracksAgain) {
  for (const auto& tracks : AllTracks()) {
    const auto parsed = ParseInitSection(BuildInitSection(tracks));
    ASSERT_TRUE(parsed) << parsed.message();
    EXPECT_EQ(*parsed, tracks);
  }
}

TEST(InitSection, IsTheSameBytesEachTime) {
  for (const auto& tracks : AllTracks()) {
    EXPECT_EQ(BuildInitSection(tracks), BuildInitSection(tracks));
    EXPECT_EQ(BuildSampleEntry(tracks[0]), BuildSampleEntry(tracks[0]));
  }
}

TEST(InitSection, EveryShorterAndEveryChangedOneIsSafe) {
  for (const auto& tracks : AllTracks()) {
    const Bytes good = BuildInitSection(tracks);
    for (size_t cut = 0; cut < good.size(); ++cut) {
      EXPECT_FALSE(ParseInitSection(ByteSpan(good).first(cut))) << cut;
    }
    for (size_t at = 0; at < good.size(); ++at) {
      Bytes bad = good;
      bad[at] ^= 0xff;
      (void)ParseInitSection(bad);
    }
  }
}

TEST(InitSection, FfprobeNamesTheTracks) {
  ASSERT_TRUE(test::HasFfmpeg()) << "tools/install brings ffprobe";
  const test::TemporaryDirectory directory;
  const char* const expected[] = {"h264,320,180",
                                  "h264,320,180|aac,48000,2",
                                  "h264,320,180|pcm_alaw,8000,1",
                                  "h264,320,180|pcm_mulaw,16000,2",
                                  "hevc,320,180",
                                  "mjpeg,1920,1080|opus,48000,2",
                                  "mjpeg,4000,3000|adpcm_g726,8000,1",
                                  "h264,320,180|opus,48000,1",
                                  "h264,320,180|adpcm_g726,8000,1",
                                  "aac,16000,1"};
  size_t i = 0;
  for (const auto& tracks : AllTracks()) {
    const std::string file = directory.Write("init.mp4", BuildInitSection(tracks));
    EXPECT_EQ(test::Shell("ffprobe -v error -show_entries "
                          "stream=codec_name,width,height,sample_rate,channels -of csv=p=0 " +
                          file + " | paste -sd'|' | tr -d '\\n'"),
              expected[i++]);
  }
}

TEST(CodecString, IsThatOfRfc6381) {
  EXPECT_EQ(CodecString(test::LoadTestStream("closed_gop").track), "avc1.4d400c");
  EXPECT_EQ(CodecString(test::LoadTestStream("baseline").track), "avc1.42c00c");
  EXPECT_EQ(CodecString(MakeAacTrack({0x11, 0x90}).value()), "mp4a.40.2");
  EXPECT_EQ(CodecString(MakeG711Track(Codec::kPcma, 8000, 1)), "alaw");
  EXPECT_EQ(CodecString(Hevc()), "hvc1.1.6.L60.90");
  EXPECT_EQ(CodecString(MakeMjpegTrack({640, 480})), "mp4v.6C");
  EXPECT_EQ(CodecString(MakeOpusTrack(2)), "opus");
}

}  // namespace
}  // namespace lookback::media
