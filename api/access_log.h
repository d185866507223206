// api/access_log.h: puts people's acts on record, before what they asked for leaves.
//
// Invariant: Record() returns well only when an act that covers this one is on the synced ledger.
//            Refused tries are at most kMaxRefusedAMinute a minute on the ledger, so that knocking
//            at the door does not fill the disk; the others are counted.
// Threads:   any. Each method may wait for a sync.
// Errors:    those of the commit; the caller then lets nothing out.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "index/records.h"

namespace lookback::api {

inline constexpr int64_t kAccessCoversUs = 10 * kUsPerMinute;
inline constexpr size_t kMaxRemembered = 4'096;
inline constexpr int kMaxRefusedAMinute = 30;

class AccessLog {
 public:
  using Commit = std::function<Status(std::vector<index::Record>)>;

  AccessLog(Commit commit, Clock& clock) : commit_(std::move(commit)), clock_(clock) {}

  // `continues`: a further piece of the same thing may stand under a record of the last
  // kAccessCoversUs, if one is remembered (at most kMaxRemembered are).
  Status Record(const index::Act& act, bool continues = false);

  // `act` is of a part of something that is shown piece by piece. It may stand under a remembered
  // act of that kind and name by the same person from the same address, of the same cameras, whose
  // range overlaps `part`. When that one is older than kAccessCoversUs, it goes on record anew;
  // when there is none, `act` does.
  Status RecordPart(const index::Act& act, TimeRange part);

  void Refused(index::Act act);
  uint64_t refused_unrecorded() const { return refused_unrecorded_; }

 private:
  struct Recorded {
    index::Act act;
    int64_t at_us = 0;  // Monotonic.
  };

  bool IsCovered(const std::string& key);
  void Remember(const std::string& key, const index::Act& act);
  std::optional<Recorded> FindWhole(const index::Act& act, TimeRange part);

  const Commit commit_;
  Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, Recorded> recorded_;  // By what was accessed.
  int64_t refused_since_us_ = 0;
  int refused_count_ = 0;
  std::atomic<uint64_t> refused_unrecorded_{0};
};

}  // namespace lookback::api
