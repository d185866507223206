// A fragment that is taken describes bytes that are there.

#include "media/fragment.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto info = lookback::media::ParseFragment({data, size});
  if (!info) return 0;
  for (const auto& track : info->tracks) {
    LB_CHECK(track.data_offset + track.data_bytes() <= size);
    LB_CHECK(track.duration() > 0 && track.base_decode_time >= 0);
  }
  return 0;
}
