#include "api/clip_cache.h"

#include <fmt/format.h>

#include "api/byte_range.h"

namespace lookback::api {
namespace {

std::string KeyOf(const query::ClipRequest& request) {
  return fmt::format("{} {} {} {} {} {}", request.stream.text(), request.range.start_us,
                     request.range.end_us, static_cast<int>(request.gaps), request.audio,
                     request.subtitles ? request.subtitles->name() : "");
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

Result<std::shared_ptr<const query::Clip>> ClipCache::Put(const query::ClipRequest& request,
                                                          const std::string& person,
                                                          std::shared_ptr<const query::Clip> clip) {
  const std::string key = KeyOf(request);
  const std::lock_guard lock(mutex_);
  in_use_.remove_if([](const InUse& plan) { return plan.clip.expired(); });
  const size_t memory_bytes = clip->memory_bytes();
  if (auto equal = FindEqual(key, *clip)) {
    clip = std::move(equal);
    clip->PinAnew(clock_.NowUs());
  } else {
    LB_TRY(CheckRoom(person, memory_bytes));
    in_use_.push_front({key, person, clip, memory_bytes});
  }
  plans_.remove_if([&](const Plan& plan) { return plan.clip == clip; });
  plans_.push_front({key, clip, clock_.MonotonicUs(), memory_bytes});
  Trim();
  return clip;
}

std::shared_ptr<const query::Clip> ClipCache::FindEqual(const std::string& key,
                                                        const query::Clip& other) {
  for (const InUse& plan : in_use_) {
    if (plan.key != key) continue;
    auto clip = plan.clip.lock();
    // The same bytes may have another story: what is missing is known better by and by.
    const bool equal = clip && clip->etag() == other.etag() && clip->report() == other.report();
    if (equal && !clip->broken()) return clip;
  }
  return nullptr;
}

Status ClipCache::CheckRoom(const std::string& person, size_t memory_bytes) const {
  size_t all = memory_bytes;
  size_t persons = memory_bytes;
  size_t persons_count = 0;
  for (const InUse& plan : in_use_) {
    all += plan.memory_bytes;
    if (plan.person != person) continue;
    persons += plan.memory_bytes;
    ++persons_count;
  }
  if (persons > kMaxPersonsPlansBytes && persons_count > 0) {
    return Fail(
        Code::kUnavailable,
        fmt::format("{} reads {} clips already, as many as one person may at once (what they "
                    "are made of may take {} MiB of memory): read those to their end first",
                    person, persons_count, kMaxPersonsPlansBytes >> 20));
  }
  if (all > kMaxPlansInUseBytes && !in_use_.empty()) {
    return Fail(
        Code::kUnavailable,
        fmt::format("{} clips are being read, as many as may at once (what they are made of "
                    "may take {} MiB of memory): try again in a moment",
                    in_use_.size(), kMaxPlansInUseBytes >> 20));
  }
  return Ok();
}

void ClipCache::DropOld() {
  const std::lock_guard lock(mutex_);
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
