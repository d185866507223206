// A disk that hangs: recording never blocks, whole GOPs are lost, and the loss is on record.
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "storage/stream_state.h"
#include "tests/storage/store_fixture.h"
#include "tests/support/forwarding_file.h"

namespace lookback::storage {
namespace {

using test::kEvening;
using test::SyntheticRun;

// Lets no write through while it is closed.
class Valve {
 public:
  void Set(bool open) {
    {
      const std::lock_guard lock(mutex_);
      open_ = open;
    }
    changed_.notify_all();
  }
  void Pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    --waiting_;
  }
  // Until a write waits: from then on nothing leaves the queue before it is open again.
  [[nodiscard]] bool AwaitWrite() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [this] { return waiting_ > 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  int waiting_ = 0;
};

class SlowFile : public test::ForwardingFile {
 public:
  SlowFile(std::unique_ptr<File> below, Valve& valve)
      : ForwardingFile(std::move(below)), valve_(valve) {}
  Status WriteAt(uint64_t offset, std::span<const ByteSpan> parts) override {
    valve_.Pass();
    return ForwardingFile::WriteAt(offset, parts);
  }

 private:
  Valve& valve_;
};

class SlowVolume : public Volume {
 public:
  SlowVolume(Volume& below, Valve& valve) : below_(below), valve_(valve) {}
  const Uuid& id() const override { return below_.id(); }
  const std::string& root() const override { return below_.root(); }
  VolumeState state() const override { return below_.state(); }
  std::string why() const override { return below_.why(); }
  void SetFailed(const std::string& why) override { below_.SetFailed(why); }
  void RefuseNew(bool refuse) override { below_.RefuseNew(refuse); }
  void SetRemoved() override { below_.SetRemoved(); }
  Result<std::unique_ptr<File>> Create(const index::SegmentKey& key) override {
    LB_TRY_ASSIGN(file, below_.Create(key));
    return std::unique_ptr<File>(new SlowFile(std::move(file), valve_));
  }
  Result<std::unique_ptr<File>> Open(const index::SegmentKey& key) override {
    return below_.Open(key);
  }
  Result<std::unique_ptr<File>> OpenToRepair(const index::SegmentKey& key) override {
    return below_.OpenToRepair(key);
  }
  Status Remove(const index::SegmentKey& key) override { return below_.Remove(key); }
  Status Quarantine(const index::SegmentKey& key) override { return below_.Quarantine(key); }
  Status Sync() override { return below_.Sync(); }
  Status Probe() override { return below_.Probe(); }
  Status Return() override { return below_.Return(); }
  Result<Space> FreeSpace() override { return below_.FreeSpace(); }
  Result<std::string> LedgerDirectory() override { return below_.LedgerDirectory(); }
  Result<std::vector<Day>> Days() override { return below_.Days(); }
  Result<std::vector<Found>> FilesOf(const Day& day) override { return below_.FilesOf(day); }
  Status VisitFiles(const std::function<bool(const Found&)>& visit,
                    const std::function<bool(const Day&)>& wants) override {
    return below_.VisitFiles(visit, wants);
  }

