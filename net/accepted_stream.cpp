#include "net/accepted_stream.h"

#include <fmt/format.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/sslerr.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <vector>

#include "base/result.h"

namespace lookback::net {
namespace {

constexpr size_t kRecordBytes = 16 << 10;    // Of plain bytes in a TLS record, at most.
constexpr size_t kRecordOverheadBytes = 64;  // What encryption adds to one, at most.
constexpr std::string_view kThisIsTls =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    "This port speaks TLS: ask with https://\n";

uv_buf_t BufferOf(char* bytes, size_t count) {
  return uv_buf_init(bytes, static_cast<unsigned>(count));
}

void LimitUnsent(const uv_tcp_t& handle) {
  uv_os_fd_t fd = -1;
  if (uv_fileno(reinterpret_cast<const uv_handle_t*>(&handle), &fd) != 0) return;
  (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kMaxUnsentBytes, sizeof kMaxUnsentBytes);
}

}  // namespace

struct AcceptedStream::Cell {
  uv_tcp_t handle{};
  AcceptedStream* owner = nullptr;  // Null once the stream is destroyed.

  uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&handle); }
};

// OpenSSL between two ends of memory: what came is read from `in`, what is to go gathers in `out`.
struct AcceptedStream::Session {
  ByteSpan in;
  std::string out;
  std::shared_ptr<SSL_CTX> context;
  SSL* ssl;

  explicit Session(const std::shared_ptr<SSL_CTX>& tls) : context(tls), ssl(SSL_new(tls.get())) {
    LB_CHECK(ssl != nullptr);
    BIO* bio = BIO_new(Method());
    LB_CHECK(bio != nullptr);
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);  // Owns it.
    SSL_set_accept_state(ssl);
  }
  ~Session() { SSL_free(ssl); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  static Session& Of(BIO* bio) { return *static_cast<Session*>(BIO_get_data(bio)); }

  static const BIO_METHOD* Method() {
    static const BIO_METHOD* const kMethod = [] {
      BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "memory");
      LB_CHECK(method != nullptr);
      BIO_meth_set_read(method, [](BIO* bio, char* into, int size) {
        Session& session = Of(bio);
        BIO_clear_retry_flags(bio);
        if (session.in.empty()) {
          BIO_set_retry_read(bio);
          return -1;
        }
        const size_t count = std::min(session.in.size(), static_cast<size_t>(size));
        std::copy_n(session.in.begin(), count, into);
        session.in = session.in.subspan(count);
        return static_cast<int>(count);
      });
      BIO_meth_set_write(method, [](BIO* bio, const char* bytes, int size) {
        BIO_clear_retry_flags(bio);
        Of(bio).out.append(bytes, static_cast<size_t>(size));
        return size;
      });
      BIO_meth_set_ctrl(method, [](BIO*, int command, long, void*) -> long {
        return command == BIO_CTRL_FLUSH ? 1 : 0;
      });
      return method;
    }();
    return kMethod;
  }

  bool Encrypt(const char* bytes, size_t count) {
    size_t written = 0;
    ERR_clear_error();
    return count == 0 || SSL_write_ex(ssl, bytes, count, &written) == 1;
  }
};

// Owns the bytes while they are written.
struct AcceptedStream::WriteRequest {
  uv_write_t request{};
  Cell* cell = nullptr;  // Its handle is closed, and it freed, after every write came back.
  Parts parts;
  std::function<void()> then;
};

AcceptedStream::AcceptedStream(Loop& loop, Buffers& buffers, Handler& handler)
    : buffers_(buffers), handler_(handler), cell_(new Cell) {
  LB_CHECK(uv_tcp_init(loop.uv(), &cell_->handle) == 0);
  cell_->handle.data = cell_;
  cell_->owner = this;
}

AcceptedStream::~AcceptedStream() {
  if (session_ && ready_ && !broken_) {
    // Tells the client that nothing was cut off; what does not fit into the kernel is let go.
    SSL_shutdown(session_->ssl);
    uv_buf_t buffer = BufferOf(session_->out.data(), session_->out.size());
    if (!session_->out.empty()) (void)uv_try_write(cell_->stream(), &buffer, 1);
  }
  cell_->owner = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&cell_->handle),
           [](uv_handle_t* handle) { delete static_cast<Cell*>(handle->data); });
}

