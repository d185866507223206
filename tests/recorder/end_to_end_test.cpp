// Simulated cameras into a real store, judged by the simulator's own log.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "apps/camera_sim/sei.h"
#include "media/nal.h"
#include "recorder/recorder.h"
#include "storage/store.h"
#include "tests/recorder/simulator.h"
#include "tests/support/temp_dir.h"
#include "tests/support/watched_archive.h"

namespace lookback::recorder {
namespace {

constexpr TimeRange kEver{kTimeMinUs, kTimeMaxUs};

struct StoredFrame {
  std::string camera;
  uint64_t number = 0;
  TimeUs capture_us = 0;
  TimeUs shown_us = 0;  // By the segment's own map.
};

class EndToEnd : public testing::Test {
 protected:
  EndToEnd() : log_(directory_.Path("frames.jsonl")) {
    storage::StoreOptions options;
    options.data = directory_.Path("data");
    auto store = storage::Store::Open(options, clock_, *files_);
    EXPECT_TRUE(store) << store.message();
    store_ = std::move(*store);
    archive_ = std::make_unique<test::WatchedArchive>(store_->archive());
  }

  static CameraId Id(const std::string& text) { return *CameraId::Parse(text); }
  static StreamId MainOf(const std::string& camera) { return {Id(camera), Stream::kMain}; }

  // Looks at the camera's status at each fragment.
  template <typename Condition>
  void Await(Recorder& recorder, const CameraId& id, Condition condition) {
    const bool held = archive_->Await(std::chrono::seconds(60),
                                      [&] { return condition(*recorder.StatusOf({id})); });
    ASSERT_TRUE(held) << recorder.StatusOf({id})->last_error;
  }
  void AwaitRecording(Recorder& recorder, const CameraId& id) {
    Await(recorder, id,
          [](const CameraStatus& status) { return status.state == CameraState::kRecording; });
  }

  // Waits until footage of so many seconds from now on is in the archive, and returns an instant
  // before which every frame that was sent is in it: one connection keeps the order of frames, so
  // what was captured kSlackUs before the latest recorded one has arrived, however late a busy
  // machine delivers.
  TimeUs RecordFor(Recorder& recorder, const CameraId& id, int seconds) {
    constexpr int64_t kSlackUs = 500 * kUsPerMs;  // Above what the clock map may be off by.
    const TimeUs until_us = clock_.NowUs() + seconds * kUsPerSecond;
    Await(recorder, id,
          [until_us](const CameraStatus& status) { return status.recorded_until_us >= until_us; });
    return until_us - kSlackUs;
  }

  std::vector<StoredFrame> Stored(const std::string& camera) {
    std::vector<StoredFrame> frames;
    const auto segments = store_->archive().Segments(MainOf(camera), kEver);
    EXPECT_TRUE(segments);
    for (const auto& segment : *segments) {
      const auto index = store_->archive().Index(segment);
      const auto file = store_->archive().Open(segment, 0);
      if (!index || !file) {
        ADD_FAILURE() << "segment cannot be read";
        continue;
      }
      for (const auto& fragment : (*index)->fragments) ReadFragment(**file, fragment, frames);
    }
    return frames;
  }

  static void ReadFragment(const File& file, const storage::SegmentFragment& fragment,
                           std::vector<StoredFrame>& frames) {
    const media::FragmentTrack& track = fragment.info.tracks[0];
    uint64_t offset = fragment.offset + track.data_offset;
    int64_t time = track.base_decode_time;
    for (const media::SampleInfo& sample : track.samples) {
      Bytes bytes(sample.size);
      ASSERT_TRUE(file.ReadAt(offset, bytes));
      const double part =
          static_cast<double>(time + sample.composition_offset - track.base_decode_time) /
          static_cast<double>(track.duration());
      StoredFrame frame;
      frame.shown_us = fragment.info.start_us +
                       static_cast<int64_t>(part * static_cast<double>(fragment.info.end_us -
                                                                       fragment.info.start_us));
      media::NalReader reader(bytes);
      ByteSpan nal;
      while (reader.Next(nal)) {
        if ((nal[0] & 31) != 6) continue;
        if (const auto mark = camera_sim::ParseMarkNal(nal)) {
          frame.camera = mark->camera;
          frame.number = mark->frame;
          frame.capture_us = mark->capture_us;
        }
      }
      frames.push_back(frame);
      offset += sample.size;
      time += sample.duration;
    }
  }

  // Every frame that was sent before `until_us` is stored once, the others not at all, and each
  // shows at the time it was taken.
  void ExpectAllSentFrames(const std::string& camera, TimeUs until_us, int64_t tolerance_us) {
    SCOPED_TRACE(camera);
    std::map<uint64_t, int> count;
    int64_t worst_us = 0;
    double sum = 0;
    const auto stored = Stored(camera);
    for (const StoredFrame& frame : stored) {
      EXPECT_EQ(frame.camera, camera);
      ++count[frame.number];
      const int64_t error_us = frame.shown_us - frame.capture_us;
      worst_us = std::max(worst_us, std::abs(error_us));
      sum += static_cast<double>(error_us);
    }
    ASSERT_FALSE(stored.empty());
    EXPECT_LT(worst_us, tolerance_us);
    RecordProperty(camera + "_worst_us", std::to_string(worst_us));
    printf("%s: %zu frames, worst %ld us, mean %.0f us\n", camera.c_str(), stored.size(), worst_us,
           sum / static_cast<double>(stored.size()));
    for (const auto& [number, frame] : test::Simulator::ReadLog(log_, camera)) {
      const int least = frame.sent == 1 && frame.capture_us < until_us ? 1 : 0;
      EXPECT_GE(count[number], least) << number;
      EXPECT_LE(count[number], frame.sent) << number;
    }
  }

