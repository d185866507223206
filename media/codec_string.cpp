// The `codecs` parameter (RFC 6381) of a track.

#include <string>

#include "media/audio.h"
#include "media/h265.h"
#include "media/track.h"

namespace lookback::media {
namespace {

void AppendHex(std::string& text, uint8_t byte) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  text.push_back(kDigits[byte >> 4]);
  text.push_back(kDigits[byte & 15]);
}

// ISO/IEC 14496-15 annex E.3: profile, compatibility flags in reverse bit order, tier and level.
std::string HevcCodecString(const TrackConfig& track) {
  const auto sps = ParseH265Sps(track.sps.empty() ? ByteSpan{} : ByteSpan(track.sps[0]));
  if (!sps) return "hvc1";
  const auto& ptl = sps->profile_tier_level;
  uint32_t compatibility = 0;
  for (int bit = 0; bit < 32; ++bit) {
    if ((ptl[1 + bit / 8] >> (7 - bit % 8) & 1) != 0) compatibility |= uint32_t{1} << bit;
  }
  std::string hex;
  for (int shift = 28; shift >= 0; shift -= 4) {
    const uint32_t digit = compatibility >> shift & 15;
    if (digit != 0 || !hex.empty() || shift == 0) hex.push_back("0123456789ABCDEF"[digit]);
  }
  const int profile_space = ptl[0] >> 6;
  std::string text = "hvc1.";
  if (profile_space > 0) text.push_back(static_cast<char>('A' + profile_space - 1));
  text += std::to_string(ptl[0] & 31) + "." + hex + ((ptl[0] & 32) != 0 ? ".H" : ".L") +
          std::to_string(ptl[11]);
  size_t constraints = 6;
  while (constraints > 0 && ptl[5 + constraints - 1] == 0) --constraints;
  for (size_t i = 0; i < constraints; ++i) {
    text.push_back('.');
    AppendHex(text, ptl[5 + i]);
  }
  return text;
}

}  // namespace

std::string CodecString(const TrackConfig& track) {
  switch (track.codec) {
    case Codec::kH264: {
      std::string text = "avc1.";
      if (track.sps.empty() || track.sps[0].size() < 4) return "avc1";
      for (size_t i = 1; i <= 3; ++i) AppendHex(text, track.sps[0][i]);
      return text;
    }
    case Codec::kH265:
      return HevcCodecString(track);
    case Codec::kAac: {
      const Result<AacConfig> config = ParseAacConfig(track.audio_config);
      return "mp4a.40." + std::to_string(config ? config->object_type : 2);
    }
    case Codec::kPcma:
      return "alaw";
    case Codec::kPcmu:
      return "ulaw";
    case Codec::kMjpeg:
      return "mp4v.6C";
    case Codec::kOpus:
      return "opus";
    case Codec::kG726:
      return "g726";  // Nothing is registered for it.
  }
  return "unknown";
}

}  // namespace lookback::media
