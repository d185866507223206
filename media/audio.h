// media/audio.h: what a recorder must know of AAC, Opus, G.711 and G.726 without decoding them.
//
// Invariant: a track's timescale is its sample rate, as RTP's clock is for these codecs.
// Threads:   free functions; no state.
// Errors:    kCorrupt for a configuration that breaks its own syntax, kUnsupported for one that is
//            not for us; safe on hostile bytes.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "media/track.h"

namespace lookback::media {

// ISO/IEC 14496-3 §1.6.2.1.
struct AacConfig {
  uint8_t object_type = 0;   // 2: AAC-LC. With SBR (5, 29) the type beneath it.
  uint32_t sample_rate = 0;  // Of the core coder, which access units count in.
  uint16_t channels = 0;
  uint16_t frame_samples = 1024;  // Of one access unit.
};
Result<AacConfig> ParseAacConfig(ByteSpan audio_specific_config);

Result<TrackConfig> MakeAacTrack(Bytes audio_specific_config);

// G.711: one byte a sample and channel.
TrackConfig MakeG711Track(Codec codec, uint32_t sample_rate, uint16_t channels);

// Opus always counts in 48,000ths of a second; `channels` is what a player is to give out.
TrackConfig MakeOpusTrack(uint16_t channels);

// G.726 is mono, at 8 kHz.
TrackConfig MakeG726Track(uint16_t codeword_bits);

// How long a sample lasts, in ticks of its track.
uint32_t NominalAudioTicks(const TrackConfig& track, ByteSpan sample);

}  // namespace lookback::media
