// The purger over a real store: what it deletes, what it leaves, and that a preview tells both.
#include "storage/purger.h"

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "storage/retention_forecast.h"
#include "tests/storage/store_fixture.h"
#include "tests/support/await.h"

namespace lookback::storage {
namespace {

namespace fs = std::filesystem;
using test::SyntheticRun;

// A disk as small as a test wants it: what is free shrinks and grows with the volume's files.
class SmallDisk : public test::FaultFileSystem {
 public:
  using FaultFileSystem::FaultFileSystem;

  Result<Space> FreeSpace(const std::string& path) override {
    if (path == unknown) return Fail(Code::kDiskFailed, "statvfs: Input/output error");
    if (total_bytes == 0) return FaultFileSystem::FreeSpace(path);
    uint64_t used = used_by_others;
    for (const auto& entry : fs::recursive_directory_iterator(path)) {
      if (entry.is_regular_file() && entry.path().extension() == ".mp4") used += entry.file_size();
    }
    return Space{total_bytes, used < total_bytes ? total_bytes - used : 0};
  }

  uint64_t total_bytes = 0;  // 0: as the disk below.
  uint64_t used_by_others = 0;
  std::string unknown;  // Whose free space cannot be told.
};

class PurgerTest : public StoreFixture {
 protected:
  static constexpr int64_t kLengthUs = 10 * kUsPerSecond;  // Of each segment here.

  void SetUp() override {
    StoreFixture::SetUp();
    files_.reset();
    auto disk = std::make_unique<SmallDisk>(*posix_, root_);
    disk_ = disk.get();
    files_ = std::move(disk);
    ASSERT_OK(Open());
  }
  void TearDown() override {
    purger_.reset();
    StoreFixture::TearDown();
  }

  Purger& purger() {
    if (!purger_) purger_ = Purger::Start(*store_, clock_, {});
    return *purger_;
  }
  void Reopen() {
    purger_.reset();
    Close();
    ASSERT_OK(Open());
  }

  // One segment whose end is `age_us` ago.
  index::Seal RecordAged(const StreamId& stream, int64_t age_us) {
    const TimeUs start_us = clock_.NowUs() - age_us - kLengthUs;
    SyntheticRun::Options small;
    small.frame_bytes = 100;
    SyntheticRun run(stream, start_us, small);
    RecordAndSeal(run, kLengthUs);
    for (const FootageSegment& segment : Segments(stream)) {
      if (segment.row.start_us == start_us) return segment.row;
    }
    ADD_FAILURE() << "nothing was recorded at " << FormatTime(start_us);
    return {};
  }
  static index::Policy Days(uint32_t min_days, uint32_t max_days, uint32_t version = 1,
                            index::AtFloor at_floor = index::AtFloor::kUnset) {
    index::Policy policy;
    policy.scope = "default";
    policy.version = version;
    policy.min_days = min_days;
    policy.max_days = max_days;
    policy.at_floor = at_floor;
    return policy;
  }
  void Put(const index::Policy& policy) { ASSERT_OK(store_->journal().Commit({policy})); }
  void PutHold(TimeRange range, TimeUs expires_us = 0) {
    index::Marker hold;
    hold.id = Uuid::Random();
    hold.cameras = {gate_.camera};
    hold.range = range;
    hold.hold = true;
    hold.case_name = "2026-118";
    hold.expires_us = expires_us;
    ASSERT_OK(store_->PutMarker(hold));
  }

