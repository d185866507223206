// tests/storage/thinning_fixture.h: a store on two volumes with footage old enough to be thinned,
// and what is left of a segment, picture by picture.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "storage/check.h"
#include "storage/purger.h"
#include "tests/storage/store_fixture.h"

namespace lookback::storage {

// A picture of a file, read by its tables.
struct Picture {
  int64_t shown = 0;     // Presentation time, ticks.
  int64_t duration = 0;  // Until the next one in decoding order.
  media::Sync sync = media::Sync::kNone;
  Bytes data;
};

class ThinningTest : public StoreFixture {
 protected:
  static constexpr int64_t kAgeUs = 20 * kUsPerDay;

  void SetUp() override {
    StoreFixture::SetUp();
    options_.volumes = {root_ + "/volume", root_ + "/second"};
    ASSERT_OK(Open());
  }
  void TearDown() override {
    purger_.reset();
    StoreFixture::TearDown();
  }

  void Put(uint32_t thin_days) {
    index::Policy policy;
    policy.scope = "default";
    policy.version = ++version_;
    policy.thin_days = thin_days;
    ASSERT_OK(store_->journal().Commit({policy}));
  }
  index::Seal Record(int64_t age_us, const test::SyntheticRun::Options& options,
                     int64_t length_us = 10 * kUsPerSecond) {
    test::SyntheticRun run(gate_, clock_.NowUs() - age_us, options);
    RecordAndSeal(run, length_us);
    return Row(clock_.NowUs() - age_us);
  }
  index::Seal Record(int64_t age_us) { return Record(age_us, {}); }
  index::Seal Row(TimeUs start_us) {
    for (const FootageSegment& segment : Segments(gate_)) {
      if (segment.row.start_us == start_us) return segment.row;
    }
    ADD_FAILURE() << "no segment starts at " << FormatTime(start_us);
    return {};
  }
  index::Seal Now(const index::Seal& row) { return Row(row.start_us); }
  index::Marker PutHold(TimeRange range) {
    index::Marker hold;
    hold.id = Uuid::Random();
    hold.cameras = {gate_.camera};
    hold.range = range;
    hold.hold = true;
    EXPECT_TRUE(store_->PutMarker(hold, {}));
    return hold;
  }
  void Release(const index::Marker& hold) {
    ASSERT_OK(store_->journal().Commit({index::MarkerRemoved{hold.id, true, "li", "closed"}}));
  }
  Volume& VolumeOf(const Uuid& id) {
    for (Volume* volume : store_->volumes()) {
      if (volume->id() == id) return *volume;
    }
    LB_CHECK(false);
    return *store_->volumes().front();
  }
  std::string PathOf(const index::Seal& row) {
    return JoinPath(VolumeOf(row.volume).root(), SegmentPath(index::KeyOf(row)));
  }
  void Rot(const index::Seal& segment, uint64_t offset) {
    const auto file = posix_->Open(PathOf(segment), OpenMode::kReadWrite);
    ASSERT_OK(file);
    const Bytes rot(1, 0x5a);
    const ByteSpan part(rot);
    ASSERT_OK((*file)->WriteAt(offset, std::span(&part, 1)));
  }
  RetentionPlan RunOnce() {
    if (!purger_) purger_ = Purger::Start(*store_, clock_, {});
    const auto round = purger_->RunOnce();
    EXPECT_TRUE(round.has_value()) << (round ? "" : round.message());
    return round ? round->plan : RetentionPlan();
  }
  void Reopen() {
    purger_.reset();
    Close();
    ASSERT_OK(Open());
  }
  Bytes Contents(const std::string& path) {
    const auto bytes = ReadFile(*posix_, path, uint64_t{1} << 30);
    EXPECT_TRUE(bytes.has_value()) << path;
    return bytes ? *bytes : Bytes();
  }
  SegmentIndex IndexOf(const std::string& path) {
    const auto file = posix_->Open(path, OpenMode::kRead);
    EXPECT_TRUE(file.has_value()) << path;
    const auto scan = ScanSegment(**file);
    EXPECT_TRUE(scan && scan->end_valid) << path;
    return scan->index;
  }
  static std::vector<Picture> Pictures(const SegmentIndex& index, const Bytes& file) {
    std::vector<Picture> pictures;
    for (const SegmentFragment& fragment : index.fragments) {
      const media::FragmentTrack& track = *fragment.info.Track(media::TrackKind::kVideo);
      int64_t at = track.base_decode_time;
      uint64_t offset = fragment.offset + track.data_offset;
      for (const media::SampleInfo& sample : track.samples) {
        const auto begin = file.begin() + static_cast<ptrdiff_t>(offset);
        pictures.push_back({at + sample.composition_offset, sample.duration, sample.sync,
                            Bytes(begin, begin + sample.size)});
        at += sample.duration;
        offset += sample.size;
      }
    }
    return pictures;
  }
  std::vector<index::Thin> Thins() {
    std::vector<index::Thin> thins;
    const auto read = store_->ledger().Read(0, [&](const index::NumberedRecord& numbered) {
      if (const auto* one = std::get_if<index::Thin>(&numbered.record)) thins.push_back(*one);
      return true;
    });
    EXPECT_TRUE(read.has_value());
    return thins;
  }
  // That the new file of `row`, which `old` was, has the sync samples and nothing else.
  void ExpectThinned(const index::Seal& old, const SegmentIndex& old_index, const Bytes& old_file) {
    const index::Seal row = Now(old);
    ASSERT_TRUE(row.thinned);
    EXPECT_FALSE(std::filesystem::exists(PathOf(old)));
    const Bytes file = Contents(PathOf(row));
    EXPECT_EQ(Sha256(file), row.sha256);
    EXPECT_EQ(file.size(), row.bytes);
    EXPECT_LT(row.bytes, old.bytes);
    const SegmentIndex index = IndexOf(PathOf(row));
    EXPECT_EQ(index.start_us(), old.start_us);
    EXPECT_EQ(index.end_us(), old.end_us);
    EXPECT_EQ(index.init, old_index.init);
    EXPECT_TRUE(index.header.thinned);
    EXPECT_EQ(row.lost_packets, old.lost_packets);
    std::vector<Picture> expected = Pictures(old_index, old_file);
    std::erase_if(expected,
                  [](const Picture& picture) { return picture.sync == media::Sync::kNone; });
    const std::vector<Picture> kept = Pictures(index, file);
    ASSERT_EQ(kept.size(), expected.size());
    const media::FragmentTrack& last =
        *old_index.fragments.back().info.Track(media::TrackKind::kVideo);
    int64_t media_end = last.base_decode_time;
    for (const media::SampleInfo& sample : last.samples) media_end += sample.duration;
    for (size_t i = 0; i < kept.size(); ++i) {
      EXPECT_EQ(kept[i].shown, expected[i].shown);
      EXPECT_EQ(kept[i].sync, expected[i].sync);
      EXPECT_EQ(kept[i].data, expected[i].data);
      const int64_t next = i + 1 < kept.size() ? expected[i + 1].shown : media_end;
      EXPECT_EQ(kept[i].shown + kept[i].duration, next);
    }
    TimeUs at_us = old.start_us;
    for (const SegmentFragment& fragment : index.fragments) {
      EXPECT_EQ(fragment.info.start_us, at_us);
      EXPECT_EQ(fragment.info.tracks.size(), 1u);
      at_us = fragment.info.end_us;
    }
    EXPECT_EQ(at_us, old.end_us);
  }
  void ExpectClean() {
    purger_.reset();
    Close();
    const auto report = Fsck(options_.data, *posix_, {}, {.depth = FsckDepth::kBytes});
    ASSERT_OK(report);
    for (const Finding& finding : report->findings) ADD_FAILURE() << finding.sentence;
  }

  uint32_t version_ = 0;
  std::unique_ptr<Purger> purger_;
};

}  // namespace lookback::storage
