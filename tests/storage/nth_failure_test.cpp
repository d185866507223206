// The Nth call of each kind to the file system fails, for every N, while a store starts,
// records, purges, thins or has its catalog rebuilt. Whatever that call's caller does, it does
// not crash or hang and leaves no descriptor open (what hangs, ctest ends); and once the disk is
// well again, after a power cut for every second N, a new start keeps every promise that was made
// (tests/storage/promises.h).
//
// The unit tests try some N of each kind; LOOKBACK_NTH_FAILURE=all tries each one, also with a disk
// that fails from there on.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <random>

#include "base/log.h"
#include "tests/storage/promises.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/synthetic_footage.h"

namespace lookback::storage {
namespace {

namespace fs = std::filesystem;
using test::FaultFileSystem;
using test::Op;
using test::SyntheticRun;

// The N of each kind that the unit tests try, of those that there are.
constexpr uint64_t kShortCalls = 1;
// What is kept of a step that has not come yet.
constexpr test::Step kThisStep = 1;

struct Kind {
  Op op;
  const char* name;
  bool may_be_full;  // "No space" is one of its errors.
};
constexpr Kind kKinds[] = {
    {Op::kOpen, "open", false},
    {Op::kCreate, "create", true},
    {Op::kRead, "read", false},
    {Op::kWrite, "write", true},
    {Op::kSync, "sync", true},
    {Op::kSyncAll, "sync all", true},
    {Op::kSyncDirectory, "sync directory", true},
    {Op::kTruncate, "truncate", false},
    {Op::kReserve, "reserve", true},
    {Op::kMakeDirectories, "make directories", true},
    {Op::kRemove, "remove", false},
    {Op::kRename, "rename", true},
    {Op::kList, "list", false},
    {Op::kStat, "stat", false},
};

struct Scene {
  const char* name;
  bool empty;  // It begins with an empty disk.
};
constexpr Scene kScenes[] = {
    {"FirstStart", true}, {"Start", false}, {"Record", false},
    {"Purge", false},     {"Thin", false},  {"Rebuild", false},
};

struct Fault {
  Kind kind;
  Code code;
  bool and_all_later;
  uint64_t n;

