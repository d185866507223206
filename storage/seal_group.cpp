#include "storage/seal_group.h"

#include <algorithm>
#include <iterator>

#include "base/log.h"
#include "storage/layout.h"
#include "storage/volume_health.h"

namespace lookback::storage {

void SealGroup::Begin(std::shared_ptr<StreamState> stream, std::shared_ptr<LiveSegment> segment) {
  const std::lock_guard lock(mutex_);
  entries_.push_back(
      {std::move(stream), std::move(segment), Stage::kGrowing, Error(), /*tries=*/0});
}

SealGroup::Entry* SealGroup::Find(const std::shared_ptr<LiveSegment>& segment) {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.segment == segment; });
  LB_CHECK(found != entries_.end());
  return &*found;
}

void SealGroup::Forget(const std::shared_ptr<LiveSegment>& segment) {
  const std::lock_guard lock(mutex_);
  entries_.erase(entries_.begin() + (Find(segment) - entries_.data()));
}

void SealGroup::Close(const std::shared_ptr<LiveSegment>& segment) {
  const std::lock_guard lock(mutex_);
  Entry* entry = Find(segment);
  entry->stage = segment->doubtful() ? Stage::kSuspect : Stage::kClosed;
}

void SealGroup::LeaveToRepair(const std::shared_ptr<LiveSegment>& segment, const Error& why) {
  const std::lock_guard lock(mutex_);
  Entry* entry = Find(segment);
  entry->stage = Stage::kSuspect;
  if (entry->why.message.empty()) entry->why = why;
}

void SealGroup::DoubtEverything(const Error& why) {
  const std::lock_guard lock(mutex_);
  for (Entry& entry : entries_) {
    entry.segment->Doubt();
    if (entry.why.message.empty()) entry.why = why;
    if (entry.stage == Stage::kClosed) entry.stage = Stage::kSuspect;
  }
}

Status SealGroup::Sync() {
  const std::lock_guard group(group_mutex_);
  struct Written {
    Entry entry;
    TimeUs end_us;
  };
  std::vector<Written> written;
  {
    const std::lock_guard lock(mutex_);
    for (const Entry& entry : entries_) {
      if (entry.stage == Stage::kSuspect || entry.segment->doubtful()) continue;
      const TimeUs end_us = entry.segment->end_us();
      if (end_us != entry.segment->key().start_us) written.push_back({entry, end_us});
    }
  }
  const Status synced = volume_.Sync();
  if (!synced) {
    DoubtEverything(synced.error());
    return synced;
  }
  for (const Written& w : written) w.entry.segment->SetDurable(w.end_us);
  {
    const std::lock_guard lock(mutex_);
    for (const Written& w : written) {
      if (w.entry.stage == Stage::kClosed) {
        entries_.erase(entries_.begin() + (Find(w.entry.segment) - entries_.data()));
      }
    }
  }
  for (const Written& w : written) {
    if (w.entry.stage == Stage::kClosed) records_.AddSeal(w.entry.stream, w.entry.segment);
  }
  records_.Flush();
  return Ok();
}

void SealGroup::RepairSome(bool all) {
  const std::lock_guard group(group_mutex_);
  std::vector<Entry> suspects;
  {
    const std::lock_guard lock(mutex_);
    const auto first = std::stable_partition(entries_.begin(), entries_.end(), [](const Entry& e) {
      return e.stage != Stage::kSuspect;
    });
    size_t count = static_cast<size_t>(entries_.end() - first);
    if (!all) count = std::min(count, kRepairsPerGroup);
    // Copies: while one is repaired it must not be forgotten by a failed sync, nor by a stop.
    suspects.assign(first, first + static_cast<ptrdiff_t>(count));
  }
  for (Entry& entry : suspects) {
    const bool done = Repair(entry);
    const std::lock_guard lock(mutex_);
    Entry* kept = Find(entry.segment);
    kept->tries = entry.tries;
    if (done) entries_.erase(entries_.begin() + (kept - entries_.data()));
  }
  records_.Flush();
}

// A full disk harms what was not written; a failed write or sync may have lost what was.
Result<Repaired> SealGroup::RepairOrRescue(const Entry& entry) {
  const index::SegmentKey& key = entry.segment->key();
  if (CauseOf(entry.why) == index::GapCause::kDiskFull && !entry.segment->doubtful()) {
    return RepairSegment(volume_, key, store_);
  }
  Volume* const to = rescue_();
  if (!to) return Fail(Code::kUnavailable, "no volume takes a copy of " + SegmentPath(key));
  return RescueSegment(volume_, key, store_, *to, entry.stream->NextSequence());
}

bool SealGroup::Repair(Entry& entry) {
  const index::SegmentKey& key = entry.segment->key();
  const TimeRange whole{key.start_us, entry.segment->end_us()};
  const auto gap = [&](TimeUs from) {
    const TimeRange lost{from, whole.end_us};
    if (lost.empty()) return;
    records_.AddGap(entry.stream, {key.stream, lost, CauseOf(entry.why), entry.why.message});
  };
  auto repaired = RepairOrRescue(entry);
  if (!repaired) {
    const bool later = repaired.code() == Code::kDiskFull || repaired.code() == Code::kUnavailable;
    if (later || ++entry.tries < kMaxRepairTries) return false;
    LogError("volume", SegmentPath(key) + " is left to the next start: " + repaired.message());
    entry.stream->DropSegment(entry.segment);
    return true;
  }
  if (!repaired->note.empty()) LogWarning("volume", repaired->note);
  if (repaired->outcome == Repaired::Outcome::kNothingGood) {
    entry.stream->DropSegment(entry.segment);
    gap(whole.start_us);
    return true;
  }
  gap(repaired->seal.end_us);
  const auto sealed = std::make_shared<LiveSegment>(std::move(repaired->seal));
  entry.stream->ReplaceSegment(entry.segment, sealed);
  records_.AddSeal(entry.stream, sealed);
  return true;
}

size_t SealGroup::open() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace lookback::storage
