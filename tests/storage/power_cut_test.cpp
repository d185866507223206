// The power goes at every fifth call that changes the disk, in turn; what the store said was
// durable must be there afterwards, and everything that it then shows must be true.
#include "tests/storage/store_fixture.h"

namespace lookback::storage {
namespace {

using test::kEvening;
using test::MakeStream;
using test::SyntheticRun;

constexpr uint64_t kStride = 5;

class PowerCutTest : public StoreFixture, public ::testing::WithParamInterface<int> {
 protected:
  // The parameter: the first call, then whether pages are reordered, then whether the volume is a
  // mount of its own, which one syncfs(2) makes durable.
  bool Reorder() const { return GetParam() % (2 * int{kStride}) >= int{kStride}; }
  bool OwnMount() const { return GetParam() >= 2 * int{kStride}; }

  // A disk without anything on it, and no promise made.
  void NewDisk(uint64_t step) {
    const std::string disk = root_ + "/" + std::to_string(step);
    std::filesystem::create_directories(disk);
    files_ = std::make_unique<test::FaultFileSystem>(*posix_, disk);
    options_.data = disk + "/data";
    options_.volumes = {disk + "/volume"};
    if (OwnMount()) files_->SetMount(options_.volumes.front());
    promised_[0] = promised_[1] = 0;
  }

  // Two cameras, a segment border, a run's end, syncs between. Goes on whatever fails.
  void RecordAWhile() {
    if (!Open()) return;
    SyntheticRun gate(gate_, kEvening);
    SyntheticRun yard(yard_, kEvening);
    auto first = archive().Begin(gate.info());
    auto second = archive().Begin(yard.info());
    if (!first || !second) return;
    for (int until : {20, 70, 80}) {
      for (auto& fragment : gate.Until(until * kUsPerSecond)) {
        (void)(*first)->Append(std::move(fragment));
      }
      for (auto& fragment : yard.Until(until * kUsPerSecond)) {
        if (*second) (void)(*second)->Append(std::move(fragment));
      }
      (void)archive().Drain();
      if (until == 70) second->reset();
      promised_[0] = archive().StatusOf(gate_).durable_until_us;
      promised_[1] = archive().StatusOf(yard_).durable_until_us;
    }
  }

  void ExpectPromiseKept(const StreamId& stream, TimeUs durable_until_us) {
    SCOPED_TRACE(stream.text());
    TimeUs covered = kEvening;
    if (const auto segments = archive().Segments(stream, kEver)) {
      for (const FootageSegment& segment : *segments) {
        EXPECT_EQ(segment.row.start_us, covered);
        covered = segment.row.end_us;
      }
      const auto numbers = Numbers(stream);
      EXPECT_EQ(numbers, UpTo(static_cast<uint32_t>(numbers.size())));
    }
    if (durable_until_us > 0) {
      EXPECT_GE(covered, durable_until_us);
    }
    ExpectHonest(stream);
  }

  const StreamId yard_ = MakeStream("yard");
  TimeUs promised_[2] = {0, 0};
};

TEST_P(PowerCutTest, AtAnyStepKeepsWhatWasDurable) {
  bool reached = true;
  for (uint64_t step = 1 + uint64_t(GetParam()) % kStride; reached; step += kStride) {
    SCOPED_TRACE("power cut at call " + std::to_string(step));
    NewDisk(step);
    files_->CutPowerAt(step);
    RecordAWhile();
    reached = !files_->power();
    files_->CutPower();
    Close();
    files_->RestorePower(Reorder() ? std::optional(step) : std::nullopt);
    ASSERT_OK(Open());
    ExpectPromiseKept(gate_, promised_[0]);
    ExpectPromiseKept(yard_, promised_[1]);
    if (!reached) {
      EXPECT_EQ(files_->calls(test::Op::kSyncAll) > 0, OwnMount());
    }
    Close();
    if (HasFailure()) return;
  }
}

// From different first calls: everything unsynced is lost, or a seeded half of its pages is.
INSTANTIATE_TEST_SUITE_P(Phases, PowerCutTest, ::testing::Values(0, 2, 8, 11, 16));

}  // namespace
}  // namespace lookback::storage