std::unique_ptr<AcceptedStream> AcceptedStream::Accept(Loop& loop, uv_stream_t* listener,
                                                       const std::shared_ptr<SSL_CTX>& tls,
                                                       Buffers& buffers, Handler& handler) {
  std::unique_ptr<AcceptedStream> stream(new AcceptedStream(loop, buffers, handler));
  if (uv_accept(listener, stream->cell_->stream()) != 0) return nullptr;
  uv_tcp_nodelay(&stream->cell_->handle, 1);
  LimitUnsent(stream->cell_->handle);
  if (tls) stream->session_ = std::make_unique<Session>(tls);
  return stream;
}

void AcceptedStream::ReadOn() {
  if (!session_ && !ready_) {
    ready_ = true;
    handler_.OnReady();
  }
  const auto allocate = [](uv_handle_t* handle, size_t, uv_buf_t* buffer) {
    const auto* cell = static_cast<Cell*>(handle->data);
    if (cell->owner == nullptr) return;
    auto& input = cell->owner->buffers_.input;
    *buffer = BufferOf(input.data(), input.size());
  };
  const auto on_read = [](uv_stream_t* stream, ssize_t length, const uv_buf_t* buffer) {
    AcceptedStream* owner = static_cast<Cell*>(stream->data)->owner;
    if (owner == nullptr || length == 0) return;
    if (length == UV_EOF) {
      uv_read_stop(stream);
      owner->handler_.OnEndOfInput();
    } else if (length < 0) {
      owner->broken_ = true;
      owner->handler_.OnBroken();
    } else {
      owner->OnInput(AsBytes(std::string_view(buffer->base, static_cast<size_t>(length))));
    }
  };
  (void)uv_read_start(cell_->stream(), allocate, on_read);  // UV_EALREADY: it reads already.
}

void AcceptedStream::ReadStop() { uv_read_stop(cell_->stream()); }

void AcceptedStream::OnInput(ByteSpan bytes) {
  if (!session_) return handler_.OnBytes(bytes);
  Cell* const cell = cell_;  // The handler may destroy the stream; the cell lives to the close.
  session_->in = bytes;
  if (!ready_ && !Shake()) return;
  while (cell->owner == this && !broken_) {
    ERR_clear_error();
    size_t count = 0;
    const int done =
        SSL_read_ex(session_->ssl, buffers_.plain.data(), buffers_.plain.size(), &count);
    const int why = done == 1 ? SSL_ERROR_NONE : SSL_get_error(session_->ssl, done);
    if (!session_->out.empty()) Send({std::exchange(session_->out, {}), {}, 0, {}}, nullptr);
    if (why == SSL_ERROR_NONE) {
      handler_.OnBytes(ByteSpan(buffers_.plain).first(count));
    } else if (why == SSL_ERROR_ZERO_RETURN) {
      ReadStop();
      return handler_.OnEndOfInput();
    } else if (why == SSL_ERROR_WANT_READ) {
      return;
    } else {
      broken_ = true;
      return handler_.OnBroken();
    }
  }
}

// True once hands are shaken and the handler, told of it, has not closed the stream.
bool AcceptedStream::Shake() {
  Cell* const cell = cell_;
  ERR_clear_error();
  const int done = SSL_do_handshake(session_->ssl);
  const int why = done == 1 ? SSL_ERROR_NONE : SSL_get_error(session_->ssl, done);
  const bool plain_http =
      why == SSL_ERROR_SSL && ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST;
  if (plain_http) {
    SayThatThisIsTls();
    return false;
  }
  if (!session_->out.empty()) Send({std::exchange(session_->out, {}), {}, 0, {}}, nullptr);
  if (why == SSL_ERROR_WANT_READ) return false;
  if (why != SSL_ERROR_NONE) {
    broken_ = true;
    handler_.OnBroken();
    return false;
  }
  ready_ = true;
  handler_.OnReady();
  return cell->owner == this;
}

