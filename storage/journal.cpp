#include "storage/journal.h"

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
// How often a catalog that fell behind is tried again.
constexpr auto kCatchUpPause = std::chrono::seconds(5);

struct Group {
  std::vector<index::Record> records;
  Journal::Done done;
};

Status CatchUp(Ledger& ledger, index::Catalog& catalog) {
  while (catalog.position() < ledger.size()) {
    std::vector<index::NumberedRecord> batch;
    LB_TRY(ledger.Read(catalog.position(), [&](const index::NumberedRecord& record) {
      batch.push_back(record);
      return batch.size() < kCatchUpRecords;
    }));
    if (batch.empty()) return Ok();
    LB_TRY(catalog.Apply(batch));
  }
  return Ok();
}

}  // namespace

struct Journal::State {
  State(Ledger& l, index::Catalog& c) : ledger(l), catalog(c) {}

  void Work();
  void CommitAll(std::deque<Group> groups);
  void Index(const std::vector<index::NumberedRecord>& records);

  Ledger& ledger;
  index::Catalog& catalog;
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<Group> waiting;
  size_t waiting_records = 0;
  bool stopping = false;
  std::atomic<bool> behind{false};
  std::thread thread;
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
      Index({});
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

// Brings `records` into the catalog, after those that it lacks.
void Journal::State::Index(const std::vector<index::NumberedRecord>& records) {
  const bool follows = !records.empty() && records.front().number == catalog.position();
  const Status applied = follows ? catalog.Apply(records) : CatchUp(ledger, catalog);
  const bool was_behind = behind.exchange(!applied);
  if (!applied && !was_behind) {
    LogError("journal",
             "the catalog is behind the ledger until this is mended: " + applied.message());
  }
  if (applied && was_behind) LogInfo("journal", "the catalog has caught up with the ledger");
}

Journal::Journal(std::unique_ptr<State> state) : state_(std::move(state)) {}

Journal::~Journal() { Stop(); }

Result<std::unique_ptr<Journal>> Journal::Start(Ledger& ledger, index::Catalog& catalog) {
  if (catalog.position() > ledger.size()) {
    return Fail(Code::kCorrupt, "the catalog knows " + std::to_string(catalog.position()) +
                                    " ledger records, but the ledger has only " +
                                    std::to_string(ledger.size()));
  }
  LB_TRY(CatchUp(ledger, catalog));
  auto state = std::make_unique<State>(ledger, catalog);
  state->thread = std::thread([s = state.get()] { s->Work(); });
  return std::unique_ptr<Journal>(new Journal(std::move(state)));
}

Status Journal::Commit(std::vector<index::Record> records) {
  std::promise<Status> promise;
  LB_TRY(Post(std::move(records), [&](const Status& status) { promise.set_value(status); }));
  return promise.get_future().get();
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
  if (state_->thread.joinable()) state_->thread.join();
}

bool Journal::catalog_behind() const { return state_->behind; }

}  // namespace lookback::storage
