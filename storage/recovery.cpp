#include "storage/recovery.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <thread>
#include <tuple>
#include <utility>

#include "base/log.h"
#include "base/worker_pool.h"
#include "storage/layout.h"
#include "storage/repair.h"
#include "storage/settle_copies.h"

namespace lookback::storage {
namespace {

constexpr size_t kMaxNotes = 1'000;           // In the report; the log has them all.
constexpr size_t kCandidatesOfBatch = 4'096;  // Files that one pass over the ledger asks about.
constexpr size_t kSealsOfGroup = 64;
// More than one part of so many of a volume's segments without a file stops deletion.
constexpr uint64_t kMissingShare = 100;
// How often a catalog that is behind the ledger is looked at again.
constexpr auto kCatalogPause = std::chrono::seconds(1);

// A key as a path tells it: to the millisecond.
using PathKey = std::tuple<StreamId, int64_t, uint32_t, uint32_t>;
PathKey PathKeyOf(const index::SegmentKey& key) {
  return {key.stream, key.start_us / kUsPerMs, key.epoch, key.sequence};
}

struct Candidate {
  Volume* volume = nullptr;
  index::SegmentKey key;
  std::optional<index::Seal> row = {};  // Of its segment, which has another file.
};

class RecoveryImpl : public Recovery {
 public:
  RecoveryImpl(Parts parts, RecoveryReport report)
      : parts_(std::move(parts)), report_(std::move(report)) {}
  ~RecoveryImpl() override { Stop(); }

  void RunNewest(int64_t budget_us) override;
  void StartRest() override {
    for (Volume* volume : parts_.volumes()) {
      if (volume->state() != VolumeState::kOffline) waiting_.push_back(volume);
    }
    thread_ = std::thread([this] {
      NameThisThread("recovery");
      RunRest();
    });
  }
  void CheckToo(Volume& volume) override {
    {
      const std::lock_guard lock(mutex_);
      report_.finished = false;
      waiting_.push_back(&volume);
    }
    stopped_.notify_all();
  }
  void Wait() override {
    std::unique_lock lock(mutex_);
    finished_.wait(lock, [this] { return report_.finished || stop_; });
  }
  void Stop() override {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    stopped_.notify_all();
    finished_.notify_all();
    if (thread_.joinable()) thread_.join();
  }
  RecoveryReport report() const override {
    const std::lock_guard lock(mutex_);
    return report_;
  }

 private:
  bool AwaitCatalog();
  void RunRest();
  Status CheckVolume(Volume& volume);
  Status CheckDay(Volume& volume, const Volume::Day& day, std::vector<Candidate>& unknown,
                  bool find_missing);
  Status CheckLostDays(Volume& volume, const std::vector<Volume::Day>& listed);
  Status FreezeIfMuchIsMissing(const Volume& volume, uint64_t more);
  Result<std::optional<index::Seal>> FindMissing(Volume& volume,
                                                 const index::SegmentKey& key) const;
  Status DeclareMissing(Volume& volume, const std::vector<index::Seal>& rows);
  Status Settle(std::vector<Candidate> candidates, const std::function<bool()>& go_on);
  struct Gone {
    std::set<PathKey> deleted, thinned;
  };
  Result<Gone> GoneAmong(const std::vector<Candidate>& candidates) const;
  void SettleFurther(const Candidate& candidate, bool thinned);
  void SettleOne(const Candidate& candidate, const std::function<bool()>& go_on,
                 std::vector<index::Record>& seals);
  std::vector<Volume::Day> NewestDays(Volume& volume) const;

  template <typename Change>
  void Report(LogLevel level, const std::string& note, Change change) {
    Log(level, "recovery", note);
    const std::lock_guard lock(mutex_);
    change(report_);
    if (report_.notes.size() < kMaxNotes) report_.notes.push_back(note);
  }

