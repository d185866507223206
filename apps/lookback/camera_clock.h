// apps/lookback/camera_clock.h: how far a camera's clock is from the true time, in words.
//
// Invariant: an offset is the camera's clock less ours: above 0 the camera is ahead.
// Threads:   values.
// Errors:    none; what an answer does not tell is left out.
#pragma once

#include <string>

#include "apps/lookback/output.h"

namespace lookback::app {

// Below it, nobody who looks at a clock in a picture can tell.
inline constexpr int64_t kWorthTellingUs = kUsPerSecond;

// "3.2 s ahead", "1 h 00 min 02 s behind", "right" below 50 ms.
std::string OffsetWords(int64_t offset_us);

// One line on a timeline, or none: when the offset is known and worth telling.
std::string TimelineClockLine(const Json& timeline);

// Lines on a clip: the offset when it is worth telling, and the clock checks nearest to it.
std::string ClipClockLines(const Json& description, const TimeZone& zone);

}  // namespace lookback::app
