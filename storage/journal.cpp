#include "storage/journal.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "base/worker_pool.h"

namespace lookback::storage {
namespace {

constexpr size_t kCatchUpRecords = 4'096;
// How often a catalog that fell behind is tried again: after that time without work, or after so
// many groups, since opening it anew takes a while.
constexpr auto kCatchUpPause = std::chrono::seconds(5);
constexpr int kCatchUpRounds = 8;

struct Group {
  std::vector<index::Record> records;
  Journal::Done done;
};

// How many lost records it passed over.
Result<uint64_t> CatchUp(const Ledger& ledger, index::Catalog& catalog) {
  std::vector<index::NumberedRecord> batch;
  Status applied = Ok();
  const auto apply = [&] {
    applied = catalog.Apply(batch);
    batch.clear();
    return applied.has_value();
  };
  LB_TRY_ASSIGN(lost, ledger.Read(catalog.position(), [&](const index::NumberedRecord& record) {
    batch.push_back(record);
    return batch.size() < kCatchUpRecords || apply();
  }));
  if (applied && !batch.empty()) apply();
  LB_TRY(applied);
  return lost;
}

bool IsDisk(const Error& error) {
  return error.code == Code::kDiskFull || error.code == Code::kDiskFailed;
}

}  // namespace

struct Journal::State {
  State(Ledger& l, index::Catalog& c) : ledger(l), catalog(c) {}

  void Work();
  void CommitAll(std::deque<Group> groups);
  void Index(const std::vector<index::NumberedRecord>& records);
  void TryAgain();

  Ledger& ledger;
  index::Catalog& catalog;
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<Group> waiting;
  size_t waiting_records = 0;
  bool stopping = false;
  std::string trouble;
  std::atomic<bool> behind{false};
  uint64_t lost = 0;
  int64_t wait_us = kCommitWaitUs;
  int rounds_behind = 0;  // The journal thread's: groups since the catalog was last tried.
  std::thread thread;
  std::once_flag joined;
};

void Journal::State::Work() {
  NameThisThread("journal");
  std::unique_lock lock(mutex);
  while (true) {
    const auto ready = [this] { return stopping || !waiting.empty(); };
    if (behind) {
      wake.wait_for(lock, kCatchUpPause, ready);
    } else {
      wake.wait(lock, ready);
    }
    if (stopping && waiting.empty()) return;
    std::deque<Group> groups = std::exchange(waiting, {});
    waiting_records = 0;
    lock.unlock();
    if (!groups.empty()) {
      CommitAll(std::move(groups));
    } else {
      TryAgain();
    }
    lock.lock();
  }
}

// Appends each group by itself, so that one that breaks a limit costs no other, and syncs them at
// once.
void Journal::State::CommitAll(std::deque<Group> groups) {
  std::vector<Status> outcomes(groups.size(), Ok());
  std::vector<index::NumberedRecord> all;
  Status disk = Ok();
  for (size_t i = 0; i < groups.size() && disk; ++i) {
    auto numbered = ledger.Append(groups[i].records);
    if (!numbered && numbered.code() == Code::kInvalid) {
      outcomes[i] = Pass(numbered.error());
      continue;
    }
    if (!numbered) {
      disk = Pass(numbered.error());
      break;
    }
    std::move(numbered->begin(), numbered->end(), std::back_inserter(all));
  }
  if (disk) disk = ledger.Sync();
  {
    const std::lock_guard lock(mutex);
    trouble = disk ? "" : disk.message();
  }
  if (!disk) {
    LogError("journal", "nothing can go on record: " + disk.message());
    all.clear();
  }
  if (!all.empty()) Index(all);
  for (size_t i = 0; i < groups.size(); ++i) {
    if (!groups[i].done) continue;
    groups[i].done(!disk && outcomes[i] ? disk : outcomes[i]);
  }
}

// Brings `records` into the catalog, unless others are missing before them.
void Journal::State::Index(const std::vector<index::NumberedRecord>& records) {
  if (behind) {
    if (++rounds_behind >= kCatchUpRounds) TryAgain();
    return;
  }
  Status applied = Ok();
  if (records.front().number == catalog.position()) {
    applied = catalog.Apply(records);
  } else if (const auto caught_up = CatchUp(ledger, catalog); !caught_up) {
    applied = Pass(caught_up.error());
  }
  if (applied) return;
  behind = true;
  rounds_behind = 0;
  LogError("journal",
           "the catalog is behind the ledger until this is mended: " + applied.error().message);
}

// The database takes no writes after a failure until it is opened again,
// even when its disk is well.
void Journal::State::TryAgain() {
  rounds_behind = 0;
  if (!catalog.Reopen() || !CatchUp(ledger, catalog)) return;
  behind = false;
  LogInfo("journal", "the catalog has caught up with the ledger");
}

Journal::Journal(std::unique_ptr<State> state) : state_(std::move(state)) {}

Journal::~Journal() { Stop(); }

Result<std::unique_ptr<Journal>> Journal::Start(Ledger& ledger, index::Catalog& catalog,
                                                int64_t wait_us) {
  if (catalog.position() > ledger.size()) {
    return Fail(Code::kCorrupt, "the catalog knows " + std::to_string(catalog.position()) +
                                    " ledger records, but the ledger has only " +
                                    std::to_string(ledger.size()));
  }
  auto state = std::make_unique<State>(ledger, catalog);
  const Status writable = catalog.Writable();
  const auto caught_up = writable ? CatchUp(ledger, catalog) : Pass(writable.error());
  if (!caught_up && !IsDisk(caught_up.error())) return Pass(caught_up.error());
  if (!caught_up) {
    state->behind = true;
    LogError("journal", "the catalog is behind the ledger: " + caught_up.message());
  } else {
    state->lost = *caught_up;
  }
  state->wait_us = wait_us;
  state->thread = std::thread([s = state.get()] { s->Work(); });
  return std::unique_ptr<Journal>(new Journal(std::move(state)));
}

Status Journal::Commit(std::vector<index::Record> records) {
  const auto answer = std::make_shared<std::promise<Status>>();
  LB_TRY(Post(std::move(records), [answer](const Status& status) { answer->set_value(status); }));
  return Await(answer->get_future());
}

Status Journal::Await(std::future<Status> answer) const {
  if (answer.wait_for(std::chrono::microseconds(state_->wait_us)) == std::future_status::ready) {
    return answer.get();
  }
  return Fail(Code::kUnavailable,
              "not on record yet: the ledger's disk has not answered for " +
                  std::to_string(state_->wait_us / kUsPerMs) +
                  " ms; it may come on record later, so look before you try again");
}

Status Journal::Post(std::vector<index::Record> records, Done done) {
  if (records.empty()) {
    if (done) done(Ok());
    return Ok();
  }
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->stopping) return Fail(Code::kUnavailable, "the journal has stopped");
    if (state_->waiting_records + records.size() > kMaxWaiting) {
      return Fail(Code::kUnavailable, "more than " + std::to_string(kMaxWaiting) +
                                          " records wait for the ledger's disk");
    }
    state_->waiting_records += records.size();
    state_->waiting.push_back({std::move(records), std::move(done)});
  }
  state_->wake.notify_one();
  return Ok();
}

void Journal::Stop() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->wake.notify_one();
  std::call_once(state_->joined, [this] { state_->thread.join(); });
}

bool Journal::catalog_behind() const { return state_->behind; }

std::string Journal::trouble() const {
  const std::lock_guard lock(state_->mutex);
  return state_->trouble;
}

uint64_t Journal::lost_records() const { return state_->lost; }

}  // namespace lookback::storage
