// A store works for a while, and every change that it makes to its disk is written down. Then the
// power is cut after every one of them: with all of it on disk, with what was synced alone,
// and with a seeded part of the rest, torn and out of order (tests/support/crash_states.h).
// A start on each of these disks has to keep every promise that was made before the cut
// (tests/storage/promises.h).
//
// What is tried of it in the unit tests is a sample; LOOKBACK_TRACE_STATES=N tries every step, and
// N states with a part of the rest. A failure names its state, and its LOOKBACK_SEED; the trace is
// of a run of its own each time, for the store's threads take turns as they like.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <random>

#include "base/log.h"
#include "tests/storage/promises.h"
#include "tests/support/await.h"
#include "tests/support/crash_states.h"
#include "tests/support/synthetic_footage.h"

namespace lookback::storage {
namespace {

namespace fs = std::filesystem;
using test::CrashStates;
using test::DiskState;
using test::Step;
using test::SyntheticRun;

constexpr TimeRange kEver{kTimeMinUs, kTimeMaxUs};
// What the unit tests try of each kind.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr size_t kShortSteps = 4, kShortSampled = 4;
#else
constexpr size_t kShortSteps = 20, kShortSampled = 20;
#endif
constexpr uint64_t kTracedLedgerFile = 6'000;

// The parameter: whether the volume is a mount of its own, which one syncfs(2) makes durable.
class TraceReplayTest : public ::testing::TestWithParam<bool> {
 protected:
  struct Picture {
    Step at = 0;
    std::string path;
    bool empty = false;  // What it had was not flushed yet: a start takes it for absent.
  };

  void SetUp() override {
    const bool memory = access("/dev/shm", W_OK) == 0;
    std::string pattern =
        (memory ? std::string("/dev/shm/") : ::testing::TempDir()) + "lookback-trace-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    fs::create_directories(root_ + "/disk");
    files_ = std::make_unique<test::TraceFileSystem>(*posix_, root_ + "/disk");
    options_ = OptionsFor(root_ + "/disk");
    if (GetParam()) files_->SetMount(options_.volumes.front());
    seed_ = test::SeedFromEnvironment();
    random_.seed(seed_);
    const char* const states = std::getenv("LOOKBACK_TRACE_STATES");
    if (states) sampled_wanted_ = std::stoull(states);
    SetLogLevel(LogLevel::kError);
  }
  void TearDown() override {
    store_.reset();
    files_.reset();
    fs::remove_all(root_);
    SetLogLevel(LogLevel::kInfo);
  }
  static StoreOptions OptionsFor(const std::string& disk) {
    StoreOptions options;
    options.data = disk + "/data";
    options.volumes = {disk + "/data/volume"};
    options.ledger_file_bytes = kTracedLedgerFile;
    return options;
  }

  Step now() const { return files_->size(); }

  // RocksDB writes by itself: a picture of its files stands for what a cut may have left of them.
  void PictureCatalog() {
    const std::string path = root_ + "/catalog-" + std::to_string(pictures_.size());
    fs::copy(options_.data + "/catalog", path, fs::copy_options::recursive);
    fs::remove(path + "/LOCK");
    pictures_.push_back({now(), path, store_->catalog().position() == 0});
  }
  void Answered() {
    promises_.Ledger(*store_, now());
    for (const StreamId& stream : {gate_, yard_}) {
      const TimeUs until_us = store_->archive().StatusOf(stream).durable_until_us;
      promises_.DurableUntil(stream, until_us, now());
    }
    PictureCatalog();
  }