  // From the first footage to the last, each instant is in a segment or in a gap, never in both.
  void ExpectNoTimeIsUnaccounted(const std::string& camera) {
    SCOPED_TRACE(camera);
    std::vector<TimeRange> pieces;
    const auto segments = store_->archive().Segments(MainOf(camera), kEver);
    const auto gaps = store_->archive().Gaps(MainOf(camera), kEver);
    ASSERT_TRUE(segments && gaps);
    for (const auto& segment : *segments) {
      pieces.push_back(segment.row.range());
    }
    for (const auto& gap : *gaps) {
      pieces.push_back(gap.range);
      printf("%s: gap of %s: %s (%s)\n", camera.c_str(),
             FormatDuration(gap.range.duration_us()).c_str(),
             std::string(index::GapCauseName(gap.cause)).c_str(), gap.detail.c_str());
    }
    std::sort(pieces.begin(), pieces.end(),
              [](const auto& a, const auto& b) { return a.start_us < b.start_us; });
    for (size_t i = 1; i < pieces.size(); ++i) {
      EXPECT_EQ(pieces[i].start_us, pieces[i - 1].end_us) << FormatTime(pieces[i].start_us);
    }
  }

  static std::string Footage(const std::string& name) { return FOOTAGE_DIR "/" + name; }

  SystemClock clock_;
  std::unique_ptr<FileSystem> files_ = MakePosixFileSystem();
  test::TempDir directory_;
  std::string log_;
  std::unique_ptr<storage::Store> store_;
  std::unique_ptr<test::WatchedArchive> archive_;
};

TEST_F(EndToEnd, EveryFrameSentIsStoredOnceAtItsTime) {
  std::ofstream(directory_.Path("password")) << "correct horse";
  test::Simulator cameras(
      CAMERA_SIM,
      {"--footage", Footage("street.mp4"), Footage("street-bframes.mp4"), "--audio", "aac", "--log",
       log_, "--user", "viewer", "--password-file", directory_.Path("password")},
      2);
  auto recorder = Recorder::Start({}, *archive_, clock_);
  for (size_t i = 0; i < 2; ++i) {
    CameraSource source;
    source.id = Id("cam" + std::to_string(i + 1));
    source.url = cameras.urls()[i];
    source.user = "viewer";
    source.password = "correct horse";
    source.audio = i == 0;
    ASSERT_TRUE(recorder->Put(source));
  }
  AwaitRecording(*recorder, Id("cam1"));
  AwaitRecording(*recorder, Id("cam2"));
  const TimeUs until1_us = RecordFor(*recorder, Id("cam1"), 12);
  const TimeUs until2_us = RecordFor(*recorder, Id("cam2"), 0);
  const CameraStatus status = *recorder->StatusOf({Id("cam1")});
  EXPECT_EQ(status.lost_packets, 0u);
  EXPECT_THAT(status.tracks, testing::HasSubstr("mp4a.40.2"));
  EXPECT_TRUE(status.has_camera_offset);
  EXPECT_LT(std::abs(status.camera_offset_us), 50 * kUsPerMs);
  recorder->Stop();
  cameras.Stop();
  ASSERT_TRUE(store_->archive().Drain());
  ExpectAllSentFrames("cam1", until1_us, 100 * kUsPerMs);
  // The simulator hands B-frames over up to 120 ms later than they are presented.
  ExpectAllSentFrames("cam2", until2_us, 220 * kUsPerMs);
  ExpectNoTimeIsUnaccounted("cam1");
  ExpectNoTimeIsUnaccounted("cam2");
}

TEST_F(EndToEnd, ACameraThatDropsTheLineLosesOnlyWhatItDidNotSend) {
  test::Simulator cameras(CAMERA_SIM,
                          {"--footage", Footage("street.mp4"), "--audio", "pcma", "--log", log_,
                           "--disconnect-every", "4", "--seed", "3"},
                          1);
  auto recorder = Recorder::Start({}, *archive_, clock_);
  CameraSource source;
  source.id = Id("cam1");
  source.url = cameras.urls()[0];
  source.audio = true;
  ASSERT_TRUE(recorder->Put(source));
  AwaitRecording(*recorder, source.id);
  const TimeUs until_us = RecordFor(*recorder, source.id, 15);
  EXPECT_GE(recorder->StatusOf({source.id})->reconnects, 2u);
  recorder->Stop();
  cameras.Stop();
  ASSERT_TRUE(store_->archive().Drain());
  ExpectAllSentFrames("cam1", until_us, 100 * kUsPerMs);
  ExpectNoTimeIsUnaccounted("cam1");
}

}  // namespace
}  // namespace lookback::recorder
