#include "recorder/run_writer.h"

#include <gmock/gmock.h>

#include <cmath>

#include "media/audio.h"
#include "tests/recorder/packets.h"
#include "tests/support/fake_archive.h"

namespace lookback::recorder {
namespace {

using index::GapCause;
using media::Sync;

constexpr TimeUs kStart = 1'777'932'000 * kUsPerSecond;
constexpr int64_t kFrameUs = 40 * kUsPerMs;

class RunWriterTest : public testing::Test {
 protected:
  void Make(bool audio = false, bool sets_in_sdp = true) {
    RtpFormat video;
    if (sets_in_sdp) {
      video.config.sps = {test::Sps()};
      video.config.pps = {test::Pps()};
    }
    std::vector<RtpFormat> formats{video};
    if (audio) {
      RtpFormat g711;
      g711.kind = media::TrackKind::kAudio;
      g711.codec = media::Codec::kPcma;
      g711.config = media::MakeG711Track(media::Codec::kPcma, 8'000, 1);
      formats.push_back(g711);
    }
    writer_ = std::make_unique<RunWriter>(stream_, formats, archive_, gaps_, clock_);
  }

  // A picture taken now; the camera's time runs `ppm` fast.
  void Picture(bool sync, std::vector<Bytes> nals = {}) {
    media::Sample sample;
    sample.pts = rtp_base_ + std::llround(static_cast<double>(clock_.MonotonicUs() - 1) *
                                          (1 + ppm_ * 1e-6) * 0.09);
    sample.received_us = clock_.MonotonicUs();
    sample.sync = sync ? Sync::kClosed : Sync::kNone;
    if (nals.empty()) nals = {sync ? test::Idr() : test::Predicted()};
    sample.data = test::Nals(nals);
    writer_->OnSample(std::move(sample));
  }
  void Audio(int64_t pts) {
    media::Sample sample;
    sample.track = media::TrackKind::kAudio;
    sample.pts = pts;
    sample.received_us = clock_.MonotonicUs();
    sample.sync = Sync::kClosed;
    sample.data = Bytes(160, 1);
    writer_->OnSample(std::move(sample));
  }
  // Pictures of `gop` to a GOP, beginning with a sync sample.
  void Pictures(int count, int gop = 25) {
    for (int i = 0; i < count; ++i) {
      writer_->Tick();
      Picture(i % gop == 0);
      clock_.Advance(kFrameUs);
    }
  }

  std::vector<test::FakeArchive::FakeRun> Runs() { return archive_.Read().runs; }
  std::vector<index::Gap> Gaps() { return archive_.Read().gaps; }

  const StreamId stream_{*CameraId::Parse("gate"), Stream::kMain};
  test::FakeArchive archive_;
  ManualClock clock_{kStart};
  GapKeeper gaps_{stream_, archive_, clock_};
  int64_t rtp_base_ = 4'294'000'000;
  double ppm_ = 0;
  std::unique_ptr<RunWriter> writer_;
};

TEST_F(RunWriterTest, ARunBeginsWithTheFirstSyncSampleAtZero) {
  Make();
  Picture(false);
  clock_.Advance(kFrameUs);
  EXPECT_TRUE(Runs().empty());
  EXPECT_EQ(writer_->dropped_samples(), 1u);
  Pictures(51);
  writer_->EndRun();
  ASSERT_EQ(Runs().size(), 1u);
  const auto run = Runs()[0];
  EXPECT_TRUE(run.ended);
  EXPECT_EQ(run.info.tracks, "avc1.42000a 176x144");
  ASSERT_EQ(run.fragments.size(), 3u);
  EXPECT_EQ(run.fragments[0].info.tracks[0].base_decode_time, 0);
  EXPECT_EQ(run.fragments[0].info.start_us, kStart + kFrameUs);
  for (size_t i = 1; i < run.fragments.size(); ++i) {
    EXPECT_EQ(run.fragments[i].info.start_us, run.fragments[i - 1].info.end_us);
  }
  EXPECT_TRUE(Gaps().empty());
}

TEST_F(RunWriterTest, ADamagedSyncSampleBeginsNoRun) {
  Make();
  media::Sample sample;
  sample.sync = Sync::kClosed;
  sample.damaged = true;
  sample.data = test::Nals({test::Idr()});
  writer_->OnSample(sample);
  EXPECT_TRUE(Runs().empty());
}

TEST_F(RunWriterTest, SyncSamplesHoldTheParameterSetsInBandEachTime) {
  Make();
  Pictures(26);
  writer_->EndRun();
  const auto fragment = Runs()[0].fragments[0];
  EXPECT_EQ(fragment.info.tracks[0].samples[0].size,
            test::Nals({test::Sps(), test::Pps(), test::Idr()}).size());
  EXPECT_EQ(fragment.info.tracks[0].samples[1].size, test::Nals({test::Predicted()}).size());
}

TEST_F(RunWriterTest, WithoutParameterSetsARunWaitsForThemInBand) {
  Make(false, false);
  Picture(true);
  EXPECT_TRUE(Runs().empty());
  clock_.Advance(kFrameUs);
  Picture(true, {test::Sps(), test::Pps(), test::Idr()});
  ASSERT_EQ(Runs().size(), 1u);
}

TEST_F(RunWriterTest, OtherParameterSetsBeginARunThatGoesOnExactly) {
  Make();
  Pictures(25);
  Picture(true, {test::OtherSps(), test::Pps(), test::Idr()});
  clock_.Advance(kFrameUs);
  for (int i = 0; i < 24; ++i) {
    Picture(false);
    clock_.Advance(kFrameUs);
  }
  writer_->EndRun();
  ASSERT_EQ(Runs().size(), 2u);
  EXPECT_NE(Runs()[0].info.init, Runs()[1].info.init);
  EXPECT_NE(Runs()[0].info.run, Runs()[1].info.run);
  EXPECT_EQ(Runs()[1].fragments[0].info.start_us, Runs()[0].fragments.back().info.end_us);
  EXPECT_TRUE(Gaps().empty());
}

TEST_F(RunWriterTest, ADriftOf300PpmForADayLeavesNoGapAndNoOverlap) {
  ppm_ = 300;
  Make();
  // One picture a second, each a sync sample: a fragment a second.
  for (int64_t second = 0; second < 24 * 3'600 + 60; ++second) {
    writer_->Tick();
    Picture(true);
    clock_.Advance(kUsPerSecond);
  }
  writer_->EndRun();
  const auto runs = Runs();
  ASSERT_EQ(runs.size(), 2u);  // A run ends after a day.
  TimeUs end_us = kStart;
  int64_t second = 0;
  for (const auto& run : runs) {
    for (const auto& fragment : run.fragments) {
      EXPECT_LT(std::abs(fragment.info.start_us - (kStart + second * kUsPerSecond)),
                100 * kUsPerMs);
      if (second > 0) {
        EXPECT_EQ(fragment.info.start_us, end_us);
      }
      end_us = fragment.info.end_us;
      second += static_cast<int64_t>(fragment.info.tracks[0].samples.size());
    }
  }
  EXPECT_EQ(second, 24 * 3'600 + 60);
  EXPECT_TRUE(Gaps().empty());
}

TEST_F(RunWriterTest, AStepOfTheWallClockBeginsARunWithACause) {
  Make();
  Pictures(50);
  clock_.Step(kUsPerHour);
  Pictures(50);
  writer_->EndRun();
  ASSERT_EQ(Runs().size(), 2u);
  EXPECT_EQ(Runs()[0].fragments.back().info.end_us, kStart + 50 * kFrameUs);
  EXPECT_EQ(Runs()[1].fragments[0].info.start_us, kStart + 50 * kFrameUs + kUsPerHour);
  ASSERT_EQ(Gaps().size(), 1u);
  EXPECT_EQ(Gaps()[0].cause, GapCause::kClockStep);
  EXPECT_EQ(Gaps()[0].range.duration_us(), kUsPerHour);

  clock_.Step(-2 * kUsPerHour);
  Pictures(25);
  writer_->EndRun();
  EXPECT_EQ(Runs()[2].fragments[0].info.start_us, kStart + 100 * kFrameUs - kUsPerHour);
  EXPECT_EQ(Gaps().size(), 1u);
}

TEST_F(RunWriterTest, ASmallStepIsFollowedWithoutARun) {
  Make();
  Pictures(50);
  clock_.Step(300 * kUsPerMs);
  Pictures(50);
  writer_->EndRun();
  EXPECT_EQ(Runs().size(), 1u);
  EXPECT_TRUE(Gaps().empty());
}

TEST_F(RunWriterTest, AJumpOfRtpTimeBeginsARun) {
  Make();
  Pictures(50);
  for (const int64_t jump : {-1'000'000, 50'000'000}) {
    rtp_base_ += jump;
    Pictures(50);
  }
  writer_->EndRun();
  ASSERT_EQ(Runs().size(), 3u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Runs()[static_cast<size_t>(i)].fragments[0].info.start_us,
              kStart + i * 50 * kFrameUs);
    EXPECT_EQ(Runs()[static_cast<size_t>(i)].fragments[0].info.tracks[0].base_decode_time, 0);
  }
}

TEST_F(RunWriterTest, PicturesThatStayAwayAreAGapAndNoStillPicture) {
  Make();
  Pictures(25);
  clock_.Advance(7 * kUsPerSecond);
  Pictures(25);
  writer_->EndRun();
  ASSERT_EQ(Runs().size(), 2u);
  ASSERT_EQ(Gaps().size(), 1u);
  EXPECT_EQ(Gaps()[0].cause, GapCause::kCameraFault);
  EXPECT_EQ(Gaps()[0].range,
            (TimeRange{kStart + 25 * kFrameUs, kStart + 25 * kFrameUs + 7 * kUsPerSecond}));
}

TEST_F(RunWriterTest, AudioStandsWhereItWasHeardAndNeverBeforeTheRun) {
  Make(true);
  Audio(0);
  for (int i = 0; i < 51; ++i) {
    Picture(i % 25 == 0);
    for (int j = 0; j < 2; ++j) {
      // Two packets of 20 ms to a picture of 40 ms, by a clock of its own.
      Audio(77'000 + i * 320 + j * 160);
      clock_.Advance(kFrameUs / 2);
    }
  }
  writer_->EndRun();
  const auto runs = Runs();
  const auto& fragment = runs[0].fragments[0];
  ASSERT_EQ(fragment.info.tracks.size(), 2u);
  EXPECT_EQ(fragment.info.tracks[1].base_decode_time, 0);
  size_t heard = 0;
  for (const auto& one : runs[0].fragments) heard += one.info.tracks[1].samples.size();
  EXPECT_EQ(heard, 102u);
  EXPECT_GE(writer_->dropped_samples(), 1u);
}

TEST_F(RunWriterTest, AnArchiveThatTakesNothingIsAskedAgain) {
  Make();
  archive_.RefuseRuns(true);
  Pictures(25);
  EXPECT_EQ(archive_.Read().open_gaps[stream_].cause, GapCause::kDiskFailed);
  archive_.RefuseRuns(false);
  Pictures(75);
  EXPECT_EQ(Runs().size(), 1u);
}

TEST_F(RunWriterTest, TheCamerasOwnClockIsObserved) {
  Make();
  Pictures(30);
  const int64_t time = rtp_base_ + 90'000;
  writer_->OnReport(media::TrackKind::kVideo, {time, kStart + kUsPerSecond - 5 * kUsPerMinute});
  EXPECT_EQ(writer_->camera_offset_us(), -5 * kUsPerMinute);
  EXPECT_EQ(Runs()[0].camera_offset_us, -5 * kUsPerMinute);
}

}  // namespace
}  // namespace lookback::recorder
