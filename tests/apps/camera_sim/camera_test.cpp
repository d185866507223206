#include "apps/camera_sim/camera.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "apps/camera_sim/nal.h"
#include "apps/camera_sim/sei.h"

namespace lookback::camera_sim {
namespace {

constexpr TimeUs kStartUs = 1'777'888'999'000'000;
constexpr int64_t kFrameNs = 40'000'000;

struct Sent {
  Mark mark;
  int64_t pts_ns;
  int64_t dts_ns;
  bool sync;
  bool parameter_sets;
};

class FakeFeed : public Feed {
 public:
  bool PushVideo(const TimedBytes& unit) override {
    if (refuse) return false;
    Sent sent{{}, unit.pts_ns, unit.dts_ns, unit.sync, false};
    const auto nals = SplitLengthPrefixed(unit.bytes, kNalLengthBytes);
    if (!nals) return false;
    for (const ByteSpan nal : *nals) {
      if (auto mark = ParseMarkNal(nal)) sent.mark = *mark;
      sent.parameter_sets = sent.parameter_sets || NalTypeOf(nal) == kNalSps;
    }
    video.push_back(sent);
    return true;
  }
  bool PushAudio(const TimedBytes& frame) override {
    audio.push_back(frame.pts_ns);
    return true;
  }

  bool refuse = false;
  std::vector<Sent> video;
  std::vector<int64_t> audio;
};

class CameraTest : public testing::Test {
 protected:
  void SetUp() override {
    path_ = testing::TempDir() + "camera_test_" +
            testing::UnitTest::GetInstance()->current_test_info()->name() + ".jsonl";
    std::filesystem::remove(path_);
    auto log = FrameLog::Open(path_, nullptr);
    ASSERT_TRUE(log) << log.message();
    log_ = std::move(*log);
  }
  void TearDown() override { std::filesystem::remove(path_); }

  std::unique_ptr<Camera> MakeCamera(const std::string& clip, CameraOptions options = {},
                                     std::shared_ptr<const AudioTrack> audio = nullptr) {
    auto footage = LoadFootage(std::string(FOOTAGE_DIR) + "/" + clip);
    EXPECT_TRUE(footage) << footage.message();
    options.id = "cam1";
    options.start_mono_us = clock_.MonotonicUs();
    return std::make_unique<Camera>(options, std::make_shared<const Footage>(std::move(*footage)),
                                    std::move(audio), *log_);
  }

  // Lets time pass until `count` deliveries are made, each at the instant it is due.
  void Deliver(Camera& camera, int count) {
    for (int i = 0; i < count; ++i) {
      clock_.Advance(std::max<int64_t>(0, camera.NextDueUs() - clock_.MonotonicUs()));
      camera.Deliver(clock_);
    }
  }

  std::vector<nlohmann::json> Log() {
    EXPECT_TRUE(log_->Close());
    std::ifstream file(path_);
    std::vector<nlohmann::json> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(nlohmann::json::parse(line));
    return lines;
  }

