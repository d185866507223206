#include "media/audio.h"

#include <algorithm>
#include <array>
#include <string>

#include "media/bit_reader.h"
#include "media/sample_entry.h"

namespace lookback::media {
namespace {

constexpr std::array<uint32_t, 13> kSampleRates = {96'000, 88'200, 64'000, 48'000, 44'100,
                                                   32'000, 24'000, 22'050, 16'000, 12'000,
                                                   11'025, 8'000,  7'350};
constexpr uint32_t kExplicitRate = 15;
constexpr uint32_t kMinSampleRate = 4'000;
constexpr uint32_t kMaxSampleRate = 192'000;
constexpr uint32_t kOpusRate = 48'000;
constexpr uint32_t kG726Rate = 8'000;
constexpr uint8_t kSbr = 5, kParametricStereo = 29;

// Table 1.19: channels of a channel configuration; 0 is spelled out elsewhere or reserved.
constexpr std::array<uint16_t, 16> kChannels = {0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 24, 8, 0};

uint8_t ReadObjectType(BitReader& bits) {
  const uint32_t type = bits.Bits(5);
  return static_cast<uint8_t>(type == 31 ? 32 + bits.Bits(6) : type);
}

uint32_t ReadSampleRate(BitReader& bits) {
  const uint32_t index = bits.Bits(4);
  if (index == kExplicitRate) return bits.Bits(24);
  return index < kSampleRates.size() ? kSampleRates[index] : 0;
}

// RFC 6716 §3.1 and §3.2: the first byte tells how long a frame is and how many there are.
uint32_t OpusTicks(ByteSpan packet) {
  constexpr uint32_t kTicksAMs = kOpusRate / 1'000;
  constexpr uint32_t kMaxTicks = 120 * kTicksAMs;
  if (packet.empty()) return 20 * kTicksAMs;
  const uint32_t configuration = packet[0] >> 3;
  uint32_t frame = 0;
  if (configuration < 12) {
    constexpr std::array<uint32_t, 4> kSilkMs = {10, 20, 40, 60};
    frame = kSilkMs[configuration & 3] * kTicksAMs;
  } else if (configuration < 16) {
    frame = (configuration & 1) != 0 ? 20 * kTicksAMs : 10 * kTicksAMs;
  } else {
    frame = (5 * kTicksAMs / 2) << (configuration & 3);
  }
  uint32_t frames = (packet[0] & 3) == 0 ? 1 : 2;
  if ((packet[0] & 3) == 3) frames = packet.size() > 1 ? packet[1] & 63u : 1;
  return std::clamp(frame * frames, frame, kMaxTicks);
}

}  // namespace

Result<AacConfig> ParseAacConfig(ByteSpan audio_specific_config) {
  BitReader bits(audio_specific_config, BitReader::Source::kPlainBytes);
  AacConfig config;
  config.object_type = ReadObjectType(bits);
  config.sample_rate = ReadSampleRate(bits);
  const uint32_t channel_configuration = bits.Bits(4);
  if (config.object_type == kSbr || config.object_type == kParametricStereo) {
    (void)ReadSampleRate(bits);
    config.object_type = ReadObjectType(bits);
  }
  const bool frame_length_flag = bits.Flag();
  if (!bits.ok()) return Fail(Code::kCorrupt, "AudioSpecificConfig: cut short");
  if (config.sample_rate < kMinSampleRate || config.sample_rate > kMaxSampleRate) {
    return Fail(Code::kCorrupt, "AudioSpecificConfig: a sample rate of " +
                                    std::to_string(config.sample_rate) +
                                    " Hz is outside of 4,000 to 192,000");
  }
  config.channels = kChannels[channel_configuration];
  if (config.channels == 0) {
    return Fail(Code::kUnsupported, "AudioSpecificConfig: channel configuration " +
                                        std::to_string(channel_configuration));
  }
  if (frame_length_flag) config.frame_samples = 960;
  return config;
}

Result<TrackConfig> MakeAacTrack(Bytes audio_specific_config) {
  LB_TRY_ASSIGN(config, ParseAacConfig(audio_specific_config));
  TrackConfig track;
  track.kind = TrackKind::kAudio;
  track.codec = Codec::kAac;
  track.timescale = config.sample_rate;
  track.channels = config.channels;
  track.audio_config = std::move(audio_specific_config);
  if (!FitsSampleEntry(track)) return Fail(Code::kCorrupt, "AudioSpecificConfig: above 4 KiB");
  return track;
}

TrackConfig MakeG711Track(Codec codec, uint32_t sample_rate, uint16_t channels) {
  TrackConfig track;
  track.kind = TrackKind::kAudio;
  track.codec = codec;
  track.timescale = sample_rate;
  track.channels = channels;
  return track;
}

TrackConfig MakeOpusTrack(uint16_t channels) {
  return MakeG711Track(Codec::kOpus, kOpusRate, channels);
}

TrackConfig MakeG726Track(uint16_t codeword_bits) {
  TrackConfig track = MakeG711Track(Codec::kG726, kG726Rate, 1);
  track.codeword_bits = codeword_bits;
  return track;
}

uint32_t NominalAudioTicks(const TrackConfig& track, ByteSpan sample) {
  if (track.codec == Codec::kAac) {
    const Result<AacConfig> config = ParseAacConfig(track.audio_config);
    return config ? config->frame_samples : 1024;
  }
  if (track.codec == Codec::kOpus) return OpusTicks(sample);
  const size_t bits = track.codec == Codec::kG726 ? track.codeword_bits : 8;
  const size_t samples = sample.size() * 8 / bits / std::max<uint16_t>(track.channels, 1);
  return static_cast<uint32_t>(std::clamp<size_t>(samples, 1, kMaxSampleRate));
}

}  // namespace lookback::media