  std::string text() const {
    return std::string(kind.name) + " " + std::to_string(n) + (and_all_later ? " and later" : "") +
           " fails: " + std::string(CodeName(code));
  }
};

size_t OpenDescriptors() {
  return static_cast<size_t>(
      std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
}

class NthFailureTest : public ::testing::TestWithParam<Scene> {
 protected:
  void SetUp() override {
    SetLogLevel(LogLevel::kError);
    const bool memory = access("/dev/shm", W_OK) == 0;
    std::string pattern =
        (memory ? std::string("/dev/shm/") : ::testing::TempDir()) + "lookback-nth-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    fs::create_directories(root_ + "/model");
    disk_ = root_ + "/disk";
    seed_ = test::SeedFromEnvironment();
    random_.seed(seed_);
    const char* const all = std::getenv("LOOKBACK_NTH_FAILURE");
    all_ = all != nullptr && std::string_view(all) == "all";
  }
  void TearDown() override {
    store_.reset();
    files_.reset();
    fs::remove_all(root_);
    SetLogLevel(LogLevel::kInfo);
  }

  // Footage to purge and to hold, a policy, and a segment that a power cut left open. Promised
  // once, for all who begin with a copy of this disk.
  void MakeModel() {
    disk_ = root_ + "/made";
    fs::create_directories(disk_);
    files_ = std::make_unique<FaultFileSystem>(*posix_, disk_);
    ASSERT_TRUE(Open());
    index::Policy policy;
    policy.scope = "default";
    policy.version = 1;
    policy.max_days = 30;
    ASSERT_TRUE(store_->journal().Commit({policy}));
    promises_.Put(policy, kThisStep);
    for (const int64_t days : {21, 20}) {
      SyntheticRun run(yard_, clock_.NowUs() - days * kUsPerDay);
      Record(run, 4);
    }
    for (const int64_t days : {41, 40, 39}) {
      SyntheticRun run(gate_, clock_.NowUs() - days * kUsPerDay);
      Record(run, 4);
    }
    Hold(clock_.NowUs() - 39 * kUsPerDay);
    SyntheticRun open(yard_, clock_.NowUs() - kUsPerHour);
    auto recording = store_->archive().Begin(open.info());
    ASSERT_TRUE(recording);
    Append(**recording, open, 5);
    ASSERT_TRUE(store_->archive().Drain());
    (void)store_->AwaitSecondCopy();
    Remember();
    // As a kill leaves it: RocksDB's files, too, for nothing is being written.
    fs::copy(disk_, root_ + "/model", fs::copy_options::recursive);
    fs::remove_all(root_ + "/model/.lost");
    recording->reset();
    store_.reset();
    files_.reset();
    fs::remove_all(disk_);
    disk_ = root_ + "/disk";
  }

  StoreOptions Options() const {
    StoreOptions options;
    options.data = disk_ + "/data";
    options.volumes = {disk_ + "/data/volume"};
    return options;
  }
  Status Open() {
    auto store = Store::Open(Options(), clock_, *files_);
    if (!store) return Pass(store.error());
    store_ = std::move(*store);
    store_->WaitForRecovery();
    promises_.Opened(*store_, kThisStep);
    return Ok();
  }
  void Append(Recording& recording, SyntheticRun& run, int64_t until_s) {
    for (media::Fragment& fragment : run.Until(until_s * kUsPerSecond)) {
      promises_.Appending(run.info(), fragment);
      (void)recording.Append(std::move(fragment));
    }
  }
  void Record(SyntheticRun& run, int64_t seconds) {
    auto recording = store_->archive().Begin(run.info());
    if (!recording) return;
    Append(**recording, run, seconds);
    recording->reset();
    (void)store_->archive().Drain();
    Remember();
  }
  void Remember() {
    for (const StreamId& stream : {gate_, yard_}) {
      promises_.DurableUntil(stream, store_->archive().StatusOf(stream).durable_until_us,
                             kThisStep);
    }
    promises_.Ledger(*store_, kThisStep);
  }
  void Hold(TimeUs start_us) {
    index::Marker hold;
    hold.id = Uuid::Random();
    hold.cameras = {gate_.camera};
    hold.range = {start_us, start_us + kUsPerMinute};
    hold.hold = true;
    if (store_->PutMarker(hold, {})) promises_.Put(hold, kThisStep);
  }

  // Each goes on whatever fails, as a server does.
  void Start() { (void)Open(); }
  void RecordAWhile() {
    SyntheticRun gate(gate_, clock_.NowUs() - 1'000 * kUsPerSecond);
    SyntheticRun yard(yard_, clock_.NowUs() - 1'000 * kUsPerSecond);
    Record(gate, 3);
    auto recording = store_->archive().Begin(yard.info());
    for (const int64_t until_s : {2, 62, 64}) {
      if (!recording) break;
      Append(**recording, yard, until_s);
      (void)store_->archive().Drain();
      Remember();
    }
    Hold(clock_.NowUs() - 2 * kUsPerHour);
    if (recording) recording->reset();
    (void)store_->archive().Drain();
    Remember();
  }
  // What the next purge may take.
  void Foresee() {
    const auto purger = Purger::Start(*store_, clock_, {});
    const auto preview = purger->Preview({});
    ASSERT_TRUE(preview);
    for (const Thinning& thinning : preview->thinnings) {
      const auto row = store_->catalog().FindSegment(preview->KeyOf(thinning.stream, thinning.row));
      if (row && *row) promises_.Thinning(**row, 0);
    }
    for (const Victim& victim : preview->victims) {
      const auto row = store_->catalog().FindSegment(preview->KeyOf(victim));
      if (row && *row) promises_.Deleting(**row, 0);
    }
  }
  void Purge() {
    const auto purger = Purger::Start(*store_, clock_, {});
    (void)purger->Preview({});
    (void)purger->RunOnce();
    Remember();
  }

  // What is to be deleted is gone by then.
  void AskToThin() {
    Foresee();
    Purge();
    index::Policy policy;
    policy.scope = "yard";
    policy.version = 1;
    policy.thin_days = 10;
    ASSERT_TRUE(store_->journal().Commit({policy}));
    promises_.Put(policy, kThisStep);
    Remember();
  }

  // Everything up to the call that may fail.
  void Prepare() {
    const std::string_view scene = GetParam().name;
    files_.reset();
    fs::remove_all(disk_);
    fs::create_directories(disk_);
    if (!GetParam().empty) fs::copy(root_ + "/model", disk_, fs::copy_options::recursive);
    files_ = std::make_unique<FaultFileSystem>(*posix_, disk_);
    if (scene != "Record" && scene != "Purge" && scene != "Thin") return;
    ASSERT_TRUE(Open());
    if (scene == "Thin") AskToThin();
    if (scene != "Record") Foresee();
  }
  void Play() {
    const std::string_view scene = GetParam().name;
    if (scene == "Record") return RecordAWhile();
    if (scene == "Purge" || scene == "Thin") return Purge();
    if (scene == "Rebuild") return (void)Rebuild(Options().data, clock_, *files_, {});
    Start();
  }

  // False when there are not so many calls of that kind.
  bool Try(const Fault& fault) {
    const test::Promises before = promises_;
    const size_t descriptors = OpenDescriptors();
    Prepare();
    files_->FailNth(fault.kind.op, fault.n, fault.code, fault.and_all_later);
    Play();
    const bool cut = fault.n % 2 == 0;
    if (cut) files_->CutPower();
    store_.reset();
    const bool failed = files_->injected() > 0;
    files_->StopFailing();
    if (cut) files_->RestorePower();
    test::Trial trial;
    trial.options = Options();
    trial.cuts = {kThisStep};
    // Somebody looks at a store that had lost its ledger, its catalog or footage for a moment.
    trial.may_freeze = true;
    const test::Problems problems = test::TryStore(trial, promises_, clock_, *files_);
    for (const std::string& problem : problems) ADD_FAILURE() << problem;
    files_.reset();
    EXPECT_EQ(OpenDescriptors(), descriptors);
    promises_ = before;
    ++runs_;
    return failed;
  }

  // How many calls of each kind there are when nothing fails.
  uint64_t CallsOf(Op op) {
    if (calls_.empty()) {
      const test::Promises before = promises_;
      Prepare();
      for (const Kind& kind : kKinds) calls_[kind.op] = files_->calls(kind.op);
      Play();
      store_.reset();
      for (const Kind& kind : kKinds) calls_[kind.op] = files_->calls(kind.op) - calls_[kind.op];
      promises_ = before;
    }
    return calls_[op];
  }

  void TryAll(const Kind& kind, Code code, bool and_all_later) {
    for (uint64_t n = 1;; ++n) {
      const Fault fault{kind, code, and_all_later, n};
      SCOPED_TRACE(fault.text());
      if (!Try(fault) || HasFailure()) return;
    }
  }
  void TrySome(const Kind& kind, Code code) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    if (random_() % 3 != 0) return;  // Each takes its time there.
#endif
    const uint64_t calls = CallsOf(kind.op);
    for (uint64_t i = 0; i < std::min(calls, kShortCalls); ++i) {
      const Fault fault{kind, code, false, 1 + random_() % calls};
      SCOPED_TRACE(fault.text());
      (void)Try(fault);
      if (HasFailure()) return;
    }
  }

  const std::unique_ptr<FileSystem> posix_ = MakePosixFileSystem();
  std::string root_, disk_;
  std::unique_ptr<FaultFileSystem> files_;
  ManualClock clock_{test::kEvening + 100 * kUsPerDay};
  std::unique_ptr<Store> store_;
  test::Promises promises_;
  const StreamId gate_ = test::MakeStream("gate"), yard_ = test::MakeStream("yard");
  std::map<Op, uint64_t> calls_;
  uint64_t seed_ = 0;
  std::mt19937_64 random_;
  bool all_ = false;
  uint64_t runs_ = 0;
};

TEST_P(NthFailureTest, LeavesAStoreThatKeepsItsPromises) {
  SCOPED_TRACE("LOOKBACK_SEED=" + std::to_string(seed_));
  if (!GetParam().empty) MakeModel();
  if (HasFatalFailure()) return;
  for (const Kind& kind : kKinds) {
    for (const Code code : {Code::kDiskFailed, Code::kDiskFull}) {
      if (code == Code::kDiskFull && !kind.may_be_full) continue;
      if (!all_) {
        TrySome(kind, code);
        continue;
      }
      for (const bool and_all_later : {false, true}) TryAll(kind, code, and_all_later);
    }
  }
  std::cout << GetParam().name << ", seed " << seed_ << ": " << runs_ << " runs\n";
}

INSTANTIATE_TEST_SUITE_P(While, NthFailureTest, ::testing::ValuesIn(kScenes),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace lookback::storage
