#include "recorder/rtsp_session.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"

namespace lookback::recorder {
namespace {

using index::GapCause;
using index::Transport;

constexpr int kSessionNotFound = 454;
constexpr int kUnsupportedTransport = 461;

bool IsSuccess(int status) { return status >= 200 && status < 300; }

bool IsRedirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// What a camera gave as a URL and may stand in a request line.
bool IsUsableUrl(std::string_view url) {
  return !url.empty() && url.size() <= kMaxUrlBytes &&
         std::all_of(url.begin(), url.end(), [](char c) { return c > ' ' && c < 127; });
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
    case kUnsupportedTransport:
      return ": the camera does not send RTP that way; set transport to tcp or udp";
    default:
      return "";
  }
}

}  // namespace

RtspSession::RtspSession(Options options, const IngestContext& context, Handler& handler)
    : options_(std::move(options)),
      context_(context),
      handler_(handler),
      aggregate_url_(options_.connection.url.text),
      allowance_bytes_(FloodBytes()),
      allowed_us_(context.clock.MonotonicUs()),
      connection_(options_.connection, context, static_cast<RtspConnection::Handler&>(*this)) {}

RtspSession::~RtspSession() {
  if (connection_.session_id().empty() || failure()) return;
  // The answer does not matter: the connection closes behind it.
  connection_.Ask("TEARDOWN", aggregate_url_, {});
}

void RtspSession::OnConnected() {
  state_ = State::kOptions;
  connection_.Ask("OPTIONS", options_.connection.url.text, {});
}

void RtspSession::OnAnswer(const RtspResponse& response) {
  if (IsRedirect(response.status) && state_ < State::kPlay) {
    return OnRedirect(response.Find("Location"));
  }
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

void RtspSession::OnRedirect(std::string_view location) {
  SessionFailure failure;
  failure.cause = GapCause::kCameraFault;
  const auto url = ParseCameraUrl(std::string(location));
  if (!url) {
    failure.detail = "the camera redirects to where nobody can go: " + url.message();
  } else if (url->container) {
    failure.detail = "the camera redirects to " + url->text + ", which is not RTSP";
  } else if (options_.connection.url.tls && !url->tls) {
    failure.detail = "the camera redirects from TLS to an open connection; that is not followed";
  } else {
    failure.detail = "the camera redirects to " + url->text;
    failure.redirect = *url;
  }
  connection_.Fail(std::move(failure));
}

void RtspSession::Refused(const RtspResponse& response) {
  if (response.status == kUnauthorized) return connection_.Fail(connection_.Unauthorized(response));
  Fail(GapCause::kCameraFault, response.text() + std::string(AdviceFor(response.status)));
}

void RtspSession::OnOptions(const RtspResponse& response) {
  if (response.status == kUnauthorized) return Refused(response);
  // A camera that does not know OPTIONS may know the rest.
  get_parameter_ = response.Find("Public").find("GET_PARAMETER") != std::string_view::npos;
  state_ = State::kDescribe;
  connection_.Ask("DESCRIBE", options_.connection.url.text, {{"Accept", "application/sdp"}});
}

void RtspSession::OnDescribe(const RtspResponse& response) {
  const auto sdp = ParseSdp(response.body);
  if (!sdp) return Fail(GapCause::kCameraFault, sdp.message());
  handler_.OnDescription(*sdp);
  std::string base = options_.connection.url.text;
  for (const std::string_view name : {"Content-Location", "Content-Base"}) {
    if (IsUsableUrl(response.Find(name))) base = response.Find(name);
  }
  if (const Status chosen = ChooseTracks(*sdp, base); !chosen) {
    return Fail(GapCause::kCameraFault, chosen.message());
  }
  state_ = State::kSetup;
  if (options_.transport != Transport::kUdp) {
    MediaTransport::Sink& sink = *this;
    transport_ = MakeInterleavedTransport(connection_, options_.connection.url.tls, sink);
  } else if (const Status used = UseUdp(); !used) {
    return Fail(GapCause::kNetwork, used.message());
  }
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
                          fmt::format("the camera offers no {} video{}", kRecordedVideo,
                                      others.empty() ? "" : "; it offers " + others));
  }
  if (options_.audio && !audio) {
    LogWarning("recorder", aggregate_url_ + ": no audio that can be recorded" +
                               (others.empty() ? std::string() : "; it offers " + others));
  }
  tracks_.push_back(std::move(*video));
  if (audio) tracks_.push_back(std::move(*audio));
  const std::string aggregate = ResolveControl(base, sdp.control);
  if (IsUsableUrl(aggregate)) aggregate_url_ = aggregate;
  return Ok();
}

