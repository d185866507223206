#include "storage/volume.h"

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

}  // namespace lookback::storage
