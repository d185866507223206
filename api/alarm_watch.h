// api/alarm_watch.h: from conditions that come and go to alarms that begin and end, once each, on
// record, and acknowledged by people.
//
// A condition has to last before its alarm begins, and to be gone for a while before it ends
// (api/alarms.h). One that began kManyADay times within a day has to be gone for kQuietUs: so a
// kind makes at most kManyADay + 24 events a day of one camera or volume, and none is left out.
//
// What cannot be put on record (the ledger's disk is full) is kept and tried again each round, up
// to kMaxUnrecorded changes; the oldest are then dropped, counted and logged.
//
// Invariant: at most one standing alarm of a kind and subject. An alarm of before
//            the start goes on.
// Threads:   any. Look() waits for the ledger; the others never do.
// Errors:    none that a caller sees.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/alarms.h"
#include "index/catalog.h"

namespace lookback::api {

class AlarmWatch {
 public:
  static constexpr size_t kManyADay = 12;
  static constexpr int64_t kQuietUs = kUsPerHour;
  static constexpr size_t kMaxUnrecorded = 4'096;

  enum class What : uint8_t { kBegan, kEnded, kAcknowledged };
  using Commit = std::function<Status(std::vector<index::Record>)>;
  using OnChange = std::function<void(What, const index::AlarmEvent&)>;

  AlarmWatch(Commit commit, OnChange on_change, Clock& clock);

  // The alarms that stood when the store was last closed. Before the first Look().
  void Restore(std::vector<index::AlarmEvent> standing);

  // One round: what is the case now.
  void Look(const std::vector<Condition>& conditions);

  // The acknowledgement is on record: puts it to the alarm, if that still stands, and tells of it.
  void Acknowledged(const index::AlarmEvent& event);

  // Those that nobody has acknowledged first, among these the critical ones; then by age.
  std::vector<index::AlarmEvent> Standing() const;
  uint64_t unrecorded_dropped() const;

 private:
  using Key = std::pair<std::string, std::string>;  // Kind, subject.

  struct Watched {
    bool present = false;
    int64_t turned_us = 0;  // Monotonic: when it came, or went.
    TimeUs came_us = 0;
    TimeUs went_us = 0;
    Condition condition;  // As last seen.
    std::optional<index::AlarmEvent> event;
    std::deque<int64_t> begun;  // Monotonic, within a day; at most kManyADay.
  };
  struct Changes {
    std::vector<index::Record> records;
    std::vector<std::pair<What, index::AlarmEvent>> events;
  };

  void Begin(Watched& watched, int64_t now_us, Changes& changes);
  void End(Watched& watched, Changes& changes);
  static int64_t EndsAfter(const Watched& watched);
  void Record(std::vector<index::Record> records);

  const Commit commit_;
  const OnChange on_change_;
  Clock& clock_;
  std::mutex round_;  // One Look() at a time; guards `unrecorded_`.
  std::deque<index::Record> unrecorded_;
  mutable std::mutex mutex_;  // Of what follows.
  std::map<Key, Watched> watched_;
  uint64_t unrecorded_dropped_ = 0;
};

}  // namespace lookback::api
