#include "recorder/camera_url.h"

#include <gmock/gmock.h>

#include "recorder/recorder.h"

namespace lookback::recorder {
namespace {

using testing::HasSubstr;

TEST(CameraUrl, PartsAreFound) {
  const auto plain = ParseCameraUrl("rtsp://192.0.2.7/stream1?x=1");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->host, "192.0.2.7");
  EXPECT_EQ(plain->port, 554);
  const auto six = ParseCameraUrl("RTSP://[2001:db8::7]:8554/a");
  ASSERT_TRUE(six);
  EXPECT_EQ(six->host, "2001:db8::7");
  EXPECT_EQ(six->port, 8554);
  EXPECT_EQ(ParseCameraUrl("rtsp://gate.example")->host, "gate.example");
  EXPECT_FALSE(plain->tls);
  const auto tls = ParseCameraUrl("rtsps://192.0.2.7/a");
  ASSERT_TRUE(tls);
  EXPECT_TRUE(tls->tls);
  EXPECT_EQ(tls->port, 322);
}

TEST(CameraUrl, WhatCanNeverWorkIsRefusedWithItsOwnReason) {
  const std::pair<std::string, std::string> kCases[] = {
      {"", "empty"},
      {"file:///etc/passwd", "rtsp://"},
      {"/etc/passwd", "rtsp://"},
      {"concat:http://h/a|/etc/passwd", "rtsp://"},
      {"data:video/mp4;base64,AAAA", "rtsp://"},
      {"subfile,,start,0,end,9,,:http://h/", "rtsp://"},
      {"crypto:http://h/", "rtsp://"},
      {"rtmp://u:p@h/live", "--user"},
      {"http://:80/", "no host"},
      {"rtsp:/h", "rtsp://"},
      {"rtsp://admin:12345@h/a", "--user"},
      {"rtsp:///a", "no host"},
      {"rtsp://:554/a", "no host"},
      {"rtsp://h:0/", "port"},
      {"rtsp://h:65536/", "port"},
      {"rtsp://h:x/", "port"},
      {"rtsp://h:/", "port"},
      {"rtsp://[::1/", "bracket"},
      {"rtsp://[::1]8/", "port"},
      {"rtsp://h/a b", "%20"},
      {"rtsp://h/a\r\nX: y", "%20"},
      {"rtsp://h/" + std::string(kMaxUrlBytes, 'a'), "2048"},
  };
  for (const auto& [url, reason] : kCases) {
    const Status status = CheckCameraUrl(url);
    ASSERT_FALSE(status) << url;
    EXPECT_EQ(status.code(), Code::kInvalid);
    EXPECT_THAT(status.message(), HasSubstr(reason)) << url;
  }
  // Whatever is wrong with it, a password is not repeated.
  EXPECT_THAT(CheckCameraUrl("rtsp://u:secret@h/").message(), testing::Not(HasSubstr("secret")));
}

TEST(CameraUrl, StreamsInContainersHaveTheirOwnSchemes) {
  const auto rtmp = ParseCameraUrl("rtmp://192.0.2.7/live/1");
  ASSERT_TRUE(rtmp);
  EXPECT_TRUE(rtmp->container);
  EXPECT_EQ(rtmp->port, 1935);
  EXPECT_TRUE(ParseCameraUrl("https://192.0.2.7/a.m3u8")->tls);
  EXPECT_EQ(ParseCameraUrl("HTTP://192.0.2.7/a.ts")->port, 80);
  EXPECT_FALSE(ParseCameraUrl("rtsp://192.0.2.7/a")->container);
}

TEST(CameraUrl, WhatIsOfRtspAloneDoesNotGoWithOtherSchemes) {
  CameraSource source;
  source.url = "http://h/a.ts";
  EXPECT_TRUE(CheckCameraSource(source));
  source.transport = index::Transport::kUdp;
  EXPECT_THAT(CheckCameraSource(source).message(), HasSubstr("udp"));
  source.transport = index::Transport::kAuto;
  source.url = "https://h/a.ts";
  source.tls = "pin:" + std::string(64, 'a');
  EXPECT_THAT(CheckCameraSource(source).message(), HasSubstr("pinned"));
}

TEST(CameraUrl, AnAtSignInThePathIsNoCredential) { EXPECT_TRUE(CheckCameraUrl("rtsp://h/a@b")); }

TEST(CameraUrl, ASubStreamIsAnotherStreamReachedByTheSameWay) {
  CameraSource source;
  source.url = "rtsp://cam.local/main";
  source.sub_url = "rtsp://cam.local/sub";
  EXPECT_TRUE(CheckCameraSource(source));
  for (const char* same : {"rtsp://cam.local/main", "RTSP://CAM.local:554/main"}) {
    source.sub_url = same;
    EXPECT_THAT(CheckCameraSource(source).message(), HasSubstr("recorded twice")) << same;
  }
  source.sub_url = "rtsp://u:secret@cam.local/sub";
  EXPECT_EQ(CheckCameraSource(source).code(), Code::kInvalid);
  source.sub_url = "file:///etc/passwd";
  EXPECT_EQ(CheckCameraSource(source).code(), Code::kInvalid);
  source.sub_url = "rtsps://cam.local/sub";
  source.transport = index::Transport::kUdp;
  EXPECT_THAT(CheckCameraSource(source).message(), HasSubstr("unencrypted"));
}

TEST(CameraUrl, PathAndQueryTellStreamsOfOneHostApart) {
  const auto same = [](const char* a, const char* b) {
    return SameStream(*ParseCameraUrl(a), *ParseCameraUrl(b));
  };
  EXPECT_FALSE(same("rtsp://h/s?channel=1", "rtsp://h/s?channel=2"));
  EXPECT_FALSE(same("rtsp://h/S", "rtsp://h/s"));
  EXPECT_FALSE(same("rtsp://h:8554/s", "rtsp://h/s"));
  EXPECT_FALSE(same("rtsp://h:80/s", "http://h/s"));
  EXPECT_TRUE(same("rtsp://[::1]:554/s", "rtsp://[::1]/s"));
}

}  // namespace
}  // namespace lookback::recorder
