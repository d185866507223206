#include "net/http_connection.h"

#include <fmt/format.h>

#include <algorithm>

#include "net/http1_session.h"
#include "net/http2_session.h"
#include "net/http_finish.h"

namespace lookback::net {
namespace {

// How HTTP/2 opens (RFC 9113 §3.4). Over plain TCP it needs no ALPN: clients know it beforehand.
constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

}  // namespace

HttpResponse HttpShared::Respond(const HttpRequest& request) const {
  HttpResponse response = handler(request);
  FinishResponse(request, response, options.clock);
  return response;
}

HttpResponse HttpShared::Refusal(const net::Refusal& refusal, bool secure) const {
  HttpResponse response = ProblemResponse(refusal);
  AddStandingHeaders(response, secure, options.clock);
  return response;
}

std::shared_ptr<HttpConnection> HttpConnection::Accept(std::shared_ptr<HttpShared> shared,
                                                       uv_stream_t* listener) {
  std::shared_ptr<HttpConnection> connection(new HttpConnection(std::move(shared)));
  HttpShared& all = *connection->shared_;
  connection->stream_ = AcceptedStream::Accept(
      all.loop, listener, all.options.certificate ? all.options.certificate->context() : nullptr,
      all.buffers, *connection);
  if (!connection->stream_) return nullptr;
  connection->client_ = connection->stream_->client();
  connection->secure_ = connection->stream_->secure();
  connection->waiting_turn_ = ++all.turns;
  return connection;
}

void HttpConnection::Start() {
  const HttpLimits& limits = shared_->options.limits;
  // A handshake has to be as quick as a head.
  deadline_ms_ = now_ms() + static_cast<uint64_t>(secure_ ? limits.head_ms : limits.idle_ms);
  stream_->ReadOn();
}

void HttpConnection::OnReady() {
  if (!secure_) return;
  if (stream_->chose_http2()) {
    session_ = std::make_unique<Http2Session>(*this);
  } else {
    session_ = std::make_unique<Http1Session>(*this);
  }
}

void HttpConnection::OnBytes(ByteSpan bytes) {
  const auto self = shared_from_this();
  if (lingering_) return;  // Thrown away.
  if (session_) return session_->OnBytes(bytes);
  early_.append(AsText(bytes));
  const size_t common = std::min(early_.size(), kPreface.size());
  if (early_.compare(0, common, kPreface, 0, common) != 0) {
    session_ = std::make_unique<Http1Session>(*this);
  } else if (early_.size() >= kPreface.size()) {
    session_ = std::make_unique<Http2Session>(*this);
  } else {
    return;  // As short as a "P".
  }
  const std::string first = std::exchange(early_, {});
  session_->OnBytes(AsBytes(first));
}

void HttpConnection::OnEndOfInput() {
  const auto self = shared_from_this();
  input_ended_ = true;
  if (session_ && !lingering_) {
    session_->OnEndOfInput();
  } else {
    Close();
  }
}

void HttpConnection::Refuse(const Refusal& refusal) {
  if (secure_) return Close();
  auto session = std::make_unique<Http1Session>(*this);
  Http1Session& http1 = *session;
  session_ = std::move(session);
  http1.Refuse(refusal);
}

void HttpConnection::Drain() {
  if (session_) {
    session_->Drain();
  } else {
    Close();
  }
}

void HttpConnection::Close() {
  if (closed()) return;
  const auto self = shared_from_this();
  stream_.reset();
  if (shared_->on_closed) shared_->on_closed(this);
}

void HttpConnection::CheckDeadline(uint64_t now) {
  if (closed()) return;
  const bool late = (session_ == nullptr || lingering_) && now >= deadline_ms_;
  if (late || stream_->broken()) return Close();
  if (session_ && !lingering_) session_->CheckDeadline(now);
}

void HttpConnection::Write(AcceptedStream::Parts parts, std::function<void()> then) {
  stream_->Write(std::move(parts), [this, then = std::move(then)] {
    const auto self = shared_from_this();
    then();
  });
}

bool HttpConnection::Moved() {
  const uint64_t acknowledged = stream_->acknowledged_bytes();
  return std::exchange(acknowledged_, acknowledged) != acknowledged;
}

void HttpConnection::Linger() {
  if (input_ended_) return Close();
  // Closing with unread input sends a reset, which may take the answer from the client's hands.
  lingering_ = true;
  deadline_ms_ = now_ms() + uint64_t{kLingerS} * 1000;
  stream_->ShutDown();
  stream_->ReadOn();
}

}  // namespace lookback::net
