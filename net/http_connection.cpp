#include "net/http_connection.h"

#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>

#include "base/log.h"

namespace lookback::net {
namespace {

// Owns the bytes while they are written.
struct WriteRequest {
  uv_write_t request{};
  std::shared_ptr<HttpConnection> connection;
  std::string head;
  std::shared_ptr<Bytes> piece;
  std::string tail;
  std::function<void()> then;
};

std::string PeerName(const uv_tcp_t* handle) {
  sockaddr_storage address{};
  int length = sizeof address;
  if (uv_tcp_getpeername(handle, reinterpret_cast<sockaddr*>(&address), &length) != 0) return "?";
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
    uv_ip6_name(v6, text.data(), text.size());
    return fmt::format("[{}]:{}", text.data(), ntohs(v6->sin6_port));
  }
  const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
  uv_ip4_name(v4, text.data(), text.size());
  return fmt::format("{}:{}", text.data(), ntohs(v4->sin_port));
}

bool IsBodiless(int status) { return status == 204 || status == 304; }

}  // namespace

struct HttpConnection::Cell {
  uv_tcp_t handle;
  HttpConnection* owner = nullptr;  // Null once the connection let go.
  std::array<char, kReadBytes> input;
};

HttpConnection::HttpConnection(std::shared_ptr<Shared> shared)
    : shared_(std::move(shared)), cell_(new Cell) {
  LB_CHECK(uv_tcp_init(shared_->loop.uv(), &cell_->handle) == 0);
  cell_->handle.data = cell_;
  cell_->owner = this;
}

HttpConnection::~HttpConnection() { Close(); }

std::shared_ptr<HttpConnection> HttpConnection::Accept(std::shared_ptr<Shared> shared,
                                                       uv_stream_t* listener) {
  std::shared_ptr<HttpConnection> connection(new HttpConnection(std::move(shared)));
  auto* stream = reinterpret_cast<uv_stream_t*>(&connection->cell_->handle);
  if (uv_accept(listener, stream) != 0) return nullptr;
  uv_tcp_nodelay(&connection->cell_->handle, 1);
  connection->client_ = PeerName(&connection->cell_->handle);
  return connection;
}

void HttpConnection::Start() {
  SetDeadline(kIdleTimeoutS);
  ReadOn();
}

void HttpConnection::Close() {
  if (phase_ == Phase::kClosed) return;
  phase_ = Phase::kClosed;
  cell_->owner = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&cell_->handle),
           [](uv_handle_t* handle) { delete static_cast<Cell*>(handle->data); });
  if (shared_->on_closed) shared_->on_closed(this);
}

void HttpConnection::CloseIfIdle() {
  if (phase_ == Phase::kReading && !parser_.started()) Close();
}

void HttpConnection::SetDeadline(int seconds) {
  deadline_ms_ = uv_now(shared_->loop.uv()) + static_cast<uint64_t>(seconds) * 1000;
}

void HttpConnection::CheckDeadline(uint64_t now_ms) {
  // The handler's time is its own business: it is bounded by what it waits for.
  if (phase_ != Phase::kHandling && now_ms >= deadline_ms_) Close();
}

void HttpConnection::ReadOn() {
  const auto allocate = [](uv_handle_t* handle, size_t, uv_buf_t* buffer) {
    auto* cell = static_cast<Cell*>(handle->data);
    *buffer = uv_buf_init(cell->input.data(), static_cast<unsigned>(cell->input.size()));
  };
  const auto on_read = [](uv_stream_t* stream, ssize_t length, const uv_buf_t* buffer) {
    auto* cell = static_cast<Cell*>(stream->data);
    if (cell->owner == nullptr || length == 0) return;
    const auto self = cell->owner->shared_from_this();
    if (length == UV_EOF) {
      self->OnEndOfInput();
    } else if (length < 0) {
      self->Close();
    } else {
      self->OnBytes(AsBytes(std::string_view(buffer->base, static_cast<size_t>(length))));
    }
  };
  // UV_EALREADY: it reads already.
  (void)uv_read_start(reinterpret_cast<uv_stream_t*>(&cell_->handle), allocate, on_read);
}

void HttpConnection::OnBytes(ByteSpan bytes) {
  if (phase_ != Phase::kReading) return;  // Lingering: what comes is thrown away.
  pending_.append(AsText(bytes));
  ParseOn();
}

void HttpConnection::OnEndOfInput() {
  // A client may close its half after the last request and still read the answer.
  input_ended_ = true;
  uv_read_stop(reinterpret_cast<uv_stream_t*>(&cell_->handle));
  if (phase_ == Phase::kReading || phase_ == Phase::kLingering) Close();
}

void HttpConnection::ParseOn() {
  const bool was_started = parser_.started();
  const size_t used = parser_.Feed(AsBytes(pending_));
  pending_.erase(0, used);
  if (const auto refusal = parser_.refused()) {
    Refuse(*refusal);
  } else if (parser_.complete()) {
    Handle();
  } else {
    if (!was_started && parser_.started()) SetDeadline(kRequestTimeoutS);
    if (parser_.wants_continue() && !continue_sent_) {
      continue_sent_ = true;
      Write("HTTP/1.1 100 Continue\r\n\r\n", 0, {}, [] {});
      if (phase_ == Phase::kClosed) return;
    }
    if (input_ended_) {
      Close();
    } else {
      ReadOn();
    }
  }
}

