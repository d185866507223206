#include "recorder/sdp.h"

#include <charconv>
#include <optional>

#include "recorder/rtsp_message.h"

namespace lookback::recorder {
namespace {

constexpr size_t kMaxFmtpParameters = 32;  // Of one a=fmtp.
constexpr uint64_t kMaxClockRate = 1'000'000;
constexpr double kMaxFrameRate = 1'000;

// Takes the text up to `separator` off `rest`; all of it when there is none.
std::string_view TakeUntil(std::string_view& rest, char separator) {
  const size_t at = rest.find(separator);
  const std::string_view piece = rest.substr(0, at);
  rest = at == std::string_view::npos ? std::string_view{} : rest.substr(at + 1);
  return piece;
}

std::optional<uint8_t> ParsePayloadType(std::string_view text) {
  uint64_t value = 0;
  if (!ParseDecimal(text, 127, value)) return std::nullopt;
  return static_cast<uint8_t>(value);
}

SdpFormat StaticFormat(uint8_t payload_type) {
  SdpFormat format;
  format.payload_type = payload_type;
  // RFC 3551 §6; the others that are static are none that this recorder takes.
  if (payload_type == 0) format.encoding = "PCMU";
  if (payload_type == 2) format.encoding = "G726-32";
  if (payload_type == 8) format.encoding = "PCMA";
  if (payload_type == 26) format.encoding = "JPEG";
  format.clock_rate = payload_type < 24 ? 8'000 : media::kVideoTimescale;
  return format;
}

// video 0 RTP/AVP 96 97
Result<SdpMedia> ParseMediaLine(std::string_view line) {
  SdpMedia media;
  media.kind = TakeUntil(line, ' ');
  (void)TakeUntil(line, ' ');  // Port.
  (void)TakeUntil(line, ' ');  // Protocol: RTSP's SETUP settles it.
  while (!line.empty()) {
    const auto payload_type = ParsePayloadType(TrimSpace(TakeUntil(line, ' ')));
    if (!payload_type) continue;
    if (media.formats.size() == kMaxSdpFormats) {
      return Fail(Code::kCorrupt, "SDP: more than 16 formats in a media line");
    }
    media.formats.push_back(StaticFormat(*payload_type));
  }
  return media;
}

SdpFormat* FindFormat(SdpMedia& media, std::string_view payload_type_text) {
  const auto payload_type = ParsePayloadType(TrimSpace(payload_type_text));
  if (!payload_type) return nullptr;
  for (SdpFormat& format : media.formats) {
    if (format.payload_type == *payload_type) return &format;
  }
  return nullptr;
}

// 97 MPEG4-GENERIC/16000/1
void ApplyRtpMap(std::string_view value, SdpMedia& media) {
  SdpFormat* const format = FindFormat(media, TakeUntil(value, ' '));
  if (!format) return;
  value = TrimSpace(value);
  const std::string_view encoding = TakeUntil(value, '/');
  const std::string_view rate = TakeUntil(value, '/');
  uint64_t clock_rate = 0;
  uint64_t channels = 1;
  if (!ParseDecimal(TrimSpace(rate), kMaxClockRate, clock_rate) || clock_rate == 0) return;
  if (!value.empty() && (!ParseDecimal(TrimSpace(value), 255, channels) || channels == 0)) return;
  format->encoding = encoding;
  format->clock_rate = static_cast<uint32_t>(clock_rate);
  format->channels = static_cast<uint16_t>(channels);
}

// 96 packetization-mode=1; sprop-parameter-sets=Z0IA...,aM4...
void ApplyFmtp(std::string_view value, SdpMedia& media) {
  SdpFormat* const format = FindFormat(media, TakeUntil(value, ' '));
  if (!format) return;
  while (!value.empty() && format->parameters.size() < kMaxFmtpParameters) {
    std::string_view parameter = TakeUntil(value, ';');
    const std::string_view name = TrimSpace(TakeUntil(parameter, '='));
    if (name.empty()) continue;
    format->parameters.push_back({std::string(name), std::string(TrimSpace(parameter))});
  }
}

// 26 3840-2160 (RFC 6064), or 3840,2160 for all formats of the media (GStreamer).
void ApplySize(std::string_view value, char separator, SdpMedia& media, SdpFormat* only) {
  uint64_t width = 0;
  uint64_t height = 0;
  if (!ParseDecimal(TrimSpace(TakeUntil(value, separator)), UINT16_MAX, width) ||
      !ParseDecimal(TrimSpace(value), UINT16_MAX, height)) {
    return;
  }
  for (SdpFormat& format : media.formats) {
    if (only != nullptr && &format != only) continue;
    format.width = static_cast<uint16_t>(width);
    format.height = static_cast<uint16_t>(height);
  }
}

// 25 or 29.97 (RFC 8866 §6.12)
void ApplyFrameRate(std::string_view value, SdpMedia& media) {
  double rate = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), rate);
  if (error != std::errc() || end != value.data() + value.size()) return;
  if (rate > 0 && rate <= kMaxFrameRate) media.frames_per_second = rate;
}

