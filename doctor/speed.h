// doctor/speed.h: how fast a volume takes footage and gives it back, tried by a file that is gone
// before it has a byte.
//
// Invariant: at most kSpeedBytes are written, within kSpeedTimeUs and one piece more; nothing is
//            left, whatever ends the program.
// Threads:   blocks its thread.
// Errors:    kUnavailable where too little is free; of base/file_system.h.
#pragma once

#include "base/clock.h"
#include "base/file_system.h"
#include "doctor/facts.h"

namespace lookback::doctor {

inline constexpr uint64_t kSpeedBytes = 64 << 20;
inline constexpr uint64_t kSpeedPieceBytes = 4 << 20;
inline constexpr int64_t kSpeedTimeUs = 3 * kUsPerSecond;  // To write, and again to read.
inline constexpr uint64_t kSpeedFreeBytes = 4 * kSpeedBytes;

Result<Speed> MeasureSpeed(const std::string& directory, const Clock& clock, FileSystem& files);

}  // namespace lookback::doctor
