#include "recorder/rtsp_connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/ids.h"
#include "net/tcp_stream.h"
#include "net/tls_stream.h"

namespace lookback::recorder {
namespace {

using index::GapCause;

constexpr int64_t kMinTimeoutUs = 4 * kUsPerSecond;  // Of what a server asks keep-alives for.
constexpr int64_t kMaxTimeoutUs = 10 * kUsPerMinute;
constexpr size_t kMaxSessionIdBytes = 256;
constexpr size_t kCnonceBytes = 8;

std::string MakeCnonce() {
  std::array<uint8_t, kCnonceBytes> bytes{};
  RandomBytes(bytes);
  return HexEncode(bytes);
}

}  // namespace

RtspConnection::RtspConnection(Options options, const IngestContext& context, Handler& handler)
    : options_(std::move(options)),
      context_(context),
      handler_(handler),
      auth_(options_.user, options_.password, MakeCnonce),
      deadline_us_(context.clock.MonotonicUs() + options_.answer_timeout_us) {
  net::Stream::Handler& events = *this;
  const CameraUrl& url = options_.url;
  if (url.tls) {
    stream_ = std::make_unique<net::TlsStream>(context_.loop, url.host, url.port, options_.tls,
                                               context_.buffer, events);
  } else {
    stream_ = std::make_unique<net::TcpStream>(context_.loop, url.host, url.port, context_.buffer,
                                               events);
  }
}

RtspConnection::~RtspConnection() = default;

void RtspConnection::Fail(SessionFailure failure) {
  if (!failure_) failure_ = std::move(failure);
}

void RtspConnection::OnConnected() {
  if (!failure_) handler_.OnConnected();
}

void RtspConnection::OnBytes(ByteSpan bytes) { Take(bytes, context_.clock.MonotonicUs()); }

void RtspConnection::OnClosed(const Error& error) {
  // A refused certificate is no matter of cables.
  Fail(error.code == Code::kDenied ? GapCause::kCameraFault : GapCause::kNetwork, error.message);
}

void RtspConnection::Take(ByteSpan bytes, int64_t received_us) {
  if (failure_) return;
  if (!bytes.empty()) received_us_ = received_us;
  received_bytes_ += bytes.size();
  if (const Status fed = reader_.Feed(bytes, *this); !fed) {
    Fail(GapCause::kCameraFault, fed.message());
  }
}

void RtspConnection::ReadOnDemand() {
  on_demand_ = true;
  stream_->ReadOnDemand();
}

void RtspConnection::Tick(int64_t now_us) {
  if (!on_demand_) return;
  for (size_t total = 0; total < kMaxReadPerTickBytes && !failure_;) {
    const auto count = stream_->Read(context_.buffer);
    if (!count) return OnClosed(count.error());
    Take(context_.buffer.first(*count), now_us);
    total += *count;
    if (*count < context_.buffer.size()) return;  // That was all.
  }
}

void RtspConnection::Ask(std::string method, const std::string& url,
                         std::vector<RtspHeader> headers) {
  pending_ = Request{std::move(method), url, std::move(headers), 0, false};
  SendPending();
}

void RtspConnection::SendPending() {
  Request& request = *pending_;
  request.cseq = ++cseq_;
  std::vector<RtspHeader> headers = request.headers;
  headers.push_back({"User-Agent", "Lookback"});
  if (!session_id_.empty()) headers.push_back({"Session", session_id_});
  if (std::string value = auth_.Authorize(request.method, request.url); !value.empty()) {
    headers.push_back({"Authorization", std::move(value)});
  }
  deadline_us_ = context_.clock.MonotonicUs() + options_.answer_timeout_us;
  Send(WriteRtspRequest(request.method, request.url, request.cseq, headers));
}

void RtspConnection::Send(std::string bytes) {
  if (const Status sent = stream_->Write(std::move(bytes)); !sent) {
    Fail(GapCause::kNetwork, sent.message());
  }
}

void RtspConnection::SendInterleaved(uint8_t channel, ByteSpan packet) {
  if (failure_ || packet.size() > UINT16_MAX) return;
  std::string frame = {'$', static_cast<char>(channel), static_cast<char>(packet.size() >> 8),
                       static_cast<char>(packet.size())};
  frame += AsText(packet);
  Send(std::move(frame));
}

void RtspConnection::OnRequest(RtspRequest request) {
  uint64_t cseq = 0;
  if (failure_ || !ParseDecimal(request.Find("CSeq"), UINT32_MAX, cseq)) return;
  const std::string_view location = request.Find("Location");
  const bool redirect = EqualsIgnoringCase(request.method, "REDIRECT");
  std::string_view answer = "501 Not Implemented";
  if (EqualsIgnoringCase(request.method, "OPTIONS")) answer = "200 OK";
  if (redirect) answer = location.empty() ? "400 Bad Request" : "200 OK";
  Send(fmt::format("RTSP/1.0 {}\r\nCSeq: {}\r\n\r\n", answer, cseq));
  if (redirect && !location.empty() && !failure_) handler_.OnRedirect(location);
}

void RtspConnection::OnResponse(RtspResponse response) {
  if (failure_ || !pending_) return;
  // Some cameras leave CSeq out; one that names an older request is a late answer.
  uint64_t cseq = 0;
  if (ParseDecimal(response.Find("CSeq"), UINT32_MAX, cseq) && cseq != pending_->cseq) return;
  if (response.status < 200) return;  // 100 Continue: the answer is still to come.
  if (response.status == kUnauthorized && AnswerChallenge(response)) return;
  pending_.reset();
  TakeSessionHeader(response.Find("Session"));
  handler_.OnAnswer(response);
}

void RtspConnection::OnInterleaved(uint8_t channel, ByteSpan payload) {
  if (!failure_) handler_.OnInterleaved(channel, payload, received_us_);
}

// True when the request was sent again.
bool RtspConnection::AnswerChallenge(const RtspResponse& response) {
  // A nonce grows old at any time, so that once a request may be refused, and not twice.
  if (pending_->authorized_again || !auth_.Challenge(response.FindAll("WWW-Authenticate"))) {
    return false;
  }
  pending_->authorized_again = true;
  SendPending();
  return true;
}

SessionFailure RtspConnection::Unauthorized(const RtspResponse& response) {
  std::string detail = response.text();
  if (const Status again = auth_.Challenge(response.FindAll("WWW-Authenticate")); !again) {
    detail += ": " + again.message();
  } else {
    detail += ": check user and password";
  }
  return {GapCause::kCameraFault, std::move(detail), true, std::nullopt};
}

void RtspConnection::TakeSessionHeader(std::string_view value) {
  if (value.empty()) return;
  const std::string_view id = TrimSpace(value.substr(0, value.find(';')));
  if (!id.empty() && id.size() <= kMaxSessionIdBytes) session_id_ = id;
  uint64_t seconds = 0;
  if (ParseDecimal(ParameterOf(value, "timeout"), kMaxTimeoutUs / kUsPerSecond, seconds)) {
    timeout_us_ = std::max(static_cast<int64_t>(seconds) * kUsPerSecond, kMinTimeoutUs);
  }
}

}  // namespace lookback::recorder
