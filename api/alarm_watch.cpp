#include "api/alarm_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <tuple>

#include "base/log.h"
#include "base/words.h"

namespace lookback::api {

using index::AlarmEvent;
using index::Severity;

AlarmWatch::AlarmWatch(Commit commit, OnChange on_change, Clock& clock)
    : commit_(std::move(commit)), on_change_(std::move(on_change)), clock_(clock) {}

void AlarmWatch::Restore(std::vector<AlarmEvent> standing) {
  const std::lock_guard lock(mutex_);
  for (AlarmEvent& event : standing) {
    Watched& watched = watched_[{event.alarm.kind, event.alarm.subject}];
    watched.present = true;
    watched.turned_us = clock_.MonotonicUs();
    watched.came_us = event.alarm.since_us;
    watched.condition = {event.alarm.kind, event.alarm.camera, event.alarm.subject,
                         event.alarm.sentence, event.alarm.since_us};
    watched.event = std::move(event);
  }
}

void AlarmWatch::Look(const std::vector<Condition>& conditions) {
  const std::lock_guard round(round_);
  Changes changes;
  {
    const std::lock_guard lock(mutex_);
    const int64_t now_us = clock_.MonotonicUs();
    const TimeUs wall_us = clock_.NowUs();
    std::map<Key, const Condition*> present;
    for (const Condition& condition : conditions) {
      present.emplace(Key{condition.kind, condition.subject}, &condition);
    }
    for (const auto& [key, condition] : present) {
      Watched& watched = watched_[key];
      if (!watched.present) {
        watched.present = true;
        watched.turned_us = now_us;
        watched.came_us = condition->since_us != 0 ? condition->since_us : wall_us;
      }
      watched.condition = *condition;
      if (watched.event) watched.event->alarm.sentence = condition->sentence;
      const bool lasts = now_us - watched.turned_us >= AlarmKindOf(condition->kind).begins_us;
      if (!watched.event && lasts) Begin(watched, now_us, changes);
    }
    for (auto it = watched_.begin(); it != watched_.end();) {
      Watched& watched = it->second;
      if (present.count(it->first) == 0) {
        if (watched.present) {
          watched.present = false;
          watched.turned_us = now_us;
          watched.went_us = wall_us;
        }
        if (watched.event && now_us - watched.turned_us >= EndsAfter(watched)) {
          End(watched, changes);
        }
      }
      while (!watched.begun.empty() && now_us - watched.begun.front() >= kUsPerDay) {
        watched.begun.pop_front();
      }
      const bool done = !watched.present && !watched.event && watched.begun.empty();
      it = done ? watched_.erase(it) : std::next(it);
    }
  }
  Record(std::move(changes.records));
  for (const auto& [what, event] : changes.events) on_change_(what, event);
}

void AlarmWatch::Begin(Watched& watched, int64_t now_us, Changes& changes) {
  const Condition& condition = watched.condition;
  AlarmEvent event;
  event.alarm.id = Uuid::TimeOrdered(clock_.NowUs());
  event.alarm.kind = condition.kind;
  event.alarm.severity = AlarmKindOf(condition.kind).severity;
  event.alarm.camera = condition.camera;
  event.alarm.subject = condition.subject;
  event.alarm.since_us = watched.came_us;
  event.alarm.sentence = condition.sentence;
  if (watched.begun.size() == kManyADay) watched.begun.pop_front();
  watched.begun.push_back(now_us);
  const std::string told = fmt::format("{}: {}", event.alarm.kind, event.alarm.sentence);
  event.alarm.severity == index::Severity::kCritical ? LogError("alarm", told)
                                                     : LogWarning("alarm", told);
  changes.records.emplace_back(event.alarm);
  changes.events.emplace_back(What::kBegan, event);
  watched.event = std::move(event);
}

void AlarmWatch::End(Watched& watched, Changes& changes) {
  AlarmEvent event = *std::exchange(watched.event, std::nullopt);
  // A wall clock that was set back meanwhile must not make an end before the beginning.
  event.alarm.until_us = std::max(watched.went_us, event.alarm.since_us);
  LogInfo("alarm", fmt::format("{} is over: {}", event.alarm.kind, event.alarm.sentence));
  changes.records.emplace_back(event.alarm);
  changes.events.emplace_back(What::kEnded, std::move(event));
}

int64_t AlarmWatch::EndsAfter(const Watched& watched) {
  const int64_t usual_us = AlarmKindOf(watched.condition.kind).ends_us;
  return watched.begun.size() < kManyADay ? usual_us : std::max(usual_us, kQuietUs);
}

// In the order of what happened: nothing overtakes what could not be written yet.
void AlarmWatch::Record(std::vector<index::Record> records) {
  std::move(records.begin(), records.end(), std::back_inserter(unrecorded_));
  if (unrecorded_.empty()) return;
  const Status status = commit_({unrecorded_.begin(), unrecorded_.end()});
  if (status) {
    unrecorded_.clear();
    return;
  }
  LogWarning("alarm", fmt::format("not on record yet: {} of alarms: {}",
                                  Count(unrecorded_.size(), "change"), status.message()));
  if (unrecorded_.size() <= kMaxUnrecorded) return;
  const size_t dropped = unrecorded_.size() - kMaxUnrecorded;
  unrecorded_.erase(unrecorded_.begin(), unrecorded_.begin() + static_cast<int64_t>(dropped));
  const std::lock_guard lock(mutex_);
  unrecorded_dropped_ += dropped;
  LogError("alarm", fmt::format("the oldest {} of them never will be", dropped));
}

void AlarmWatch::Acknowledged(const AlarmEvent& event) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = watched_.find({event.alarm.kind, event.alarm.subject});
    if (found != watched_.end() && found->second.event &&
        found->second.event->alarm.id == event.alarm.id) {
      found->second.event->acknowledged = event.acknowledged;
    }
  }
  on_change_(What::kAcknowledged, event);
}

std::vector<AlarmEvent> AlarmWatch::Standing() const {
  std::vector<AlarmEvent> standing;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, watched] : watched_) {
      if (watched.event) standing.push_back(*watched.event);
    }
  }
  const auto order = [](const AlarmEvent& event) {
    return std::tuple(event.acknowledged.has_value(), event.alarm.severity != Severity::kCritical,
                      event.alarm.id);
  };
  std::sort(standing.begin(), standing.end(),
            [&](const AlarmEvent& a, const AlarmEvent& b) { return order(a) < order(b); });
  return standing;
}

uint64_t AlarmWatch::unrecorded_dropped() const {
  const std::lock_guard lock(mutex_);
  return unrecorded_dropped_;
}

}  // namespace lookback::api
