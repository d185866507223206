#include "storage/seal_group.h"

#include <algorithm>
#include <iterator>

#include "base/log.h"
#include "storage/layout.h"
#include "storage/volume_health.h"

namespace lookback::storage {

void SealGroup::Begin(std::shared_ptr<RunCommon> run, std::shared_ptr<LiveSegment> segment) {
  const std::lock_guard lock(mutex_);
  Entry entry;
  entry.run = std::move(run);
  entry.segment = std::move(segment);
  entries_.push_back(std::move(entry));
}

void SealGroup::Keep(const std::shared_ptr<LiveSegment>& segment,
                     std::shared_ptr<const media::Fragment> fragment) {
  const std::lock_guard lock(mutex_);
  auto& unsynced = Find(segment)->unsynced;
  if (fragment) {
    unsynced.push_back(std::move(fragment));
  } else {
    unsynced.clear();
  }
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

// A full disk harms what was not written; a failed write or sync may have lost what was.
bool SealGroup::InDoubt(const Entry& entry) {
  if (entry.segment->doubtful()) return true;
  return entry.stage == Stage::kSuspect && CauseOf(entry.why) != index::GapCause::kDiskFull;
}

std::vector<SealGroup::Unsynced> SealGroup::TakeUnsynced() {
  const std::lock_guard lock(mutex_);
  std::vector<Unsynced> taken;
  for (Entry& entry : entries_) {
    if (entry.unsynced.empty() || !InDoubt(entry)) continue;
    const uint32_t first = entry.unsynced.front()->info.number;
    entry.taken_from = std::min(entry.taken_from, first);
    entry.segment->CutAt(entry.taken_from);
    taken.push_back({entry.run, {entry.unsynced.begin(), entry.unsynced.end()}});
    entry.unsynced.clear();
  }
  return taken;
}

void SealGroup::GiveUp(const Error& why) {
  DoubtEverything(why);
  const std::lock_guard lock(mutex_);
  for (Entry& entry : entries_) entry.stage = Stage::kSuspect;
}

Status SealGroup::Sync() {
  const std::lock_guard group(group_mutex_);
  struct Written {
    std::shared_ptr<RunCommon> run;
    std::shared_ptr<LiveSegment> segment;
    bool closed;
    TimeUs end_us;
  };
  std::vector<Written> written;
  {
    const std::lock_guard lock(mutex_);
    for (const Entry& entry : entries_) {
      if (entry.stage == Stage::kSuspect || entry.segment->doubtful()) continue;
      const TimeUs end_us = entry.segment->end_us();
      if (end_us == entry.segment->key().start_us) continue;
      written.push_back({entry.run, entry.segment, entry.stage == Stage::kClosed, end_us});
    }
  }
  const Status synced = volume_.Sync();
  if (!synced) {
    DoubtEverything(synced.error());
    return synced;
  }
  {
    const std::lock_guard lock(mutex_);
    // Given up on while the sync did not come back: they are written elsewhere.
    std::erase_if(written, [](const Written& w) { return w.segment->doubtful(); });
    for (const Written& w : written) {
      w.segment->SetDurable(w.end_us);
      Entry* const entry = Find(w.segment);
      while (!entry->unsynced.empty() && entry->unsynced.front()->info.end_us <= w.end_us) {
        entry->unsynced.pop_front();
      }
      if (w.closed) entries_.erase(entries_.begin() + (entry - entries_.data()));
    }
  }
  for (const Written& w : written) {
    if (w.closed) records_.AddSeal(w.run->stream, w.segment);
  }
  records_.Flush();
  return Ok();
}

void SealGroup::RepairSome(bool all) {
  const std::lock_guard group(group_mutex_);
  std::vector<Entry> suspects;
  {
    const std::lock_guard lock(mutex_);
    // Of a disk that was pulled nothing can be read until it is back, and a sick one
    // is not read to pieces.
    const bool failed = volume_.state() == VolumeState::kFailed;
    const auto first = std::stable_partition(entries_.begin(), entries_.end(), [&](const Entry& e) {
      return e.stage != Stage::kSuspect || (failed && e.tries >= kMaxRepairTries);
    });
    size_t count = static_cast<size_t>(entries_.end() - first);
    if (!all) count = std::min(count, kRepairsPerGroup);
    // Copies: while one is repaired it must not be forgotten by a failed sync, nor by a stop.
    suspects.assign(first, first + static_cast<ptrdiff_t>(count));
  }
  for (Entry& entry : suspects) {
    if (entry.tries >= kMaxRepairTries) entry.tries = 0;  // It is back.
    const bool done = Repair(entry);
    const std::lock_guard lock(mutex_);
    Entry* kept = Find(entry.segment);
    kept->tries = entry.tries;
    if (done) entries_.erase(entries_.begin() + (kept - entries_.data()));
  }
  records_.Flush();
}

Result<Repaired> SealGroup::RepairOrRescue(const Entry& entry) {
  const index::SegmentKey& key = entry.segment->key();
  if (!InDoubt(entry)) return RepairSegment(volume_, key, store_);
  Volume* const to = rescue_();
  if (!to) return Fail(Code::kUnavailable, "no volume takes a copy of " + SegmentPath(key));
  return RescueSegment(volume_, key, store_, *to, entry.run->stream->NextSequence(),
                       entry.taken_from);
}

bool SealGroup::Repair(Entry& entry) {
  const index::SegmentKey& key = entry.segment->key();
  const TimeRange whole{key.start_us, entry.segment->end_us()};
  const auto gap = [&](TimeUs from) {
    const TimeRange lost{from, whole.end_us};
    if (lost.empty()) return;
    records_.AddGap(entry.run->stream, {key.stream, lost, CauseOf(entry.why), entry.why.message});
  };
  auto repaired = RepairOrRescue(entry);
  if (!repaired) {
    const bool later = repaired.code() == Code::kDiskFull || repaired.code() == Code::kUnavailable;
    if (later || ++entry.tries < kMaxRepairTries) return false;
    if (volume_.state() == VolumeState::kFailed) return false;
    LogError("volume", SegmentPath(key) + " is left to the next start: " + repaired.message());
    entry.run->stream->DropSegment(entry.segment);
    return true;
  }
  if (!repaired->note.empty()) LogWarning("volume", repaired->note);
  if (repaired->outcome == Repaired::Outcome::kNothingGood) {
    entry.run->stream->DropSegment(entry.segment);
    gap(whole.start_us);
    return true;
  }
  gap(repaired->seal.end_us);
  const auto sealed = std::make_shared<LiveSegment>(std::move(repaired->seal));
  entry.run->stream->ReplaceSegment(entry.segment, sealed);
  records_.AddSeal(entry.run->stream, sealed);
  return true;
}

size_t SealGroup::open() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace lookback::storage
