#include "storage/archive.h"

#include <atomic>
#include <thread>

#include "tests/storage/store_fixture.h"
#include "tests/support/await.h"

namespace lookback::storage {
namespace {

using test::kEvening;
using test::MakeStream;
using test::Op;
using test::SyntheticRun;

class ArchiveTest : public StoreFixture {};

TEST_F(ArchiveTest, EveryFragmentIsWrittenOnce) {
  ASSERT_OK(Open());
  SyntheticRun gate(gate_, kEvening);
  SyntheticRun yard(MakeStream("yard"), kEvening + 400'000);
  Recording& first = Begin(gate);
  Recording& second = Begin(yard);
  auto gate_fragments = gate.Until(150 * kUsPerSecond);
  auto yard_fragments = yard.Until(150 * kUsPerSecond);
  for (size_t i = 0; i < gate_fragments.size(); ++i) {
    ASSERT_OK(first.Append(std::move(gate_fragments[i])));
    ASSERT_OK(second.Append(std::move(yard_fragments[i])));
  }
  recordings_.clear();
  ASSERT_OK(archive().Drain());
  for (const auto* camera : {"gate", "yard"}) {
    SCOPED_TRACE(camera);
    EXPECT_EQ(Numbers(MakeStream(camera)), UpTo(150));
    EXPECT_EQ(Segments(MakeStream(camera)).size(), 3u);
    ExpectHonest(MakeStream(camera));
  }
}

TEST_F(ArchiveTest, ASegmentIsCutAtASyncSampleAfterAMinute) {
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening, {.frames_per_gop = 100});  // Four seconds: two fragments a GOP.
  RecordAndSeal(run, 150 * kUsPerSecond);
  const auto segments = Segments(gate_);
  ASSERT_EQ(segments.size(), 3u);
  for (const FootageSegment& segment : segments) {
    const auto index = archive().Index(segment);
    ASSERT_OK(index);
    EXPECT_EQ((*index)->fragments.front().info.flags & media::kContinuation, 0u);
    EXPECT_EQ((*index)->init, run.info().init);
    EXPECT_EQ((*index)->header.run, run.info().run);
  }
  EXPECT_EQ(segments[0].row.range().duration_us(), kNominalSegmentUs);
  EXPECT_EQ(segments[0].row.end_us, segments[1].row.start_us);
  EXPECT_EQ(segments[1].row.media_start_90k, segments[0].row.media_end_90k);
  EXPECT_EQ(segments[1].row.media_start_90k, 60 * 90'000);
}

TEST_F(ArchiveTest, HoursAreWhatTheSegmentsSayTheOpenOneToo) {
  ASSERT_OK(Open());
  // From ten minutes before an hour's end to five after it, of which the last
  // minutes are not sealed.
  const TimeUs start_us = kEvening - 10 * kUsPerMinute;
  SyntheticRun run(gate_, start_us);
  Recording& recording = Begin(run);
  for (media::Fragment& fragment : run.Until(15 * kUsPerMinute)) {
    ASSERT_OK(recording.Append(std::move(fragment)));
  }
  ASSERT_OK(archive().Drain());
  const TimeRange range{start_us, start_us + kUsPerHour};
  const auto hours = archive().Hours(gate_, range);
  ASSERT_OK(hours);
  ASSERT_EQ(hours->size(), 2u);
  EXPECT_EQ((*hours)[0].totals.covered_us, 10 * kUsPerMinute);
  EXPECT_EQ((*hours)[1].totals.covered_us, 5 * kUsPerMinute);
  EXPECT_EQ((*hours)[1].start_us, kEvening);
  const auto counted = archive().Footage::Hours(gate_, range);
  ASSERT_OK(counted);
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ((*hours)[i].totals, (*counted)[i].totals);
  // Of a moment of the first alone.
  EXPECT_EQ(archive().Hours(gate_, {start_us, start_us + 1})->size(), 1u);
  EXPECT_EQ(archive().Hours(MakeStream("nobody"), range).code(), Code::kNotFound);
}

TEST_F(ArchiveTest, AnEndlessGopIsCutBeforeTheLimit) {
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening, {.frames_per_gop = 1'000'000});
  RecordAndSeal(run, 250 * kUsPerSecond);
  const auto segments = Segments(gate_);
  ASSERT_EQ(segments.size(), 3u);
  for (const FootageSegment& segment : segments) {
    EXPECT_LE(segment.row.range().duration_us(), kMaxSegmentUs);
  }
  const auto numbers = Numbers(gate_);
  EXPECT_EQ(numbers, UpTo(static_cast<uint32_t>(numbers.size())));
}

TEST_F(ArchiveTest, AHoleEndsTheSegment) {
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening);
  auto fragments = run.Until(20 * kUsPerSecond);
  fragments.erase(fragments.begin() + 8);
  AppendAll(Begin(run), std::move(fragments));
  recordings_.clear();
  ASSERT_OK(archive().Drain());
  const auto segments = Segments(gate_);
  ASSERT_EQ(segments.size(), 2u);
  EXPECT_EQ(segments[0].row.range(), (TimeRange{kEvening, kEvening + 8 * kUsPerSecond}));
  EXPECT_EQ(segments[1].row.start_us, kEvening + 9 * kUsPerSecond);
  ExpectHonest(gate_);
}

TEST_F(ArchiveTest, DurableUntilMovesOnlyAfterASync) {
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening);
  Recording& recording = Begin(run);
  AppendAll(recording, run.Until(10 * kUsPerSecond));
  ASSERT_TRUE(test::Await(
      [&] { return archive().StatusOf(gate_).recorded_until_us == kEvening + 10 * kUsPerSecond; }));
  EXPECT_EQ(archive().StatusOf(gate_).durable_until_us, 0);
  ASSERT_OK(archive().Drain());
  EXPECT_EQ(archive().StatusOf(gate_).durable_until_us, kEvening + 10 * kUsPerSecond);

