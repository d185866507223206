// api/camera_health.h: what is wrong with streams that are recorded, judged by their figures over
// time.
//
// A bitrate that is far off its own long mean says that settings, the network or the
// camera changed. It says nothing of what happens in the picture, and no sentence here
// may claim that it did.
//
// Invariant: one small record a stream that is recorded, and none of others.
// Threads:   one at a time.
// Errors:    none.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/ids.h"
#include "recorder/recorder.h"

namespace lookback::api {

// A mean that forgets: over `memory_us`, or over all there was while that is less.
class FadingMean {
 public:
  explicit FadingMean(int64_t memory_us) : memory_us_(memory_us) {}

  void Add(double value, int64_t lasted_us);
  double value() const { return value_; }
  int64_t learnt_us() const { return learnt_us_; }  // Of how much time it knows.

 private:
  const int64_t memory_us_;
  double value_ = 0;
  int64_t learnt_us_ = 0;
};

// "gate", "the sub stream of gate".
std::string NameOf(const StreamId& stream);

class CameraHealth {
 public:
  // Of the last minute.
  static constexpr double kLossShare = 0.01;
  static constexpr double kDamageShare = 0.02;
  static constexpr double kBitrateFactor = 3;
  static constexpr int64_t kBitrateMemoryUs = kUsPerDay;
  static constexpr int64_t kBitrateNowUs = kUsPerMinute;
  static constexpr int64_t kBitrateLearnUs = kUsPerHour;  // Before that nothing is judged.
  // Looks further apart than this tell nothing of what was between them.
  static constexpr int64_t kMaxStepUs = kUsPerMinute;

  struct Findings {
    std::optional<std::string> degraded;  // A sentence each.
    std::optional<std::string> bitrate;
  };
  Findings Look(const StreamId& stream, const recorder::CameraStatus& status, int64_t now_us);
  void Forget(const StreamId& stream) { streams_.erase(stream); }

 private:
  struct Past {
    int64_t looked_us = 0;
    uint64_t bytes = 0;
    FadingMean mean{kBitrateMemoryUs};
    FadingMean now{kBitrateNowUs};
  };

  std::map<StreamId, Past> streams_;
};

}  // namespace lookback::api