 private:
  Volume& below_;
  Valve& valve_;
};

class QueueTest : public StoreFixture {};

TEST_F(QueueTest, AFullQueueCostsWholeGopsAndLeavesOneGap) {
  ASSERT_OK(Open());
  Valve valve;
  SlowVolume slow(*store_->volumes().front(), valve);
  Archive::Options options;
  options.store = store_->id();
  options.epoch = store_->epoch() + 1;  // The store's own archive has the present one.
  options.queue_bytes = 200'000;        // Some nine fragments.
  auto archive = Archive::Start(options, {&slow}, store_->journal(), store_->catalog(), clock_);
  ASSERT_OK(archive);

  SyntheticRun run(gate_, kEvening, {.frames_per_gop = 100});  // Two fragments a GOP.
  auto recording = (*archive)->Begin(run.info());
  ASSERT_OK(recording);
  std::vector<uint32_t> taken;
  std::vector<media::FragmentInfo> lost;
  const auto append = [&] {
    media::Fragment fragment = run.Next();
    const media::FragmentInfo info = fragment.info;
    const Status status = (*recording)->Append(std::move(fragment));
    if (status) {
      taken.push_back(info.number);
    } else {
      EXPECT_EQ(status.code(), Code::kUnavailable);
      lost.push_back(info);
    }
    return info;
  };

  valve.Set(false);
  append();
  ASSERT_TRUE(valve.AwaitWrite());
  while (lost.size() < 5) append();
  const size_t taken_before = taken.size();
  EXPECT_GT(taken_before, 5u);
  while (lost.back().flags & media::kContinuation) append();  // The next is the rest of a GOP.
  ASSERT_EQ(taken.size(), taken_before);
  EXPECT_EQ((*archive)->Gaps(gate_, kEver)->size(), 1u);  // It is told while it goes on.

  valve.Set(true);
  ASSERT_OK((*archive)->Drain());
  EXPECT_EQ((*archive)->StatusOf(gate_).recorded_until_us, lost.front().start_us);
  append();  // Inside a GOP whose start was lost: nothing that a decoder could use.
  EXPECT_EQ(taken.size(), taken_before);
  const media::FragmentInfo first_again = append();
  EXPECT_EQ(taken.size(), taken_before + 1);
  recording->reset();
  ASSERT_OK((*archive)->Drain());

  const auto gaps = (*archive)->Gaps(gate_, kEver);
  ASSERT_OK(gaps);
  ASSERT_EQ(gaps->size(), 1u);
  EXPECT_EQ((*gaps)[0].cause, index::GapCause::kDiskTooSlow);
  EXPECT_EQ((*gaps)[0].range, (TimeRange{lost.front().start_us, first_again.start_us}));
  EXPECT_EQ((*archive)->StatusOf(gate_).dropped_fragments, lost.size());
  EXPECT_EQ(Numbers(gate_), taken);
  EXPECT_EQ(Segments(gate_).size(), 2u);
  ExpectHonest(gate_);
}

// At a stop every camera's last group comes at once: more than the queue holds, and no more than
// the cameras' fragmenters held a moment before.
TEST_F(QueueTest, TheEndOfARunIsTakenByAFullQueue) {
  ASSERT_OK(Open());
  Valve valve;
  SlowVolume slow(*store_->volumes().front(), valve);
  Archive::Options options;
  options.store = store_->id();
  options.epoch = store_->epoch() + 1;  // The store's own archive has the present one.
  options.queue_bytes = 200'000;
  auto archive = Archive::Start(options, {&slow}, store_->journal(), store_->catalog(), clock_);
  ASSERT_OK(archive);
  SyntheticRun run(gate_, kEvening);
  auto recording = (*archive)->Begin(run.info());
  ASSERT_OK(recording);

  valve.Set(false);
  ASSERT_OK((*recording)->Append(run.Next()));
  ASSERT_TRUE(valve.AwaitWrite());
  while ((*recording)->Append(run.Next())) {
  }
  EXPECT_GT((*archive)->Backlog(), 0.8);
  const uint64_t lost = (*archive)->StatusOf(gate_).dropped_fragments;
  TimeUs end_us = 0;
  uint64_t held_bytes = 0;
  while (true) {
    media::Fragment last = run.Next();
    uint64_t bytes = 0;
    for (const Bytes& part : last.parts) bytes += part.size();
    const TimeUs last_end_us = last.info.end_us;
    if (!(*recording)->AppendLast(std::move(last))) break;
    end_us = last_end_us;
    held_bytes += bytes;
  }
  EXPECT_GT(held_bytes, StreamState::kMaxLastBytes / 2);
  EXPECT_LE(held_bytes, StreamState::kMaxLastBytes + options.queue_bytes);

  valve.Set(true);
  recording->reset();
  ASSERT_OK((*archive)->Drain());
  EXPECT_EQ((*archive)->Backlog(), 0);
  EXPECT_EQ((*archive)->StatusOf(gate_).recorded_until_us, end_us);
  EXPECT_EQ((*archive)->StatusOf(gate_).dropped_fragments, lost + 1);
  ExpectHonest(gate_);
}

}  // namespace
}  // namespace lookback::storage
