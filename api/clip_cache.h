// api/clip_cache.h: keeps the plans of clips that were asked for, so that the pieces which one
// client fetches are pieces of one file, even while its last segment is being written, and so that
// many who read one clip hold one plan.
//
// Invariant: at most kMaxPlans plans, kMaxPlansBytes of memory together (one plan alone is always
//            kept), none older than kPlanKeptUs. With those that are being read besides, at most
//            kMaxPlansInUseBytes, and kMaxPersonsPlansBytes of one person's.
// Threads:   any.
// Errors:    kUnavailable beyond that: later, when other clips have been read.
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
inline constexpr size_t kMaxPlansInUseBytes = 128 << 20;
inline constexpr size_t kMaxPersonsPlansBytes = 64 << 20;
inline constexpr int64_t kPlanKeptUs = 10 * kUsPerMinute;

class ClipCache {
 public:
  explicit ClipCache(Clock& clock) : clock_(clock) {}

  // The plan of that request that `tags` (a header such as If-Range) names; any when it is empty:
  // then the newest. nullptr when there is none. One that broke is as good as none.
  std::shared_ptr<const query::Clip> Find(const query::ClipRequest& request, std::string_view tags);
  // Keeps a plan of `person` that was just made; the one to read instead, which is equal and pinned
  // anew, where there is such a one.
  Result<std::shared_ptr<const query::Clip>> Put(const query::ClipRequest& request,
                                                 const std::string& person,
                                                 std::shared_ptr<const query::Clip> clip);

  // Forgets what is older than kPlanKeptUs, and with it the pins on footage that
  // nobody reads any more.
  void DropOld();

 private:
  struct Plan {
    std::string key;
    std::shared_ptr<const query::Clip> clip;
    int64_t made_us = 0;  // Monotonic.
    size_t memory_bytes = 0;
  };

  // One that somebody may be reading still, kept or not.
  struct InUse {
    std::string key;
    std::string person;
    std::weak_ptr<const query::Clip> clip;
    size_t memory_bytes = 0;
  };

  std::shared_ptr<const query::Clip> FindEqual(const std::string& key, const query::Clip& other);
  Status CheckRoom(const std::string& person, size_t memory_bytes) const;
  void Trim();

  Clock& clock_;
  std::mutex mutex_;
  std::list<Plan> plans_;  // Newest first.
  std::list<InUse> in_use_;
};

}  // namespace lookback::api
