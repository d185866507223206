#include "recorder/run_writer.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "media/audio.h"
#include "tests/recorder/packets.h"
#include "tests/support/fake_archive.h"

namespace lookback::recorder {
namespace {

using index::GapCause;
using media::Sync;

constexpr TimeUs kRunBegin = 1'777'932'000 * kUsPerSecond;
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
  ManualClock clock_{kRunBegin};
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
  EXPECT_EQ(run.fragments[0].info.start_us, kRunBegin + kFrameUs);
  for (size_t i = 1; i < run.fragments.size(); ++i) {
    EXPECT_EQ(run.fragments[i].info.start_us, run.fragments[i - 1].info.end_us);
  }
  EXPECT_TRUE(Gaps().empty());
}

TEST_F(RunWriterTest, TheLastWholeGroupOfPicturesIsMeasured) {
  Make();
  Pictures(26);
  EXPECT_EQ(writer_->gop().pictures, 25u);
  EXPECT_EQ(writer_->gop().duration_us, kUsPerSecond);
  Pictures(20, 10);
  EXPECT_EQ(writer_->gop().pictures, 10u);
  EXPECT_EQ(writer_->gop().duration_us, 400 * kUsPerMs);
  // One with a damaged picture tells nothing.
  Picture(true);
  clock_.Advance(kFrameUs);
  media::Sample damaged;
  damaged.pts = rtp_base_ + (clock_.MonotonicUs() - 1) * 9 / 100;
  damaged.received_us = clock_.MonotonicUs();
  damaged.damaged = true;
  damaged.data = test::Nals({test::Predicted()});
  writer_->OnSample(std::move(damaged));
  clock_.Advance(kFrameUs);
  Picture(true);
  EXPECT_EQ(writer_->gop().pictures, 10u);
  EXPECT_EQ(writer_->damaged_pictures(), 1u);
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
  TimeUs end_us = kRunBegin;
  int64_t second = 0;
  for (const auto& run : runs) {
    for (const auto& fragment : run.fragments) {
      EXPECT_LT(std::abs(fragment.info.start_us - (kRunBegin + second * kUsPerSecond)),
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
  EXPECT_EQ(Runs()[0].fragments.back().info.end_us, kRunBegin + 50 * kFrameUs);
  EXPECT_EQ(Runs()[1].fragments[0].info.start_us, kRunBegin + 50 * kFrameUs + kUsPerHour);
  ASSERT_EQ(Gaps().size(), 1u);
  EXPECT_EQ(Gaps()[0].cause, GapCause::kClockStep);
  EXPECT_EQ(Gaps()[0].range.duration_us(), kUsPerHour);

  clock_.Step(-2 * kUsPerHour);
  Pictures(25);
  writer_->EndRun();
  EXPECT_EQ(Runs()[2].fragments[0].info.start_us, kRunBegin + 100 * kFrameUs - kUsPerHour);
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
              kRunBegin + i * 50 * kFrameUs);
    EXPECT_EQ(Runs()[static_cast<size_t>(i)].fragments[0].info.tracks[0].base_decode_time, 0);
  }
}

TEST_F(RunWriterTest, AStepOfADayIsAGapForwardAndAnOverlapBack) {
  Make();
  Pictures(50);
  clock_.Step(kUsPerDay);
  Pictures(50);
  clock_.Step(-kUsPerDay);
  Pictures(50);
  writer_->EndRun();
  ASSERT_EQ(Runs().size(), 3u);
  EXPECT_EQ(Runs()[1].fragments[0].info.start_us, kRunBegin + 50 * kFrameUs + kUsPerDay);
  // What was recorded by the wrong clock stands where it was put; nothing is laid over it.
  EXPECT_EQ(Runs()[2].fragments[0].info.start_us, kRunBegin + 100 * kFrameUs);
  ASSERT_EQ(Gaps().size(), 1u);
  EXPECT_EQ(Gaps()[0].cause, GapCause::kClockStep);
}

TEST_F(RunWriterTest, ARunOf1970IsMarkedAndTheNextBeginsWhenTheClockIsSet) {
  clock_.Step(-kRunBegin);
  clock_.SetSynchronised(false);
  Make();
  Pictures(50);
  clock_.Step(kRunBegin);
  clock_.SetSynchronised(true);
  Pictures(50);
  writer_->EndRun();
  ASSERT_EQ(Runs().size(), 2u);
  EXPECT_EQ(Runs()[0].info.clock, storage::ClockState::kUnsynchronised);
  EXPECT_EQ(Runs()[0].fragments[0].info.start_us, 0);
  EXPECT_EQ(Runs()[1].info.clock, storage::ClockState::kSynchronised);
  EXPECT_EQ(Runs()[1].fragments[0].info.start_us, kRunBegin + 50 * kFrameUs);
  ASSERT_EQ(Gaps().size(), 1u);
  EXPECT_EQ(Gaps()[0].cause, GapCause::kClockStep);
}

TEST_F(RunWriterTest, ACameraThatSends21InsteadOf25HasNoPhantomGap) {
  Make();
  // RTP time is when pictures were taken, whatever the camera declares.
  constexpr int64_t k21Us = kUsPerSecond / 21;
  for (int64_t i = 0; i < 21 * 600; ++i) {
    writer_->Tick();
    Picture(i % 25 == 0);
    clock_.Advance(k21Us);
  }
  writer_->EndRun();
  const auto runs = Runs();
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_TRUE(Gaps().empty());
  TimeUs end_us = runs[0].fragments[0].info.start_us;
  EXPECT_NEAR(static_cast<double>(end_us - kRunBegin), 0, 50);
  for (const auto& fragment : runs[0].fragments) {
    EXPECT_EQ(fragment.info.start_us, end_us);
    end_us = fragment.info.end_us;
  }
  EXPECT_NEAR(static_cast<double>(end_us - kRunBegin), 21 * 600 * k21Us, 50'000);
}

TEST_F(RunWriterTest, ACameraThatCounts25AndSends21IsPutRightWhenItIsASecondOff) {
  Make();
  // Its RTP time goes 40 ms a picture, which takes 47.6: 16 % slow, no drift that may be followed.
  TimeUs end_us = kRunBegin;
  int64_t ticks = 0;
  for (int64_t i = 0; i < 21 * 600; ++i, ticks += 3'600) {
    writer_->Tick();
    rtp_base_ = ticks - std::llround(static_cast<double>(clock_.MonotonicUs() - 1) * 0.09);
    Picture(i % 25 == 0);
    clock_.Advance(kUsPerSecond / 21);
  }
  writer_->EndRun();
  // No instant is off by more than the map allows, plus what it takes to be sure.
  for (const auto& run : Runs()) {
    EXPECT_GE(run.fragments.front().info.start_us, end_us);
    end_us = run.fragments.back().info.end_us;
  }
  EXPECT_NEAR(static_cast<double>(end_us - clock_.NowUs()), 0, 8 * kUsPerSecond);
  for (const index::Gap& gap : Gaps()) {
    EXPECT_EQ(gap.cause, GapCause::kStreamChange);
    EXPECT_EQ(gap.detail, "the camera's timestamps jumped");
  }
}

TEST_F(RunWriterTest, OneWildTimestampEndsNoRunAndKeepsItsPicture) {
  for (const int64_t wild : {2'000'000'000, -2'000'000'000, 200'000, -200'000}) {
    SCOPED_TRACE(wild);
    Make();
    const size_t runs_before = Runs().size();
    Pictures(50);
    rtp_base_ += wild;
    Picture(false);
    rtp_base_ -= wild;
    clock_.Advance(kFrameUs);
    Pictures(49);
    writer_->EndRun();
    const auto runs = Runs();
    ASSERT_EQ(runs.size(), runs_before + 1);
    size_t pictures = 0;
    uint32_t flags = 0;
    for (const auto& fragment : runs.back().fragments) {
      pictures += fragment.info.tracks[0].samples.size();
      flags |= fragment.info.flags;
    }
    EXPECT_EQ(pictures, 100u);
    EXPECT_NE(flags & media::kDamaged, 0u);
  }
  EXPECT_TRUE(Gaps().empty());
}

TEST_F(RunWriterTest, AWildTimestampAsTheLastOneIsKeptToo) {
  Make();
  Pictures(25);
  rtp_base_ += 2'000'000'000;
  Picture(false);
  writer_->EndRun();
  ASSERT_EQ(Runs().size(), 1u);
  EXPECT_EQ(Runs()[0].fragments.back().info.tracks[0].samples.size(), 26u);
  EXPECT_EQ(Runs()[0].fragments.back().info.end_us, kRunBegin + 26 * kFrameUs);
}

TEST_F(RunWriterTest, TimesThatStandOrRunBackAreReplacedByArrivalUntilTheyAreRight) {
  for (const int64_t per_picture : {0, -3'600, -180'000}) {
    SCOPED_TRACE(per_picture);
    Make();
    const TimeUs begun_us = clock_.NowUs();
    const size_t runs_before = Runs().size();
    const size_t gaps_before = Gaps().size();
    Pictures(25);
    int64_t ticks = rtp_base_ + 100'000'000;
    for (int64_t i = 0; i < 250; ++i, ticks += per_picture) {
      rtp_base_ = ticks - std::llround(static_cast<double>(clock_.MonotonicUs() - 1) * 0.09);
      writer_->Tick();
      Picture(i % 25 == 0);
      clock_.Advance(kFrameUs);
    }
    EXPECT_TRUE(writer_->timed_by_arrival());
    Pictures(250);
    EXPECT_FALSE(writer_->timed_by_arrival());
    writer_->EndRun();
    const auto runs = Runs();
    TimeUs end_us = begun_us;
    int64_t footage_us = 0;
    for (size_t i = runs_before; i < runs.size(); ++i) {
      for (const auto& fragment : runs[i].fragments) {
        EXPECT_GE(fragment.info.start_us, end_us);
        end_us = fragment.info.end_us;
        footage_us += end_us - fragment.info.start_us;
      }
    }
    EXPECT_NEAR(static_cast<double>(end_us), static_cast<double>(clock_.NowUs()), 2'000);
    // Two seconds to be sure, a group of pictures at each change.
    EXPECT_GT(footage_us, clock_.NowUs() - begun_us - 5 * kUsPerSecond);
    const auto gaps = Gaps();
    const auto is_told = [](const index::Gap& gap) {
      return gap.cause == GapCause::kCameraFault &&
             gap.detail == "the camera's timestamps stand still or run back";
    };
    EXPECT_EQ(
        std::count_if(gaps.begin() + static_cast<ptrdiff_t>(gaps_before), gaps.end(), is_told), 1);
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
            (TimeRange{kRunBegin + 25 * kFrameUs, kRunBegin + 25 * kFrameUs + 7 * kUsPerSecond}));
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
  writer_->OnReport(media::TrackKind::kVideo, {time, kRunBegin + kUsPerSecond - 5 * kUsPerMinute});
  EXPECT_EQ(writer_->camera_offset_us(), -5 * kUsPerMinute);
  EXPECT_EQ(Runs()[0].camera_offset_us, -5 * kUsPerMinute);
}

}  // namespace
}  // namespace lookback::recorder
