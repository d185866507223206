// Timelines and clips over footage that was thinned, through a real store: each sync sample is
// shown until the next, and what follows whole footage begins where it can be decoded.
#include <algorithm>
#include <filesystem>

#include "query/clip.h"
#include "query/timeline.h"
#include "storage/segment_thin.h"
#include "storage/store.h"
#include "tests/query/clip_fixture.h"

namespace lookback::test {
namespace {

using ::testing::IsEmpty;

// Two segments, of 60 s and of 15 s, ten pictures a second.
class ThinnedClipTest : public ::testing::Test {
 protected:
  static constexpr int64_t kFrameUs = kUsPerSecond / 10;

  // GOPs that are longer than a fragment.
  void SetUp() override { Begin("-g 50 -bf 2"); }
  void Begin(const std::string& gops) {
    source_ = MakeCameraClip(
        "-f lavfi -i testsrc2=size=128x96:rate=10:duration=75 -pix_fmt yuv420p -c:v libx264 "
        "-preset veryfast -sc_threshold 0 -threads 1 " +
        gops);
    for (const media::Sample& sample : source_.samples) {
      if (sample.sync == media::Sync::kNone) continue;
      sync_us_.push_back((sample.pts - source_.samples.front().pts) * 100 / 9);
    }
    options_.data = dir_.path() + "/data";
    auto store = storage::Store::Open(options_, clock_, *files_);
    ASSERT_TRUE(store) << store.message();
    store_ = std::move(*store);
    store_->WaitForRecovery();
    Record();
  }

  void Record() {
    storage::RunInfo info;
    info.stream = stream_;
    info.run = Uuid::Random();
    info.init = media::BuildInitSection(source_.tracks);
    auto recording = store_->archive().Begin(info);
    ASSERT_TRUE(recording) << recording.message();
    for (media::Fragment& fragment : Fragments(source_, kStart)) {
      ASSERT_TRUE((*recording)->Append(std::move(fragment)));
    }
    recording->reset();
    ASSERT_TRUE(store_->archive().Drain());
  }

  std::vector<index::Seal> Rows() {
    return store_->catalog().Segments(stream_, {kTimeMinUs, kTimeMaxUs}).value();
  }
  void Thin(const index::Seal& row) {
    storage::Volume& volume = *store_->volumes().front();
    const auto file = volume.Open(index::KeyOf(row));
    ASSERT_TRUE(file);
    const auto thinned = storage::WriteThinned(**file, row, store_->id(), volume, {});
    ASSERT_TRUE(thinned) << thinned.message();
    const Status done = store_->ThinSegment(*thinned, "default/1", "age");
    ASSERT_TRUE(done) << done.message();
  }

  std::shared_ptr<const query::Clip> Plan(TimeRange range) {
    query::ClipRequest request;
    request.stream = stream_;
    request.range = range;
    auto clip = query::Clip::Plan(store_->archive(), request, clock_.NowUs());
    EXPECT_TRUE(clip) << clip.message();
    return clip ? *clip : nullptr;
  }
  static Played PlayClip(const query::Clip& clip) {
    return Play(
        [&clip](uint64_t offset, std::span<uint8_t> into) {
          const auto count = clip.Read(offset, into);
          return count ? static_cast<int64_t>(*count) : int64_t{-1};
        },
        clip.size());
  }

