#include "net/http1_session.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"

namespace lookback::net {

Http1Session::Http1Session(HttpConnection& connection)
    : connection_(connection), shared_(connection.shared()) {
  SetDeadline(shared_.options.limits.idle_ms);
}

Http1Session::~Http1Session() {
  CountBody(0);
  if (counted_) --shared_.requests;
}

void Http1Session::SetDeadline(int ms) {
  deadline_ms_ = connection_.now_ms() + static_cast<uint64_t>(ms);
}

void Http1Session::CheckDeadline(uint64_t now_ms) {
  // The handler's time is its own business: it is bounded by what it waits for.
  if (phase_ == Phase::kHandling || deadline_ms_ == UINT64_MAX) return;
  // However little a client takes, as long as it takes something.
  if (phase_ == Phase::kSending && connection_.Moved()) {
    return SetDeadline(shared_.options.limits.stall_ms);
  }
  if (now_ms < deadline_ms_) return;
  if (phase_ == Phase::kReading && parser_.started()) {
    Refuse(TooSlow(shared_.options.limits));
  } else {
    connection_.Close();
  }
}

void Http1Session::Drain() {
  if (phase_ == Phase::kReading && !parser_.started()) connection_.Close();
}

void Http1Session::OnBytes(ByteSpan bytes) {
  pending_.append(AsText(bytes));
  if (phase_ == Phase::kReading) ParseOn();
}

void Http1Session::OnEndOfInput() {
  // A client may close its half after the last request and still read the answer.
  input_ended_ = true;
  if (phase_ == Phase::kReading) connection_.Close();
}

// What is held of bodies that are not whole counts with the server's.
void Http1Session::CountBody(size_t bytes) {
  shared_.body_bytes += bytes;
  shared_.body_bytes -= std::exchange(body_bytes_, bytes);
}

void Http1Session::ParseOn() {
  const bool was_started = parser_.started();
  const size_t used = parser_.Feed(AsBytes(pending_));
  pending_.erase(0, used);
  CountBody(parser_.body_bytes());
  const HttpLimits& limits = shared_.options.limits;
  if (const auto refusal = parser_.refused()) return Refuse(*refusal);
  if (parser_.complete()) return Handle();
  if (shared_.body_bytes > limits.body_bytes) return Refuse(TooManyBodies());
  if (!was_started && parser_.started()) SetDeadline(limits.head_ms);
  if (!head_done_ && parser_.head_complete()) {
    head_done_ = true;
    SetDeadline(limits.body_ms);
  }
  if (parser_.wants_continue() && !continue_sent_) {
    continue_sent_ = true;
    connection_.Write({"HTTP/1.1 100 Continue\r\n\r\n", {}, 0, {}}, [] {});
  }
  if (input_ended_) {
    connection_.Close();
  } else {
    connection_.stream().ReadOn();
  }
}

void Http1Session::Refuse(const Refusal& refusal) {
  keep_ = false;
  // What came of it takes no room any more, and what comes until the answer is out neither.
  connection_.stream().ReadStop();
  pending_ = {};
  (void)parser_.TakeRequest();
  CountBody(0);
  Answer(std::make_shared<HttpResponse>(shared_.Refusal(refusal, connection_.secure())));
}

void Http1Session::Handle() {
  phase_ = Phase::kHandling;
  continue_sent_ = false;
  head_done_ = false;
  connection_.stream().ReadStop();
  auto request = std::make_shared<HttpRequest>(parser_.TakeRequest());
  CountBody(0);
  request->client = connection_.client();
  request->secure = connection_.secure();
  head_request_ = request->method == "HEAD";
  keep_ = parser_.keep_alive() && !shared_.stopping;
  const auto busy = [this] {
    Answer(
        std::make_shared<HttpResponse>(shared_.Refusal(TooManyRequests(), connection_.secure())));
  };
  if (shared_.requests >= shared_.options.limits.requests) return busy();
  ++shared_.requests;
  counted_ = true;
  using Made = std::shared_ptr<HttpResponse>;
  const std::function<Made()> work = [shared = &shared_, request] {
    return std::make_shared<HttpResponse>(shared->Respond(*request));
  };
  if (!connection_.Run<Made>(work, [this](Made response) { Answer(std::move(response)); })) busy();
}

void Http1Session::Answer(std::shared_ptr<HttpResponse> response) {
  phase_ = Phase::kSending;
  if (shared_.stopping) keep_ = false;
  framing_ = Framing::kLength;
  left_bytes_ = static_cast<int64_t>(response->body.size());
  if (response->stream) {
    left_bytes_ = response->stream_bytes;
    if (left_bytes_ < 0) {
      framing_ = parser_.http_1_0() ? Framing::kUntilClose : Framing::kChunked;
      if (framing_ == Framing::kUntilClose) keep_ = false;
    }
  }
  const bool bodiless = head_request_ || IsBodiless(response->status);
  std::string head = FormatHead(*response, framing_, left_bytes_, keep_);
  if (!response->stream && !bodiless) head += response->body;
  const bool stream = response->stream && !bodiless && left_bytes_ != 0;
  Write(std::move(head), 0, {}, [this, response, stream] {
    if (stream) {
      SendPiece(response);
    } else {
      OnAnswered();
    }
  });
}

void Http1Session::SendPiece(std::shared_ptr<HttpResponse> response) {
  // A client that keeps up gets large pieces, which the first one finds out; of what waits for a
  // slow one little is in memory.
  const size_t room = piece_ && connection_.stream().keeps_up() ? kBodyPieceBytes : kSlowPieceBytes;
  if (!piece_ || piece_->size() != room) piece_ = std::make_shared<Bytes>(room);
  const size_t most = framing_ == Framing::kLength
                          ? std::min<size_t>(piece_->size(), static_cast<size_t>(left_bytes_))
                          : piece_->size();
  // The reading itself is the server's time, not the client's.
  deadline_ms_ = UINT64_MAX;
  const std::function<Result<size_t>()> work = [response, piece = piece_, most] {
    return response->stream->Read(std::span(*piece).first(most));
  };
  if (!connection_.Run<Result<size_t>>(work, [this, response](Result<size_t> length) {
        OnPiece(response, std::move(length));
      })) {
    connection_.Close();
  }
}

void Http1Session::OnPiece(const std::shared_ptr<HttpResponse>& response, Result<size_t> length) {
  if (!length || (*length == 0 && framing_ == Framing::kLength)) {
    LogWarning("http", fmt::format("an answer to {} is cut short: {}", connection_.client(),
                                   length ? "its source ended early" : length.message()));
    return connection_.Close();
  }
  const size_t count = *length;
  bool last = count == 0;
  std::string head;
  std::string tail;
  if (framing_ == Framing::kChunked) {
    head = fmt::format("{:x}\r\n", count);
    tail = "\r\n";
  } else if (framing_ == Framing::kLength) {
    left_bytes_ -= static_cast<int64_t>(count);
    last = left_bytes_ == 0;
  }
  Write(std::move(head), count, std::move(tail), [this, response, last] {
    if (last) {
      OnAnswered();
    } else {
      SendPiece(response);
    }
  });
}

void Http1Session::Write(std::string head, size_t piece_bytes, std::string tail,
                         std::function<void()> then) {
  (void)connection_.Moved();
  SetDeadline(shared_.options.limits.stall_ms);
  auto piece = piece_bytes == 0 ? nullptr : piece_;
  connection_.Write({std::move(head), std::move(piece), piece_bytes, std::move(tail)},
                    std::move(then));
}

void Http1Session::OnAnswered() {
  piece_.reset();
  if (std::exchange(counted_, false)) --shared_.requests;
  if (!keep_) return connection_.Linger();
  phase_ = Phase::kReading;
  connection_.OnRequestAnswered();
  SetDeadline(shared_.options.limits.idle_ms);
  ParseOn();
}

}  // namespace lookback::net
