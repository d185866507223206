#include "recorder/rtsp_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/log.h"

namespace lookback::recorder {
namespace {

using index::GapCause;

constexpr int kUnauthorized = 401;
constexpr int kSessionNotFound = 454;
constexpr int64_t kMinTimeoutUs = 4 * kUsPerSecond;  // Of what a server asks keep-alives for.
constexpr int64_t kMaxTimeoutUs = 10 * kUsPerMinute;
constexpr size_t kMaxSessionIdBytes = 256;
constexpr size_t kCnonceBytes = 8;

std::string MakeCnonce() {
  std::array<uint8_t, kCnonceBytes> bytes{};
  RandomBytes(bytes);
  return HexEncode(bytes);
}

bool IsSuccess(int status) { return status >= 200 && status < 300; }

// What a camera gave as a URL and may stand in a request line.
bool IsUsableUrl(std::string_view url) {
  return !url.empty() && url.size() <= kMaxUrlBytes &&
         std::all_of(url.begin(), url.end(), [](char c) { return c > ' ' && c < 127; });
}

// The value of `name` in "a;name=value;b"; empty when it has none.
std::string_view ParameterOf(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const size_t end = text.find(';');
    const std::string_view piece = TrimSpace(text.substr(0, end));
    const size_t equals = piece.find('=');
    if (equals != std::string_view::npos &&
        EqualsIgnoringCase(TrimSpace(piece.substr(0, equals)), name)) {
      return TrimSpace(piece.substr(equals + 1));
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return {};
}

std::string_view AdviceFor(int status) {
  switch (status) {
    case 403:
      return ": this user may not see the stream";
    case 404:
      return ": check the path of the URL";
    case 453:
    case 503:
      return ": the camera serves too many clients";
    case 461:
      return ": the camera does not send RTP over the RTSP connection";
    default:
      return status / 100 == 3 ? ": the camera redirects, which is not supported" : "";
  }
}

}  // namespace

RtspSession::RtspSession(Options options, const IngestContext& context, Handler& handler)
    : options_(std::move(options)),
      context_(context),
      handler_(handler),
      auth_(options_.user, options_.password, MakeCnonce),
      deadline_us_(context.clock.MonotonicUs() + options_.answer_timeout_us) {
  aggregate_url_ = options_.url.text;
  net::TcpStream::Handler& events = *this;
  stream_ = std::make_unique<net::TcpStream>(context_.loop, options_.url.host, options_.url.port,
                                             context_.buffer, events);
}

RtspSession::~RtspSession() {
  if (session_id_.empty() || failure_) return;
  // The answer does not matter: the connection closes behind it.
  Send("TEARDOWN", aggregate_url_, {});
}

void RtspSession::Fail(GapCause cause, std::string detail) {
  if (!failure_) failure_ = SessionFailure{cause, std::move(detail), false};
}

void RtspSession::OnConnected() {
  state_ = State::kOptions;
  Send("OPTIONS", options_.url.text, {});
}

void RtspSession::OnBytes(ByteSpan bytes) {
  if (failure_) return;
  received_us_ = context_.clock.MonotonicUs();
  received_bytes_ += bytes.size();
  if (const Status fed = reader_.Feed(bytes, *this); !fed) {
    Fail(GapCause::kCameraFault, fed.message());
  }
}

void RtspSession::OnClosed(const Error& error) { Fail(GapCause::kNetwork, error.message); }

void RtspSession::Send(std::string method, const std::string& url,
                       std::vector<RtspHeader> headers) {
  pending_ = Request{std::move(method), url, std::move(headers), 0, false};
  SendPending();
}

void RtspSession::SendPending() {
  Request& request = *pending_;
  request.cseq = ++cseq_;
  std::vector<RtspHeader> headers = request.headers;
  headers.push_back({"User-Agent", "Lookback"});
  if (!session_id_.empty()) headers.push_back({"Session", session_id_});
  if (std::string value = auth_.Authorize(request.method, request.url); !value.empty()) {
    headers.push_back({"Authorization", std::move(value)});
  }
  deadline_us_ = context_.clock.MonotonicUs() + options_.answer_timeout_us;
  const Status sent =
      stream_->Write(WriteRtspRequest(request.method, request.url, request.cseq, headers));
  if (!sent) Fail(GapCause::kNetwork, sent.message());
}

void RtspSession::OnRequest(std::string_view method, std::string_view cseq) {
  uint64_t number = 0;
  if (!ParseDecimal(cseq, UINT32_MAX, number)) return;
  const std::string_view answer =
      EqualsIgnoringCase(method, "OPTIONS") ? "200 OK" : "501 Not Implemented";
  const Status sent =
      stream_->Write(fmt::format("RTSP/1.0 {}\r\nCSeq: {}\r\n\r\n", answer, number));
  if (!sent) Fail(GapCause::kNetwork, sent.message());
}

void RtspSession::OnResponse(RtspResponse response) {
  if (failure_ || !pending_) return;
  // Some cameras leave CSeq out; one that names an older request is a late answer.
  uint64_t cseq = 0;
  if (ParseDecimal(response.Find("CSeq"), UINT32_MAX, cseq) && cseq != pending_->cseq) return;
  if (response.status < 200) return;  // 100 Continue: the answer is still to come.
  if (response.status == kUnauthorized && AnswerChallenge(response)) return;
  pending_.reset();
  TakeSessionHeader(response.Find("Session"));
  switch (state_) {
    case State::kConnecting:
      return;
    case State::kOptions:
      return OnOptions(response);
    case State::kDescribe:
      return IsSuccess(response.status) ? OnDescribe(response) : Refused(response);
    case State::kSetup:
      return OnSetup(response);
    case State::kPlay:
      return IsSuccess(response.status) ? OnPlay() : Refused(response);
    case State::kPlaying:
      return OnKeepAlive(response);
  }
}

// True when the request was sent again.
bool RtspSession::AnswerChallenge(const RtspResponse& response) {
  // A nonce grows old at any time, so that once a request may be refused, and not twice.
  if (pending_->authorized_again || !auth_.Challenge(response.FindAll("WWW-Authenticate"))) {
    return false;
  }
  pending_->authorized_again = true;
  SendPending();
  return true;
}

void RtspSession::OnUnauthorized(const RtspResponse& response) {
  std::string detail = response.text();
  if (const Status again = auth_.Challenge(response.FindAll("WWW-Authenticate")); !again) {
    detail += ": " + again.message();
  } else {
    detail += ": check user and password";
  }
  failure_ = SessionFailure{GapCause::kCameraFault, std::move(detail), true};
}

void RtspSession::Refused(const RtspResponse& response) {
  if (response.status == kUnauthorized) return OnUnauthorized(response);
  Fail(GapCause::kCameraFault, response.text() + std::string(AdviceFor(response.status)));
}

void RtspSession::TakeSessionHeader(std::string_view value) {
  if (value.empty()) return;
  const std::string_view id = TrimSpace(value.substr(0, value.find(';')));
  if (!id.empty() && id.size() <= kMaxSessionIdBytes) session_id_ = id;
  uint64_t seconds = 0;
  if (ParseDecimal(ParameterOf(value, "timeout"), kMaxTimeoutUs / kUsPerSecond, seconds)) {
    timeout_us_ = std::max(static_cast<int64_t>(seconds) * kUsPerSecond, kMinTimeoutUs);
  }
}

void RtspSession::OnOptions(const RtspResponse& response) {
  if (response.status == kUnauthorized) return OnUnauthorized(response);
  // A camera that does not know OPTIONS may know the rest.
  get_parameter_ = response.Find("Public").find("GET_PARAMETER") != std::string_view::npos;
  state_ = State::kDescribe;
  Send("DESCRIBE", options_.url.text, {{"Accept", "application/sdp"}});
}

void RtspSession::OnDescribe(const RtspResponse& response) {
  const auto sdp = ParseSdp(response.body);
  if (!sdp) return Fail(GapCause::kCameraFault, sdp.message());
  std::string base = options_.url.text;
  for (const std::string_view name : {"Content-Location", "Content-Base"}) {
    if (IsUsableUrl(response.Find(name))) base = response.Find(name);
  }
  if (const Status chosen = ChooseTracks(*sdp, base); !chosen) {
    return Fail(GapCause::kCameraFault, chosen.message());
  }
  state_ = State::kSetup;
  SetupNext();
}

Status RtspSession::ChooseTracks(const Sdp& sdp, const std::string& base) {
  std::string others;
  std::optional<Track> video;
  std::optional<Track> audio;
  for (const SdpMedia& media : sdp.media) {
    const bool is_video = EqualsIgnoringCase(media.kind, "video");
    if (!is_video && !(options_.audio && EqualsIgnoringCase(media.kind, "audio"))) continue;
    std::optional<Track>& slot = is_video ? video : audio;
    if (slot) continue;
    auto format = ChooseFormat(media);
    const bool fits = format && (format->kind == media::TrackKind::kVideo) == is_video;
    if (!fits) {
      if (!format) others += (others.empty() ? "" : ", ") + format.message();
      continue;
    }
    slot.emplace();
    slot->format = std::move(*format);
    slot->url = ResolveControl(base, media.control);
    if (!IsUsableUrl(slot->url)) return lookback::Fail(Code::kInvalid, "SDP: a bad control URL");
  }
  if (!video) {
    return lookback::Fail(Code::kUnsupported,
                          "the camera offers no H.264 video" +
                              (others.empty() ? std::string() : "; it offers " + others));
  }
  if (options_.audio && !audio) {
    LogWarning("recorder", options_.url.text + ": no audio that can be recorded" +
                               (others.empty() ? std::string() : "; it offers " + others));
  }
  tracks_.push_back(std::move(*video));
  if (audio) tracks_.push_back(std::move(*audio));
  aggregate_url_ = ResolveControl(base, sdp.control);
  if (!IsUsableUrl(aggregate_url_)) aggregate_url_ = options_.url.text;
  return Ok();
}

void RtspSession::SetupNext() {
  if (next_setup_ < tracks_.size()) {
    const size_t channel = 2 * next_setup_;
    Send("SETUP", tracks_[next_setup_].url,
         {{"Transport",
           fmt::format("RTP/AVP/TCP;unicast;interleaved={}-{}", channel, channel + 1)}});
    return;
  }
  std::vector<RtpFormat> formats;
  for (const Track& track : tracks_) formats.push_back(track.format);
  handler_.OnReady(formats);
  state_ = State::kPlay;
  Send("PLAY", aggregate_url_, {{"Range", "npt=0.000-"}});
}

void RtspSession::OnSetup(const RtspResponse& response) {
  Track& track = tracks_[next_setup_];
  const bool accepted =
      IsSuccess(response.status) && TakeTransport(response.Find("Transport"), track);
  if (accepted) {
    track.set_up = true;
    ++next_setup_;
  } else if (track.format.kind == media::TrackKind::kVideo) {
    if (!IsSuccess(response.status)) return Refused(response);
    return Fail(GapCause::kCameraFault, "the camera does not send RTP over the RTSP connection");
  } else {
    LogWarning("recorder", options_.url.text + ": recorded without audio: " + response.text());
    tracks_.pop_back();
  }
  SetupNext();
}

// The server has the last word on the channels.
bool RtspSession::TakeTransport(std::string_view transport, Track& track) const {
  const std::string_view channels = ParameterOf(transport, "interleaved");
  const size_t dash = channels.find('-');
  uint64_t rtp = 0;
  uint64_t rtcp = 0;
  if (!ParseDecimal(TrimSpace(channels.substr(0, dash)), UINT8_MAX, rtp)) return false;
  const bool has_rtcp = dash != std::string_view::npos &&
                        ParseDecimal(TrimSpace(channels.substr(dash + 1)), UINT8_MAX, rtcp);
  track.rtp_channel = static_cast<uint8_t>(rtp);
  track.rtcp_channel = static_cast<uint8_t>(has_rtcp ? rtcp : rtp + 1);
  return true;
}

void RtspSession::OnPlay() {
  state_ = State::kPlaying;
  play_us_ = last_media_us_ = context_.clock.MonotonicUs();
  next_keep_alive_us_ = play_us_ + timeout_us_ / 2;
}

void RtspSession::OnKeepAlive(const RtspResponse& response) {
  if (IsSuccess(response.status)) return;
  if (response.status == kSessionNotFound) {
    return Fail(GapCause::kCameraFault, response.text() + ": the camera ended the session");
  }
  // What else it says about keep-alives does not matter while media flows.
  get_parameter_ = false;
}

void RtspSession::OnInterleaved(uint8_t channel, ByteSpan payload) {
  if (failure_ || state_ < State::kPlay) return;
  for (size_t i = 0; i < tracks_.size(); ++i) {
    if (channel == tracks_[i].rtp_channel) {
      any_media_ = true;
      last_media_us_ = received_us_;
      return handler_.OnRtp(i, payload, received_us_);
    }
    if (channel == tracks_[i].rtcp_channel) return handler_.OnRtcp(i, payload, received_us_);
  }
}

void RtspSession::SendRtcp(size_t track, ByteSpan packet) {
  if (failure_ || track >= tracks_.size() || packet.size() > UINT16_MAX) return;
  std::string frame = {'$', static_cast<char>(tracks_[track].rtcp_channel),
                       static_cast<char>(packet.size() >> 8), static_cast<char>(packet.size())};
  frame += AsText(packet);
  if (const Status sent = stream_->Write(std::move(frame)); !sent) {
    Fail(GapCause::kNetwork, sent.message());
  }
}

void RtspSession::Tick() {
  if (failure_) return;
  const int64_t now_us = context_.clock.MonotonicUs();
  if (on_demand_) {
    ReadWaiting(now_us);
  } else if (playing() && now_us - play_us_ >= kEventReadUs) {
    on_demand_ = true;
    stream_->ReadOnDemand();
  }
  if (!failure_) CheckTimeouts(now_us);
  if (!failure_ && playing() && now_us >= next_keep_alive_us_) KeepAlive(now_us);
}

void RtspSession::ReadWaiting(int64_t now_us) {
  received_us_ = now_us;
  for (size_t total = 0; total < kMaxReadPerTickBytes && !failure_;) {
    const auto count = stream_->Read(context_.buffer);
    if (!count) return Fail(GapCause::kNetwork, count.message());
    total += *count;
    received_bytes_ += *count;
    if (const Status fed = reader_.Feed(context_.buffer.first(*count), *this); !fed) {
      return Fail(GapCause::kCameraFault, fed.message());
    }
    if (*count < context_.buffer.size()) return;  // That was all.
  }
}

void RtspSession::CheckTimeouts(int64_t now_us) {
  if (playing()) {
    if (now_us - last_media_us_ < options_.silence_timeout_us) return;
    // A line that was cut looks the same as a camera that fell silent; one that never sent does
    // not.
    return Fail(any_media_ ? GapCause::kNetwork : GapCause::kCameraFault,
                fmt::format("no RTP for {} s", options_.silence_timeout_us / kUsPerSecond));
  }
  if (now_us < deadline_us_) return;
  const int64_t seconds = options_.answer_timeout_us / kUsPerSecond;
  if (state_ == State::kConnecting) {
    return Fail(GapCause::kNetwork, fmt::format("no connection within {} s", seconds));
  }
  Fail(GapCause::kCameraFault,
       fmt::format("no answer to {} for {} s", pending_ ? pending_->method : "RTSP", seconds));
}

void RtspSession::KeepAlive(int64_t now_us) {
  next_keep_alive_us_ = now_us + timeout_us_ / 2;
  Send(get_parameter_ ? "GET_PARAMETER" : "OPTIONS", aggregate_url_, {});
}

}  // namespace lookback::recorder
