// doctor/checks.h: the parts of Examine(): each judges some checks of kChecks by the facts alone.
//
// Invariant: what is well is no finding. The same facts give the same findings.
// Threads:   pure.
// Errors:    none.
#pragma once

#include <functional>

#include "doctor/facts.h"

namespace lookback::doctor {

// A volume takes footage until less than this is free, and retention deletes long before.
inline constexpr uint64_t kLowShare = 100;  // One part of so many.
inline constexpr uint64_t kDataLowShare = 20;
inline constexpr uint64_t kDataLowBytes = uint64_t{1} << 30;
inline constexpr uint64_t kInodesLowShare = 20;
inline constexpr int64_t kCertificateForewarningUs = 30 * kUsPerDay;
inline constexpr int64_t kPromiseForewarningUs = 14 * kUsPerDay;
inline constexpr int64_t kStopForewarningUs = 7 * kUsPerDay;
inline constexpr int64_t kBackupOldUs = 3 * kUsPerDay;    // One is to be taken each night.
inline constexpr double kStreamBytesPerSecond = 500'000;  // 4 Mbit/s, where no rate is known.
inline constexpr double kSpareSpeed = 4;     // A disk should do so many times what cameras bring,
inline constexpr double kLeastSpeed = 10e6;  // and this in any case: a rebuild takes its share.
inline constexpr double kBusyShare = 0.5;
inline constexpr uint64_t kUsedPercent = 90;
inline constexpr uint64_t kDescriptorsAStream = 6;    // Sockets, and segments in the making.
inline constexpr uint64_t kDescriptorsBesides = 512;  // The catalog's files, and readers'.
inline constexpr uint64_t kMemoryBesides = 512 << 20;
inline constexpr uint64_t kMemoryAStream = 4 << 20;
inline constexpr int64_t kLongGopUs = 4 * kUsPerSecond;
inline constexpr int64_t kSettledUs = 15 * kUsPerSecond;  // By then a camera shows how it is set.
inline constexpr double kLossShare = 0.01;
inline constexpr double kRateTolerance = 0.1;
inline constexpr int64_t kWrongClockUs = 2 * kUsPerSecond;

using Tell = std::function<void(Finding)>;

void CheckMounts(const Facts& facts, const Tell& tell);  // Which disk is where, now and at boot.
void CheckSpace(const Facts& facts, const Tell& tell);   // Space, inodes, promises.
void CheckDisks(const Facts& facts, const Tell& tell);   // Speed and health.
void CheckAccess(const Facts& facts, const Tell& tell);  // Owners, modes, the certificate.
void CheckHost(const Facts& facts, const Tell& tell);    // Clock, limits, memory, libraries.
void CheckCameras(const Facts& facts, const Tell& tell);

}  // namespace lookback::doctor