void ApplyAttribute(std::string_view line, Sdp& sdp) {
  const std::string_view name = TakeUntil(line, ':');
  if (name == "control") {
    (sdp.media.empty() ? sdp.control : sdp.media.back().control) = TrimSpace(line);
  } else if (sdp.media.empty()) {
    return;
  } else if (name == "rtpmap") {
    ApplyRtpMap(TrimSpace(line), sdp.media.back());
  } else if (name == "fmtp") {
    ApplyFmtp(TrimSpace(line), sdp.media.back());
  } else if (name == "framesize") {
    line = TrimSpace(line);
    SdpFormat* const format = FindFormat(sdp.media.back(), TakeUntil(line, ' '));
    if (format != nullptr) ApplySize(line, '-', sdp.media.back(), format);
  } else if (name == "framerate") {
    ApplyFrameRate(TrimSpace(line), sdp.media.back());
  } else if (name == "x-dimensions") {
    ApplySize(line, ',', sdp.media.back(), nullptr);
  }
}

}  // namespace

std::string_view SdpFormat::Find(std::string_view name) const {
  for (const Parameter& parameter : parameters) {
    if (EqualsIgnoringCase(parameter.name, name)) return parameter.value;
  }
  return {};
}

Result<Sdp> ParseSdp(std::string_view text) {
  Sdp sdp;
  size_t lines = 0;
  while (!text.empty()) {
    const std::string_view line = TrimSpace(TakeUntil(text, '\n'));
    if (++lines > kMaxSdpLines) return Fail(Code::kCorrupt, "SDP: more than 512 lines");
    if (line.size() < 2 || line[1] != '=') continue;
    if (line[0] == 'm') {
      if (sdp.media.size() == kMaxSdpMedia) {
        return Fail(Code::kCorrupt, "SDP: more than 16 media lines");
      }
      LB_TRY_ASSIGN(media, ParseMediaLine(line.substr(2)));
      sdp.media.push_back(std::move(media));
    } else if (line[0] == 'a') {
      ApplyAttribute(line.substr(2), sdp);
    }
  }
  if (sdp.media.empty()) return Fail(Code::kCorrupt, "SDP: no media line");
  return sdp;
}

std::string ResolveControl(std::string_view base, std::string_view control) {
  if (control.empty() || control == "*") return std::string(base);
  for (const std::string_view scheme : {"rtsp://", "rtsps://"}) {
    if (EqualsIgnoringCase(control.substr(0, scheme.size()), scheme)) return std::string(control);
  }
  std::string url(base);
  if (url.empty() || url.back() != '/') url += '/';
  if (control[0] == '/') control.remove_prefix(1);
  return url.append(control);
}

}  // namespace lookback::recorder