  void Open() {
    auto store = Store::Open(options_, clock_, *files_);
    ASSERT_TRUE(store) << store.message();
    store_ = std::move(*store);
    store_->WaitForRecovery();
    promises_.Opened(*store_, now());
    Answered();
  }
  void Append(Recording& recording, SyntheticRun& run, int64_t until_us) {
    for (media::Fragment& fragment : run.Until(until_us)) {
      promises_.Appending(run.info(), fragment);
      ASSERT_TRUE(recording.Append(std::move(fragment)));
    }
  }
  void Drain() {
    ASSERT_TRUE(store_->archive().Drain());
    Answered();
  }
  void Record(const StreamId& stream, int64_t age_us) {
    SyntheticRun run(stream, clock_.NowUs() - age_us);
    auto recording = store_->archive().Begin(run.info());
    ASSERT_TRUE(recording) << recording.message();
    Append(**recording, run, 8 * kUsPerSecond);
    recording->reset();
    Drain();
  }
  void PutPolicy(uint32_t version, uint32_t max_days) {
    index::Policy policy;
    policy.scope = "default";
    policy.version = version;
    policy.max_days = max_days;
    policy.thin_days = 10;
    ASSERT_TRUE(store_->journal().Commit({policy}));
    promises_.Put(policy, now());
    Answered();
  }
  index::Marker PutMarker(const StreamId& stream, int64_t age_us, bool hold) {
    index::Marker marker;
    marker.id = Uuid::Random();
    marker.cameras = {stream.camera};
    marker.range = {clock_.NowUs() - age_us, clock_.NowUs() - age_us + kUsPerMinute};
    marker.hold = hold;
    marker.label = "crossing";
    index::Act act;
    act.person = "li";
    act.what = "a marker";
    EXPECT_TRUE(store_->PutMarker(marker, act));
    promises_.Put(marker, now());
    AwaitCopy();
    Answered();
    return marker;
  }
  // It is in no hurry, and on a busy machine takes more than who places a hold waits for.
  void AwaitCopy() {
    bool copied = false;
    for (int i = 0; i < 24 && !copied; ++i) copied = store_->AwaitSecondCopy().has_value();
    ASSERT_TRUE(copied);
  }
  void Release(const index::Marker& hold) {
    promises_.Releasing(hold.id, now());
    ASSERT_TRUE(store_->journal().Commit({index::MarkerRemoved{hold.id, true, "li", "closed"}}));
    Answered();
  }
  // All that is older than the policy allows, and not held, goes, or is thinned.
  void Purge(size_t expected, size_t thinned) {
    const auto purger = Purger::Start(*store_, clock_, {});
    const auto preview = purger->Preview({});
    ASSERT_TRUE(preview);
    ASSERT_EQ(preview->victims.size(), expected);
    ASSERT_EQ(preview->thinnings.size(), thinned);
    for (const Thinning& thinning : preview->thinnings) {
      const auto row = store_->catalog().FindSegment(preview->KeyOf(thinning.stream, thinning.row));
      ASSERT_TRUE(row && *row);
      promises_.Thinning(**row, now());
    }
    for (const Victim& victim : preview->victims) {
      const auto row = store_->catalog().FindSegment(preview->KeyOf(victim));
      ASSERT_TRUE(row && *row);
      promises_.Deleting(**row, now());
    }
    ASSERT_TRUE(purger->RunOnce());
    for (const Victim& victim : preview->victims) {
      const auto row = store_->catalog().FindSegment(preview->KeyOf(victim));
      ASSERT_TRUE(row);
      if (!*row) promises_.Deleted(preview->KeyOf(victim), now());
    }
    for (const Thinning& thinning : preview->thinnings) {
      const index::SegmentKey key = preview->KeyOf(thinning.stream, thinning.row);
      const auto row = store_->catalog().FindSegment(key);
      ASSERT_TRUE(row && *row);
      if ((*row)->thinned) promises_.Thinned(key, now());
    }
    Answered();
  }
  // Two live cameras with a border between segments, syncs between, and a change of policy.
  void RecordLive(int64_t age_us) {
    SyntheticRun gate(gate_, clock_.NowUs() - age_us), yard(yard_, clock_.NowUs() - age_us);
    auto first = store_->archive().Begin(gate.info());
    auto second = store_->archive().Begin(yard.info());
    ASSERT_TRUE(first && second);
    for (const int64_t until_s : {3, 30, 63, 70}) {
      Append(**first, gate, until_s * kUsPerSecond);
      if (*second) Append(**second, yard, until_s * kUsPerSecond);
      if (until_s == 63) second->reset();
      Drain();
    }
    // What follows is written, and not synced before the store closes.
    Append(**first, gate, 76 * kUsPerSecond);
    PutPolicy(policy_version_++, 30);
    const TimeUs end_us = clock_.NowUs() - age_us + 76 * kUsPerSecond;
    ASSERT_TRUE(test::Await([&] { return Recorded(gate_) == end_us; }));
  }
  TimeUs Recorded(const StreamId& stream) {
    return store_->archive().StatusOf(stream).recorded_until_us;
  }

  void Work() {
    Open();
    PutPolicy(policy_version_++, 30);
    Record(gate_, 40 * kUsPerDay);
    Record(yard_, 40 * kUsPerDay);
    Record(gate_, 39 * kUsPerDay);
    Record(yard_, 20 * kUsPerDay);
    const index::Marker hold = PutMarker(gate_, 39 * kUsPerDay, true);
    PutMarker(yard_, 40 * kUsPerDay, false);
    Purge(2, 1);
    RecordLive(3 * kUsPerHour);
    store_.reset();
    Open();
    Record(yard_, kUsPerHour);
    Release(hold);
    Purge(1, 0);
    RecordLive(kUsPerHour / 2);
    store_.reset();
  }

  // The newest picture that a disk of that step can have, or an older one; it is in no state that
  // has no data directory yet.
  const Picture* NewestPicture(Step cut) const {
    const Picture* newest = nullptr;
    for (const Picture& picture : pictures_) {
      if (picture.at <= cut) newest = &picture;
    }
    return newest;
  }
  const Picture* AnyPicture(Step cut) {
    const auto legal = std::count_if(pictures_.begin(), pictures_.end(),
                                     [cut](const Picture& picture) { return picture.at <= cut; });
    const auto chosen = static_cast<size_t>(random_() % static_cast<uint64_t>(legal + 1));
    return chosen == 0 ? nullptr : &pictures_[chosen - 1];  // None: it was never synced.
  }