  AppendAll(recording, run.Until(20 * kUsPerSecond));
  files_->FailNth(Op::kSync, 1, Code::kDiskFailed);
  EXPECT_FALSE(archive().Drain());
  EXPECT_EQ(archive().StatusOf(gate_).recorded_until_us, kEvening + 20 * kUsPerSecond);
}

TEST_F(ArchiveTest, TheClockCallsForTheGroupSync) {
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening);
  AppendAll(Begin(run), run.Until(10 * kUsPerSecond));
  ASSERT_TRUE(test::Await(
      [&] { return archive().StatusOf(gate_).recorded_until_us == kEvening + 10 * kUsPerSecond; }));
  clock_.Advance(kSyncIntervalUs);
  ASSERT_TRUE(test::Await(
      [&] { return archive().StatusOf(gate_).durable_until_us == kEvening + 10 * kUsPerSecond; }));
}

TEST_F(ArchiveTest, ALoadTellsHowManyWritesAndSyncsThereWereAndWhatTheyTook) {
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening);
  Recording& recording = Begin(run);
  const auto load = [&] { return archive().Loads().at(0); };
  const auto written = [&] {
    return archive().StatusOf(gate_).recorded_until_us == kEvening + 10 * kUsPerSecond;
  };
  files_->HoldBelow(options_.volumes[0]);
  auto fragments = run.Until(10 * kUsPerSecond);
  const uint64_t count = fragments.size();
  AppendAll(recording, std::move(fragments));
  ASSERT_TRUE(test::Await([&] { return files_->held() == 1; }));
  EXPECT_EQ(load().root, options_.volumes[0]);
  EXPECT_EQ(load().writes.calls, 0u);
  EXPECT_GT(load().queue_share, 0);
  clock_.Advance(3 * kUsPerSecond);  // Of the first one alone.
  files_->LetGo();
  ASSERT_TRUE(test::Await(written));
  ASSERT_TRUE(test::Await([&] { return load().writes.calls == count; }));
  EXPECT_EQ(load().writes.lasted_us, 3 * kUsPerSecond);
  EXPECT_EQ(load().queue_share, 0);
  EXPECT_EQ(load().syncs.calls, 0u);
  ASSERT_OK(archive().Drain());
  EXPECT_EQ(load().syncs.calls, 1u);
  EXPECT_EQ(load().syncs.lasted_us, 0);
}

TEST_F(ArchiveTest, CatalogNeverNamesUnsyncedBytes) {
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening);
  AppendAll(Begin(run), run.Until(10 * kUsPerSecond));
  recordings_.clear();
  files_->FailNth(Op::kSync, 1, Code::kDiskFailed);
  EXPECT_FALSE(archive().Drain());
  // A later sync of the same file would say Ok, and lie: what is sealed now is a copy.
  ASSERT_EQ(store_->catalog().Segments(gate_, kEver)->size(), 1u);
  ASSERT_OK(CutPowerAndOpen());
  EXPECT_EQ(Numbers(gate_), UpTo(10));
  ExpectHonest(gate_);
}