void HttpConnection::Refuse(const Refusal& refusal) {
  keep_ = false;
  pending_.clear();
  Answer(std::make_shared<HttpResponse>(ProblemResponse(refusal)));
}

void HttpConnection::Handle() {
  phase_ = Phase::kHandling;
  continue_sent_ = false;
  uv_read_stop(reinterpret_cast<uv_stream_t*>(&cell_->handle));
  auto request = std::make_shared<HttpRequest>(parser_.TakeRequest());
  request->client = client_;
  head_request_ = request->method == "HEAD";
  keep_ = parser_.keep_alive() && !shared_->stopping;
  const auto work = [weak = weak_from_this(), shared = shared_, request] {
    auto response = std::make_shared<HttpResponse>(shared->handler(*request));
    shared->loop.Post([weak, response] {
      const auto self = weak.lock();
      if (self && self->phase_ == Phase::kHandling) self->Answer(response);
    });
  };
  if (!shared_->pool.Post(work)) {
    Answer(std::make_shared<HttpResponse>(
        ProblemResponse({503, "busy", "the server is stopping or has too many requests"})));
  }
}

void HttpConnection::Answer(std::shared_ptr<HttpResponse> response) {
  phase_ = Phase::kSending;
  if (shared_->stopping) keep_ = false;
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

void HttpConnection::SendPiece(std::shared_ptr<HttpResponse> response) {
  if (!piece_) piece_ = std::make_shared<Bytes>(kBodyPieceBytes);
  const size_t most = framing_ == Framing::kLength
                          ? std::min<size_t>(piece_->size(), static_cast<size_t>(left_bytes_))
                          : piece_->size();
  const auto work = [weak = weak_from_this(), shared = shared_, response, piece = piece_, most] {
    Result<size_t> length = response->stream->Read(std::span(*piece).first(most));
    shared->loop.Post([weak, response, length] {
      const auto self = weak.lock();
      if (self && self->phase_ == Phase::kSending) self->OnPiece(response, length);
    });
  };
  // The reading itself is the server's time, not the client's.
  deadline_ms_ = UINT64_MAX;
  if (!shared_->pool.Post(work)) Close();
}

void HttpConnection::OnPiece(const std::shared_ptr<HttpResponse>& response, Result<size_t> length) {
  if (!length || (*length == 0 && framing_ == Framing::kLength)) {
    LogWarning("http", fmt::format("an answer to {} is cut short: {}", client_,
                                   length ? "its source ended early" : length.message()));
    Close();
    return;
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

void HttpConnection::Write(std::string head, size_t piece_bytes, std::string tail,
                           std::function<void()> then) {
  SetDeadline(kIdleTimeoutS);
  auto* write = new WriteRequest;
  write->request.data = write;
  write->connection = shared_from_this();
  write->head = std::move(head);
  write->piece = piece_;
  write->tail = std::move(tail);
  write->then = std::move(then);
  const auto size = [](size_t bytes) { return static_cast<unsigned>(bytes); };
  char* piece = piece_ ? reinterpret_cast<char*>(piece_->data()) : nullptr;
  const std::array buffers = {uv_buf_init(write->head.data(), size(write->head.size())),
                              uv_buf_init(piece, size(piece_bytes)),
                              uv_buf_init(write->tail.data(), size(write->tail.size()))};
  const auto on_written = [](uv_write_t* request, int status) {
    const std::unique_ptr<WriteRequest> done(static_cast<WriteRequest*>(request->data));
    HttpConnection& connection = *done->connection;
    if (connection.phase_ == Phase::kClosed) return;
    if (status != 0) {
      connection.Close();
    } else {
      done->then();
    }
  };
  const int status = uv_write(&write->request, reinterpret_cast<uv_stream_t*>(&cell_->handle),
                              buffers.data(), static_cast<unsigned>(buffers.size()), on_written);
  if (status != 0) {
    delete write;
    Close();
  }
}

void HttpConnection::OnAnswered() {
  piece_.reset();
  if (!keep_) {
    Linger();
    return;
  }
  phase_ = Phase::kReading;
  SetDeadline(kIdleTimeoutS);
  ParseOn();
}

void HttpConnection::Linger() {
  if (input_ended_) {
    Close();
    return;
  }
  // Closing with unread input sends a reset, which may take the answer from the client's hands.
  phase_ = Phase::kLingering;
  SetDeadline(kLingerS);
  auto* request = new uv_shutdown_t;
  const int status = uv_shutdown(request, reinterpret_cast<uv_stream_t*>(&cell_->handle),
                                 [](uv_shutdown_t* done, int) { delete done; });
  if (status != 0) {
    delete request;
    Close();
    return;
  }
  ReadOn();
}

}  // namespace lookback::net
