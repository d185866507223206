// A volume breaks, is pulled or does not answer, while another one can take its cameras.
#include <gmock/gmock.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <thread>

#include "storage/volume_writer.h"
#include "tests/storage/store_fixture.h"
#include "tests/support/await.h"

namespace lookback::storage {
namespace {

using test::kEvening;
using test::Op;
using test::SyntheticRun;

class VolumeFailure : public StoreFixture {
 protected:
  void SetUp() override {
    StoreFixture::SetUp();
    options_.volumes = {root_ + "/first", root_ + "/second", root_ + "/third"};
    ASSERT_OK(Open());
  }
  void TearDown() override {
    files_->StopFailing();
    files_->LetGo();
    StoreFixture::TearDown();
  }

  std::string VolumeInUse() { return archive().StatusOf(gate_).volume; }
  [[nodiscard]] bool AwaitRecorded(int64_t us) {
    return test::Await(
        [&] { return archive().StatusOf(gate_).recorded_until_us == kEvening + us; });
  }
  [[nodiscard]] bool AwaitDurable(int64_t us) {
    return test::Await([&] {
      clock_.Advance(kUsPerSecond / 10);
      return archive().StatusOf(gate_).durable_until_us == kEvening + us;
    });
  }
  bool InTrouble(const std::string& root) {
    const auto troubles = archive().Troubles();
    return std::any_of(troubles.begin(), troubles.end(),
                       [&](const VolumeTrouble& trouble) { return trouble.root == root; });
  }
  Volume& VolumeAt(const std::string& root) {
    for (Volume* volume : store_->volumes()) {
      if (volume->root() == root) return *volume;
    }
    std::abort();
  }
  // Each number once, wherever it stands: what is on two volumes counts as one.
  std::vector<uint32_t> Distinct() {
    const auto numbers = Numbers(gate_);
    const std::set<uint32_t> distinct(numbers.begin(), numbers.end());
    return {distinct.begin(), distinct.end()};
  }
  // What a reader finds on one volume (or on all others), in order.
  std::vector<uint32_t> NumbersOn(const std::string& root, bool others = false) {
    std::set<uint32_t> numbers;
    for (const FootageSegment& segment : Segments(gate_)) {
      if ((segment.row.volume == VolumeAt(root).id()) == others) continue;
      const auto index = archive().Index(segment);
      if (!index) continue;
      for (const SegmentFragment& f : (*index)->fragments) numbers.insert(f.info.number);
    }
    return {numbers.begin(), numbers.end()};
  }
  std::vector<uint32_t> NumbersOff(const std::string& root) { return NumbersOn(root, true); }
  static std::vector<uint32_t> FromTo(uint32_t first, uint32_t last) {
    std::vector<uint32_t> numbers;
    for (uint32_t n = first; n <= last; ++n) numbers.push_back(n);
    return numbers;
  }
};

constexpr int64_t kSecond = kUsPerSecond;  // Of one fragment each.

TEST_F(VolumeFailure, WhatWasNotSyncedIsWrittenAgainWhenAVolumeIsPulled) {
  SyntheticRun run(gate_, kEvening);
  Recording& recording = Begin(run);
  AppendAll(recording, run.Until(10 * kSecond));
  ASSERT_OK(archive().Drain());
  AppendAll(recording, run.Until(18 * kSecond));
  ASSERT_TRUE(AwaitRecorded(18 * kSecond));
  const std::string pulled = VolumeInUse();
  files_->FailBelow(pulled, Code::kDiskFailed);
  AppendAll(recording, run.Until(30 * kSecond));
  ASSERT_TRUE(AwaitDurable(30 * kSecond));
  EXPECT_NE(VolumeInUse(), pulled);
  EXPECT_EQ(NumbersOff(pulled), FromTo(11, 30));
  EXPECT_EQ(Distinct(), UpTo(30));
  EXPECT_TRUE(Gaps(gate_).empty());
  EXPECT_TRUE(InTrouble(pulled));
  recordings_.clear();
  (void)archive().Drain();

  // The volume is back, with all that it had: what is there twice is told by run and number.
  Close();
  files_->StopFailing();
  ASSERT_OK(Open());
  EXPECT_EQ(Distinct(), UpTo(30));
  EXPECT_EQ(NumbersOff(pulled), FromTo(11, 30));
  EXPECT_EQ(NumbersOn(pulled), UpTo(18));
  EXPECT_TRUE(Gaps(gate_).empty());
}

TEST_F(VolumeFailure, WhatWasSyncedOnAPulledVolumeIsSeenAgainOnceItIsBack) {
  SyntheticRun run(gate_, kEvening);
  Recording& recording = Begin(run);
  AppendAll(recording, run.Until(10 * kSecond));
  ASSERT_OK(archive().Drain());
  const std::string pulled = VolumeInUse();
  files_->FailBelow(pulled, Code::kDiskFailed);
  AppendAll(recording, run.Until(20 * kSecond));
  ASSERT_TRUE(AwaitDurable(20 * kSecond));
  for (int i = 0; i <= kMaxRepairTries; ++i) (void)archive().Drain();
  files_->StopFailing();
  recordings_.clear();
  EXPECT_TRUE(test::Await([&] {
    clock_.Advance(kUsPerSecond);
    (void)archive().Drain();
    return NumbersOff(pulled) == UpTo(20);
  })) << "without a start";
  EXPECT_TRUE(Gaps(gate_).empty());
}

TEST_F(VolumeFailure, ACopyStandsThoughTheOldFileCannotBeMovedAway) {
  SyntheticRun run(gate_, kEvening);
  Recording& recording = Begin(run);
  AppendAll(recording, run.Until(10 * kSecond));
  ASSERT_OK(archive().Drain());
  const std::string failed = VolumeInUse();
  AppendAll(recording, run.Until(15 * kSecond));
  ASSERT_TRUE(AwaitRecorded(15 * kSecond));
  files_->FailNth(Op::kRename, 1, Code::kDiskFailed, /*and_all_later=*/true);
  files_->FailNextBelow(Op::kSync, failed + "/v1/gate/", Code::kDiskFailed);
  ASSERT_TRUE(AwaitDurable(15 * kSecond));
  recordings_.clear();
  for (int i = 0; i <= kMaxRepairTries; ++i) (void)archive().Drain();
  EXPECT_EQ(NumbersOff(failed), UpTo(15));
  EXPECT_TRUE(Gaps(gate_).empty());
}

TEST_F(VolumeFailure, ASyncThatFailsLosesNothing) {
  SyntheticRun run(gate_, kEvening);
  Recording& recording = Begin(run);
  AppendAll(recording, run.Until(10 * kSecond));
  ASSERT_TRUE(AwaitRecorded(10 * kSecond));
  const std::string failed = VolumeInUse();
  // Not one of the ledger or its copies, which are synced when they like.
  files_->FailNextBelow(Op::kSync, failed + "/v1/gate/", Code::kDiskFailed);
  ASSERT_TRUE(AwaitDurable(10 * kSecond));
  AppendAll(recording, run.Until(20 * kSecond));
  recordings_.clear();
  ASSERT_OK(archive().Drain());
  EXPECT_EQ(Numbers(gate_), UpTo(20));
  EXPECT_THAT(NumbersOff(failed), testing::IsSupersetOf(UpTo(10)));
  EXPECT_TRUE(Gaps(gate_).empty());
  EXPECT_FALSE(InTrouble(failed));  // A probe found it well again.
}

TEST_F(VolumeFailure, RunsAreSpreadOverVolumes) {
  files_->SetFreeBytes(uint64_t{1} << 40);
  Close();
  ASSERT_OK(Open());
  std::map<std::string, int> runs;
  for (int i = 0; i < 30; ++i) {
    const StreamId stream = test::MakeStream("cam" + std::to_string(i));
    Begin(SyntheticRun(stream, kEvening));
    ++runs[archive().StatusOf(stream).volume];
  }
  for (const std::string& root : options_.volumes) EXPECT_EQ(runs[root], 10) << root;
}

TEST_F(VolumeFailure, ARunGoesOnFromVolumeToVolume) {
  SyntheticRun run(gate_, kEvening);
  Recording& recording = Begin(run);
  std::set<std::string> seen;
  for (int i = 1; i <= 3; ++i) {
    AppendAll(recording, run.Until(i * 10 * kSecond));
    ASSERT_TRUE(AwaitRecorded(i * 10 * kSecond));
    seen.insert(VolumeInUse());
    if (i == 3) break;
    files_->FailNth(Op::kWrite, 1, Code::kDiskFailed);
    AppendAll(recording, run.Until((i * 10 + 1) * kSecond));
    ASSERT_TRUE(AwaitRecorded((i * 10 + 1) * kSecond));
  }
  EXPECT_GE(seen.size(), 2u);
  recordings_.clear();
  ASSERT_OK(archive().Drain());
  EXPECT_EQ(Numbers(gate_), UpTo(30));
  EXPECT_TRUE(Gaps(gate_).empty());
  for (const std::string& root : options_.volumes) ASSERT_FALSE(InTrouble(root));
}

TEST_F(VolumeFailure, AVolumeThatDoesNotAnswerIsGivenUpAndTakenUpAgain) {
  SyntheticRun run(gate_, kEvening);
  Recording& recording = Begin(run);
  AppendAll(recording, run.Until(10 * kSecond));
  ASSERT_OK(archive().Drain());
  AppendAll(recording, run.Until(15 * kSecond));
  ASSERT_TRUE(AwaitRecorded(15 * kSecond));
  const std::string hung = VolumeInUse();
  files_->HoldBelow(hung);
  AppendAll(recording, run.Until(20 * kSecond));
  ASSERT_TRUE(test::Await([&] { return files_->held() > 0; }));
  EXPECT_FALSE(InTrouble(hung));
  clock_.Advance(kSlowCallUs + kSecond);
  EXPECT_TRUE(InTrouble(hung));
  EXPECT_EQ(VolumeInUse(), hung);
  clock_.Advance(kHungSyncUs);
  ASSERT_TRUE(test::Await([&] { return VolumeInUse() != hung; }));
  AppendAll(recording, run.Until(30 * kSecond));
  ASSERT_TRUE(AwaitDurable(30 * kSecond));
  EXPECT_EQ(NumbersOff(hung), FromTo(11, 30));
  EXPECT_EQ(Distinct(), UpTo(30));
  EXPECT_TRUE(Gaps(gate_).empty());
  EXPECT_GT(files_->held(), 0u);

  // It answers at last: the new runs may go there, the old one stays where it is.
  files_->LetGo();
  ASSERT_TRUE(test::Await([&] {
    clock_.Advance(kSecond / 10);
    return !InTrouble(hung);
  }));
  AppendAll(recording, run.Until(40 * kSecond));
  recordings_.clear();
  ASSERT_OK(archive().Drain());
  EXPECT_EQ(NumbersOff(hung).back(), 40u);
  EXPECT_EQ(Distinct(), UpTo(40));
  EXPECT_TRUE(Gaps(gate_).empty());
  Close();
  ASSERT_OK(Open());
  EXPECT_EQ(Distinct(), UpTo(40));
  EXPECT_TRUE(Gaps(gate_).empty());
}

TEST_F(VolumeFailure, WithOneVolumeAloneTheQueueIsAllThereIs) {
  options_.volumes = {root_ + "/first"};
  Close();
  std::filesystem::remove_all(root_ + "/data");
  std::filesystem::remove_all(root_ + "/first");
  ASSERT_OK(Open());
  SyntheticRun run(gate_, kEvening);
  Recording& recording = Begin(run);
  files_->HoldBelow(root_ + "/first");
  AppendAll(recording, run.Until(20 * kSecond));
  ASSERT_TRUE(test::Await([&] { return files_->held() > 0; }));
  clock_.Advance(kHungSyncUs * 2);
  EXPECT_TRUE(InTrouble(root_ + "/first"));
  files_->LetGo();
  ASSERT_TRUE(AwaitDurable(20 * kSecond));
  recordings_.clear();
  ASSERT_OK(archive().Drain());
  EXPECT_EQ(Numbers(gate_), UpTo(20));
  EXPECT_TRUE(Gaps(gate_).empty());
  ExpectHonest(gate_);
}

// A run that went from A to B and back to A: what waits in the queue of either leads to the other.
TEST_F(VolumeFailure, VolumesThatARunWentBackToAreGivenUpAtOnce) {
  options_.volumes = {root_ + "/hung/a", root_ + "/hung/b", root_ + "/other"};
  Close();
  std::filesystem::remove_all(root_ + "/data");
  ASSERT_OK(Open());
  const auto records = std::make_shared<RecordQueue>(store_->journal());
  VolumeWriter::Options options;
  options.store = store_->id();
  options.epoch = store_->epoch() + 1;  // The store's own archive has the present one.
  options.replay = std::make_shared<ReplayBudget>(kReplayBytes);
  std::atomic<VolumeWriter*> after_a, after_b;
  const auto writer = [&](const std::string& root, std::atomic<VolumeWriter*>* after) {
    return std::make_unique<VolumeWriter>(
        options, VolumeAt(root), *records, clock_,
        [after](const VolumeWriter&) -> VolumeWriter* { return after ? after->load() : nullptr; });
  };
  after_a = after_b = nullptr;
  auto c = writer(root_ + "/other", nullptr);
  auto b = writer(root_ + "/hung/b", &after_b);
  auto a = writer(root_ + "/hung/a", &after_a);
  after_a = b.get();
  after_b = a.get();
  const auto begin = [&](VolumeWriter& entry, const SyntheticRun& run) {
    const auto common = std::make_shared<RunCommon>();
    common->info = run.info();
    common->stream = std::make_shared<StreamState>(run.info().stream, 0);
    return std::make_shared<WritingRun>(common, entry);
  };
  const auto push = [](const std::shared_ptr<WritingRun>& to, SyntheticRun& run) {
    EXPECT_TRUE(to->entry->Push(to, std::make_shared<const media::Fragment>(run.Next()),
                                VolumeWriter::Room::kWithinLimit));
  };

  // It leaves each of them with its first segment there, as that drains.
  SyntheticRun footage(gate_, kEvening);
  const auto run = begin(*a, footage);
  a->volume().SetDraining(true);
  push(run, footage);
  a->Barrier();
  b->Barrier();
  a->volume().SetDraining(false);
  b->volume().SetDraining(true);
  for (int second = 2; second <= 62; ++second) push(run, footage);
  for (int hop = 0; hop < 3; ++hop) {
    a->Barrier();
    b->Barrier();
  }
  ASSERT_NE(run->successor, nullptr);
  ASSERT_EQ(run->successor->entry, b.get());
  ASSERT_NE(run->successor->successor, nullptr);
  ASSERT_EQ(run->successor->successor->entry, a.get());
  b->volume().SetDraining(false);
  ASSERT_OK(a->SyncGroup(true));
  ASSERT_OK(b->SyncGroup(true));

  // B hangs over a run of its own, then A, with fragments of this run in the queues of both.
  files_->HoldBelow(root_ + "/hung");
  SyntheticRun hangs_b(test::MakeStream("yard"), kEvening),
      hangs_a(test::MakeStream("hall"), kEvening);
  const auto on_b = begin(*b, hangs_b), on_a = begin(*a, hangs_a);
  push(on_b, hangs_b);
  ASSERT_TRUE(test::Await([&] { return files_->held() == 1; }));
  for (int second = 63; second <= 70; ++second) push(run, footage);
  a->Barrier();
  push(on_a, hangs_a);
  ASSERT_TRUE(test::Await([&] { return files_->held() == 2; }));
  for (int second = 71; second <= 80; ++second) push(run, footage);
  after_a = after_b = c.get();

  std::atomic<int> done{0};
  const auto abandon = [&](VolumeWriter& hung) {
    hung.Abandon({Code::kDiskFailed, "does not answer"});
    ++done;
  };
  std::thread gives_up_a([&] { abandon(*a); }), gives_up_b([&] { abandon(*b); });
  std::thread ingests([&] {
    for (int second = 81; second <= 110; ++second) push(run, footage);
    run->entry->End(run);
    ++done;
  });
  if (!test::Await([&] { return done == 3; })) {
    (void)fprintf(stderr, "the volumes wait for each other\n");
    std::abort();  // Nobody could join them.
  }
  gives_up_a.join();
  gives_up_b.join();
  ingests.join();
  for (VolumeWriter* each : {a.get(), b.get(), c.get()}) each->Barrier();
  ASSERT_OK(c->SyncGroup(true));
  files_->LetGo();
  for (auto* each : {&a, &b, &c}) (*each)->Stop();
  ASSERT_OK(records->FlushAndWait());

  // What A had synced was copied, too; one out of order would have begun another segment.
  EXPECT_EQ(NumbersOn(root_ + "/other"), FromTo(61, 110));
  EXPECT_EQ(Numbers(gate_), UpTo(110));
  EXPECT_EQ(Segments(gate_).size(), 3u);
  EXPECT_TRUE(Gaps(gate_).empty());
}

// What is handed out has no hole; what could not be kept, and what is before it,
// stays the old file's.
TEST_F(VolumeFailure, OnlyTheTailThatWasKeptWholeIsHandedOut) {
  SyntheticRun run(gate_, kEvening);
  const auto records = std::make_shared<RecordQueue>(store_->journal());
  SealGroup group(store_->id(), *store_->volumes().front(), *records, [] { return nullptr; });
  const auto common = std::make_shared<RunCommon>();
  common->info = run.info();
  common->stream = std::make_shared<StreamState>(gate_, 0);
  SegmentHeader header;
  header.stream = gate_;
  header.start_us = kEvening;
  const auto live = std::make_shared<LiveSegment>(header, run.info().init);
  group.Begin(common, live);
  for (media::Fragment& fragment : run.Until(5 * kSecond)) {
    live->Add({0, fragment.info}, 1);
    const bool kept = fragment.info.number != 3;
    group.Keep(live, kept ? std::make_shared<const media::Fragment>(std::move(fragment)) : nullptr);
  }
  EXPECT_TRUE(group.TakeUnsynced().empty());  // Nothing is in doubt.
  group.GiveUp({Code::kDiskFailed, "gone"});
  const auto taken = group.TakeUnsynced();
  ASSERT_EQ(taken.size(), 1u);
  std::vector<uint32_t> numbers;
  for (const auto& fragment : taken[0].fragments) numbers.push_back(fragment->info.number);
  EXPECT_EQ(numbers, FromTo(4, 5));
  EXPECT_EQ(live->end_us(), kEvening + 3 * kSecond);
}

TEST(ReplayBudget, KeepsWhatFitsAndCountsTheRest) {
  const auto budget = std::make_shared<ReplayBudget>(2'000);
  const auto fragment = std::make_shared<media::Fragment>();
  fragment->parts.emplace_back(1'000);
  auto kept = budget->Keep(fragment);
  ASSERT_NE(kept, nullptr);
  EXPECT_EQ(kept.get(), fragment.get());
  EXPECT_EQ(budget->bytes(), BytesInMemory(*fragment));
  EXPECT_EQ(budget->Keep(fragment), nullptr);
  EXPECT_EQ(budget->refused_fragments(), 1u);
  kept.reset();
  EXPECT_EQ(budget->bytes(), 0u);
  EXPECT_NE(budget->Keep(fragment), nullptr);
}

}  // namespace
}  // namespace lookback::storage
