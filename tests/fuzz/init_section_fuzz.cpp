// Tracks that are taken can be written, and read again as the same.

#include "media/fragmenter.h"

using lookback::media::BuildInitSection;
using lookback::media::ParseInitSection;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto tracks = ParseInitSection({data, size});
  if (!tracks) return 0;
  const auto again = ParseInitSection(BuildInitSection(*tracks));
  LB_CHECK(again && *again == *tracks);
  for (const auto& track : *tracks) (void)lookback::media::CodecString(track);
  return 0;
}