  // Starts a store on the disk; what it does not keep is a failure of the test that names `what`.
  void Try(const DiskState& disk, const Picture* picture, const std::vector<Step>& cuts,
           const std::string& what) {
    const std::string place = root_ + "/state";
    fs::create_directories(place);
    disk.WriteTo(place);
    if (picture && fs::exists(place + "/data")) {
      fs::copy(picture->path, place + "/data/catalog", fs::copy_options::recursive);
    }
    test::Trial trial;
    trial.options = OptionsFor(place);
    trial.cuts = cuts;
    // A catalog that is made anew may lack what the ledger cannot tell.
    trial.may_freeze = picture == nullptr || picture->empty;
    const test::Problems problems = test::TryStore(trial, promises_, clock_, *posix_);
    fs::remove_all(place);
    ++tried_;
    if (problems.empty()) return;
    std::string all;
    for (const std::string& problem : problems) all += "  " + problem + "\n";
    ADD_FAILURE() << what << ", catalog of step " << (picture ? picture->at : 0) << "\n" << all;
  }

  // Equal disks of one kind: all of it, or what was synced.
  struct Steps {
    bool all = false;
    std::vector<Step> cuts;

    std::string text() const {
      return std::string(all ? "all" : "what was synced") + " of step " +
             std::to_string(cuts.front());
    }
  };
  static std::vector<Steps> StepsOf(const std::vector<test::DiskChange>& changes) {
    std::vector<Steps> steps;
    for (const bool all : {true, false}) {
      steps.push_back({all, {0}});
      for (Step cut = 1; cut <= changes.size(); ++cut) {
        const test::DiskChange& last = changes[cut - 1];
        const bool differs = all ? last.OfNames() || last.OfBytes() : last.IsSync();
        if (differs) steps.push_back({all, {}});
        steps.back().cuts.push_back(cut);
      }
    }
    return steps;
  }

  size_t tried_ = 0;
  const std::unique_ptr<FileSystem> posix_ = MakePosixFileSystem();
  std::string root_;
  std::unique_ptr<test::TraceFileSystem> files_;
  ManualClock clock_{test::kEvening + 100 * kUsPerDay};
  StoreOptions options_;
  std::unique_ptr<Store> store_;
  test::Promises promises_;
  std::vector<Picture> pictures_;
  const StreamId gate_ = test::MakeStream("gate"), yard_ = test::MakeStream("yard");
  uint32_t policy_version_ = 1;
  uint64_t seed_ = 0;
  std::mt19937_64 random_;
  std::optional<size_t> sampled_wanted_;  // Nothing: a short run.
};

TEST_P(TraceReplayTest, EveryStepOfAPowerCutKeepsWhatWasPromised) {
  Work();
  if (HasFatalFailure()) return;
  const auto& changes = files_->changes();
  const CrashStates states(files_->base(), changes);
  SCOPED_TRACE("LOOKBACK_SEED=" + std::to_string(seed_));

  std::vector<Steps> steps = StepsOf(changes);
  const size_t different = steps.size();
  if (!sampled_wanted_) {
    std::shuffle(steps.begin(), steps.end(), random_);
    steps.resize(std::min(steps.size(), kShortSteps));
  }
  for (const Steps& one : steps) {
    const Step first = one.cuts.front();
    Try(one.all ? states.Applied(first) : states.Synced(first), NewestPicture(first), one.cuts,
        one.text());
    if (HasFailure()) return;
  }
  const size_t steps_tried = tried_;
  for (size_t i = 0; i < sampled_wanted_.value_or(kShortSampled); ++i) {
    const Step cut = 1 + random_() % changes.size();
    const auto order = random_() % 2 ? test::NameOrder::kJournal : test::NameOrder::kDirectory;
    const uint64_t seed = random_();
    std::string told;
    const DiskState state = states.Sampled(cut, order, seed, &told);
    Try(state, AnyPicture(cut), {cut}, "a part of step " + std::to_string(cut) + "\n" + told);
    if (HasFailure()) return;
  }
  std::cout << "seed " << seed_ << ": a trace of " << changes.size() << " changes; tried "
            << steps_tried << " of " << different << " different disks of its steps, and "
            << tried_ - steps_tried << " with a part of what was not synced\n";
}

INSTANTIATE_TEST_SUITE_P(Volume, TraceReplayTest, ::testing::Bool(),
                         [](const auto& one) { return one.param ? "IsAMount" : "IsADirectory"; });

}  // namespace
}  // namespace lookback::storage
