#include "storage/thinner.h"

#include <algorithm>

#include "storage/layout.h"
#include "storage/segment_thin.h"

namespace lookback::storage {
namespace {

bool IsOfItsFile(Code code) {
  return code == Code::kCorrupt || code == Code::kUnsupported || code == Code::kConflict ||
         code == Code::kNotFound;
}

}  // namespace

Result<index::Seal> Thinner::Write(const index::Seal& row, const OnRead& on_read) {
  const index::SegmentKey key = index::KeyOf(row);
  const auto damaged = store_.archive().damage().Find(row.stream, row.range());
  if (std::any_of(damaged.begin(), damaged.end(),
                  [&key](const Damage& damage) { return damage.segment == key; })) {
    return Fail(Code::kCorrupt, SegmentPath(key) + " is not thinned: it is damaged");
  }
  for (Volume* volume : store_.volumes()) {
    if (volume->id() != row.volume) continue;
    LB_TRY_ASSIGN(file, volume->Open(key));
    return WriteThinned(*file, row, store_.id(), *volume, on_read);
  }
  return Fail(Code::kUnavailable, "the volume of " + SegmentPath(key) + " is not there");
}

std::set<index::SegmentKey> Thinner::refused() const {
  const std::lock_guard lock(mutex_);
  return refused_;
}

void Thinner::Forget() {
  const std::lock_guard lock(mutex_);
  refused_.clear();
}

Result<uint64_t> Thinner::Thin(const index::Seal& row, const std::string& policy,
                               const std::string& reason, const OnRead& on_read) {
  const auto thinned = Write(row, on_read);
  if (!thinned) {
    if (IsOfItsFile(thinned.code())) {
      const std::lock_guard lock(mutex_);
      if (refused_.size() == kMaxRefused) refused_.clear();
      refused_.insert(index::KeyOf(row));
    }
    return Pass(thinned.error());
  }
  LB_TRY(store_.ThinSegment(*thinned, policy, reason));
  ++segments_;
  bytes_ += row.bytes - thinned->bytes;
  return row.bytes - thinned->bytes;
}

}  // namespace lookback::storage