Status RtspSession::UseUdp() {
  LB_TRY_ASSIGN(ends, connection_.endpoints());
  MediaTransport::Sink& sink = *this;
  transport_ = MakeUdpTransport(context_, ends.local, ends.peer, sink);
  return Ok();
}

void RtspSession::SetupNext() {
  if (next_setup_ == tracks_.size()) return Play();
  const auto offer = transport_->Offer(next_setup_);
  if (!offer) return Fail(GapCause::kNetwork, offer.message());
  connection_.Ask("SETUP", tracks_[next_setup_].url, {{"Transport", *offer}});
}

void RtspSession::OnSetup(const RtspResponse& response) {
  const bool may_use_udp =
      options_.transport == Transport::kAuto && !options_.connection.url.tls && next_setup_ == 0;
  if (response.status == kUnsupportedTransport && may_use_udp && transport_->name() != "udp") {
    if (const Status used = UseUdp(); !used) return Fail(GapCause::kNetwork, used.message());
    return SetupNext();
  }
  Status accepted = lookback::Fail(Code::kUnsupported, response.text());
  if (IsSuccess(response.status)) {
    accepted = transport_->Accept(next_setup_, response.Find("Transport"));
  }
  if (accepted) {
    ++next_setup_;
  } else if (tracks_[next_setup_].format.kind == media::TrackKind::kVideo) {
    if (!IsSuccess(response.status)) return Refused(response);
    return Fail(GapCause::kCameraFault, accepted.message());
  } else {
    LogWarning("recorder", aggregate_url_ + ": recorded without audio: " + accepted.message());
    transport_->Withdraw(next_setup_);
    tracks_.pop_back();
  }
  SetupNext();
}

void RtspSession::Play() {
  std::vector<RtpFormat> formats;
  for (const Track& track : tracks_) formats.push_back(track.format);
  handler_.OnReady(formats);
  state_ = State::kPlay;
  transport_->Start();
  connection_.Ask("PLAY", aggregate_url_, {{"Range", "npt=0.000-"}});
}

void RtspSession::OnPlay() {
  state_ = State::kPlaying;
  play_us_ = last_media_us_ = context_.clock.MonotonicUs();
  next_keep_alive_us_ = play_us_ + connection_.session_timeout_us() / 2;
}

void RtspSession::OnKeepAlive(const RtspResponse& response) {
  if (IsSuccess(response.status)) return;
  if (response.status == kSessionNotFound) {
    return Fail(GapCause::kCameraFault, response.text() + ": the camera ended the session");
  }
  // What else it says about keep-alives does not matter while media flows.
  get_parameter_ = false;
}

void RtspSession::OnInterleaved(uint8_t channel, ByteSpan payload, int64_t received_us) {
  if (transport_) transport_->OnInterleaved(channel, payload, received_us);
}

void RtspSession::OnRtp(size_t track, ByteSpan packet, int64_t received_us) {
  if (failure() || state_ < State::kPlay) return;
  any_media_ = true;
  last_media_us_ = std::max(last_media_us_, received_us);
  handler_.OnRtp(track, packet, received_us);
}

void RtspSession::OnRtcp(size_t track, ByteSpan packet, int64_t received_us) {
  if (failure() || state_ < State::kPlay) return;
  last_rtcp_us_ = received_us;
  handler_.OnRtcp(track, packet, received_us);
}