  // The pictures that stay of the run up to `thinned_us`, and all that follow, with their times.
  struct Kept {
    int64_t at_us;
    uint64_t hash;
  };
  std::vector<Kept> KeptUpTo(int64_t thinned_us) const {
    std::vector<Kept> kept;
    for (const Picture& picture : source_.pictures) {
      const int64_t at_us = picture.pts_us - source_.pictures.front().pts_us;
      const bool sync = std::any_of(sync_us_.begin(), sync_us_.end(), [&](int64_t us) {
        return us - at_us < 1'000 && at_us - us < 1'000;
      });
      if (at_us >= thinned_us || sync) kept.push_back({at_us, picture.hash});
    }
    return kept;
  }
  // That a player shows those of `kept` that are on screen from `from_us` to
  // `to_us`, at their times.
  void ExpectShows(const std::vector<Kept>& kept, int64_t from_us, int64_t to_us) {
    SCOPED_TRACE(std::to_string(from_us) + " to " + std::to_string(to_us));
    const auto clip = Plan({kStart + from_us, kStart + to_us});
    ASSERT_NE(clip, nullptr);
    const Played played = PlayClip(*clip);
    EXPECT_EQ(played.error, "");
    std::vector<uint64_t> hashes;
    std::vector<int64_t> times;
    for (size_t i = 0; i < kept.size(); ++i) {
      const int64_t end_us = i + 1 < kept.size() ? kept[i + 1].at_us : to_us;
      if (kept[i].at_us >= to_us || end_us <= from_us) continue;
      hashes.push_back(kept[i].hash);
      times.push_back(kept[i].at_us);
    }
    EXPECT_EQ(Hashes(played.pictures), hashes);
    ASSERT_EQ(played.pictures.size(), times.size());
    for (size_t i = 0; i < times.size(); ++i) {
      EXPECT_NEAR(static_cast<double>(played.pictures[i].pts_us),
                  static_cast<double>(times[i] - times[0]), 1'000);
    }
    EXPECT_NEAR(static_cast<double>(played.duration_us), static_cast<double>(to_us - times[0]),
                static_cast<double>(kFrameUs));
  }

  test::TempDir dir_;
  std::unique_ptr<FileSystem> files_ = MakePosixFileSystem();
  ManualClock clock_{kNow};
  storage::StoreOptions options_;
  std::unique_ptr<storage::Store> store_;
  const StreamId stream_{*CameraId::Parse("gate"), Stream::kMain};
  CameraClip source_;
  std::vector<int64_t> sync_us_;
};

TEST_F(ThinnedClipTest, EachSyncSampleIsShownUntilTheNext) {
  for (const index::Seal& row : Rows()) Thin(row);
  const int64_t second = kUsPerSecond;
  const auto kept = KeptUpTo(75 * second);
  ASSERT_LT(kept.size(), source_.pictures.size() / 10);
  // Where a sync sample stands is left to the source: times are chosen a little behind one.
  for (const size_t first : {size_t{1}, kept.size() / 2, kept.size() - 3}) {
    const int64_t from_us = kept[first].at_us + kFrameUs / 2;
    ExpectShows(kept, from_us, kept[first + 2].at_us + kFrameUs / 2);
    ExpectShows(kept, from_us + kFrameUs, 74 * second);
  }
  const auto clip = Plan({kStart + 10 * second, kStart + 70 * second});
  ASSERT_NE(clip, nullptr);
  EXPECT_EQ(clip->report().missing_us, 0);
  ASSERT_EQ(clip->report().thinned.size(), 1u);
  EXPECT_EQ(clip->report().thinned[0], (TimeRange{kStart + 10 * second, kStart + 70 * second}));
}

TEST_F(ThinnedClipTest, ATimelineShowsThinnedFootageAsFootageThatIsCovered) {
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 2u);
  Thin(rows[0]);
  const auto timeline = query::BuildTimeline(store_->archive(), stream_,
                                             {rows[0].start_us, rows[1].end_us}, clock_.NowUs());
  ASSERT_TRUE(timeline);
  ASSERT_EQ(timeline->spans.size(), 2u);
  EXPECT_TRUE(timeline->spans[0].thinned);
  EXPECT_EQ(timeline->spans[0].range, rows[0].range());
  EXPECT_FALSE(timeline->spans[1].thinned);
  EXPECT_EQ(timeline->spans[1].range, rows[1].range());
  EXPECT_EQ(timeline->spans[0].run, timeline->spans[1].run);
  EXPECT_EQ(timeline->covered_us, timeline->range.duration_us());
  EXPECT_THAT(timeline->gaps, IsEmpty());
}

TEST_F(ThinnedClipTest, WholeFootageBehindThinnedBeginsWhereItCanBeDecoded) {
  const auto rows = Rows();
  Thin(rows[0]);
  const int64_t border_us = rows[1].start_us - kStart;
  auto kept = KeptUpTo(border_us);
  // What is before it needs what was thinned.
  const int64_t first_sync_us = *std::lower_bound(sync_us_.begin(), sync_us_.end(), border_us);
  EXPECT_LE(first_sync_us - border_us, 3 * kFrameUs);
  std::erase_if(kept, [&](const Kept& one) {
    return one.at_us >= border_us && one.at_us < first_sync_us - 1'000;
  });
  const auto before = std::find_if(kept.begin(), kept.end(), [&](const Kept& one) {
    return one.at_us >= border_us - 15 * kUsPerSecond;
  });
  ExpectShows(kept, before->at_us + kFrameUs / 2, 74 * kUsPerSecond);
}

class OpenGopThinningTest : public ThinnedClipTest {
 protected:
  void SetUp() override { Begin("-g 20 -keyint_min 20 -bf 2 -x264-params open-gop=1:threads=1"); }
};

TEST_F(OpenGopThinningTest, FootageOfOpenGopsIsNotThinned) {
  for (const index::Seal& row : Rows()) {
    EXPECT_EQ(row.sync_bytes, 0u);
    storage::Volume& volume = *store_->volumes().front();
    const auto file = volume.Open(index::KeyOf(row));
    ASSERT_TRUE(file);
    EXPECT_EQ(storage::WriteThinned(**file, row, store_->id(), volume, {}).code(),
              Code::kUnsupported);
  }
}

}  // namespace
}  // namespace lookback::test
