// A parameter set that is taken describes a picture; samples are inspected within their bytes.

#include "media/audio.h"
#include "media/h264.h"
#include "media/h265.h"
#include "media/nal.h"

using lookback::media::AnnexBReader;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const lookback::ByteSpan bytes(data, size);
  if (const auto sps = lookback::media::ParseH264Sps(bytes)) {
    LB_CHECK(sps->width > 0 && sps->height > 0 && sps->max_reorder_frames <= 16);
  }
  if (const auto sps = lookback::media::ParseH265Sps(bytes)) {
    LB_CHECK(sps->width > 0 && sps->height > 0);
  }
  if (const auto aac = lookback::media::ParseAacConfig(bytes)) {
    LB_CHECK(aac->sample_rate > 0 && aac->channels > 0);
  }
  (void)lookback::media::InspectH264(bytes).sync();
  AnnexBReader reader(bytes);
  lookback::ByteSpan nal;
  while (reader.Next(nal)) LB_CHECK(!nal.empty() && nal.data() + nal.size() <= data + size);
  return 0;
}
