// api/alarms.h: the conditions that a person who runs the store should know of, as they are now,
// and how long each has to last before it is an alarm (docs/alarms.md).
//
// Invariant: a condition is worked out anew from the parts' states each time; what needs a past (a
//            camera's mean bitrate) is in CameraHealth.
// Threads:   any.
// Errors:    what cannot be asked is itself a condition.
#pragma once

#include <string>
#include <vector>

#include "api/camera_health.h"
#include "index/records.h"

namespace lookback::api {

struct Context;

struct Condition {
  std::string kind;     // One of kAlarmKinds.
  CameraId camera;      // Empty: it is of no camera.
  std::string subject;  // The camera's id, or "ID/sub"; a volume's root; or empty.
  std::string sentence;
  TimeUs since_us = 0;  // 0: since it was first seen.
};

struct AlarmKind {
  std::string_view name;
  index::Severity severity;
  int64_t begins_us;  // So long the condition lasts before the alarm begins, ...
  int64_t ends_us;    // ... and so long it is gone before the alarm ends.
};

inline constexpr int64_t kForecastIntervalUs = kUsPerHour;
// Instead, while it is not known of some camera how much it records.
inline constexpr int64_t kForecastAnewUs = 5 * kUsPerMinute;
// So long before a promise breaks, or recording stops, its alarm begins.
inline constexpr int64_t kForewarningUs = 14 * kUsPerDay;
inline constexpr int64_t kStopForewarningUs = 7 * kUsPerDay;
// With less than this part of what footage leaves free, the data directory is too full.
inline constexpr uint64_t kDataKeepShare = 2;

inline constexpr int64_t kCameraDownUs = 30 * kUsPerSecond;

// docs/alarms.md has the same table.
inline constexpr AlarmKind kAlarmKinds[] = {
    {"camera-down", index::Severity::kCritical, kCameraDownUs, 30 * kUsPerSecond},
    {"camera-sub-down", index::Severity::kWarning, kCameraDownUs, 30 * kUsPerSecond},
    {"camera-degraded", index::Severity::kWarning, kUsPerMinute, 2 * kUsPerMinute},
    {"camera-standing-timestamps", index::Severity::kWarning, 10 * kUsPerSecond, kUsPerMinute},
    {"camera-bitrate", index::Severity::kWarning, 5 * kUsPerMinute, 5 * kUsPerMinute},
    {"volume-offline", index::Severity::kCritical, 0, 10 * kUsPerSecond},
    {"volume-failed", index::Severity::kCritical, 0, 10 * kUsPerSecond},
    {"volume-full", index::Severity::kCritical, 0, kUsPerMinute},
    {"volume-slow", index::Severity::kCritical, 0, kUsPerMinute},
    {"disk-nearly-full", index::Severity::kCritical, 0, kUsPerMinute},
    {"recording-stops", index::Severity::kCritical, 0, kUsPerMinute},
    {"data-directory", index::Severity::kCritical, 0, kUsPerMinute},
    {"damaged-footage", index::Severity::kCritical, 0, 0},
    {"missing-segments", index::Severity::kCritical, 0, 0},
    {"ledger-copy-behind", index::Severity::kWarning, 30 * kUsPerSecond, 10 * kUsPerSecond},
    {"ledger-copies-disagree", index::Severity::kCritical, 0, 0},
    {"catalog-behind", index::Severity::kWarning, 10 * kUsPerSecond, 10 * kUsPerSecond},
    {"snapshot-failing", index::Severity::kWarning, kUsPerHour, 0},
    {"policies-unconfirmed", index::Severity::kWarning, 0, 0},
    {"retention-frozen", index::Severity::kWarning, 0, kUsPerMinute},
    {"retention-below-floor", index::Severity::kCritical, 0, kUsPerMinute},
    {"promise-breaks", index::Severity::kWarning, 0, kUsPerMinute},
    {"retention-overdue", index::Severity::kCritical, 0, kUsPerMinute},
    {"clock-unsynchronised", index::Severity::kWarning, kUsPerMinute, kUsPerMinute},
};
// Of a kind that is not in the table, as a later version may have written it, something plain.
AlarmKind AlarmKindOf(std::string_view name);

// `health` is told of every camera, and says what its past says.
std::vector<Condition> CurrentConditions(Context& context, CameraHealth& health);

}  // namespace lookback::api
