#include "recorder/sdp.h"

#include <gmock/gmock.h>

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
  const auto sdp = ParseSdp("m=audio 0 RTP/AVP 8 0\nm=audio 0 RTP/AVP 0\n");
  ASSERT_TRUE(sdp);
  EXPECT_EQ(ChooseFormat(sdp->media[0])->codec, media::Codec::kPcma);
  EXPECT_EQ(ChooseFormat(sdp->media[1])->codec, media::Codec::kPcmu);
  EXPECT_EQ(ChooseFormat(sdp->media[1])->config.timescale, 8'000u);
}

TEST(Sdp, TheFirstFormatThatFitsIsTaken) {
  const auto sdp = ParseSdp(
      "m=video 0 RTP/AVP 26 99 96\r\na=rtpmap:99 H265/90000\r\na=rtpmap:96 h264/90000\r\n");
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