void AcceptedStream::SayThatThisIsTls() {
  Send({std::string(kThisIsTls), {}, 0, {}}, [this] {
    broken_ = true;
    handler_.OnBroken();
  });
}

void AcceptedStream::Write(Parts parts, std::function<void()> then) {
  if (!session_) return Send(std::move(parts), std::move(then));
  const size_t plain = parts.head.size() + parts.piece_bytes + parts.tail.size();
  session_->out.reserve(plain + (plain / kRecordBytes + 3) * kRecordOverheadBytes);
  const char* piece = parts.piece ? reinterpret_cast<const char*>(parts.piece->data()) : nullptr;
  if (!session_->Encrypt(parts.head.data(), parts.head.size()) ||
      !session_->Encrypt(piece, parts.piece_bytes) ||
      !session_->Encrypt(parts.tail.data(), parts.tail.size())) {
    broken_ = true;
    return;
  }
  // The piece may be filled anew as soon as this returns.
  Send({std::exchange(session_->out, {}), {}, 0, {}}, std::move(then));
}

void AcceptedStream::Send(Parts parts, std::function<void()> then) {
  auto* write = new WriteRequest;
  write->request.data = write;
  write->cell = cell_;
  write->parts = std::move(parts);
  write->then = std::move(then);
  Parts& out = write->parts;
  char* piece = out.piece ? reinterpret_cast<char*>(out.piece->data()) : nullptr;
  const std::array buffers = {BufferOf(out.head.data(), out.head.size()),
                              BufferOf(piece, out.piece_bytes),
                              BufferOf(out.tail.data(), out.tail.size())};
  sent_bytes_ += out.head.size() + out.piece_bytes + out.tail.size();
  const auto on_written = [](uv_write_t* request, int status) {
    const std::unique_ptr<WriteRequest> done(static_cast<WriteRequest*>(request->data));
    AcceptedStream* owner = done->cell->owner;
    if (owner == nullptr) return;
    if (status != 0) {
      owner->broken_ = true;
      owner->handler_.OnBroken();
    } else if (done->then) {
      done->then();
    }
  };
  if (uv_write(&write->request, cell_->stream(), buffers.data(),
               static_cast<unsigned>(buffers.size()), on_written) != 0) {
    delete write;
    broken_ = true;
  }
}

void AcceptedStream::ShutDown() {
  if (session_ && ready_) {
    SSL_shutdown(session_->ssl);
    if (!session_->out.empty()) Send({std::exchange(session_->out, {}), {}, 0, {}}, nullptr);
  }
  auto* request = new uv_shutdown_t;
  const auto on_shut = [](uv_shutdown_t* done, int) { delete done; };
  if (uv_shutdown(request, cell_->stream(), on_shut) != 0) {
    delete request;
    broken_ = true;
  }
}

bool AcceptedStream::secure() const { return session_ != nullptr; }

bool AcceptedStream::chose_http2() const {
  if (!session_) return false;
  const unsigned char* name = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(session_->ssl, &name, &length);
  return std::string_view(reinterpret_cast<const char*>(name), length) == "h2";
}

std::string AcceptedStream::client() const {
  sockaddr_storage address{};
  int length = sizeof address;
  if (uv_tcp_getpeername(&cell_->handle, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return "?";
  }
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

uint64_t AcceptedStream::acknowledged_bytes() const {
  uv_os_fd_t fd = -1;
  int kernel = 0;
  if (uv_fileno(reinterpret_cast<uv_handle_t*>(&cell_->handle), &fd) != 0) return 0;
  if (ioctl(fd, SIOCOUTQ, &kernel) != 0) return 0;
  const uint64_t waiting =
      uv_stream_get_write_queue_size(cell_->stream()) + static_cast<uint64_t>(kernel);
  return sent_bytes_ > waiting ? sent_bytes_ - waiting : 0;
}

bool AcceptedStream::keeps_up() const {
  uv_os_fd_t fd = -1;
  int unsent = 0;
  if (uv_fileno(reinterpret_cast<uv_handle_t*>(&cell_->handle), &fd) != 0) return false;
  return ioctl(fd, SIOCOUTQNSD, &unsent) == 0 && unsent <= kLittleUnsentBytes;
}

}  // namespace lookback::net