  const Parts parts_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
  // The thread's: what it counted on the volume that it is on.
  uint64_t volume_rows_ = 0;
  uint64_t volume_missing_ = 0;
  bool frozen_ = false;
  mutable std::mutex mutex_;
  std::condition_variable finished_, stopped_;
  RecoveryReport report_;
  std::deque<Volume*> waiting_;  // To be checked.
};

// A crash leaves its unsealed files at or after the day of the stream's last sealed one.
std::vector<Volume::Day> RecoveryImpl::NewestDays(Volume& volume) const {
  auto days = volume.Days();
  if (!days) return {};
  std::map<StreamId, std::string> last_day;
  std::erase_if(*days, [&](const Volume::Day& day) {
    auto [known, first] = last_day.try_emplace(day.stream, day.name);
    if (first) {
      const auto last = parts_.catalog->LastSegment(day.stream);
      if (last && *last) known->second = FormatDay((*last)->start_us);
    }
    return day.name < known->second;
  });
  return *days;
}

// A catalog that lacks records of the ledger would have files sealed twice,
// and deleted ones missed.
bool RecoveryImpl::AwaitCatalog() {
  std::unique_lock lock(mutex_);
  while (!stop_ && parts_.journal->catalog_behind()) {
    stopped_.wait_for(lock, kCatalogPause, [this] { return stop_.load(); });
  }
  return !stop_;
}

void RecoveryImpl::RunNewest(int64_t budget_us) {
  if (parts_.journal->catalog_behind()) return;
  const int64_t end_us = parts_.clock->MonotonicUs() + budget_us;
  const auto go_on = [&] { return parts_.clock->MonotonicUs() < end_us; };
  for (Volume* volume : parts_.volumes()) {
    if (volume->state() == VolumeState::kOffline) continue;
    std::vector<Candidate> unknown;
    for (const Volume::Day& day : NewestDays(*volume)) {
      if (!go_on()) return;
      if (!CheckDay(*volume, day, unknown, /*find_missing=*/false)) break;  // RunRest reports.
    }
    // What is older than the mark would need the whole ledger read. What has a row can wait.
    std::erase_if(
        unknown, [this](const Candidate& c) { return c.row || c.key.epoch < parts_.marked_epoch; });
    if (!unknown.empty()) (void)Settle(std::move(unknown), go_on);
  }
}

void RecoveryImpl::RunRest() {
  while (AwaitCatalog()) {
    Volume* volume = nullptr;
    {
      std::unique_lock lock(mutex_);
      if (waiting_.empty()) {
        report_.finished = true;
        finished_.notify_all();
        stopped_.wait(lock, [this] { return stop_ || !waiting_.empty(); });
        continue;
      }
      volume = waiting_.front();
      waiting_.pop_front();
    }
    if (volume->state() == VolumeState::kRemoved) continue;
    const Status checked = CheckVolume(*volume);
    if (!checked && !stop_) {
      Report(LogLevel::kError,
             "recovery of " + volume->root() + " is not complete: " + checked.message(),
             [](RecoveryReport&) {});
    }
  }
}

Status RecoveryImpl::CheckVolume(Volume& volume) {
  const auto go_on = [this] { return !stop_; };
  volume_rows_ = volume_missing_ = 0;
  frozen_ = false;
  LB_TRY(parts_.catalog->VisitAllSegments(volume.id(), [&](const index::Seal&, bool here) {
    volume_rows_ += here;
    return !stop_;
  }));
  LB_TRY_ASSIGN(days, volume.Days());
  std::vector<Candidate> unknown;
  for (const Volume::Day& day : days) {
    if (stop_) return Ok();
    LB_TRY(CheckDay(volume, day, unknown, /*find_missing=*/true));
    if (unknown.size() >= kCandidatesOfBatch) {
      LB_TRY(Settle(std::exchange(unknown, {}), go_on));
    }
  }
  LB_TRY(Settle(std::move(unknown), go_on));
  return CheckLostDays(volume, days);
}

// Compares one directory with the catalog's rows of that day.
Status RecoveryImpl::CheckDay(Volume& volume, const Volume::Day& day,
                              std::vector<Candidate>& unknown, bool find_missing) {
  LB_TRY_ASSIGN(noon, ParseTime(day.name.substr(0, 4) + "-" + day.name.substr(4, 2) + "-" +
                                day.name.substr(6, 2) + "T12:00:00Z"));
  const TimeRange range{noon - kUsPerDay / 2, noon + kUsPerDay / 2};
  struct Row {
    index::Seal seal;
    bool here = false;  // On record with a file on this volume.
    bool seen = false;
  };
  std::map<PathKey, Row> rows;
  const auto compare = [&](const index::Seal& row, bool here) {
    if (range.Contains(row.start_us)) {
      rows.emplace(PathKeyOf(index::KeyOf(row)), Row{row, here});
    }
    return !stop_;
  };
  LB_TRY(parts_.catalog->VisitSegments(day.stream, range, volume.id(), compare));
  LB_TRY_ASSIGN(files, volume.FilesOf(day));
  for (const Volume::Found& file : files) {
    if (file.stray) {
      if (find_missing) {
        Report(LogLevel::kWarning, volume.root() + "/" + file.path + " is no segment; left alone",
               [](RecoveryReport&) {});
      }
      continue;
    }
    const auto row = rows.find(PathKeyOf(file.key));
    const bool own =
        row != rows.end() && row->second.here && row->second.seal.thinned == file.key.thinned;
    if (own) row->second.seen = true;
    if (own || file.key.epoch >= parts_.epoch) continue;
    unknown.push_back({&volume, file.key});
    if (row != rows.end()) unknown.back().row = row->second.seal;
  }
  if (!find_missing || stop_) return Ok();
  std::vector<index::Seal> missing;
  for (auto& [key, row] : rows) {
    if (row.here && !row.seen) missing.push_back(std::move(row.seal));
  }
  return DeclareMissing(volume, missing);
}

// Days that the catalog has rows of, but the volume no directory.
Status RecoveryImpl::CheckLostDays(Volume& volume, const std::vector<Volume::Day>& listed) {
  std::set<std::pair<StreamId, std::string>> present;
  for (const Volume::Day& day : listed) present.emplace(day.stream, day.name);
  LB_TRY_ASSIGN(totals, parts_.catalog->Totals());
  for (const index::StreamTotals& total : totals) {
    std::vector<index::Seal> missing;
    const auto look = [&](const index::Seal& row, bool here) {
      if (here && row.epoch < parts_.epoch &&
          !present.contains({row.stream, FormatDay(row.start_us)})) {
        missing.push_back(row);
      }
      return !stop_;
    };
    LB_TRY(
        parts_.catalog->VisitSegments(total.stream, {kTimeMinUs, kTimeMaxUs}, volume.id(), look));
    LB_TRY(DeclareMissing(volume, missing));
  }
  return Ok();
}

// Whoever lost that much may have lost more than files: a person looks before anything is deleted.
Status RecoveryImpl::FreezeIfMuchIsMissing(const Volume& volume, uint64_t more) {
  volume_missing_ += more;
  if (frozen_ || volume_missing_ * kMissingShare <= volume_rows_) return Ok();
  index::Rebuilt freeze;
  freeze.segments = volume_rows_;
  freeze.missing = volume_missing_;
  LB_TRY(parts_.journal->Commit({freeze}));
  frozen_ = true;
  Report(LogLevel::kError,
         volume.root() + " lacks " + std::to_string(volume_missing_) + " or more of its " +
             std::to_string(volume_rows_) +
             " segments; nothing is deleted until the policies are confirmed",
         [](RecoveryReport&) {});
  return Ok();
}

// The row as it stands now, if it says that there is a file, and there is none. Under the lock,
// retention cannot be between its record and its unlink.
Result<std::optional<index::Seal>> RecoveryImpl::FindMissing(Volume& volume,
                                                             const index::SegmentKey& key) const {
  LB_TRY_ASSIGN(row, parts_.catalog->FindSegment(key));
  if (!row) return std::optional<index::Seal>();
  LB_TRY_ASSIGN(here, parts_.catalog->IsOn(*row, volume.id()));
  const auto file = volume.Open(index::KeyOf(*row));
  if (!here || file || file.code() != Code::kNotFound) row.reset();
  return row;
}

Status RecoveryImpl::DeclareMissing(Volume& volume, const std::vector<index::Seal>& rows) {
  if (rows.empty() || stop_) return Ok();
  // A disk that was pulled must not turn its archive into missing files.
  const Status present = volume.Probe();
  if (!present && present.code() != Code::kDiskFull) return present;
  uint64_t count = 0;
  for (const index::Seal& row : rows) {
    if (row.epoch >= parts_.epoch) continue;
    const std::lock_guard lock(*parts_.delete_mutex);
    LB_TRY_ASSIGN(missing, FindMissing(volume, index::KeyOf(row)));
    count += missing.has_value();
  }
  LB_TRY(FreezeIfMuchIsMissing(volume, count));
  for (const index::Seal& row : rows) {
    if (stop_ || row.epoch >= parts_.epoch) continue;
    const std::lock_guard lock(*parts_.delete_mutex);
    LB_TRY_ASSIGN(missing, FindMissing(volume, index::KeyOf(row)));
    if (!missing) continue;
    LB_TRY_ASSIGN(loss, LossOf(volume, *missing, parts_.volumes(), *parts_.catalog));
    if (!loss.records.empty()) LB_TRY(parts_.journal->Commit(std::move(loss.records)));
    Report(LogLevel::kError, loss.sentence,
           [](RecoveryReport& report) { ++report.missing_segments; });
  }
  return Ok();
}

// Which of them have a DELETE on the ledger, or a THIN.
Result<RecoveryImpl::Gone> RecoveryImpl::GoneAmong(const std::vector<Candidate>& candidates) const {
  std::set<PathKey> asked;
  uint64_t first = parts_.ledger_mark;
  for (const Candidate& candidate : candidates) {
    asked.insert(PathKeyOf(candidate.key));
    if (candidate.key.epoch < parts_.marked_epoch) first = 0;
  }
  Gone gone;
  LB_TRY(parts_.ledger->Read(first, [&](const index::NumberedRecord& numbered) {
    if (const auto* record = std::get_if<index::Delete>(&numbered.record)) {
      const PathKey key = PathKeyOf(record->segment);
      if (asked.contains(key)) gone.deleted.insert(key);
    } else if (const auto* thin = std::get_if<index::Thin>(&numbered.record)) {
      const PathKey key = PathKeyOf(thin->segment);
      if (asked.contains(key)) gone.thinned.insert(key);
    }
    return !stop_;
  }));
  return gone;
}

Status RecoveryImpl::Settle(std::vector<Candidate> candidates, const std::function<bool()>& go_on) {
  if (candidates.empty() || stop_) return Ok();
  // The last epoch's first: its torn ends tell where each camera's footage stopped.
  std::stable_sort(
      candidates.begin(), candidates.end(),
      [](const Candidate& a, const Candidate& b) { return a.key.epoch > b.key.epoch; });
  LB_TRY_ASSIGN(gone, GoneAmong(candidates));
  std::vector<index::Record> seals;
  Status committed = Ok();
  const auto commit = [&] {
    if (!seals.empty() && committed) committed = parts_.journal->Commit(std::exchange(seals, {}));
  };
  for (const Candidate& candidate : candidates) {
    if (stop_ || !go_on() || !committed) break;
    const std::string path = PathOn(*candidate.volume, candidate.key);
    if (gone.deleted.contains(PathKeyOf(candidate.key))) {
      const Status removed = candidate.volume->Remove(candidate.key);
      Report(LogLevel::kInfo,
             path + " was deleted by record, and is now" +
                 (removed ? std::string() : ", but: " + removed.message()),
             [](RecoveryReport&) {});
      continue;
    }
    if (candidate.row) {
      SettleFurther(candidate, gone.thinned.contains(PathKeyOf(candidate.key)));
      continue;
    }
    SettleOne(candidate, go_on, seals);
    if (seals.size() >= kSealsOfGroup) commit();
  }
  commit();
  return committed;
}

// A file of a segment that has another one on record.
void RecoveryImpl::SettleFurther(const Candidate& candidate, bool thinned) {
  Result<std::string> settled = std::string();
  if (candidate.row->thinned == candidate.key.thinned) {
    settled = SettleCopy(*candidate.volume, *candidate.row, *parts_.journal,
                         [this](uint64_t) { return !stop_; });
  } else {
    const std::lock_guard lock(*parts_.delete_mutex);
    settled = SettleThinning(*candidate.volume, candidate.key, thinned, parts_.volumes(),
                             *parts_.catalog);
  }
  const std::string& note = settled ? *settled : settled.message();
  if (!stop_ && !note.empty()) Report(LogLevel::kWarning, note, [](auto&) {});
}

void RecoveryImpl::SettleOne(const Candidate& candidate, const std::function<bool()>& go_on,
                             std::vector<index::Record>& seals) {
  const auto still_going = [&] { return !stop_ && go_on(); };
  const std::string path = PathOn(*candidate.volume, candidate.key);
  auto repaired = RepairSegment(*candidate.volume, candidate.key, parts_.store, still_going);
  if (!repaired) {
    if (repaired.code() == Code::kUnavailable) return;  // Out of time; taken up again later.
    Report(LogLevel::kError, path + " could not be recovered: " + repaired.message(),
           [](RecoveryReport&) {});
    return;
  }
  switch (repaired->outcome) {
    case Repaired::Outcome::kNothingGood:
      Report(LogLevel::kError, repaired->note,
             [](RecoveryReport& report) { ++report.quarantined_files; });
      return;
    case Repaired::Outcome::kWhole:
      Report(LogLevel::kInfo, path + " was whole, and is now on record",
             [](RecoveryReport& report) { ++report.adopted_segments; });
      break;
    case Repaired::Outcome::kCut:
      Report(LogLevel::kInfo, repaired->note,
             [](RecoveryReport& report) { ++report.recovered_segments; });
      break;
  }
  seals.emplace_back(std::move(repaired->seal));
}

}  // namespace

std::unique_ptr<Recovery> Recovery::Make(Parts parts, RecoveryReport report) {
  return std::make_unique<RecoveryImpl>(std::move(parts), std::move(report));
}

}  // namespace lookback::storage
