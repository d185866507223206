// The recorder against a scripted camera on loopback, with a clock that the test moves.
#include "recorder/recorder.h"

#include <gmock/gmock.h>

#include "tests/recorder/recorder_fixture.h"

namespace lookback::recorder {
namespace {

using index::GapCause;
using test::FakeCamera;
using test::kStart;
using test::RecorderTest;
using testing::HasSubstr;
using Request = FakeCamera::Request;

TEST_F(RecorderTest, ACameraIsSetUpPlayedAndTornDown) {
  Start();
  ASSERT_TRUE(AwaitRecording());
  EXPECT_EQ(Status().last_error, "");
  EXPECT_EQ(Status().tracks, "avc1.42000a 176x144");
  recorder_->Stop();
  ASSERT_TRUE(AwaitRequests("TEARDOWN", 1));
  std::vector<std::string> methods;
  for (const Request& request : camera_.requests()) methods.push_back(request.method);
  EXPECT_THAT(methods, testing::ElementsAre("OPTIONS", "DESCRIBE", "SETUP", "PLAY", "TEARDOWN"));
  EXPECT_EQ(camera_.requests()[2].url, camera_.url() + "/track1");
  EXPECT_EQ(camera_.requests()[3].Header("Session"), "12345678");
  const auto runs = archive_.Read().runs;
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_TRUE(runs[0].ended);
  EXPECT_FALSE(runs[0].fragments.empty());
}

TEST_F(RecorderTest, AudioIsAskedForOnlyWhenSwitchedOn) {
  Start(true);
  ASSERT_TRUE(AwaitRequests("PLAY", 1));
  ASSERT_EQ(camera_.Count("SETUP"), 2u);
  EXPECT_THAT(camera_.requests()[3].Header("Transport"), HasSubstr("interleaved=2-3"));
}

TEST_F(RecorderTest, ARefusedAudioTrackLeavesTheVideo) {
  camera_.SetAnswer([this](const Request& request) {
    if (request.url.find("track2") == std::string::npos) return camera_.Usual(request);
    return FakeCamera::Respond(request, "500 Internal Server Error");
  });
  Start(true);
  EXPECT_TRUE(AwaitRecording());
}

std::string Digest(const std::string& nonce) {
  return "WWW-Authenticate: Digest realm=\"cam\", nonce=\"" + nonce + "\", qop=\"auth\"\r\n";
}

TEST_F(RecorderTest, AKeepAliveAnswered401WithANewNonceKeepsTheSession) {
  camera_.SetAnswer([this](const Request& request) {
    const std::string nonce = request.method == "GET_PARAMETER" ? "second" : "first";
    if (request.Header("Authorization").find(nonce) == std::string::npos) {
      return FakeCamera::Respond(request, "401 Unauthorized", Digest(nonce));
    }
    return camera_.Usual(request);
  });
  source_.user = "viewer";
  source_.password = "secret";
  Start();
  ASSERT_TRUE(AwaitRecording());
  // Half of the session's 60 s: the keep-alive is due, and sent again with the new nonce.
  ASSERT_TRUE(Await([&] {
    SendPicture(true);
    return camera_.Count("GET_PARAMETER") >= 2;
  }));
  for (int i = 0; i < 10; ++i) SendPicture(true);
  EXPECT_EQ(camera_.Count("OPTIONS"), 2u);
  EXPECT_EQ(Status().reconnects, 0u);
  EXPECT_EQ(archive_.Read().runs.size(), 1u);
}

TEST_F(RecorderTest, WrongCredentialsAreTriedOnceAndThenSeldom) {
  camera_.SetAnswer([](const Request& request) {
    return FakeCamera::Respond(request, "401 Unauthorized", Digest("n"));
  });
  source_.user = "viewer";
  source_.password = "wrong";
  Start();
  ASSERT_TRUE(AwaitError("401 Unauthorized: check user and password"));
  EXPECT_EQ(camera_.requests().size(), 2u);
  EXPECT_EQ(archive_.Read().open_gaps.begin()->second.cause, GapCause::kCameraFault);
  clock_.Advance(40 * kUsPerSecond);
  ASSERT_TRUE(Await([&] { return Status().state == CameraState::kWaiting; }));
  EXPECT_EQ(camera_.requests().size(), 2u);
  clock_.Advance(40 * kUsPerSecond);
  EXPECT_TRUE(Await([&] { return camera_.requests().size() >= 4; }));
}

TEST_F(RecorderTest, WithoutCredentialsA401SaysWhatIsMissing) {
  camera_.SetAnswer([](const Request& request) {
    return FakeCamera::Respond(request, "401 Unauthorized", "WWW-Authenticate: Basic realm=x\r\n");
  });
  Start();
  EXPECT_TRUE(AwaitError("401 Unauthorized: the camera asks for a user and a password"));
}

TEST_F(RecorderTest, EachRefusalHasItsAdvice) {
  camera_.SetAnswer([this](const Request& request) {
    if (request.method == "OPTIONS") return FakeCamera::Respond(request, "501 Not Implemented");
    if (request.connection == 1) return FakeCamera::Respond(request, "404 Not Found");
    if (request.method == "SETUP") {
      return FakeCamera::Respond(request, "200 OK", "Transport: RTP/AVP;client_port=1-2\r\n");
    }
    return camera_.Usual(request);
  });
  Start();
  ASSERT_TRUE(AwaitError("404 Not Found: check the path of the URL"));
  clock_.Advance(kUsPerSecond);
  ASSERT_TRUE(AwaitError("does not send RTP over the RTSP connection"));
}

TEST_F(RecorderTest, ACameraWithNothingToRecordSaysWhatItOffers) {
  camera_.SetDescription("m=video 0 RTP/AVP 96\r\na=rtpmap:96 VP9/90000\r\n");
  Start();
  EXPECT_TRUE(AwaitError("no H.264, H.265 or MJPEG video; it offers VP9"));
}

TEST_F(RecorderTest, ADropInTheMiddleOfAFrameIsAGapAndARun) {
  Start();
  ASSERT_TRUE(AwaitRecording());
  const Bytes frame = test::Interleaved(0, test::Rtp(sequence_, 1, true, test::Idr(1'000)));
  camera_.Send(Bytes(frame.begin(), frame.begin() + 100));
  camera_.HangUp();
  ASSERT_TRUE(AwaitError("closed the connection"));
  clock_.Advance(kUsPerSecond);
  ASSERT_TRUE(AwaitRequests("PLAY", 2));
  ASSERT_TRUE(AwaitRecording(2));
  ASSERT_TRUE(Await([&] {
    SendPicture(true);
    return !archive_.Read().gaps.empty();
  }));
  const auto contents = archive_.Read();
  EXPECT_EQ(contents.gaps[0].cause, GapCause::kNetwork);
  EXPECT_EQ(contents.gaps[0].range.start_us, contents.runs[0].fragments.back().info.end_us);
  EXPECT_EQ(contents.gaps[0].range.end_us, contents.runs[1].fragments[0].info.start_us);
  EXPECT_EQ(Status().reconnects, 1u);
}

TEST_F(RecorderTest, GarbageEndsTheSessionAndNothingElse) {
  Start();
  ASSERT_TRUE(AwaitRecording());
  camera_.Send(Bytes(1'000, 0xee));
  EXPECT_TRUE(AwaitError("RTSP: bytes that begin neither a message nor a frame"));
  EXPECT_EQ(archive_.Read().open_gaps.begin()->second.cause, GapCause::kCameraFault);
}

TEST_F(RecorderTest, SilenceEndsASessionThatIsHalfOpen) {
  Start();
  ASSERT_TRUE(AwaitRecording());
  clock_.Advance(11 * kUsPerSecond);
  ASSERT_TRUE(AwaitError("no RTP for 10 s"));
  EXPECT_EQ(archive_.Read().open_gaps.begin()->second.cause, GapCause::kNetwork);
}

TEST_F(RecorderTest, NoAnswerEndsATry) {
  camera_.SetAnswer([](const Request&) { return std::string(); });
  Start();
  ASSERT_TRUE(AwaitRequests("OPTIONS", 1));
  clock_.Advance(11 * kUsPerSecond);
  EXPECT_TRUE(AwaitError("no answer to OPTIONS for 10 s"));
}

TEST_F(RecorderTest, NothingIsPromisedBeforeTheFirstSyncSample) {
  Start();
  ASSERT_TRUE(AwaitRequests("PLAY", 1));
  ASSERT_TRUE(Await([&] {
    SendPicture(false);
    return Status().last_error == "no sync sample for 12 s";
  }));
  EXPECT_TRUE(archive_.Read().runs.empty());
  EXPECT_EQ(archive_.Read().open_gaps.begin()->second.detail, "no sync sample for 12 s");
  EXPECT_TRUE(AwaitRecording());
  EXPECT_EQ(Status().last_error, "");
}

TEST_F(RecorderTest, PacketsWithoutPicturesAreAGapWithACauseAndHeal) {
  Start();
  ASSERT_TRUE(AwaitRecording());
  const auto send_until = [this](const Bytes& packet, const std::string& error) {
    // Long enough to be told, and not so long that the camera is asked anew.
    const int64_t end_us = clock_.MonotonicUs() + 15 * kUsPerSecond;
    return Await([&] {
      (void)camera_.SendAndAwait(test::Interleaved(0, packet));
      if (clock_.MonotonicUs() < end_us) clock_.Advance(500 * kUsPerMs);
      return Status().last_error.find(error) != std::string::npos;
    });
  };
  ASSERT_TRUE(send_until({0x80, 0x60, 0}, "packets were no RTP"));
  EXPECT_THAT(Status().last_error, HasSubstr("no picture for 12 s; "));
  EXPECT_EQ(Status().state, CameraState::kConnecting);
  EXPECT_EQ(archive_.Read().open_gaps.begin()->second.cause, GapCause::kCameraFault);
  EXPECT_TRUE(archive_.Read().runs[0].ended);
  ASSERT_TRUE(AwaitRecording(2));
  ASSERT_TRUE(Await([&] { return Status().last_error.empty(); }));
  EXPECT_EQ(Status().reconnects, 0u);
  // Those of another source and type are nothing to this track: no loss, no new source.
  const uint64_t lost = Status().lost_packets;
  ASSERT_TRUE(send_until(test::Rtp(7, 7, true, test::Idr(), 97, 99), "of payload type 97, not 96"));
  EXPECT_EQ(Status().lost_packets, lost);
}

TEST_F(RecorderTest, AVolumeThatTakesNothingIsNotTheCamerasFault) {
  archive_.RefuseRuns(true);
  Start();
  ASSERT_TRUE(AwaitRequests("PLAY", 1));
  for (int i = 0; i < 15 * 25; ++i) SendPicture(true);
  EXPECT_EQ(archive_.Read().open_gaps.begin()->second.cause, GapCause::kDiskFailed);
  EXPECT_EQ(Status().reconnects, 0u);
  archive_.RefuseRuns(false);
  ASSERT_TRUE(AwaitRecording());
  ASSERT_TRUE(Await([&] {
    (void)camera_.SendAndAwait(test::Interleaved(0, {0x80, 0x60, 0}));
    clock_.Advance(500 * kUsPerMs);
    return Status().last_error.find("no picture for 12 s") != std::string::npos;
  }));
}

TEST_F(RecorderTest, ARefusedConnectionIsTriedAgainWithBackoff) {
  archive_.SetRecordedUntil(kStart - kUsPerMinute);
  std::string url;
  {
    FakeCamera gone;
    url = gone.url();
  }
  Recorder::Options options;
  options.read_tick_us = 2'000;
  recorder_ = Recorder::Start(options, archive_, clock_);
  source_.id = id_;
  source_.url = url;
  ASSERT_TRUE(recorder_->Put(source_));
  ASSERT_TRUE(AwaitError("connection refused"));
  for (uint32_t tries = 2; tries < 6; ++tries) {
    clock_.Advance(40 * kUsPerSecond);
    ASSERT_TRUE(Await([&] { return Status().reconnects >= tries; }));
  }
  const auto contents = archive_.Read();
  ASSERT_FALSE(contents.gaps.empty());
  EXPECT_EQ(contents.gaps[0].cause, GapCause::kRecorderDown);
  EXPECT_EQ(contents.gaps[0].range, (TimeRange{kStart - kUsPerMinute, kStart}));
  EXPECT_EQ(contents.open_gaps.begin()->second.cause, GapCause::kNetwork);
}

TEST_F(RecorderTest, ARemovedCameraIsOffOnRecord) {
  Start();
  ASSERT_TRUE(AwaitRecording());
  recorder_->Remove(id_, "switched off");
  EXPECT_EQ(recorder_->StatusOf({id_}).code(), Code::kNotFound);
  ASSERT_TRUE(AwaitRequests("TEARDOWN", 1));
  ASSERT_TRUE(Await([&] { return !archive_.Read().open_gaps.empty(); }));
  EXPECT_EQ(archive_.Read().open_gaps.begin()->second.cause, GapCause::kCameraOff);
  EXPECT_EQ(archive_.Read().open_gaps.begin()->second.detail, "switched off");
  clock_.Advance(kUsPerMinute);
  ASSERT_TRUE(recorder_->Put(source_));
  ASSERT_TRUE(AwaitRequests("PLAY", 2));
  ASSERT_TRUE(AwaitRecording(2));
  recorder_->Stop();
  const auto contents = archive_.Read();
  ASSERT_FALSE(contents.gaps.empty());
  for (const auto& gap : contents.gaps) EXPECT_EQ(gap.cause, GapCause::kCameraOff);
  EXPECT_EQ(contents.gaps.front().range.start_us, contents.runs[0].fragments.back().info.end_us);
  EXPECT_EQ(contents.gaps.back().range.end_us, contents.runs[1].fragments[0].info.start_us);
}

TEST_F(RecorderTest, OneThatIsOffWhenTheRecorderStartsMissesItsTimeForThatAlone) {
  archive_.SetRecordedUntil(kStart - kUsPerMinute);
  recorder_ = Recorder::Start({}, archive_, clock_);
  recorder_->Remove(id_, "removed");
  ASSERT_TRUE(Await([&] { return !archive_.Read().open_gaps.empty(); }));
  const index::Gap off = archive_.Read().open_gaps.begin()->second;
  EXPECT_EQ(off.cause, GapCause::kCameraOff);
  EXPECT_EQ(off.range.start_us, kStart - kUsPerMinute);
  recorder_->Stop();
  const auto gaps = archive_.Read().gaps;
  ASSERT_FALSE(gaps.empty());
  for (const auto& gap : gaps) EXPECT_EQ(gap.cause, GapCause::kCameraOff);
}

TEST_F(RecorderTest, PuttingTheSameAgainChangesNothingAndOtherwiseRestarts) {
  Start();
  ASSERT_TRUE(AwaitRecording());
  ASSERT_TRUE(recorder_->Put(source_));
  source_.audio = true;
  ASSERT_TRUE(recorder_->Put(source_));
  ASSERT_TRUE(AwaitRequests("PLAY", 2));
  EXPECT_EQ(camera_.Count("TEARDOWN"), 1u);
  EXPECT_EQ(camera_.Count("SETUP"), 3u);
}

TEST_F(RecorderTest, ASourceThatCanNeverWorkIsRefused) {
  Start();
  source_.url = "http://x/";
  EXPECT_EQ(recorder_->Put(source_).code(), Code::kInvalid);
  EXPECT_EQ(recorder_->StatusOf({*CameraId::Parse("yard")}).code(), Code::kNotFound);
  recorder_->Stop();
  source_.url = "rtsp://x/";
  EXPECT_EQ(recorder_->Put(source_).code(), Code::kUnavailable);
}

}  // namespace
}  // namespace lookback::recorder
