#include "net/tcp_stream.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

namespace lookback::net {
namespace {

constexpr size_t kMaxAddresses = 8;  // Of one host name that are tried.

std::string WhyOf(int uv_status) {
  if (uv_status == UV_EOF) return "the other side closed the connection";
  return uv_strerror(uv_status);
}

struct WriteRequest {
  uv_write_t request;
  std::string bytes;
};

}  // namespace

// The handle of one attempt to connect; freed in its close callback.
struct Socket {
  uv_tcp_t handle;
  uv_connect_t request;
};

struct TcpStream::State {
  Loop* loop = nullptr;
  Handler* handler = nullptr;  // Null once the stream is destroyed.
  std::span<uint8_t> buffer;
  std::vector<sockaddr_storage> addresses;
  size_t next_address = 0;
  uint16_t port = 0;
  std::string host;
  Socket* socket = nullptr;
  int users = 1;  // The stream, the resolver, and each socket that is not closed yet.
  bool connected = false;
  bool resolving = false;
  uv_getaddrinfo_t resolver;

  void Release() {
    if (--users == 0) delete this;
  }

  uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&socket->handle); }

  void CloseSocket() {
    if (!socket) return;
    uv_close(reinterpret_cast<uv_handle_t*>(&socket->handle), [](uv_handle_t* handle) {
      auto* state = static_cast<State*>(handle->data);
      delete reinterpret_cast<Socket*>(handle);
      state->Release();
    });
    socket = nullptr;
  }

  void Fail(const std::string& why) {
    CloseSocket();
    if (handler) std::exchange(handler, nullptr)->OnClosed(Error{Code::kUnavailable, why});
  }

  bool AddNumericAddress();
  void Resolve();
  void TakeAddresses(const addrinfo* list);
  void ConnectNext(const std::string& why_not_the_last);
  void Connected();
};

bool TcpStream::State::AddNumericAddress() {
  sockaddr_storage address{};
  if (uv_ip4_addr(host.c_str(), port, reinterpret_cast<sockaddr_in*>(&address)) != 0 &&
      uv_ip6_addr(host.c_str(), port, reinterpret_cast<sockaddr_in6*>(&address)) != 0) {
    return false;
  }
  addresses.push_back(address);
  return true;
}

void TcpStream::State::Resolve() {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  resolver.data = this;
  const auto done = [](uv_getaddrinfo_t* request, int status, addrinfo* list) {
    auto* state = static_cast<State*>(request->data);
    state->resolving = false;
    if (state->handler) {
      state->TakeAddresses(list);
      state->ConnectNext(status == 0 ? state->host + " has no address"
                                     : fmt::format("the name {} cannot be resolved: {}",
                                                   state->host, uv_strerror(status)));
    }
    uv_freeaddrinfo(list);
    state->Release();
  };
  ++users;
  const int status = uv_getaddrinfo(loop->uv(), &resolver, done, host.c_str(),
                                    std::to_string(port).c_str(), &hints);
  LB_CHECK(status == 0);
  resolving = true;
}

void TcpStream::State::TakeAddresses(const addrinfo* list) {
  for (const addrinfo* one = list; one && addresses.size() < kMaxAddresses; one = one->ai_next) {
    if (one->ai_addrlen > sizeof(sockaddr_storage)) continue;
    sockaddr_storage address{};
    std::memcpy(&address, one->ai_addr, one->ai_addrlen);
    addresses.push_back(address);
  }
}

void TcpStream::State::ConnectNext(const std::string& why_not_the_last) {
  CloseSocket();
  if (next_address == addresses.size()) return Fail(why_not_the_last);
  const auto* address = reinterpret_cast<const sockaddr*>(&addresses[next_address++]);
  socket = new Socket;
  ++users;
  LB_CHECK(uv_tcp_init(loop->uv(), &socket->handle) == 0);
  socket->handle.data = this;
  const auto done = [](uv_connect_t* request, int status) {
    auto* state = static_cast<State*>(request->handle->data);
    // A cancelled attempt is one that was closed: another took its place, or the stream ended.
    if (status == UV_ECANCELED || !state->handler) return;
    if (status != 0) return state->ConnectNext(uv_strerror(status));
    state->Connected();
  };
  const int status = uv_tcp_connect(&socket->request, &socket->handle, address, done);
  if (status != 0) ConnectNext(uv_strerror(status));
}

