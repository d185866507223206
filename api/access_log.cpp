#include "api/access_log.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"

namespace lookback::api {
namespace {

// A client's port changes between its requests.
std::string_view AddressOf(const index::Act& act) {
  return std::string_view(act.client).substr(0, act.client.rfind(':'));
}

// Equal for two requests that one record may cover.
std::string KeyOf(const index::Act& act) {
  std::string key =
      fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}", static_cast<int>(act.kind), act.person,
                  AddressOf(act), act.range.start_us, act.range.end_us, act.what, act.reason);
  for (const CameraId& camera : act.cameras) key += "\n" + camera.text();
  return key;
}

}  // namespace

Status AccessLog::Record(const index::Act& act, bool continues) {
  const std::string key = KeyOf(act);
  if (continues && IsCovered(key)) return Ok();
  LB_TRY(commit_({act}));
  Remember(key, act);
  return Ok();
}

Status AccessLog::RecordPart(const index::Act& act, TimeRange part) {
  const std::optional<Recorded> whole = FindWhole(act, part);
  if (whole && clock_.MonotonicUs() - whole->at_us < kAccessCoversUs) return Ok();
  return Record(whole ? whole->act : act);
}

bool AccessLog::IsCovered(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = recorded_.find(key);
  return found != recorded_.end() && clock_.MonotonicUs() - found->second.at_us < kAccessCoversUs;
}

// The newest of them.
std::optional<AccessLog::Recorded> AccessLog::FindWhole(const index::Act& act, TimeRange part) {
  const std::lock_guard lock(mutex_);
  const Recorded* found = nullptr;
  for (const auto& [key, known] : recorded_) {
    const bool same = known.act.kind == act.kind && known.act.person == act.person &&
                      known.act.what == act.what && known.act.cameras == act.cameras &&
                      AddressOf(known.act) == AddressOf(act) && known.act.range.Overlaps(part);
    if (same && (found == nullptr || known.at_us > found->at_us)) found = &known;
  }
  if (found == nullptr) return std::nullopt;
  return *found;
}

void AccessLog::Remember(const std::string& key, const index::Act& act) {
  const std::lock_guard lock(mutex_);
  const int64_t now_us = clock_.MonotonicUs();
  if (recorded_.size() >= kMaxRemembered) {
    std::erase_if(recorded_, [now_us](const auto& entry) {
      return now_us - entry.second.at_us >= kAccessCoversUs;
    });
  }
  if (recorded_.size() >= kMaxRemembered) {
    const auto older = [](const auto& a, const auto& b) { return a.second.at_us < b.second.at_us; };
    recorded_.erase(std::min_element(recorded_.begin(), recorded_.end(), older));
  }
  recorded_[key] = {act, now_us};
}

void AccessLog::Refused(index::Act act) {
  {
    const std::lock_guard lock(mutex_);
    const int64_t now_us = clock_.MonotonicUs();
    if (refused_count_ == 0 || now_us - refused_since_us_ >= kUsPerMinute) {
      refused_since_us_ = now_us;
      refused_count_ = 0;
    }
    if (refused_count_ >= kMaxRefusedAMinute) {
      ++refused_unrecorded_;
      return;
    }
    ++refused_count_;
  }
  act.refused = true;
  if (const Status status = commit_({act}); !status) {
    ++refused_unrecorded_;
    LogWarning("api", "a refused try could not be put on record: " + status.message());
  }
}

}  // namespace lookback::api
