// A store that an earlier version wrote still opens, and gives what it gave then. One folder of
// tests/golden/ a version; what is expected stands beside each store (tests/golden/README.md).
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "query/clip.h"
#include "query/timeline.h"
#include "storage/check.h"
#include "storage/store.h"
#include "tests/query/player.h"
#include "tests/support/temp_dir.h"

namespace lookback::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Every version of the store's format that was ever released.
class GoldenTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string golden = std::string(LOOKBACK_SOURCE_DIR "/tests/golden/") + GetParam();
    fs::copy(golden + "/data", data_, fs::copy_options::recursive);
    std::ifstream(golden + "/expected.json") >> expected_;
    for (const Picture& picture : PlayFile(golden + "/footage.mp4").pictures) {
      footage_.insert(picture.hash);
    }
    ASSERT_FALSE(footage_.empty());
    clock_ = std::make_unique<ManualClock>(Time(expected_["range"][1]) + kUsPerDay);
  }
  void Open() {
    storage::StoreOptions options;
    options.data = data_;
    auto store = storage::Store::Open(options, *clock_, *files_);
    ASSERT_TRUE(store.has_value()) << store.message();
    store_ = std::move(*store);
    store_->WaitForRecovery();
  }
  void ExpectCleanFsck() {
    const auto report = storage::Fsck(data_, *files_, {});
    ASSERT_TRUE(report.has_value()) << report.message();
    EXPECT_EQ(report->segments, expected_["segments"].get<uint64_t>());
    for (const storage::Finding& finding : report->findings) ADD_FAILURE() << finding.sentence;
  }

  static TimeUs Time(const json& text) {
    return ParseTime(text.get_ref<const std::string&>()).value();
  }
  TimeRange Range(const json& pair) const { return {Time(pair[0]), Time(pair[1])}; }
  static StreamId MainOf(const std::string& camera) {
    return {CameraId::Parse(camera).value(), Stream::kMain};
  }

  json TimelineOf(const std::string& camera) {
    const auto timeline = query::BuildTimeline(store_->archive(), MainOf(camera),
                                               Range(expected_["range"]), clock_->NowUs());
    EXPECT_TRUE(timeline.has_value()) << (timeline ? "" : timeline.message());
    json told = {{"spans", json::array()}, {"gaps", json::array()}};
    if (!timeline) return told;
    for (const query::Span& span : timeline->spans) {
      told["spans"].push_back({FormatTime(span.range.start_us), FormatTime(span.range.end_us)});
    }
    for (const index::Gap& gap : timeline->gaps) {
      told["gaps"].push_back({FormatTime(gap.range.start_us), FormatTime(gap.range.end_us),
                              index::GapCauseName(gap.cause), gap.detail});
    }
    return told;
  }
  // The clip as a file, what it tells of itself, and what a player shows of it.
  json ClipOf(const json& asked) {
    query::ClipRequest request;
    request.stream = MainOf(asked["camera"]);
    request.range = Range(asked["range"]);
    const auto clip = query::Clip::Plan(store_->archive(), request, clock_->NowUs());
    EXPECT_TRUE(clip.has_value()) << (clip ? "" : clip.message());
    if (!clip) return {};
    const Played played = Play(
        [&](uint64_t offset, std::span<uint8_t> into) {
          const auto read = (*clip)->Read(offset, into);
          return read ? static_cast<int64_t>(*read) : int64_t{-1};
        },
        (*clip)->size());
    EXPECT_EQ(played.error, "");
    EXPECT_TRUE(played.complaints.empty());
    json told = asked;
    told["shown"] = {FormatTime((*clip)->report().shown.start_us),
                     FormatTime((*clip)->report().shown.end_us)};
    told["missing_us"] = (*clip)->report().missing_us;
    told["duration_us"] = (*clip)->report().duration_us;
    told["pictures"] = json::array();
    for (const Picture& picture : played.pictures) {
      EXPECT_EQ(footage_.count(picture.hash), 1u) << "not of the footage: " << picture.pts_us;
      told["pictures"].push_back(fmt::format("{} {:016x}", picture.pts_us, picture.hash));
    }
    return told;
  }
  json RecordsOf() {
    json told;
    const auto cameras = store_->catalog().Cameras().value();
    for (const index::Camera& camera : cameras) {
      told["cameras"].push_back({camera.id.text(), camera.name, camera.url, camera.enabled});
    }
    const auto policies = store_->catalog().Policies().value();
    for (const index::Policy& policy : policies) {
      told["policies"].push_back({policy.scope, policy.version, policy.min_days, policy.max_days,
                                  static_cast<int>(policy.at_floor)});
    }
    constexpr TimeRange kAllTime{kTimeMinUs, kTimeMaxUs};
    const auto markers = store_->catalog().Markers(CameraId(), kAllTime).value();
    for (const index::Marker& marker : markers) {
      told["markers"].push_back({marker.id.text(), marker.cameras.size(),
                                 FormatTime(marker.range.start_us), FormatTime(marker.range.end_us),
                                 marker.label, marker.note, marker.hold, marker.case_name,
                                 marker.person});
    }
    return told;
  }

  const std::unique_ptr<FileSystem> files_ = MakePosixFileSystem();
  TempDir dir_;
  const std::string data_ = dir_.Path("moved");
  json expected_;
  std::set<uint64_t> footage_;  // Its pictures, as the same player shows them.
  std::unique_ptr<ManualClock> clock_;
  std::unique_ptr<storage::Store> store_;
};

TEST_P(GoldenTest, OpensAfterAMoveAndGivesWhatItGave) {
  ExpectCleanFsck();
  Open();
  const storage::RecoveryReport recovery = store_->recovery();
  EXPECT_FALSE(recovery.catalog_rebuilt);
  EXPECT_TRUE(recovery.notes.empty()) << recovery.notes.at(0);

  json told = expected_;
  told.erase("timelines");
  told.erase("clips");
  told["records"] = RecordsOf();
  for (const auto& [camera, timeline] : expected_["timelines"].items()) {
    told["timelines"][camera] = TimelineOf(camera);
  }
  for (const json& clip : expected_["clips"]) {
    told["clips"].push_back(ClipOf({{"camera", clip["camera"]}, {"range", clip["range"]}}));
  }
  EXPECT_EQ(told, expected_) << told.dump(1);
  store_.reset();
  ExpectCleanFsck();
}

TEST_P(GoldenTest, ItsCatalogCanBeMadeAnewFromItsLedger) {
  fs::remove_all(data_ + "/catalog");
  const auto rebuilt = storage::Rebuild(data_, *clock_, *files_, {});
  ASSERT_TRUE(rebuilt.has_value()) << rebuilt.message();
  Open();
  EXPECT_EQ(RecordsOf(), expected_["records"]);
  for (const auto& [camera, timeline] : expected_["timelines"].items()) {
    EXPECT_EQ(TimelineOf(camera), timeline);
  }
  store_.reset();
  ExpectCleanFsck();
}

TEST_P(GoldenTest, ItsHoldStillForbidsDeletion) {
  Open();
  const json& held = expected_["held"];
  const auto segments = store_->archive().Segments(MainOf(held["camera"]), Range(held["range"]));
  ASSERT_TRUE(segments.has_value());
  ASSERT_FALSE(segments->empty());
  const auto deleted = store_->DeleteSegment(segments->front().row, "default/1", "disk pressure");
  ASSERT_FALSE(deleted.has_value());
  EXPECT_EQ(deleted.code(), Code::kDenied);
}

INSTANTIATE_TEST_SUITE_P(Versions, GoldenTest, ::testing::Values("v1"));

}  // namespace
}  // namespace lookback::test
