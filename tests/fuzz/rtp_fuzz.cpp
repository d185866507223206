// Packets of H.264 or of sound, by the first byte.
#include "media/audio.h"
#include "tests/fuzz/rtp_track_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lookback;
  if (size == 0) return 0;
  recorder::RtpFormat format;
  if (data[0] % 3 != 0) format.kind = media::TrackKind::kAudio;
  if (data[0] % 3 == 1) {
    format.codec = media::Codec::kAac;
    format.config.audio_config = {0x14, 0x08};
    format.aac_size_bits = 13;
    format.aac_index_bits = format.aac_index_delta_bits = 3;
  } else if (data[0] % 3 == 2) {
    format.codec = media::Codec::kG726;
    format.config = media::MakeG726Track(static_cast<uint16_t>(2 + data[0] / 3 % 4));
    format.g726_low_bits_first = true;
  }
  fuzz::FeedTrack(format, {data + 1, size - 1});
  return 0;
}