  RetentionRound Round() {
    const auto round = purger().RunOnce();
    EXPECT_TRUE(round.has_value()) << (round ? "" : round.message());
    return round ? *round : RetentionRound();
  }
  RetentionPlan RunOnce() { return Round().plan; }
  RetentionPlan Preview(const RetentionChange& change = {}) {
    const auto plan = purger().Preview(change);
    EXPECT_TRUE(plan.has_value()) << (plan ? "" : plan.message());
    return plan ? *plan : RetentionPlan();
  }
  using Keys = std::set<index::SegmentKey>;
  static Keys KeysOf(const RetentionPlan& plan) {
    Keys keys;
    for (const Victim& victim : plan.victims) keys.insert(plan.KeyOf(victim));
    return keys;
  }
  static Keys KeysOf(std::initializer_list<index::Seal> rows) {
    Keys keys;
    for (const index::Seal& row : rows) keys.insert(index::KeyOf(row));
    return keys;
  }
  // What has neither row nor file any more; fails when it has only one of the two.
  Keys GoneOf(const std::vector<index::Seal>& rows) {
    Keys gone;
    for (const index::Seal& row : rows) {
      const auto found = store_->catalog().FindSegment(index::KeyOf(row));
      EXPECT_TRUE(found.has_value());
      const bool has_row = found && found->has_value();
      EXPECT_EQ(fs::exists(FileOf(row)), has_row) << FileOf(row);
      if (!has_row) gone.insert(index::KeyOf(row));
    }
    return gone;
  }
  std::vector<index::Delete> Deletes() {
    std::vector<index::Delete> deletes;
    const auto read = store_->ledger().Read(0, [&](const index::NumberedRecord& numbered) {
      if (const auto* one = std::get_if<index::Delete>(&numbered.record)) deletes.push_back(*one);
      return true;
    });
    EXPECT_TRUE(read.has_value());
    return deletes;
  }

