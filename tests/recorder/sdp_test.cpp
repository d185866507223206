#include "recorder/sdp.h"

#include <gmock/gmock.h>

#include "media/audio.h"
#include "tests/recorder/packets.h"

namespace lookback::recorder {
namespace {

const std::string kAxis =
    "v=0\r\n"
    "o=- 1188340656180883 1 IN IP4 192.0.2.5\r\n"
    "s=Session streamed with GStreamer\r\n"
    "t=0 0\r\n"
    "a=control:rtsp://192.0.2.5/axis-media/media.amp?videocodec=h264\r\n"
    "m=video 0 RTP/AVP 96\r\n"
    "a=rtpmap:96 H264/90000\r\n"
    "a=fmtp:96 packetization-mode=1;profile-level-id=42000a;sprop-parameter-sets=" +
    test::kSpropSets +
    "\r\n"
    "a=control:stream=0\r\n"
    "m=audio 0 RTP/AVP 97\r\n"
    "a=rtpmap:97 MPEG4-GENERIC/16000/1\r\n"
    "a=fmtp:97 streamtype=5;profile-level-id=2;mode=AAC-hbr;config=1408;sizeLength=13;"
    "indexLength=3;indexDeltaLength=3\r\n"
    "a=control:stream=1\r\n"
    "m=application 0 RTP/AVP 98\r\n"
    "a=rtpmap:98 vnd.onvif.metadata/90000\r\n";

TEST(Sdp, ACamerasDescriptionGivesItsTracks) {
  const auto sdp = ParseSdp(kAxis);
  ASSERT_TRUE(sdp) << sdp.message();
  EXPECT_EQ(sdp->control, "rtsp://192.0.2.5/axis-media/media.amp?videocodec=h264");
  ASSERT_EQ(sdp->media.size(), 3u);

  const auto video = ChooseFormat(sdp->media[0]);
  ASSERT_TRUE(video) << video.message();
  EXPECT_EQ(video->payload_type, 96);
  EXPECT_TRUE(video->complete);
  EXPECT_THAT(video->config.sps, testing::ElementsAre(test::Sps()));
  EXPECT_THAT(video->config.pps, testing::ElementsAre(test::Pps()));
  EXPECT_GT(video->config.width, 0);

  const auto audio = ChooseFormat(sdp->media[1]);
  ASSERT_TRUE(audio) << audio.message();
  EXPECT_EQ(audio->codec, media::Codec::kAac);
  EXPECT_EQ(audio->config.timescale, 16'000u);
  EXPECT_EQ(audio->aac_size_bits, 13);
  EXPECT_EQ(audio->aac_index_delta_bits, 3);

  const auto metadata = ChooseFormat(sdp->media[2]);
  EXPECT_EQ(metadata.code(), Code::kUnsupported);
  EXPECT_EQ(metadata.message(), "vnd.onvif.metadata");
}

TEST(Sdp, StaticPayloadTypesNeedNoMap) {
  const auto sdp = ParseSdp(
      "m=audio 0 RTP/AVP 8 0\nm=audio 0 RTP/AVP 0\nm=audio 0 RTP/AVP 2\nm=video 0 RTP/AVP 26\n");
  ASSERT_TRUE(sdp);
  EXPECT_EQ(ChooseFormat(sdp->media[0])->codec, media::Codec::kPcma);
  EXPECT_EQ(ChooseFormat(sdp->media[1])->codec, media::Codec::kPcmu);
  EXPECT_EQ(ChooseFormat(sdp->media[1])->config.timescale, 8'000u);
  EXPECT_EQ(ChooseFormat(sdp->media[2])->codec, media::Codec::kG726);
  EXPECT_EQ(ChooseFormat(sdp->media[3])->codec, media::Codec::kMjpeg);
}

// The description of RFC 7798 §7.2.2, with sets of a real stream.
TEST(Sdp, ParameterSetsOfH265ComeInThreeParameters) {
  const std::string head =
      "m=video 0 RTP/AVP 98\r\na=rtpmap:98 H265/90000\r\na=fmtp:98 profile-id=1; sprop-vps=" +
      test::kH265Vps + "; sprop-sps=" + test::kH265Sps;
  const auto whole = ChooseFormat(ParseSdp(head + "; sprop-pps=" + test::kH265Pps)->media[0]);
  ASSERT_TRUE(whole) << whole.message();
  EXPECT_TRUE(whole->complete);
  EXPECT_EQ(whole->codec, media::Codec::kH265);
  EXPECT_EQ(whole->config.width, 320);
  EXPECT_EQ(whole->config.height, 180);
  EXPECT_THAT(whole->config.pps, testing::ElementsAre(test::Unbase64(test::kH265Pps)));
  const auto without_pps = ChooseFormat(ParseSdp(head)->media[0]);
  ASSERT_TRUE(without_pps);
  EXPECT_FALSE(without_pps->complete);
  EXPECT_EQ(without_pps->config.vps.size(), 1u);
  EXPECT_EQ(without_pps->config.codec, media::Codec::kH265);
}

TEST(Sdp, H265OutOfDecodingOrderIsRefusedByName) {
  const std::string head = "m=video 0 RTP/AVP 98\na=rtpmap:98 H265/90000\na=fmtp:98 ";
  for (const char* parameter : {"sprop-max-don-diff=2", "sprop-depack-buf-nalus=4"}) {
    const auto format = ChooseFormat(ParseSdp(head + parameter)->media[0]);
    EXPECT_EQ(format.code(), Code::kUnsupported);
    EXPECT_EQ(format.message(), "H.265 out of decoding order (sprop-max-don-diff)");
  }
  EXPECT_FALSE(ChooseFormat(ParseSdp(head + "tx-mode=MRST")->media[0]));
  EXPECT_TRUE(ChooseFormat(ParseSdp(head + "sprop-max-don-diff=0;tx-mode=SRST")->media[0]));
}

TEST(Sdp, AudioFormatsSayWhatTheyAre) {
  const auto choose = [](const std::string& map, const std::string& fmtp = "") {
    return ChooseFormat(
        ParseSdp("m=audio 0 RTP/AVP 97\na=rtpmap:97 " + map + "\na=fmtp:97 " + fmtp + "\n")
            ->media[0]);
  };
  EXPECT_EQ(choose("opus/48000/2", "sprop-stereo=1")->config.channels, 2);
  EXPECT_EQ(choose("OPUS/48000/2", "sprop-stereo=0")->config.channels, 1);
  EXPECT_EQ(choose("opus/48000/2")->config, media::MakeOpusTrack(1));
  EXPECT_FALSE(choose("opus/8000/1"));
  EXPECT_EQ(choose("G726-40/8000")->config, media::MakeG726Track(5));
  EXPECT_TRUE(choose("g726-24/8000")->g726_low_bits_first);
  EXPECT_EQ(choose("AAL2-G726-16/8000")->config, media::MakeG726Track(2));
  EXPECT_FALSE(choose("AAL2-G726-16/8000")->g726_low_bits_first);
  for (const char* bad : {"G726-/8000", "G726-8/8000", "G726-48/8000", "G726-33/8000",
                          "G726-32/16000", "G726-32/8000/2", "AAL2-G726-x/8000"}) {
    EXPECT_FALSE(choose(bad)) << bad;
  }
}

TEST(Sdp, TheSizeOfLargeJpegPicturesIsTaken) {
  const auto one =
      ChooseFormat(ParseSdp("m=video 0 RTP/AVP 26\na=framesize:26 3840-2160\n")->media[0]);
  ASSERT_TRUE(one);
  EXPECT_EQ(one->config.width, 3840);
  EXPECT_EQ(one->config.height, 2160);
  const auto other =
      ChooseFormat(ParseSdp("m=video 0 RTP/AVP 26\na=x-dimensions:2592,1944\n")->media[0]);
  EXPECT_EQ(other->config.height, 1944);
  const auto bad = ChooseFormat(
      ParseSdp("m=video 0 RTP/AVP 26\na=framesize:26 99999999-1\na=x-dimensions:\n")->media[0]);
  EXPECT_EQ(bad->config.width, 0);
}

TEST(Sdp, ADeclaredFrameRateIsTakenAndNonsenseIsNot) {
  const auto rate = [](const std::string& line) {
    const auto sdp = ParseSdp("m=video 0 RTP/AVP 26\r\na=framerate:" + line + "\r\n");
    return ChooseFormat(sdp->media[0])->frames_per_second;
  };
  EXPECT_EQ(rate("25"), 25);
  EXPECT_EQ(rate(" 29.97 "), 29.97);
  for (const char* nonsense : {"", "0", "-25", "fast", "25fps", "1e9", "nan", "inf"}) {
    EXPECT_EQ(rate(nonsense), 0) << nonsense;
  }
}

TEST(Sdp, TheFirstFormatThatFitsIsTaken) {
  const auto sdp =
      ParseSdp("m=video 0 RTP/AVP 31 99 96\r\na=rtpmap:99 VP9/90000\r\na=rtpmap:96 h264/90000\r\n");
  ASSERT_TRUE(sdp);
  const auto format = ChooseFormat(sdp->media[0]);
  ASSERT_TRUE(format);
  EXPECT_EQ(format->payload_type, 96);
  EXPECT_FALSE(format->complete);
}

TEST(Sdp, ParameterSetsThatMakeNoSenseAreAwaitedInBand) {
  const auto sdp = ParseSdp(
      "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
      "a=fmtp:96 sprop-parameter-sets=!!!!,,Zw==,aMljiA==\n");
  ASSERT_TRUE(sdp);
  const auto format = ChooseFormat(sdp->media[0]);
  ASSERT_TRUE(format);
  EXPECT_FALSE(format->complete);
}

TEST(Sdp, LimitsAndNonsense) {
  EXPECT_EQ(ParseSdp("").code(), Code::kCorrupt);
  EXPECT_EQ(ParseSdp("v=0\r\n").code(), Code::kCorrupt);
  std::string many;
  for (size_t i = 0; i <= kMaxSdpMedia; ++i) many += "m=video 0 RTP/AVP 96\n";
  EXPECT_EQ(ParseSdp(many).code(), Code::kCorrupt);
  EXPECT_EQ(ParseSdp("m=video 0 RTP/AVP 96\n" + std::string(kMaxSdpLines, '\n')).code(),
            Code::kCorrupt);
  std::string formats = "m=video 0 RTP/AVP";
  for (int i = 96; i < 96 + 17; ++i) formats += " " + std::to_string(i);
  EXPECT_EQ(ParseSdp(formats).code(), Code::kCorrupt);
  const auto odd = ParseSdp(
      "m=video\nm=audio 0 RTP/AVP x 300 97\na=rtpmap:97 MPEG4-GENERIC/0\na=rtpmap\na=fmtp:97\n");
  ASSERT_TRUE(odd);
  EXPECT_FALSE(ChooseFormat(odd->media[0]));
  EXPECT_FALSE(ChooseFormat(odd->media[1]));
}

TEST(ResolveControl, FollowsRfc2326AppendixC) {
  EXPECT_EQ(ResolveControl("rtsp://h/a", ""), "rtsp://h/a");
  EXPECT_EQ(ResolveControl("rtsp://h/a/", "*"), "rtsp://h/a/");
  EXPECT_EQ(ResolveControl("rtsp://h/a", "trackID=1"), "rtsp://h/a/trackID=1");
  EXPECT_EQ(ResolveControl("rtsp://h/a/", "/trackID=1"), "rtsp://h/a/trackID=1");
  EXPECT_EQ(ResolveControl("rtsp://h/a", "RTSP://other/b"), "RTSP://other/b");
}

}  // namespace
}  // namespace lookback::recorder
