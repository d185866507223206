#include "storage/volume.h"

#include "storage/layout.h"

namespace lookback::storage {

std::string_view VolumeStateName(VolumeState state) {
  switch (state) {
    case VolumeState::kOnline:
      return "online";
    case VolumeState::kOffline:
      return "offline";
    case VolumeState::kFailed:
      return "failed";
    case VolumeState::kRemoved:
      return "removed";
  }
  return "unknown";
}

std::string PathOn(const Volume& volume, const index::SegmentKey& key) {
  return JoinPath(volume.root(), SegmentPath(key));
}

}  // namespace lookback::storage
