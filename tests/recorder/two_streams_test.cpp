// Main and sub stream of one camera: two sessions that know nothing of each other.
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "tests/recorder/recorder_fixture.h"

namespace lookback::recorder {
namespace {

using index::GapCause;
using test::FakeCamera;
using test::kStart;
using test::RecorderTest;

class TwoStreamsTest : public RecorderTest {
 protected:
  // Before its camera goes.
  void TearDown() override { recorder_.reset(); }
  void StartBoth() {
    archive_.SetRecordedUntil(kStart - kUsPerMinute);
    Recorder::Options options;
    options.read_tick_us = 2'000;
    options.backoff_min_us = options.backoff_max_us = kUsPerMinute;
    recorder_ = Recorder::Start(options, archive_, clock_);
    source_.id = id_;
    source_.url = camera_.url();
    source_.sub_url = light_.url();
    ASSERT_TRUE(recorder_->Put(source_));
    ASSERT_TRUE(AwaitBoth());
  }
  // Until footage of both is in the archive: of the sub stream's nth run.
  bool AwaitBoth(size_t sub_runs = 1) {
    return Await([&] {
      SendPicture(true);
      SendLight();
      return FootageOf(Stream::kMain) >= 1 && FootageOf(Stream::kSub) >= sub_runs;
    });
  }
  void SendLight() {
    const auto time = static_cast<uint32_t>(clock_.MonotonicUs() * 9 / 100);
    if (light_.SendAndAwait(
            test::Interleaved(0, test::Rtp(light_sequence_, time, true, test::Idr())))) {
      ++light_sequence_;
    }
  }
  CameraStatus Sub() { return *recorder_->StatusOf({id_, Stream::kSub}); }
  // How many runs of it have footage.
  size_t FootageOf(Stream stream) {
    const auto runs = archive_.Read().runs;
    return static_cast<size_t>(std::count_if(runs.begin(), runs.end(), [&](const auto& run) {
      return run.info.stream == StreamId{id_, stream} && !run.fragments.empty();
    }));
  }
  size_t GapsOf(Stream stream, GapCause cause) {
    const auto gaps = archive_.Read().gaps;
    return static_cast<size_t>(std::count_if(gaps.begin(), gaps.end(), [&](const auto& gap) {
      return gap.stream == StreamId{id_, stream} && gap.cause == cause;
    }));
  }

  FakeCamera light_;
  uint16_t light_sequence_ = 100;
};

TEST_F(TwoStreamsTest, ADeadSubStreamCostsTheMainStreamNothing) {
  StartBoth();
  light_.HangUp();
  ASSERT_TRUE(Await([&] { return Sub().state == CameraState::kWaiting; }));
  EXPECT_EQ(Sub().reconnects, 1u);
  for (int i = 0; i < 50; ++i) SendPicture(i % 25 == 0);
  EXPECT_EQ(Status().state, CameraState::kRecording);
  EXPECT_EQ(Status().reconnects, 0u);
  EXPECT_EQ(FootageOf(Stream::kMain), 1u);
  EXPECT_EQ(camera_.connections(), 1);
  const auto open = archive_.Read().open_gaps;
  EXPECT_EQ(open.count({id_, Stream::kMain}), 0u);
  EXPECT_EQ(open.at({id_, Stream::kSub}).cause, GapCause::kNetwork);

  clock_.Advance(2 * kUsPerMinute);  // Its next try.
  ASSERT_TRUE(AwaitBoth(2));
  EXPECT_EQ(GapsOf(Stream::kSub, GapCause::kNetwork), 1u);
  EXPECT_EQ(GapsOf(Stream::kMain, GapCause::kNetwork), 0u);
}

TEST_F(TwoStreamsTest, ADeadMainStreamCostsTheSubStreamNothing) {
  StartBoth();
  camera_.HangUp();
  ASSERT_TRUE(Await([&] { return Status().state == CameraState::kWaiting; }));
  EXPECT_EQ(Sub().state, CameraState::kRecording);
  EXPECT_EQ(Sub().reconnects, 0u);
  EXPECT_EQ(FootageOf(Stream::kSub), 1u);
  EXPECT_EQ(archive_.Read().open_gaps.count({id_, Stream::kSub}), 0u);
}

TEST_F(TwoStreamsTest, ASubStreamThatIsTakenAwayIsOffAndTheMainOneGoesOn) {
  StartBoth();
  const std::string sub_url = std::exchange(source_.sub_url, "");
  ASSERT_TRUE(recorder_->Put(source_));
  EXPECT_EQ(recorder_->StatusOf({id_, Stream::kSub}).code(), Code::kNotFound);
  ASSERT_TRUE(Await([&] { return light_.Count("TEARDOWN") == 1; }));
  EXPECT_EQ(camera_.Count("TEARDOWN"), 0u);
  clock_.Advance(kUsPerSecond);
  source_.sub_url = sub_url;
  ASSERT_TRUE(recorder_->Put(source_));
  ASSERT_TRUE(AwaitBoth(2));
  EXPECT_GE(GapsOf(Stream::kSub, GapCause::kCameraOff), 1u);
  EXPECT_EQ(GapsOf(Stream::kMain, GapCause::kCameraOff), 0u);
  EXPECT_EQ(FootageOf(Stream::kMain), 1u);

  recorder_->Remove(id_, "switched off");
  EXPECT_EQ(recorder_->StatusOf({id_, Stream::kMain}).code(), Code::kNotFound);
  EXPECT_EQ(recorder_->StatusOf({id_, Stream::kSub}).code(), Code::kNotFound);
}

TEST_F(TwoStreamsTest, StreamsAndNotCamerasCountWhereEachTakesAThread) {
  Recorder::Options options;
  options.max_container_cameras = 3;
  recorder_ = Recorder::Start(options, archive_, clock_);
  const auto put = [&](const char* id, std::string url, std::string sub_url) {
    CameraSource source;
    source.id = *CameraId::Parse(id);
    source.url = std::move(url);
    source.sub_url = std::move(sub_url);
    const bool can = recorder_->CanPut(source).has_value();
    EXPECT_EQ(recorder_->Put(source).has_value(), can);
    return can;
  };
  EXPECT_TRUE(put("a", "http://127.0.0.1:1/1", "http://127.0.0.1:1/2"));
  EXPECT_FALSE(put("b", "http://127.0.0.1:1/3", "http://127.0.0.1:1/4"));
  EXPECT_EQ(recorder_->StatusOf({*CameraId::Parse("b")}).code(), Code::kNotFound);
  EXPECT_TRUE(put("b", "http://127.0.0.1:1/3", ""));
  EXPECT_FALSE(put("c", camera_.url(), "rtmp://127.0.0.1:1/5"));
  // Its own streams are no others.
  EXPECT_TRUE(put("a", "http://127.0.0.1:1/2", "http://127.0.0.1:1/1"));
}

}  // namespace
}  // namespace lookback::recorder
