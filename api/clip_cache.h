// api/clip_cache.h: keeps the plans of clips that were asked for, so that the pieces which one
// client fetches are pieces of one file, even while its last segment is being written.
//
// Invariant: at most kMaxPlans plans, kMaxPlansBytes of memory together (one plan alone is always
//            kept), none older than kPlanKeptUs.
// Threads:   any.
// Errors:    none.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "query/clip.h"

namespace lookback::api {

inline constexpr size_t kMaxPlans = 64;
inline constexpr size_t kMaxPlansBytes = 16 << 20;  // Two hours have about 3 MB, a month too.
inline constexpr int64_t kPlanKeptUs = 10 * kUsPerMinute;

class ClipCache {
 public:
  explicit ClipCache(Clock& clock) : clock_(clock) {}

  // The plan of that request that `tags` (a header such as If-Range) names; any when it is empty:
  // then the newest. nullptr when there is none. One that broke is as good as none.
  std::shared_ptr<const query::Clip> Find(const query::ClipRequest& request, std::string_view tags);
  void Put(const query::ClipRequest& request, std::shared_ptr<const query::Clip> clip);

 private:
  struct Plan {
    std::string key;
    std::shared_ptr<const query::Clip> clip;
    int64_t made_us = 0;  // Monotonic.
    size_t memory_bytes = 0;
  };

  void Trim();

  Clock& clock_;
  std::mutex mutex_;
  std::list<Plan> plans_;  // Newest first.
};

}  // namespace lookback::api
