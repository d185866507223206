#include "storage/volume_health.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/words.h"

namespace lookback::storage {

index::GapCause CauseOf(const Error& error) {
  return error.code == Code::kDiskFull ? index::GapCause::kDiskFull : index::GapCause::kDiskFailed;
}

VolumeHealth::VolumeHealth(Volume& volume, Clock& clock) : volume_(volume), clock_(clock) {
  Look();
}

void VolumeHealth::Look() {
  const auto space = volume_.FreeSpace();
  if (!space) return;
  free_bytes_ = space->free_bytes;
  const uint64_t keep = std::min(kKeepFreeBytes, space->total_bytes / kKeepFreeShare);
  if (taking_ && space->free_bytes < keep) {
    Enter({Code::kDiskFull, "only " + FormatBytes(space->free_bytes) +
                                " are free, and footage leaves the last " + FormatBytes(keep) +
                                " to ledger and catalog"});
  }
}

Error VolumeHealth::trouble() const {
  const std::lock_guard lock(mutex_);
  if (taking_) {  // It failed elsewhere: no write of ours has.
    if (std::string why = volume_.why(); !why.empty()) return {Code::kDiskFailed, std::move(why)};
  }
  return trouble_;
}

void VolumeHealth::Enter(const Error& why) {
  LogError("volume", volume_.root() + " takes no footage: " + why.message);
  if (why.code != Code::kDiskFull) volume_.SetFailed(why.message);
  const std::lock_guard lock(mutex_);
  trouble_ = why;
  taking_ = false;
  // The first probe follows at once; if the volume fails again soon after it, the next one waits.
  const int64_t now = clock_.MonotonicUs();
  next_probe_us_ = std::max(next_probe_us_, now);
}

Status VolumeHealth::ProbeForSpaceAndWrite() {
  if (trouble().code == Code::kDiskFull) {
    LB_TRY_ASSIGN(space, volume_.FreeSpace());
    free_bytes_ = space.free_bytes;
    const uint64_t wanted = std::min(kResumeFreeBytes, space.total_bytes / kResumeFreeShare);
    if (space.free_bytes < wanted) {
      return Fail(Code::kDiskFull, volume_.root() + " has " + FormatBytes(space.free_bytes) +
                                       " free; recording resumes when " + FormatBytes(wanted) +
                                       " are");
    }
  }
  return volume_.Probe();
}

bool VolumeHealth::Ready() {
  if (taking_) return true;
  {
    const std::lock_guard lock(mutex_);
    const int64_t now = clock_.MonotonicUs();
    if (now < next_probe_us_) return false;
    next_probe_us_ = now + probe_wait_us_;
  }
  const Status probe = ProbeForSpaceAndWrite();
  const std::lock_guard lock(mutex_);
  if (!probe) {
    trouble_ = probe.error();
    probe_wait_us_ = std::min(2 * probe_wait_us_, kMaxProbeWaitUs);
    return false;
  }
  probe_wait_us_ = kProbeWaitUs;
  taking_ = true;
  LogInfo("volume", volume_.root() + " takes footage again");
  return true;
}

}  // namespace lookback::storage
