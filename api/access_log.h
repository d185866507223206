// api/access_log.h: puts people's acts on record, before what they asked for leaves.
//
// Invariant: Record() returns well only when an act that covers this one is on the synced ledger.
//            Refused tries are at most kMaxRefusedAMinute a minute on the ledger, so that knocking
//            at the door does not fill the disk; the others are counted.
// Threads:   any. Both methods may wait for a sync.
// Errors:    those of the commit; the caller then lets nothing out.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
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

  void Refused(index::Act act);
  uint64_t refused_unrecorded() const { return refused_unrecorded_; }

 private:
  bool IsCovered(const std::string& key);
  void Remember(const std::string& key);

  const Commit commit_;
  Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, int64_t> recorded_us_;  // By what was accessed; monotonic time.
  int64_t refused_since_us_ = 0;
  int refused_count_ = 0;
  std::atomic<uint64_t> refused_unrecorded_{0};
};

}  // namespace lookback::api
