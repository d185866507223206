// apps/camera_sim/tone.h: the sound of a simulated camera: a soft tone, made once, played for ever.
//
// Invariant: every frame has samples_per_frame samples; frame k starts at k * samples_per_frame.
// Threads:   immutable after making; cameras share it.
// Errors:    kUnsupported when libavcodec has no encoder.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace lookback::camera_sim {

enum class AudioCodec { kAac, kPcma, kPcmu, kOpus, kG726 };

struct AudioTrack {
  AudioCodec codec = AudioCodec::kAac;
  int sample_rate = 0;
  int samples_per_frame = 0;
  Bytes decoder_config;  // AudioSpecificConfig of AAC, else empty.
  std::vector<Bytes> frames;

  int64_t TimeNs(uint64_t frame) const {
    return static_cast<int64_t>(frame) * samples_per_frame * 1'000'000'000 / sample_rate;
  }
};

// Mono: AAC-LC at 16 kHz, Opus at 48 kHz, G.711 and G.726 at 8 kHz, the latter three in pieces of
// 20 ms. Frames of G.726, at 32 kbit/s, have the first codeword in the high bits;
// RTP has it in the low ones.
Result<AudioTrack> MakeTone(AudioCodec codec);

}  // namespace lookback::camera_sim
