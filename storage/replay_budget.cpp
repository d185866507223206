#include "storage/replay_budget.h"

#include <utility>

namespace lookback::storage {
namespace {

constexpr uint64_t kFragmentBytes = 512;  // Besides its parts.

}  // namespace

uint64_t BytesInMemory(const media::Fragment& fragment) {
  uint64_t bytes = kFragmentBytes;
  for (const Bytes& part : fragment.parts) bytes += part.size();
  return bytes;
}

std::shared_ptr<const media::Fragment> ReplayBudget::Keep(
    std::shared_ptr<const media::Fragment> fragment) {
  const uint64_t bytes = BytesInMemory(*fragment);
  {
    const std::lock_guard lock(mutex_);
    if (bytes > limit_bytes_ - bytes_) {
      ++refused_;
      return nullptr;
    }
    bytes_ += bytes;
  }
  const media::Fragment* const kept = fragment.get();
  return {kept, [budget = shared_from_this(), fragment = std::move(fragment),
                 bytes](const media::Fragment*) {
            const std::lock_guard lock(budget->mutex_);
            budget->bytes_ -= bytes;
          }};
}

uint64_t ReplayBudget::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

uint64_t ReplayBudget::refused_fragments() const {
  const std::lock_guard lock(mutex_);
  return refused_;
}

}  // namespace lookback::storage