  const StreamId yard_ = test::MakeStream("yard");
  SmallDisk* disk_ = nullptr;
  std::unique_ptr<Purger> purger_;
};

TEST_F(PurgerTest, MaxDaysDeletesExactlyWhatIsOlder) {
  const auto month_more = RecordAged(gate_, 31 * kUsPerDay);
  const auto month = RecordAged(gate_, 30 * kUsPerDay);
  const auto month_less = RecordAged(gate_, 30 * kUsPerDay - kUsPerSecond);
  const auto day = RecordAged(gate_, kUsPerDay);
  const auto yard = RecordAged(yard_, 40 * kUsPerDay);
  Put(Days(0, 30, 3));
  index::Policy own = Days(0, 60);
  own.scope = "yard";
  Put(own);

  const RetentionPlan plan = RunOnce();
  EXPECT_EQ(KeysOf(plan), KeysOf({month_more, month}));
  EXPECT_EQ(GoneOf({month_more, month, month_less, day, yard}), KeysOf({month_more, month}));
  EXPECT_EQ(plan.bytes, month_more.bytes + month.bytes);

  const auto deletes = Deletes();
  ASSERT_EQ(deletes.size(), 2u);
  EXPECT_EQ(deletes[0].segment, index::KeyOf(month_more));  // The oldest first.
  EXPECT_EQ(deletes[1].segment, index::KeyOf(month));
  EXPECT_EQ(deletes[1].end_us, month.end_us);
  EXPECT_EQ(deletes[1].bytes, month.bytes);
  EXPECT_EQ(deletes[1].policy, "default/3");
  EXPECT_EQ(deletes[1].reason, "older than 30 days");

  const auto gaps = Gaps(gate_);
  for (const index::Seal& row : {month_more, month}) {
    EXPECT_TRUE(std::any_of(gaps.begin(), gaps.end(), [&](const index::Gap& gap) {
      return gap.cause == index::GapCause::kRetention && gap.range == row.range();
    }));
  }
  // The second later that the rest needed.
  clock_.Advance(kUsPerSecond);
  EXPECT_EQ(KeysOf(RunOnce()), KeysOf({month_less}));
  EXPECT_TRUE(KeysOf(RunOnce()).empty());
}

TEST_F(PurgerTest, AHoldKeepsExactlyWhatItTouchesUntilItExpires) {
  const auto before = RecordAged(gate_, 40 * kUsPerDay);
  const auto held = RecordAged(gate_, 39 * kUsPerDay);
  const auto after = RecordAged(gate_, 38 * kUsPerDay);
  const auto other_camera = RecordAged(yard_, 39 * kUsPerDay);
  Put(Days(0, 30));
  // From just behind the one to just where the other begins: half-open on both sides.
  PutHold({before.end_us, after.start_us}, clock_.NowUs() + kUsPerHour);
  EXPECT_EQ(KeysOf(RunOnce()), KeysOf({before, after, other_camera}));
  EXPECT_EQ(GoneOf({before, held, after, other_camera}), KeysOf({before, after, other_camera}));
  clock_.Advance(kUsPerHour);
  EXPECT_EQ(KeysOf(RunOnce()), KeysOf({held}));
}

TEST_F(PurgerTest, WhatIsBeingReadOutlivesItsAgeUntilItsReaderIsDone) {
  const auto before = RecordAged(gate_, 40 * kUsPerDay);
  const auto read = RecordAged(gate_, 30 * kUsPerDay + kUsPerHour);
  const auto other_camera = RecordAged(yard_, 39 * kUsPerDay);
  Put(Days(0, 30));
  {
    const auto pin =
        store_->archive().pins().Add(gate_, {before.end_us, read.end_us}, clock_.NowUs());
    // A preview tells what goes once nobody reads it.
    EXPECT_EQ(KeysOf(Preview()), KeysOf({before, read, other_camera}));
    EXPECT_EQ(Round().deleted_segments, 2u);
    EXPECT_EQ(GoneOf({before, read, other_camera}), KeysOf({before, other_camera}));
  }
  EXPECT_EQ(Round().deleted_segments, 1u);
  EXPECT_EQ(GoneOf({read}), KeysOf({read}));
}

TEST_F(PurgerTest, AReaderThatAsksAgainAndAgainDoesNotLiftTheCeiling) {
  const auto read = RecordAged(gate_, 30 * kUsPerDay + kUsPerHour);
  Put(Days(0, 30));
  ReadPins& pins = store_->archive().pins();
  const int64_t due_us = read.end_us + 30 * kUsPerDay;
  auto pin = pins.Add(gate_, read.range(), clock_.NowUs());
  clock_.Advance(due_us + kPinnedUs - 1 - clock_.NowUs());
  pin = pins.Add(gate_, read.range(), clock_.NowUs());
  EXPECT_EQ(Round().deleted_segments, 0u);
  clock_.Advance(1);
  EXPECT_EQ(Round().deleted_segments, 1u);
}

TEST_F(PurgerTest, APinThatWasNotRenewedHoldsAQuotaBackNoLonger) {
  const auto old = RecordAged(gate_, 2 * kUsPerDay);
  const auto young = RecordAged(gate_, kUsPerDay);
  index::Policy policy = Days(0, 30);
  policy.quota_bytes = old.bytes + young.bytes - 1;
  Put(policy);
  const auto pin = store_->archive().pins().Add(gate_, old.range(), clock_.NowUs());
  clock_.Advance(kPinnedUs - 1);
  EXPECT_EQ(Round().deleted_segments, 0u);
  clock_.Advance(1);
  EXPECT_EQ(KeysOf(RunOnce()), KeysOf({old}));
}

TEST_F(PurgerTest, AFullDiskDoesNotWaitForReaders) {
  std::vector<index::Seal> rows;
  for (int days = 5; days > 3; --days) rows.push_back(RecordAged(gate_, days * kUsPerDay));
  const auto pin = store_->archive().pins().Add(gate_, rows[0].range(), clock_.NowUs());
  // Half a segment is free, where 2 % of 100 segments' worth is to be.
  disk_->total_bytes = 100 * rows[0].bytes;
  disk_->used_by_others = disk_->total_bytes - 2 * rows[0].bytes - rows[0].bytes / 2;
  EXPECT_GT(Round().deleted_segments, 0u);
  EXPECT_TRUE(GoneOf(rows).contains(index::KeyOf(rows[0])));
}

TEST_F(PurgerTest, BothStreamsOfACameraFollowItsPolicyAndItsHolds) {
  const StreamId sub = test::MakeStream("gate", Stream::kSub);
  const auto old_main = RecordAged(gate_, 40 * kUsPerDay);
  const auto old_sub = RecordAged(sub, 40 * kUsPerDay);
  const auto held_main = RecordAged(gate_, 39 * kUsPerDay);
  const auto held_sub = RecordAged(sub, 39 * kUsPerDay);
  const auto young_sub = RecordAged(sub, 29 * kUsPerDay);
  index::Policy own = Days(0, 30);
  own.scope = "gate";
  Put(own);
  PutHold(held_main.range(), clock_.NowUs() + kUsPerHour);
  EXPECT_EQ(store_->DeleteSegment(held_sub, "gate/1", "age").code(), Code::kDenied);
  RunOnce();
  const std::vector<index::Seal> all = {old_main, old_sub, held_main, held_sub, young_sub};
  EXPECT_EQ(GoneOf(all), KeysOf({old_main, old_sub}));
  clock_.Advance(kUsPerHour);
  RunOnce();
  EXPECT_EQ(GoneOf(all), KeysOf({old_main, old_sub, held_main, held_sub}));
}

TEST_F(PurgerTest, APreviewTellsWhatARoundDeletesAndDeletesNothing) {
  std::vector<index::Seal> rows;
  for (int days = 50; days > 0; days -= 7) rows.push_back(RecordAged(gate_, days * kUsPerDay));
  PutHold(rows[1].range());
  Put(Days(0, 40));
  const Keys now = KeysOf(Preview());
  const index::Policy shorter = Days(0, 20, 2);
  const Keys then = KeysOf(Preview({{shorter}, {}}));
  EXPECT_EQ(now.size(), 1u);
  EXPECT_EQ(then.size(), 4u);
  EXPECT_TRUE(GoneOf(rows).empty());
  EXPECT_TRUE(Deletes().empty());

  EXPECT_EQ(KeysOf(RunOnce()), now);
  EXPECT_EQ(GoneOf(rows), now);
  Put(shorter);
  RunOnce();
  EXPECT_EQ(GoneOf(rows), then);
}

TEST_F(PurgerTest, AfterARebuildNothingGoesUntilThePoliciesAreConfirmed) {
  const auto old = RecordAged(gate_, 40 * kUsPerDay);
  Put(Days(0, 30));
  Close();
  fs::remove_all(options_.data + "/catalog");
  ASSERT_OK(Open());
  const RetentionPlan plan = RunOnce();
  EXPECT_TRUE(plan.frozen);
  EXPECT_TRUE(plan.victims.empty());
  EXPECT_NE(plan.sentence.find("confirmed"), std::string::npos) << plan.sentence;
  EXPECT_TRUE(GoneOf({old}).empty());
  // What goes once somebody confirms is shown before.
  const RetentionPlan preview = Preview();
  EXPECT_TRUE(preview.frozen);
  EXPECT_EQ(preview.sentence, plan.sentence);
  EXPECT_EQ(KeysOf(preview), KeysOf({old}));
  EXPECT_TRUE(GoneOf({old}).empty());
  ASSERT_OK(store_->journal().Commit({index::PoliciesConfirmed{"li.wei"}}));
  EXPECT_EQ(KeysOf(RunOnce()), KeysOf({old}));
}

TEST_F(PurgerTest, AClockThatJumpedDeletesNothingByAge) {
  const auto recent = RecordAged(gate_, kUsPerHour);
  Put(Days(0, 30));
  clock_.SetSynchronised(false);
  EXPECT_TRUE(RunOnce().victims.empty());
  clock_.Step(365 * kUsPerDay);
  const RetentionPlan plan = RunOnce();
  EXPECT_TRUE(plan.frozen);
  EXPECT_TRUE(GoneOf({recent}).empty());
  // Nor after a start at which nobody saw the jump.
  Reopen();
  EXPECT_TRUE(RunOnce().frozen);
  EXPECT_TRUE(GoneOf({recent}).empty());
}

TEST_F(PurgerTest, PressureTakesTheOldestUntilThereIsRoomAgain) {
  std::vector<index::Seal> rows;
  for (int days = 9; days > 3; --days) rows.push_back(RecordAged(gate_, days * kUsPerDay));
  PutHold(rows[0].range());
  const uint64_t one = rows[0].bytes;
  // Pressure under 2 % of 100 segments' worth; half a segment is free, so two must go.
  disk_->total_bytes = 100 * one;
  disk_->used_by_others = 100 * one - rows.size() * one - one / 2;
  EXPECT_EQ(KeysOf(Preview()), KeysOf({rows[1], rows[2]}));
  const RetentionPlan plan = RunOnce();
  EXPECT_EQ(GoneOf(rows), KeysOf({rows[1], rows[2]}));
  EXPECT_FALSE(plan.must_stop);
  EXPECT_EQ(Deletes().at(0).reason, "disk pressure");
  EXPECT_TRUE(RunOnce().victims.empty());
}

TEST_F(PurgerTest, AFloorStopsRecordingOrGivesWayAsItsPolicySays) {
  const auto young = RecordAged(gate_, kUsPerDay);
  disk_->total_bytes = 100 * young.bytes;
  disk_->used_by_others = 99 * young.bytes;
  Put(Days(7, 0, 1, index::AtFloor::kStop));
  const RetentionPlan stop = RunOnce();
  EXPECT_TRUE(stop.must_stop);
  EXPECT_TRUE(GoneOf({young}).empty());
  Put(Days(7, 0, 2, index::AtFloor::kShorten));
  const RetentionPlan shorten = RunOnce();
  EXPECT_TRUE(shorten.below_floor);
  EXPECT_EQ(GoneOf({young}), KeysOf({young}));
}

// DELETE is final: a volume that turned read-only must not lose all its footage on record.
TEST_F(PurgerTest, WhereNothingCanBeRemovedNothingIsDeletedOnRecord) {
  Put(Days(0, 1));
  std::vector<index::Seal> rows;
  for (int i = 0; i < 3; ++i) rows.push_back(RecordAged(gate_, (4 - i) * kUsPerDay));
  purger();
  files_->FailNth(test::Op::kCreate, 1, Code::kDiskFailed, /*and_all_later=*/true);
  files_->FailNth(test::Op::kRemove, 1, Code::kDiskFailed, /*and_all_later=*/true);
  RetentionRound round = Round();
  EXPECT_TRUE(Deletes().empty());
  EXPECT_EQ(round.plan.victims.size(), 3u);
  EXPECT_EQ(round.deleted_segments, 0u);
  EXPECT_EQ(round.deleted_bytes, 0u);
  // Where the probe works, but files cannot be removed, one shows it.
  files_->StopFailing();
  files_->FailNth(test::Op::kRemove, 2, Code::kDiskFailed, /*and_all_later=*/true);
  RunOnce();
  EXPECT_EQ(Deletes().size(), 1u);
  files_->StopFailing();
  round = Round();
  EXPECT_EQ(Deletes().size(), 3u);
  EXPECT_EQ(round.deleted_segments, 2u);
  EXPECT_EQ(round.deleted_bytes, rows[1].bytes + rows[2].bytes);
}

TEST_F(PurgerTest, AVolumeThatDoesNotTellItsFreeSpaceKeepsNoOtherFromItsRound) {
  const auto stays = RecordAged(gate_, 40 * kUsPerDay);
  Close();
  options_.volumes = {root_ + "/second", root_ + "/volume"};
  ASSERT_OK(Open());
  ASSERT_OK(store_->SetDraining(stays.volume, true));
  const auto goes = RecordAged(yard_, 41 * kUsPerDay);
  ASSERT_NE(goes.volume, stays.volume);
  Put(Days(0, 30));
  purger();
  disk_->unknown = root_ + "/volume";
  EXPECT_EQ(KeysOf(RunOnce()), KeysOf({goes}));
  EXPECT_TRUE(store_->catalog().FindSegment(index::KeyOf(stays))->has_value());
  EXPECT_FALSE(store_->catalog().FindSegment(index::KeyOf(goes))->has_value());
  const auto forecast = ReadForecast(*store_, clock_);
  ASSERT_OK(forecast);
  ASSERT_EQ(forecast->volumes.size(), 1u);
  EXPECT_EQ(forecast->volumes[0].root, root_ + "/second");
}

TEST_F(PurgerTest, APreviewWaitsForNoRound) {
  const auto old = RecordAged(gate_, 40 * kUsPerDay);
  Put(Days(0, 30));
  purger();
  files_->HoldBelow(options_.data + "/ledger");
  std::atomic<bool> done{false};
  std::thread round([&] {
    RunOnce();
    done = true;
  });
  EXPECT_TRUE(test::Await([&] { return files_->held() > 0; }));
  EXPECT_EQ(KeysOf(Preview()), KeysOf({old}));
  EXPECT_FALSE(done);
  files_->LetGo();
  round.join();
}

TEST_F(PurgerTest, WhatIsOnAnAbsentVolumeStays) {
  const auto old = RecordAged(gate_, 40 * kUsPerDay);
  Put(Days(0, 30));
  Close();
  fs::rename(root_ + "/volume", root_ + "/elsewhere");
  fs::create_directories(root_ + "/volume");
  ASSERT_OK(Open());
  EXPECT_TRUE(RunOnce().victims.empty());
  EXPECT_TRUE(Deletes().empty());
  EXPECT_TRUE(store_->catalog().FindSegment(index::KeyOf(old))->has_value());
}

}  // namespace
}  // namespace lookback::storage