TEST_F(ArchiveTest, OpenFootageIsVisibleUpToTheLastFragment) {
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening);
  AppendAll(Begin(run), run.Until(70 * kUsPerSecond));
  ASSERT_OK(archive().Drain());
  const auto segments = Segments(gate_);
  ASSERT_EQ(segments.size(), 2u);
  EXPECT_EQ(segments[0].open, nullptr);
  ASSERT_NE(segments[1].open, nullptr);
  EXPECT_EQ(segments[1].row.end_us, kEvening + 70 * kUsPerSecond);
  EXPECT_EQ(Numbers(gate_), UpTo(70));
  // The same snapshot again, while nothing was added.
  EXPECT_EQ(Segments(gate_)[1].open, segments[1].open);
  // Its bytes can be read already.
  const auto file = archive().Open(segments[1], 0);
  ASSERT_OK(file);
  EXPECT_EQ((*file)->Size().value(), segments[1].open->file_bytes);
}

TEST_F(ArchiveTest, FootageIsNeverInvisibleNorDoubled) {
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening);
  Recording& recording = Begin(run);
  ASSERT_OK(recording.Append(run.Next()));
  ASSERT_OK(archive().Drain());
  std::atomic<bool> done{false};
  std::thread reader([&] {
    while (!done) {
      const TimeUs recorded = archive().StatusOf(gate_).recorded_until_us;
      TimeUs covered = kEvening;
      for (const FootageSegment& segment : Segments(gate_)) {
        ASSERT_EQ(segment.row.start_us, covered);
        covered = segment.row.end_us;
      }
      ASSERT_GE(covered, recorded);
    }
  });
  for (int i = 0; i < 600; ++i) {
    ASSERT_OK(recording.Append(run.Next()));
    if (i % 7 == 0) ASSERT_OK(archive().Drain());
  }
  done = true;
  reader.join();
}

TEST_F(ArchiveTest, AFullDiskLeavesOneGapAndRecordingResumes) {
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening);
  Recording& recording = Begin(run);
  AppendAll(recording, run.Until(10 * kUsPerSecond));
  ASSERT_OK(archive().Drain());
  files_->FailNth(Op::kWrite, 1, Code::kDiskFull, /*and_all_later=*/true);
  AppendAll(recording, run.Until(15 * kUsPerSecond));
  (void)archive().Drain();  // The ledger's disk is full as well.
  files_->StopFailing();
  clock_.Advance(10 * kUsPerSecond);
  AppendAll(recording, run.Until(25 * kUsPerSecond));
  recordings_.clear();
  ASSERT_OK(archive().Drain());

  const auto gaps = Gaps(gate_);
  ASSERT_EQ(gaps.size(), 1u);
  EXPECT_EQ(gaps[0].cause, index::GapCause::kDiskFull);
  EXPECT_EQ(gaps[0].range, (TimeRange{kEvening + 10 * kUsPerSecond, kEvening + 15 * kUsPerSecond}));
  const auto segments = Segments(gate_);
  ASSERT_EQ(segments.size(), 2u);
  EXPECT_EQ(segments[0].row.end_us, kEvening + 10 * kUsPerSecond);
  EXPECT_EQ(segments[1].row.range(),
            (TimeRange{kEvening + 15 * kUsPerSecond, kEvening + 25 * kUsPerSecond}));
  ExpectHonest(gate_);
}

TEST_F(ArchiveTest, FootageLeavesTheLastOfADiskToLedgerAndCatalog) {
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening);
  Recording& recording = Begin(run);
  AppendAll(recording, run.Until(10 * kUsPerSecond));
  files_->SetFreeBytes(1 << 20);
  ASSERT_OK(archive().Drain());
  AppendAll(recording, run.Until(15 * kUsPerSecond));
  ASSERT_OK(archive().Drain());
  files_->SetFreeBytes(std::nullopt);
  clock_.Advance(10 * kUsPerSecond);
  AppendAll(recording, run.Until(25 * kUsPerSecond));
  recordings_.clear();
  ASSERT_OK(archive().Drain());

  const auto gaps = Gaps(gate_);
  ASSERT_EQ(gaps.size(), 1u);
  EXPECT_EQ(gaps[0].cause, index::GapCause::kDiskFull);
  EXPECT_EQ(gaps[0].range, (TimeRange{kEvening + 10 * kUsPerSecond, kEvening + 15 * kUsPerSecond}));
  ExpectHonest(gate_);
}

