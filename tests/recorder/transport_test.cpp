// Which way media comes, and where a camera may send the recorder: the whole recorder against a
// scripted camera.
#include <gmock/gmock.h>

#include "recorder/rtsp_source.h"
#include "tests/recorder/recorder_fixture.h"

namespace lookback::recorder {
namespace {

using index::GapCause;
using test::FakeCamera;
using testing::HasSubstr;
using Request = FakeCamera::Request;

class TransportTest : public test::RecorderTest {
 protected:
  void StartWith(index::Transport transport) {
    source_.transport = transport;
    Start();
  }
  // Sync samples over UDP until one is recorded. The clock moves on, for the first packets wait.
  bool AwaitRecordingOverUdp() {
    return Await([&] {
      const auto time = static_cast<uint32_t>(clock_.MonotonicUs() * 9 / 100);
      camera_.SendUdp(test::Rtp(sequence_++, time, true, test::Idr()));
      clock_.Advance(40 * kUsPerMs);
      return Status().state == CameraState::kRecording;
    });
  }
  FakeCamera::Answer RefuseTcp() {
    return [this](const Request& request) {
      if (request.Header("Transport").find("/TCP") == std::string::npos) {
        return camera_.Usual(request);
      }
      return FakeCamera::Respond(request, "461 Unsupported Transport");
    };
  }
  FakeCamera::Answer RedirectTo(const std::string& url, const std::string& status = "302 Found") {
    return [=](const Request& request) {
      if (request.method != "DESCRIBE") return FakeCamera::Respond(request, "200 OK");
      return FakeCamera::Respond(request, status, "Location: " + url + "\r\n");
    };
  }
};

TEST_F(TransportTest, OverUdpACameraIsRecordedAndToldHowItIsReceived) {
  StartWith(index::Transport::kUdp);
  ASSERT_TRUE(AwaitRequests("PLAY", 1));
  EXPECT_THAT(camera_.requests()[2].Header("Transport"),
              testing::MatchesRegex("RTP/AVP;unicast;client_port=[0-9]+-[0-9]+"));
  EXPECT_EQ(camera_.AwaitRtcpOverUdp().size(), 8u);  // Opens the way.
  ASSERT_TRUE(AwaitRecordingOverUdp());
  EXPECT_EQ(Status().transport, "udp");
  clock_.Advance(RtspSource::kReportIntervalUs);
  const Bytes report = camera_.AwaitRtcpOverUdp();
  ASSERT_GE(report.size(), 32u);
  EXPECT_EQ(report[1], 201);  // RR ...
  EXPECT_EQ(Bytes(report.begin() + 8, report.begin() + 12), (Bytes{0x11, 0x22, 0x33, 0x44}));
  recorder_->Stop();
  Bytes last = camera_.AwaitRtcpOverUdp();
  while (last.size() > 16) last = camera_.AwaitRtcpOverUdp();
  ASSERT_EQ(last.size(), 16u);
  EXPECT_EQ(last[9], 203);  // ... and BYE.
  EXPECT_TRUE(AwaitRequests("TEARDOWN", 1));
}

TEST_F(TransportTest, AutoTakesUdpFromACameraThatRefusesTcp) {
  camera_.SetAnswer(RefuseTcp());
  StartWith(index::Transport::kAuto);
  ASSERT_TRUE(AwaitRequests("PLAY", 1));
  ASSERT_EQ(camera_.Count("SETUP"), 2u);
  EXPECT_THAT(camera_.requests()[2].Header("Transport"), HasSubstr("interleaved=0-1"));
  EXPECT_THAT(camera_.requests()[3].Header("Transport"), HasSubstr("client_port="));
  EXPECT_TRUE(AwaitRecordingOverUdp());
}

TEST_F(TransportTest, TcpAloneSaysWhatTheCameraRefused) {
  camera_.SetAnswer(RefuseTcp());
  StartWith(index::Transport::kTcp);
  EXPECT_TRUE(AwaitError("461 Unsupported Transport: the camera does not send RTP that way"));
}

TEST_F(TransportTest, TheEndOfTheConnectionIsTheEndOfASessionOverUdp) {
  StartWith(index::Transport::kUdp);
  ASSERT_TRUE(AwaitRequests("PLAY", 1));
  ASSERT_TRUE(AwaitRecordingOverUdp());
  camera_.HangUp();
  ASSERT_TRUE(AwaitError("the other side closed the connection"));
  EXPECT_EQ(Status().transport, "");
  EXPECT_EQ(archive_.Read().open_gaps.begin()->second.cause, GapCause::kNetwork);
}

TEST_F(TransportTest, AGoodbyeOverUdpEndsTheSession) {
  StartWith(index::Transport::kUdp);
  ASSERT_TRUE(AwaitRequests("PLAY", 1));
  ASSERT_TRUE(AwaitRecordingOverUdp());
  camera_.SendRtcpOverUdp({0x80, 201, 0, 1, 0, 0, 0, 1, 0x81, 203, 0, 1, 0, 0, 0, 1});
  EXPECT_TRUE(AwaitError("the camera ended the stream"));
}

TEST_F(TransportTest, ARedirectIsFollowed) {
  FakeCamera old;
  old.SetAnswer(RedirectTo(camera_.url()));
  source_.user = "viewer";
  source_.password = "secret";
  Recorder::Options options;
  options.read_tick_us = 2'000;
  recorder_ = Recorder::Start(options, archive_, clock_);
  source_.id = id_;
  source_.url = old.url();
  ASSERT_TRUE(recorder_->Put(source_));
  ASSERT_TRUE(AwaitRequests("PLAY", 1));
  EXPECT_EQ(camera_.requests()[1].url, camera_.url());
  EXPECT_TRUE(AwaitRecording());
  EXPECT_EQ(Status().reconnects, 0u);
}

TEST_F(TransportTest, RedirectsInACircleEnd) {
  camera_.SetAnswer(RedirectTo(camera_.url(), "301 Moved Permanently"));
  Start();
  ASSERT_TRUE(AwaitError("the camera redirects more than 5 times"));
  EXPECT_EQ(camera_.Count("DESCRIBE"), 6u);
}

TEST_F(TransportTest, ARedirectToNowhereSaysSo) {
  camera_.SetAnswer(RedirectTo("file:///etc/passwd", "307 Temporary Redirect"));
  Start();
  EXPECT_TRUE(AwaitError("redirects to where nobody can go: camera URL: it must begin with"));
}

TEST_F(TransportTest, ARedirectOutOfRtspIsNotFollowed) {
  camera_.SetAnswer(RedirectTo("http://192.0.2.1/", "307 Temporary Redirect"));
  Start();
  EXPECT_TRUE(AwaitError("redirects to http://192.0.2.1/, which is not RTSP"));
}

TEST_F(TransportTest, CredentialsDoNotFollowToAnotherHost) {
  // The same machine by another name.
  const std::string other = "rtsp://localhost:" + std::to_string(camera_.port()) + "/live";
  camera_.SetAnswer([&, redirect = RedirectTo(other)](const Request& request) {
    if (request.url.find("localhost") == std::string::npos) return redirect(request);
    return FakeCamera::Respond(request, "401 Unauthorized",
                               "WWW-Authenticate: Basic realm=\"cam\"\r\n");
  });
  source_.user = "viewer";
  source_.password = "secret";
  Start();
  ASSERT_TRUE(AwaitError("redirects to another host, which asks for credentials"));
  for (const Request& request : camera_.requests()) EXPECT_EQ(request.Header("Authorization"), "");
}

TEST_F(TransportTest, ACameraThatSendsUsElsewhereInMidStreamIsAnsweredAndFollowed) {
  Start();
  ASSERT_TRUE(AwaitRecording());
  FakeCamera next;
  const std::string redirect = "REDIRECT " + camera_.url() +
                               " RTSP/1.0\r\nCSeq: 900\r\nLocation: " + next.url() + "\r\n\r\n";
  const ByteSpan bytes = AsBytes(redirect);
  camera_.Send(Bytes(bytes.begin(), bytes.end()));
  ASSERT_TRUE(Await([&] { return next.Count("PLAY") == 1; }));
  recorder_->Stop();
  ASSERT_FALSE(archive_.Read().runs.empty());
  EXPECT_TRUE(archive_.Read().runs[0].ended);
}

TEST_F(TransportTest, UdpBehindTlsIsRefusedBecauseItWouldBeInTheClear) {
  Start();
  source_.url = "rtsps://192.0.2.7/live";
  source_.transport = index::Transport::kUdp;
  EXPECT_EQ(recorder_->Put(source_).code(), Code::kInvalid);
  source_.transport = index::Transport::kAuto;
  source_.tls = "perhaps";
  EXPECT_EQ(recorder_->Put(source_).code(), Code::kInvalid);
}

}  // namespace
}  // namespace lookback::recorder
