#include "storage/stream_state.h"

#include <algorithm>
#include <iterator>

namespace lookback::storage {
namespace {

bool Same(const index::Gap& a, const index::Gap& b) {
  return a.range == b.range && a.cause == b.cause && a.detail == b.detail;
}

}  // namespace

uint32_t StreamState::NextSequence() {
  if (numbers_) return numbers_->NextSequence();
  const std::lock_guard lock(mutex_);
  return next_sequence_++;
}

void StreamState::AddSegment(std::shared_ptr<LiveSegment> segment) {
  const std::lock_guard lock(mutex_);
  auto after = segments_.end();
  while (after != segments_.begin() &&
         std::prev(after)->segment->key().start_us > segment->key().start_us) {
    --after;
  }
  segments_.insert(after, {std::move(segment), false});
}

void StreamState::DropSegment(const std::shared_ptr<LiveSegment>& segment) {
  const std::lock_guard lock(mutex_);
  for (Entry& entry : segments_) {
    if (entry.segment == segment) entry.dropped = true;
  }
  // One that is dropped before an older one stays, hidden, until the older one goes: durability
  // is told by the oldest that is not durable.
  while (!segments_.empty() && segments_.front().dropped) {
    const TimeUs durable = segments_.front().segment->durable_end_us();
    if (durable != 0) durable_before_us_ = durable;
    segments_.pop_front();
  }
}

void StreamState::ReplaceSegment(const std::shared_ptr<LiveSegment>& old,
                                 std::shared_ptr<LiveSegment> by) {
  const std::lock_guard lock(mutex_);
  for (Entry& entry : segments_) {
    if (entry.segment == old) entry.segment = by;
  }
}

std::vector<std::shared_ptr<LiveSegment>> StreamState::Segments() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<LiveSegment>> segments;
  for (const Entry& entry : segments_) {
    if (!entry.dropped) segments.push_back(entry.segment);
  }
  return segments;
}

void StreamState::SetRecordedUntil(const Uuid& run, TimeUs end_us) {
  const std::lock_guard lock(mutex_);
  if (run == recorded_run_ && end_us < recorded_until_us_) return;
  recorded_run_ = run;
  recorded_until_us_ = end_us;
}

TimeUs StreamState::recorded_until_us() const {
  const std::lock_guard lock(mutex_);
  return recorded_until_us_;
}

TimeUs StreamState::DurableUntil() const {
  const std::lock_guard lock(mutex_);
  TimeUs durable = durable_before_us_;
  for (const Entry& entry : segments_) {
    const TimeUs end = entry.segment->durable_end_us();
    if (end != 0) durable = end;
    if (!entry.dropped && end != entry.segment->end_us()) break;
  }
  return durable;
}

void StreamState::AddGap(const index::Gap& gap) {
  const std::lock_guard lock(mutex_);
  gaps_.push_back(gap);
}

void StreamState::DropGap(const index::Gap& gap) {
  const std::lock_guard lock(mutex_);
  const auto found =
      std::find_if(gaps_.begin(), gaps_.end(), [&](const auto& g) { return Same(g, gap); });
  if (found != gaps_.end()) gaps_.erase(found);
}

void StreamState::SetOpenGap(std::optional<index::Gap> gap) {
  const std::lock_guard lock(mutex_);
  open_gap_ = std::move(gap);
}

std::vector<index::Gap> StreamState::Gaps(TimeRange range, TimeUs now_us) const {
  const std::lock_guard lock(mutex_);
  std::vector<index::Gap> gaps;
  const auto add = [&](const index::Gap& gap) {
    if (!gap.range.empty() && gap.range.Overlaps(range)) gaps.push_back(gap);
  };
  for (const index::Gap& gap : gaps_) add(gap);
  for (const auto& [who, hole] : holes_) add(hole);
  if (open_gap_) {
    index::Gap gap = *open_gap_;
    gap.range.end_us = now_us;
    add(gap);
  }
  return gaps;
}

void StreamState::ExtendHole(const void* who, const media::FragmentInfo& fragment,
                             index::GapCause cause, const std::string& detail) {
  const std::lock_guard lock(mutex_);
  ++dropped_fragments_;
  const TimeRange range{fragment.start_us, fragment.end_us};
  const auto [hole, begun] = holes_.try_emplace(who, index::Gap{id_, range, cause, detail});
  if (begun) return;
  TimeRange& whole = hole->second.range;
  whole.start_us = std::min(whole.start_us, range.start_us);
  whole.end_us = std::max(whole.end_us, range.end_us);
}

std::optional<index::Gap> StreamState::TakeHole(const void* who) {
  const std::lock_guard lock(mutex_);
  const auto hole = holes_.extract(who);
  if (hole.empty()) return std::nullopt;
  return hole.mapped();
}

std::optional<index::Gap> StreamState::dropping() const {
  const std::lock_guard lock(mutex_);
  if (holes_.empty()) return std::nullopt;
  return holes_.begin()->second;
}

uint64_t StreamState::dropped_fragments() const {
  const std::lock_guard lock(mutex_);
  return dropped_fragments_;
}

bool StreamState::TakeLast(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (last_bytes_ > 0 && last_bytes_ + bytes > kMaxLastBytes) return false;
  last_bytes_ += bytes;
  return true;
}

void StreamState::ReturnLast(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  last_bytes_ -= bytes;
}

void StreamState::RunBegins(const std::string& volume) {
  const std::lock_guard lock(mutex_);
  ++runs_;
  volume_ = volume;
}

void StreamState::RunEnds() {
  const std::lock_guard lock(mutex_);
  --runs_;
}

void StreamState::SetVolume(const std::string& root) {
  const std::lock_guard lock(mutex_);
  volume_ = root;
}

bool StreamState::recording() const {
  const std::lock_guard lock(mutex_);
  return runs_ > 0;
}

std::string StreamState::volume() const {
  const std::lock_guard lock(mutex_);
  return volume_;
}

}  // namespace lookback::storage