TEST_F(ArchiveTest, AFailedWriteGoesOnInAnotherVolume) {
  options_.volumes.push_back(root_ + "/second");
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening);
  Recording& recording = Begin(run);
  AppendAll(recording, run.Until(10 * kUsPerSecond));
  ASSERT_OK(archive().Drain());
  const std::string failed = archive().StatusOf(gate_).volume;
  files_->FailNth(Op::kWrite, 1, Code::kDiskFailed);
  AppendAll(recording, run.Until(30 * kUsPerSecond));
  recordings_.clear();
  ASSERT_OK(archive().Drain());
  EXPECT_EQ(Numbers(gate_), UpTo(30));
  EXPECT_TRUE(Gaps(gate_).empty());
  const auto segments = Segments(gate_);
  ASSERT_EQ(segments.size(), 2u);
  // What was good in the failed file is copied to where the run went on.
  EXPECT_EQ(segments[0].row.volume, segments[1].row.volume);
  for (const Volume* volume : store_->volumes()) {
    EXPECT_NE(segments[0].row.volume == volume->id(), failed == volume->root());
  }
  EXPECT_TRUE(segments[0].row.recovered);
  EXPECT_EQ(archive().StatusOf(gate_).durable_until_us, kEvening + 30 * kUsPerSecond);
}

TEST_F(ArchiveTest, AFailedSyncIsNotRetriedOnTheSameFile) {
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening);
  Recording& recording = Begin(run);
  AppendAll(recording, run.Until(10 * kUsPerSecond));
  files_->FailNth(Op::kSync, 1, Code::kDiskFailed);
  EXPECT_FALSE(archive().Drain());
  EXPECT_EQ(archive().StatusOf(gate_).durable_until_us, 0);
  AppendAll(recording, run.Until(20 * kUsPerSecond));
  recordings_.clear();
  ASSERT_OK(archive().Drain());
  EXPECT_EQ(Numbers(gate_), UpTo(20));
  const auto segments = Segments(gate_);
  ASSERT_EQ(segments.size(), 2u);
  EXPECT_TRUE(segments[0].row.recovered);
  EXPECT_TRUE(segments[0].row.suspect);
  EXPECT_FALSE(segments[1].row.recovered);
  EXPECT_FALSE(segments[1].row.suspect);
  ExpectHonest(gate_);
}

TEST_F(ArchiveTest, ASealThatTheLedgerRefusesWaits) {
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening);
  AppendAll(Begin(run), run.Until(10 * kUsPerSecond));
  recordings_.clear();
  files_->FailNth(Op::kSync, 2, Code::kDiskFull, /*and_all_later=*/true);  // After the segment's.
  EXPECT_FALSE(archive().Drain());
  EXPECT_TRUE(store_->catalog().Segments(gate_, kEver)->empty());
  EXPECT_EQ(Numbers(gate_), UpTo(10));  // It is seen all the same.
  EXPECT_EQ(archive().StatusOf(gate_).durable_until_us, kEvening + 10 * kUsPerSecond);
  files_->StopFailing();
  ASSERT_OK(archive().Drain());
  EXPECT_EQ(store_->catalog().Segments(gate_, kEver)->size(), 1u);
  EXPECT_EQ(Numbers(gate_), UpTo(10));
  ExpectHonest(gate_);
}

TEST_F(ArchiveTest, GapsAreSeenFromTheStart) {
  ASSERT_OK(Open());
  const TimeRange range{kEvening, kEvening + kUsPerMinute};
  archive().SetOpenGap(gate_, index::Gap{gate_, range, index::GapCause::kNetwork, "no route"});
  auto gaps = Gaps(gate_);
  ASSERT_EQ(gaps.size(), 1u);
  EXPECT_EQ(gaps[0].range.end_us, clock_.NowUs());
  archive().SetOpenGap(gate_, std::nullopt);
  archive().RecordGap({gate_, range, index::GapCause::kNetwork, "no route"});
  ASSERT_EQ(Gaps(gate_).size(), 1u);
  ASSERT_OK(archive().Drain());
  gaps = Gaps(gate_);
  ASSERT_EQ(gaps.size(), 1u);
  EXPECT_EQ(gaps[0].range, range);
  EXPECT_EQ(gaps[0].detail, "no route");
}

TEST_F(ArchiveTest, UnknownCamerasAndBadRunsAreRefused) {
  ASSERT_OK(Open());
  EXPECT_EQ(archive().Segments(MakeStream("nowhere"), kEver).code(), Code::kNotFound);
  SyntheticRun run(gate_, kEvening);
  RunInfo info = run.info();
  info.init.resize(20);
  EXPECT_FALSE(archive().Begin(info).has_value());
  ASSERT_OK(archive().Stop());
  EXPECT_EQ(archive().Begin(run.info()).code(), Code::kUnavailable);
}

}  // namespace
}  // namespace lookback::storage
