#include "recorder/probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "recorder/picture_meter.h"
#include "tests/recorder/fake_camera.h"
#include "tests/recorder/packets.h"

namespace lookback::recorder {
namespace {

using media::Sync;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr TimeUs kNow = 1'777'932'000 * kUsPerSecond;

std::vector<std::string> Kinds(const std::vector<ProbeFinding>& findings) {
  std::vector<std::string> kinds;
  for (const ProbeFinding& finding : findings) kinds.push_back(finding.kind);
  return kinds;
}

// As a camera that is set well looks.
ProbeReport Good() {
  ProbeReport report;
  report.transport = "tls";
  report.measured_us = 10 * kUsPerSecond;
  report.camera_offset_us = 0;
  report.video.codec = "avc1.4d401f";
  report.video.width = 1'920;
  report.video.height = 1'080;
  report.video.frames_per_second = 25;
  report.video.declared_frames_per_second = 25;
  report.video.bits_per_second = 4e6;
  report.video.sync_samples = 5;
  report.video.longest_gop_us = 2 * kUsPerSecond;
  return report;
}

TEST(ProbeFindingsTest, ACameraThatIsSetWellHasNone) {
  EXPECT_THAT(Kinds(JudgeProbe(Good())), IsEmpty());
}

TEST(ProbeFindingsTest, ALowBitrateIsNoFinding) {
  ProbeReport report = Good();
  report.video.bits_per_second = 1'000;
  EXPECT_THAT(Kinds(JudgeProbe(report)), IsEmpty());
}

TEST(ProbeFindingsTest, EachBadSettingIsNamed) {
  const auto kinds = [](auto change) {
    ProbeReport report = Good();
    change(report);
    return Kinds(JudgeProbe(report));
  };
  EXPECT_THAT(kinds([](auto& r) { r.video.longest_gop_us = 4'000'001; }), ElementsAre("long-gop"));
  EXPECT_THAT(kinds([](auto& r) { r.video.longest_gop_us = 4'000'000; }), IsEmpty());
  EXPECT_THAT(kinds([](auto& r) {
                r.video.sync_samples = 0;
                r.video.longest_gop_us = 9 * kUsPerSecond;
              }),
              ElementsAre("no-sync-sample"));
  EXPECT_THAT(kinds([](auto& r) { r.video.reordered = true; }), IsEmpty());
  EXPECT_THAT(kinds([](auto& r) { r.video.leading_pictures = 2; }), ElementsAre("open-gop"));
  EXPECT_THAT(kinds([](auto& r) { r.video.frames_per_second = 21; }), ElementsAre("frame-rate"));
  EXPECT_THAT(kinds([](auto& r) { r.video.declared_frames_per_second = 0; }), IsEmpty());
  EXPECT_THAT(kinds([](auto& r) { r.video.uneven = 0.2; }), ElementsAre("uneven-frames"));
  EXPECT_THAT(kinds([](auto& r) { r.video.bits_per_second = 40e6; }), ElementsAre("bitrate"));
  EXPECT_THAT(kinds([](auto& r) { r.camera_offset_us.reset(); }), ElementsAre("no-sender-reports"));
  EXPECT_THAT(kinds([](auto& r) { r.camera_offset_us = -2'000'001; }), ElementsAre("wrong-clock"));
  EXPECT_THAT(kinds([](auto& r) {
                r.left.push_back({"audio", "L16/44100", true});
              }),
              ElementsAre("audio-codec"));
  EXPECT_THAT(kinds([](auto& r) { r.left.push_back({"application", "", false}); }), IsEmpty());
  EXPECT_THAT(kinds([](auto& r) { r.transport = "tcp"; }), ElementsAre("no-tls"));
  EXPECT_THAT(kinds([](auto& r) { r.lost_packets = 3; }), ElementsAre("loss"));
  EXPECT_THAT(kinds([](auto& r) { r.time_jumps = 1; }), ElementsAre("time-jumps"));
  EXPECT_THAT(kinds([](auto& r) { r.ended = "connection reset"; }), ElementsAre("broke-off"));
}

ProbedVideo Metered(const std::vector<std::pair<int64_t, Sync>>& pictures) {
  PictureMeter meter;
  for (const auto& [ms, sync] : pictures) {
    media::Sample sample;
    sample.pts = ms * 90;
    sample.sync = sync;
    sample.data.resize(1'000);
    meter.Add(sample);
  }
  ProbedVideo video;
  meter.Fill(video);
  return video;
}

TEST(PictureMeterTest, TheLongestGopIsFoundAndTheOneThatDidNotEndCounts) {
  const ProbedVideo video = Metered({{0, Sync::kClosed},
                                     {40, Sync::kNone},
                                     {80, Sync::kClosed},
                                     {120, Sync::kNone},
                                     {160, Sync::kNone},
                                     {200, Sync::kNone}});
  EXPECT_EQ(video.pictures, 6u);
  EXPECT_EQ(video.sync_samples, 2u);
  EXPECT_EQ(video.longest_gop_us, 120'000);
  EXPECT_EQ(video.longest_gop_pictures, 4u);
  EXPECT_DOUBLE_EQ(video.frames_per_second, 25);
  EXPECT_DOUBLE_EQ(video.bits_per_second, 200'000);
  EXPECT_EQ(video.uneven, 0);
  EXPECT_FALSE(video.reordered);
}

TEST(PictureMeterTest, LeadingPicturesAreThoseShownBeforeTheirOpenSyncSample) {
  const ProbedVideo video = Metered({{0, Sync::kClosed},
                                     {40, Sync::kNone},
                                     {160, Sync::kOpen},
                                     {80, Sync::kNone},
                                     {120, Sync::kNone},
                                     {200, Sync::kNone}});
  EXPECT_TRUE(video.reordered);
  EXPECT_EQ(video.leading_pictures, 2u);
  EXPECT_DOUBLE_EQ(video.frames_per_second, 25);
}

TEST(PictureMeterTest, UnevenIntervalsAreCounted) {
  const ProbedVideo video = Metered({{0, Sync::kClosed},
                                     {40, Sync::kNone},
                                     {80, Sync::kNone},
                                     {200, Sync::kNone},
                                     {240, Sync::kNone}});
  EXPECT_DOUBLE_EQ(video.uneven, 0.25);
}

TEST(PictureMeterTest, OnePictureOrTimeThatStandsIsNoRate) {
  EXPECT_EQ(Metered({}).pictures, 0u);
  EXPECT_EQ(Metered({{0, Sync::kClosed}}).frames_per_second, 0);
  EXPECT_EQ(Metered({{5, Sync::kClosed}, {5, Sync::kNone}}).frames_per_second, 0);
}

class ProbeTest : public testing::Test {
 protected:
  // Runs the probe on a thread of its own while `feed` is called again and again.
  template <typename Feed>
  Result<ProbeReport> Run(Feed feed) {
    options_.source.url = camera_.url();
    options_.tick_us = 2 * kUsPerMs;
    auto report = std::async(std::launch::async, [this] { return ProbeCamera(options_, clock_); });
    while (report.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
      feed();
      std::this_thread::yield();
    }
    return report.get();
  }

  // 25 pictures a second, a sync sample every `gop` of them; a report before the second one, by a
  // clock 3 s ahead.
  void SendPicture(uint16_t gop) {
    if (camera_.Count("PLAY") == 0) return;
    const auto time = static_cast<uint32_t>(sent_ * 3'600U);
    const Bytes payload = sent_ % gop == 0 ? test::Idr() : test::Predicted();
    Bytes bytes = test::Interleaved(0, test::Rtp(sent_, time, true, payload));
    if (sent_ == 25) {
      const auto utc = static_cast<uint64_t>(clock_.NowUs() / kUsPerSecond + 3 + 2'208'988'800);
      const Bytes report = test::Interleaved(1, test::SenderReportPacket(utc << 32, time));
      bytes.insert(bytes.end(), report.begin(), report.end());
    }
    if (!camera_.SendAndAwait(bytes)) return;
    ++sent_;
    clock_.Advance(40 * kUsPerMs);
  }

  test::FakeCamera camera_;
  ManualClock clock_{kNow};
  ProbeOptions options_;
  uint16_t sent_ = 0;
};

TEST_F(ProbeTest, TellsWhatTheCameraSendsAndWhatIsBadAboutIt) {
  camera_.SetDescription(
      "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
      "a=fmtp:96 packetization-mode=1;sprop-parameter-sets=" +
      test::kSpropSets +
      "\r\na=control:trackID=1\r\n"
      "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 L16/44100\r\na=control:trackID=2\r\n"
      "m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\n");
  const auto report = Run([this] { SendPicture(125); });
  ASSERT_TRUE(report) << report.message();
  EXPECT_EQ(report->transport, "tcp");
  EXPECT_EQ(report->video.codec, "avc1.42000a");
  EXPECT_EQ(report->video.profile, "Baseline");
  EXPECT_EQ(report->video.width, 176);
  EXPECT_EQ(report->video.height, 144);
  EXPECT_NEAR(report->video.frames_per_second, 25, 0.01);
  EXPECT_EQ(report->video.longest_gop_us, 5 * kUsPerSecond);
  EXPECT_EQ(report->video.longest_gop_pictures, 125u);
  EXPECT_GE(report->measured_us, options_.measure_us);
  EXPECT_LT(report->measured_us, options_.measure_us + kUsPerSecond);
  ASSERT_TRUE(report->camera_offset_us.has_value());
  EXPECT_NEAR(static_cast<double>(*report->camera_offset_us), 3e6, 1e5);
  EXPECT_FALSE(report->audio.has_value());
  ASSERT_EQ(report->left.size(), 2u);
  EXPECT_EQ(report->left[0].what, "L16/44100");
  EXPECT_EQ(report->left[1].kind, "application");
  EXPECT_THAT(Kinds(report->findings),
              ElementsAre("long-gop", "wrong-clock", "audio-codec", "no-tls"));
  EXPECT_EQ(camera_.Count("TEARDOWN"), 1u);
}

TEST_F(ProbeTest, AConnectionThatBreaksAfterPicturesIsAFinding) {
  const auto report = Run([this] {
    SendPicture(25);
    if (sent_ == 50) camera_.HangUp();
  });
  ASSERT_TRUE(report) << report.message();
  EXPECT_EQ(Kinds(report->findings).front(), "broke-off");
}

TEST_F(ProbeTest, WithoutAPictureItEndsInTimeAndSaysWhy) {
  const auto report = Run([this] { clock_.Advance(kUsPerMs); });
  ASSERT_FALSE(report);
  EXPECT_EQ(report.code(), Code::kUnavailable);
  EXPECT_THAT(report.message(), Not(IsEmpty()));
  // The clock runs ahead of the threads that it wakes, by more on a busy machine.
  EXPECT_LE(clock_.MonotonicUs(), ProbeOptions::kMaxSetupUs * 3 / 2);
}

TEST_F(ProbeTest, WrongCredentialsAreDeniedAndThePasswordIsNotSaid) {
  camera_.SetAnswer([](const test::FakeCamera::Request& request) {
    return test::FakeCamera::Respond(request, "401 Unauthorized",
                                     "WWW-Authenticate: Basic realm=\"r\"\r\n");
  });
  options_.source.user = "viewer";
  options_.source.password = "s3cret-of-the-gate";
  const auto report = Run([] {});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.code(), Code::kDenied);
  EXPECT_THAT(report.message(), HasSubstr("401"));
  EXPECT_THAT(report.message(), Not(HasSubstr("s3cret")));
}

TEST_F(ProbeTest, ASourceThatCanNeverWorkIsRefused) {
  options_.source.url = "ftp://192.0.2.1/";
  EXPECT_EQ(ProbeCamera(options_, clock_).code(), Code::kInvalid);
  options_.source.url = "rtsp://192.0.2.1/";
  options_.measure_us = ProbeOptions::kMaxMeasureUs + 1;
  EXPECT_EQ(ProbeCamera(options_, clock_).code(), Code::kInvalid);
}

}  // namespace
}  // namespace lookback::recorder
