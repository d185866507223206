#include "api/clip_cache.h"

#include <fmt/format.h>

#include "api/byte_range.h"

namespace lookback::api {
namespace {

std::string KeyOf(const query::ClipRequest& request) {
  return fmt::format("{} {} {} {} {}", request.stream.text(), request.range.start_us,
                     request.range.end_us, static_cast<int>(request.gaps), request.audio);
}

}  // namespace

std::shared_ptr<const query::Clip> ClipCache::Find(const query::ClipRequest& request,
                                                   std::string_view tags) {
  const std::string key = KeyOf(request);
  const std::lock_guard lock(mutex_);
  Trim();
  for (const Plan& plan : plans_) {
    if (plan.key != key || plan.clip->broken()) continue;
    if (tags.empty() || ListsTag(tags, plan.clip->etag(), /*strong=*/true)) return plan.clip;
  }
  return nullptr;
}

void ClipCache::Put(const query::ClipRequest& request, std::shared_ptr<const query::Clip> clip) {
  const std::string key = KeyOf(request);
  const std::lock_guard lock(mutex_);
  plans_.remove_if(
      [&](const Plan& plan) { return plan.key == key && plan.clip->etag() == clip->etag(); });
  const size_t memory_bytes = clip->memory_bytes();
  plans_.push_front({key, std::move(clip), clock_.MonotonicUs(), memory_bytes});
  Trim();
}

void ClipCache::Trim() {
  const int64_t oldest_us = clock_.MonotonicUs() - kPlanKeptUs;
  size_t count = 0;
  size_t bytes = 0;
  plans_.remove_if([&](const Plan& plan) {
    bytes += plan.memory_bytes;
    ++count;
    const bool too_many = count > 1 && (count > kMaxPlans || bytes > kMaxPlansBytes);
    return too_many || plan.made_us < oldest_us;
  });
}

}  // namespace lookback::api