  ManualClock clock_{kStartUs};
  std::string path_;
  std::unique_ptr<FrameLog> log_;
};

TEST_F(CameraTest, TimestampsGoOnOverTheLoop) {
  const auto camera = MakeCamera("street-bframes.mp4", {.start_fraction = 0.5});
  const auto feed = std::make_shared<FakeFeed>();
  camera->Attach(feed);
  camera->AddViewer(feed.get());
  Deliver(*camera, 700);  // Clips of 250 frames, from the middle of one: three borders.
  ASSERT_EQ(feed->video.size(), 700u);
  std::vector<int64_t> shown;
  for (size_t i = 0; i < feed->video.size(); ++i) {
    const Sent& sent = feed->video[i];
    EXPECT_EQ(sent.dts_ns, Camera::kFirstFrameNs + static_cast<int64_t>(i) * kFrameNs);
    EXPECT_LE(sent.pts_ns, sent.dts_ns) << "sent before its time";
    EXPECT_EQ(sent.mark.frame, i + 1);
    EXPECT_EQ(sent.mark.capture_us, kStartUs + static_cast<int64_t>(i) * kFrameNs / 1000);
    shown.push_back(sent.pts_ns);
  }
  std::sort(shown.begin(), shown.end());
  for (size_t i = 1; i < shown.size(); ++i) EXPECT_EQ(shown[i] - shown[i - 1], kFrameNs) << i;
}

TEST_F(CameraTest, CapturesByTheClockWhetherWatchedOrNot) {
  const auto camera = MakeCamera("street.mp4");
  const auto feed = std::make_shared<FakeFeed>();
  Deliver(*camera, 10);
  camera->Attach(feed);
  Deliver(*camera, 10);
  EXPECT_TRUE(feed->video.empty());
  const auto log = Log();
  ASSERT_EQ(log.size(), 20u);
  for (size_t i = 0; i < log.size(); ++i) {
    EXPECT_EQ(log[i]["frame"], i + 1);
    EXPECT_EQ(log[i]["capture_us"], kStartUs + static_cast<int64_t>(i) * 40'000);
    EXPECT_EQ(log[i]["sent"], 0);
  }
}

TEST_F(CameraTest, AViewerStartsAtASyncSampleAndAReturningOneSeesLaterFrames) {
  const auto camera = MakeCamera("street.mp4");
  Deliver(*camera, 10);
  const auto first = std::make_shared<FakeFeed>();
  camera->Attach(first);
  camera->AddViewer(first.get());
  Deliver(*camera, 60);  // Frames 11 to 70; a sync sample every 50.
  camera->RemoveViewer(first.get());
  camera->Detach(first.get());
  Deliver(*camera, 10);
  const auto second = std::make_shared<FakeFeed>();
  camera->Attach(second);
  camera->AddViewer(second.get());
  Deliver(*camera, 30);  // To frame 110.
  ASSERT_EQ(first->video.size(), 20u);
  EXPECT_EQ(first->video.front().mark.frame, 51u);
  EXPECT_TRUE(first->video.front().sync);
  EXPECT_EQ(first->video.back().mark.frame, 70u);
  ASSERT_EQ(second->video.size(), 10u);
  EXPECT_EQ(second->video.front().mark.frame, 101u);
}

TEST_F(CameraTest, TheLogCountsAsSentWhatAFeedTookForEachOfItsViewers) {
  const auto camera = MakeCamera("street.mp4");
  const auto one = std::make_shared<FakeFeed>();
  const auto two = std::make_shared<FakeFeed>();
  camera->Attach(one);
  camera->Attach(two);
  camera->AddViewer(one.get());
  camera->AddViewer(one.get());
  camera->AddViewer(two.get());
  Deliver(*camera, 2);
  one->refuse = true;
  Deliver(*camera, 1);
  one->refuse = false;  // Useless until the next sync sample: frame 51.
  Deliver(*camera, 48);
  const auto log = Log();
  EXPECT_EQ(log[0]["sent"], 3);
  EXPECT_EQ(log[1]["sent"], 3);
  for (size_t i = 2; i < 50; ++i) EXPECT_EQ(log[i]["sent"], 1) << i;
  EXPECT_EQ(log[50]["sent"], 3);
  EXPECT_EQ(log[50]["sync"], true);
  EXPECT_EQ(one->video.size(), 3u);
  EXPECT_EQ(two->video.size(), 51u);
}

TEST_F(CameraTest, CaptureTimeFollowsTheWallClockAndPacingDoesNot) {
  const auto camera = MakeCamera("street.mp4");
  const auto feed = std::make_shared<FakeFeed>();
  camera->Attach(feed);
  camera->AddViewer(feed.get());
  Deliver(*camera, 1);
  clock_.Step(-kUsPerDay);
  Deliver(*camera, 1);
  EXPECT_EQ(feed->video[1].mark.capture_us - feed->video[0].mark.capture_us, 40'000 - kUsPerDay);
  EXPECT_EQ(feed->video[1].pts_ns - feed->video[0].pts_ns, kFrameNs);
}

TEST_F(CameraTest, ParameterSetsGoInBandAsOftenAsAsked) {
  const std::map<int, std::vector<uint64_t>> expected = {
      {kConfigEverySync, {1, 51, 101, 151, 201}}, {kConfigNever, {}}, {3, {1, 101, 201}}};
  for (const auto& [interval, frames] : expected) {
    const auto camera = MakeCamera("street.mp4", {.config_interval_s = interval});
    const auto feed = std::make_shared<FakeFeed>();
    camera->Attach(feed);
    camera->AddViewer(feed.get());
    Deliver(*camera, 250);
    std::vector<uint64_t> found;
    for (const Sent& sent : feed->video) {
      if (sent.parameter_sets) found.push_back(sent.mark.frame);
    }
    EXPECT_EQ(found, frames) << interval;
  }
}

TEST_F(CameraTest, AudioRunsBesideTheVideoWithoutAHole) {
  auto tone = MakeTone(AudioCodec::kPcma);
  ASSERT_TRUE(tone) << tone.message();
  const auto camera =
      MakeCamera("street.mp4", {}, std::make_shared<const AudioTrack>(std::move(*tone)));
  const auto feed = std::make_shared<FakeFeed>();
  camera->Attach(feed);
  camera->AddViewer(feed.get());
  Deliver(*camera, 3 * 100);  // Two pieces of 20 ms a frame of 40 ms.
  ASSERT_EQ(feed->video.size(), 100u);
  ASSERT_EQ(feed->audio.size(), 200u);
  for (size_t i = 1; i < feed->audio.size(); ++i) {
    EXPECT_EQ(feed->audio[i] - feed->audio[i - 1], 20'000'000);
  }
}

}  // namespace
}  // namespace lookback::camera_sim