void TcpStream::State::Connected() {
  connected = true;
  uv_tcp_nodelay(&socket->handle, 1);
  uv_os_fd_t fd = -1;
  if (uv_fileno(reinterpret_cast<uv_handle_t*>(&socket->handle), &fd) == 0) {
    // Asking for a low-water mark makes the kernel grow the receive buffer to hold it, without the
    // limit of net.core.rmem_max and without ending its automatic tuning as SO_RCVBUF does. The
    // buffer stays when the mark goes. Failing costs only room.
    const int room = kReceiveWindowBytes;
    const int any = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &room, sizeof room);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &any, sizeof any);
  }
  const auto give_buffer = [](uv_handle_t* handle, size_t, uv_buf_t* out) {
    const auto room = static_cast<State*>(handle->data)->buffer;
    *out = uv_buf_init(reinterpret_cast<char*>(room.data()), static_cast<unsigned>(room.size()));
  };
  const auto take = [](uv_stream_t* stream, ssize_t count, const uv_buf_t* in) {
    auto* state = static_cast<State*>(stream->data);
    if (!state->handler || count == 0) return;
    if (count < 0) return state->Fail(WhyOf(static_cast<int>(count)));
    state->handler->OnBytes(AsBytes({in->base, static_cast<size_t>(count)}));
  };
  const int status = uv_read_start(stream(), give_buffer, take);
  if (status != 0) return Fail(uv_strerror(status));
  handler->OnConnected();
}

TcpStream::TcpStream(Loop& loop, const std::string& host, uint16_t port, std::span<uint8_t> buffer,
                     Handler& handler)
    : state_(new State) {
  state_->loop = &loop;
  state_->handler = &handler;
  state_->buffer = buffer;
  state_->port = port;
  state_->host = host;
  if (state_->AddNumericAddress()) {
    state_->ConnectNext("");
  } else {
    state_->Resolve();
  }
}

TcpStream::~TcpStream() {
  state_->handler = nullptr;
  // Fails harmlessly when a thread of the pool is at it already.
  if (state_->resolving) uv_cancel(reinterpret_cast<uv_req_t*>(&state_->resolver));
  state_->CloseSocket();
  state_->Release();
}

Status TcpStream::Write(std::string bytes) {
  if (!state_->socket || !state_->connected) {
    return Fail(Code::kUnavailable, "the connection is closed");
  }
  if (uv_stream_get_write_queue_size(state_->stream()) + bytes.size() > kMaxUnsentBytes) {
    return Fail(Code::kUnavailable, "the other side does not read what is sent to it");
  }
  auto* write = new WriteRequest{{}, std::move(bytes)};
  write->request.data = write;
  const uv_buf_t out = uv_buf_init(write->bytes.data(), static_cast<unsigned>(write->bytes.size()));
  const int status =
      uv_write(&write->request, state_->stream(), &out, 1,
               [](uv_write_t* request, int) { delete static_cast<WriteRequest*>(request->data); });
  if (status == 0) return Ok();
  delete write;
  return Fail(Code::kUnavailable, uv_strerror(status));
}

void TcpStream::ReadOnDemand() {
  if (state_->socket && state_->connected) uv_read_stop(state_->stream());
}

Result<size_t> TcpStream::Read(std::span<uint8_t> buffer) {
  uv_os_fd_t fd = -1;
  if (!state_->socket ||
      uv_fileno(reinterpret_cast<uv_handle_t*>(&state_->socket->handle), &fd) != 0) {
    return Fail(Code::kUnavailable, "the connection is closed");
  }
  ssize_t count = 0;
  do {
    count = ::read(fd, buffer.data(), buffer.size());
  } while (count < 0 && errno == EINTR);
  if (count > 0) return static_cast<size_t>(count);
  if (count == 0) return Fail(Code::kUnavailable, WhyOf(UV_EOF));
  if (errno == EAGAIN || errno == EWOULDBLOCK) return size_t{0};
  return Fail(Code::kUnavailable, uv_strerror(uv_translate_sys_error(errno)));
}

Result<Stream::Endpoints> TcpStream::endpoints() const {
  uv_os_fd_t fd = -1;
  if (!state_->socket ||
      uv_fileno(reinterpret_cast<uv_handle_t*>(&state_->socket->handle), &fd) != 0) {
    return Fail(Code::kUnavailable, "the connection is closed");
  }
  sockaddr_storage local{};
  sockaddr_storage peer{};
  socklen_t local_length = sizeof local;
  socklen_t peer_length = sizeof peer;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&local), &local_length) != 0 ||
      getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &peer_length) != 0) {
    return Fail(Code::kUnavailable, uv_strerror(uv_translate_sys_error(errno)));
  }
  return Endpoints{SocketAddress::FromNative(local), SocketAddress::FromNative(peer)};
}

}  // namespace lookback::net
