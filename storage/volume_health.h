// storage/volume_health.h: whether a volume takes footage just now, and when to look again.
//
// Invariant: after a failed write or sync nothing is written before a probe succeeded; probes are
//            at least kProbeWaitUs apart while failures go on. After kDiskFull a probe also wants
//            kResumeFreeBytes free (or a share of a small disk), lest recording flaps at the brim.
// Threads:   any. Look(), and Ready() in trouble, call the file system and may hang with
//            it; the rest never does.
// Errors:    none; what is wrong is told by trouble() and in the log.
#pragma once

#include <atomic>
#include <mutex>

#include "base/clock.h"
#include "index/records.h"
#include "storage/volume.h"

namespace lookback::storage {

inline constexpr int64_t kProbeWaitUs = kUsPerSecond;  // Doubles while probes fail, up to:
inline constexpr int64_t kMaxProbeWaitUs = 8 * kUsPerSecond;
inline constexpr uint64_t kResumeFreeBytes = 64 << 20;
inline constexpr uint64_t kResumeFreeShare = 50;  // A small disk: one part of so many.
// Footage never takes the last of a disk (half of the above): ledger and catalog may need it.
inline constexpr uint64_t kKeepFreeBytes = kResumeFreeBytes / 2;
inline constexpr uint64_t kKeepFreeShare = kResumeFreeShare * 2;

class VolumeHealth {
 public:
  VolumeHealth(Volume& volume, Clock& clock);

  bool taking() const { return taking_ && volume_.state() == VolumeState::kOnline; }
  uint64_t free_bytes() const { return free_bytes_; }
  // Looks at the free space, for the two above; a disk as good as full is trouble.
  void Look();

  // Whether a write may be tried. In trouble it probes, when it is time for that.
  bool Ready();
  void Enter(const Error& why);
  Error trouble() const;

 private:
  Status ProbeForSpaceAndWrite();

  Volume& volume_;
  Clock& clock_;
  std::atomic<bool> taking_{true};
  std::atomic<uint64_t> free_bytes_{0};

  mutable std::mutex mutex_;
  Error trouble_;
  int64_t next_probe_us_ = 0;
  int64_t probe_wait_us_ = kProbeWaitUs;
};

// What a gap says of an error.
index::GapCause CauseOf(const Error& error);

}  // namespace lookback::storage