void RtspSession::SendRtcp(size_t track, ByteSpan packet) {
  if (!failure() && transport_) transport_->SendRtcp(track, packet);
}

void RtspSession::Tick() {
  if (failure()) return;
  const int64_t now_us = context_.clock.MonotonicUs();
  if (!on_demand_ && playing() && now_us - play_us_ >= kEventReadUs) {
    on_demand_ = true;
    transport_->ReadOnDemand();
  }
  connection_.Tick(now_us);
  if (transport_ && !failure()) {
    if (const Status read = transport_->Tick(now_us); !read) {
      Fail(GapCause::kNetwork, read.message());
    }
  }
  if (!failure()) CheckFlood(now_us);
  if (!failure()) CheckTimeouts(now_us);
  if (!failure() && playing() && now_us >= next_keep_alive_us_) KeepAlive(now_us);
}

uint64_t RtspSession::received_bytes() const {
  return connection_.received_bytes() + counters().bytes;
}

std::string_view RtspSession::transport_name() const {
  return transport_ ? transport_->name() : std::string_view();
}

TransportCounters RtspSession::counters() const {
  return transport_ ? transport_->counters() : TransportCounters();
}

int64_t RtspSession::FloodBytes() const {
  return static_cast<int64_t>(options_.max_bytes_per_second) * (kFloodUs / kUsPerSecond);
}

void RtspSession::CheckFlood(int64_t now_us) {
  const uint64_t bytes = received_bytes();
  const auto came = static_cast<int64_t>(bytes - counted_bytes_);
  const int64_t elapsed_us = std::min(now_us - allowed_us_, kFloodUs);
  const auto rate = static_cast<int64_t>(options_.max_bytes_per_second);
  allowance_bytes_ += elapsed_us * rate / kUsPerSecond;
  allowance_bytes_ = std::min(allowance_bytes_, FloodBytes()) - came;
  counted_bytes_ = bytes;
  allowed_us_ = now_us;
  if (allowance_bytes_ >= 0) return;
  Fail(GapCause::kCameraFault,
       fmt::format("the camera floods the line: more than {} Mbit/s", rate * 8 / 1'000'000));
}

void RtspSession::CheckTimeouts(int64_t now_us) {
  if (playing()) {
    if (now_us - last_media_us_ < options_.silence_timeout_us) return;
    std::string detail = fmt::format("no RTP for {} s", options_.silence_timeout_us / kUsPerSecond);
    if (const uint64_t foreign = counters().foreign_packets; foreign > 0 && !any_media_) {
      detail += fmt::format("; {} packets came from another address than the camera's", foreign);
    }
    // A line that was cut looks the same as a camera that fell silent; one that never sent, or that
    // still says something else, does not.
    const int64_t heard_us = std::max(connection_.last_received_us(), last_rtcp_us_);
    const bool lives = any_media_ && heard_us - last_media_us_ > options_.silence_timeout_us / 4;
    if (lives) detail += ", though the connection lives";
    return Fail(any_media_ && !lives ? GapCause::kNetwork : GapCause::kCameraFault,
                std::move(detail));
  }
  if (now_us < connection_.deadline_us()) return;
  const int64_t seconds = options_.connection.answer_timeout_us / kUsPerSecond;
  if (state_ == State::kConnecting) {
    return Fail(GapCause::kNetwork, fmt::format("no connection within {} s", seconds));
  }
  const std::string_view method = connection_.waiting_for();
  Fail(GapCause::kCameraFault,
       fmt::format("no answer to {} for {} s", method.empty() ? "RTSP" : method, seconds));
}

void RtspSession::KeepAlive(int64_t now_us) {
  next_keep_alive_us_ = now_us + connection_.session_timeout_us() / 2;
  connection_.Ask(get_parameter_ ? "GET_PARAMETER" : "OPTIONS", aggregate_url_, {});
}

}  // namespace lookback::recorder
