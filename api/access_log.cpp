#include "api/access_log.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"

namespace lookback::api {
namespace {

// Equal for two requests that one record may cover. The client's port changes between them.
std::string KeyOf(const index::Act& act) {
  std::string key = fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}", static_cast<int>(act.kind),
                                act.person, act.client.substr(0, act.client.rfind(':')),
                                act.range.start_us, act.range.end_us, act.what, act.reason);
  for (const CameraId& camera : act.cameras) key += "\n" + camera.text();
  return key;
}

}  // namespace

Status AccessLog::Record(const index::Act& act, bool continues) {
  const std::string key = KeyOf(act);
  if (continues && IsCovered(key)) return Ok();
  LB_TRY(commit_({act}));
  Remember(key);
  return Ok();
}

bool AccessLog::IsCovered(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = recorded_us_.find(key);
  return found != recorded_us_.end() && clock_.MonotonicUs() - found->second < kAccessCoversUs;
}

void AccessLog::Remember(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const int64_t now_us = clock_.MonotonicUs();
  if (recorded_us_.size() >= kMaxRemembered) {
    std::erase_if(recorded_us_,
                  [now_us](const auto& entry) { return now_us - entry.second >= kAccessCoversUs; });
  }
  if (recorded_us_.size() >= kMaxRemembered) {
    const auto older = [](const auto& a, const auto& b) { return a.second < b.second; };
    recorded_us_.erase(std::min_element(recorded_us_.begin(), recorded_us_.end(), older));
  }
  recorded_us_[key] = now_us;
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
