// Which of a description's formats can be recorded, and what it says of them.

#include "media/audio.h"
#include "media/h264.h"
#include "media/h265.h"
#include "media/nal_codec.h"
#include "recorder/rtsp_message.h"
#include "recorder/sdp.h"

namespace lookback::recorder {
namespace {

using media::Codec;
using media::NalRole;
using media::TrackKind;

uint64_t NumberOf(const SdpFormat& format, std::string_view name, uint64_t max) {
  uint64_t number = 0;
  return ParseDecimal(format.Find(name), max, number) ? number : 0;
}

// Adds the NAL units of a parameter (base64, separated by commas), each to the list of its kind.
void AddSets(Codec codec, std::string_view list, media::TrackConfig& track) {
  while (!list.empty()) {
    const size_t comma = list.find(',');
    Bytes nal;
    const bool decoded = Base64Decode(TrimSpace(list.substr(0, comma)), nal);
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
    if (!decoded) continue;
    const NalRole role = media::RoleOf(codec, nal);
    if (role == NalRole::kVps) track.vps.push_back(std::move(nal));
    if (role == NalRole::kSps) track.sps.push_back(std::move(nal));
    if (role == NalRole::kPps) track.pps.push_back(std::move(nal));
  }
}

Status RequireVideoClock(const SdpFormat& format) {
  if (format.clock_rate == media::kVideoTimescale) return Ok();
  return Fail(Code::kUnsupported, format.encoding + " with a clock that is not 90 kHz");
}

// Parameter sets that the description holds and that make sense; else they come in band.
void TakeTrack(Result<media::TrackConfig> track, RtpFormat& chosen) {
  if (!track) return;
  chosen.config = std::move(*track);
  chosen.complete = true;
}

Status ChooseH264(const SdpFormat& format, RtpFormat& chosen) {
  LB_TRY(RequireVideoClock(format));
  AddSets(Codec::kH264, format.Find("sprop-parameter-sets"), chosen.config);
  TakeTrack(media::MakeH264Track(chosen.config.sps, chosen.config.pps), chosen);
  return Ok();
}

// RFC 7798 §7.1.
Status ChooseH265(const SdpFormat& format, RtpFormat& chosen) {
  LB_TRY(RequireVideoClock(format));
  constexpr uint64_t kMaxDonDiff = 32'767;
  if (NumberOf(format, "sprop-max-don-diff", kMaxDonDiff) > 0 ||
      NumberOf(format, "sprop-depack-buf-nalus", kMaxDonDiff) > 0) {
    return Fail(Code::kUnsupported, "H.265 out of decoding order (sprop-max-don-diff)");
  }
  const std::string_view mode = format.Find("tx-mode");
  if (!mode.empty() && !EqualsIgnoringCase(mode, "SRST")) {
    return Fail(Code::kUnsupported, "H.265 in several RTP streams (tx-mode)");
  }
  for (const char* name : {"sprop-vps", "sprop-sps", "sprop-pps"}) {
    AddSets(Codec::kH265, format.Find(name), chosen.config);
  }
  TakeTrack(media::MakeH265Track(chosen.config.vps, chosen.config.sps, chosen.config.pps), chosen);
  return Ok();
}

Status ChooseJpeg(const SdpFormat& format, RtpFormat& chosen) {
  LB_TRY(RequireVideoClock(format));
  chosen.config.width = format.width;
  chosen.config.height = format.height;
  return Ok();
}

int BitsOf(const SdpFormat& format, std::string_view name) {
  constexpr uint64_t kMaxBits = 32;
  return static_cast<int>(NumberOf(format, name, kMaxBits));
}

Status ChooseAac(const SdpFormat& format, RtpFormat& chosen) {
  Bytes config;
  if (!HexDecode(format.Find("config"), config)) {
    return Fail(Code::kUnsupported, "AAC without a configuration in the description");
  }
  if (!EqualsIgnoringCase(format.Find("mode"), "AAC-hbr")) {
    return Fail(Code::kUnsupported, "AAC in another mode than AAC-hbr");
  }
  LB_TRY_ASSIGN(track, media::MakeAacTrack(std::move(config)));
  TakeTrack(std::move(track), chosen);
  chosen.aac_size_bits = BitsOf(format, "sizelength");
  chosen.aac_index_bits = BitsOf(format, "indexlength");
  chosen.aac_index_delta_bits = BitsOf(format, "indexdeltalength");
  if (chosen.aac_size_bits == 0) return Fail(Code::kUnsupported, "AAC without sizelength");
  return Ok();
}

Status ChooseG711(const SdpFormat& format, RtpFormat& chosen) {
  TakeTrack(media::MakeG711Track(chosen.codec, format.clock_rate, format.channels), chosen);
  return Ok();
}

// RFC 7587 §7. The map always says two channels; what is sent is mono unless it says otherwise.
Status ChooseOpus(const SdpFormat& format, RtpFormat& chosen) {
  media::TrackConfig track = media::MakeOpusTrack(NumberOf(format, "sprop-stereo", 1) == 1 ? 2 : 1);
  if (format.clock_rate != track.timescale) {
    return Fail(Code::kUnsupported, "Opus with a clock that is not 48 kHz");
  }
  TakeTrack(std::move(track), chosen);
  return Ok();
}

// G726-32, AAL2-G726-32: the last number is the rate in kbit/s, eight for each bit of a codeword.
Status ChooseG726(const SdpFormat& format, RtpFormat& chosen) {
  const std::string& name = format.encoding;
  uint64_t kbit_per_s = 0;
  (void)ParseDecimal(std::string_view(name).substr(name.rfind('-') + 1), 40, kbit_per_s);
  const auto codeword_bits = static_cast<uint16_t>(kbit_per_s / 8);
  media::TrackConfig track = media::MakeG726Track(codeword_bits);
  const bool known_rate = kbit_per_s % 8 == 0 && codeword_bits >= 2;
  if (!known_rate || format.clock_rate != track.timescale || format.channels != 1) {
    return Fail(Code::kUnsupported, name + " that is not of 16 to 40 kbit/s, 8 kHz and mono");
  }
  TakeTrack(std::move(track), chosen);
  chosen.g726_low_bits_first = !EqualsIgnoringCase(name.substr(0, 4), "AAL2");
  return Ok();
}

struct Encoding {
  std::string_view name;  // Its beginning, for G.726.
  TrackKind kind;
  Codec codec;
  Status (*choose)(const SdpFormat&, RtpFormat&);
};
constexpr Encoding kEncodings[] = {
    {"H264", TrackKind::kVideo, Codec::kH264, ChooseH264},
    {"H265", TrackKind::kVideo, Codec::kH265, ChooseH265},
    {"JPEG", TrackKind::kVideo, Codec::kMjpeg, ChooseJpeg},
    {"MPEG4-GENERIC", TrackKind::kAudio, Codec::kAac, ChooseAac},
    {"PCMA", TrackKind::kAudio, Codec::kPcma, ChooseG711},
    {"PCMU", TrackKind::kAudio, Codec::kPcmu, ChooseG711},
    {"opus", TrackKind::kAudio, Codec::kOpus, ChooseOpus},
    {"G726-", TrackKind::kAudio, Codec::kG726, ChooseG726},
    {"AAL2-G726-", TrackKind::kAudio, Codec::kG726, ChooseG726},
};

bool Names(const Encoding& encoding, std::string_view name) {
  if (encoding.codec == Codec::kG726) name = name.substr(0, encoding.name.size());
  return EqualsIgnoringCase(name, encoding.name);
}

Result<RtpFormat> TryFormat(const SdpFormat& format) {
  for (const Encoding& encoding : kEncodings) {
    if (!Names(encoding, format.encoding)) continue;
    RtpFormat chosen;
    chosen.payload_type = format.payload_type;
    chosen.clock_rate = format.clock_rate;
    chosen.kind = encoding.kind;
    chosen.codec = encoding.codec;
    chosen.config.codec = encoding.codec;
    LB_TRY(encoding.choose(format, chosen));
    return chosen;
  }
  return Fail(Code::kUnsupported, format.encoding.empty()
                                      ? "payload type " + std::to_string(format.payload_type)
                                      : format.encoding);
}

}  // namespace

Result<RtpFormat> ChooseFormat(const SdpMedia& media) {
  std::string why = "no format";
  for (const SdpFormat& format : media.formats) {
    auto chosen = TryFormat(format);
    if (chosen) {
      chosen->frames_per_second = media.frames_per_second;
      return chosen;
    }
    why = chosen.message();
  }
  return Fail(Code::kUnsupported, why);
}

}  // namespace lookback::recorder
