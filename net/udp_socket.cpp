#include "net/udp_socket.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/ids.h"

namespace lookback::net {
namespace {

constexpr int kMaxEphemeralTries = 64;  // Of pairs whose second port is taken.

std::string ErrnoText() { return uv_strerror(uv_translate_sys_error(errno)); }

// Room for the one control message that is asked for.
union Control {
  cmsghdr align;
  char bytes[CMSG_SPACE(sizeof(uint32_t))];
};

// A start that differs from try to try, so that a port just given up, to which a camera may still
// send, is not the first to be taken again.
uint32_t RandomStart() {
  std::array<uint8_t, 4> bytes{};
  RandomBytes(bytes);
  return ByteReader(bytes).U32();
}

int GrantedBuffer(int fd) {
  // The forced form goes above net.core.rmem_max, where this process may.
  const int wanted = UdpSocket::kReceiveBufferBytes;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof wanted) != 0) {
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof wanted);
  }
  int granted = 0;
  socklen_t length = sizeof granted;
  (void)getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &granted, &length);
  return granted;
}

}  // namespace

// Freed, with its descriptor, in the close callback.
struct UdpSocket::Cell {
  uv_poll_t handle;
  int fd = -1;
  std::function<void()> readable;
};

UdpSocket::UdpSocket(Loop& loop, int fd, uint16_t port) : cell_(new Cell), fd_(fd), port_(port) {
  LB_CHECK(uv_poll_init(loop.uv(), &cell_->handle, fd) == 0);
  cell_->handle.data = cell_;
  cell_->fd = fd;
  const int on = 1;
  (void)setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
  receive_buffer_bytes_ = GrantedBuffer(fd);
}

UdpSocket::~UdpSocket() {
  uv_close(reinterpret_cast<uv_handle_t*>(&cell_->handle), [](uv_handle_t* handle) {
    auto* cell = static_cast<Cell*>(handle->data);
    ::close(cell->fd);
    delete cell;
  });
}

Result<std::unique_ptr<UdpSocket>> UdpSocket::Open(Loop& loop, const SocketAddress& local) {
  sockaddr_storage native{};
  socklen_t length = static_cast<socklen_t>(local.ToNative(native));
  const int fd = socket(native.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return Fail(Code::kUnavailable, "UDP socket: " + ErrnoText());
  auto* raw = reinterpret_cast<sockaddr*>(&native);
  if (bind(fd, raw, length) != 0 || getsockname(fd, raw, &length) != 0) {
    const std::string why = ErrnoText();
    ::close(fd);
    return Fail(Code::kUnavailable, fmt::format("UDP port {}: {}", local.port, why));
  }
  return std::unique_ptr<UdpSocket>(
      new UdpSocket(loop, fd, SocketAddress::FromNative(native).port));
}

Result<UdpSocket::Pair> UdpSocket::OpenPair(Loop& loop, const SocketAddress& local,
                                            const PortRange& range) {
  const uint32_t first = (range.first + 1u) / 2 * 2;  // Even.
  const uint32_t pairs = range.last > first ? (range.last - first + 1) / 2 : 0;
  const bool any = range.first == 0 && range.last == 0;
  const uint32_t tries = any ? kMaxEphemeralTries : pairs;
  const uint32_t start = RandomStart();
  std::string why = "the range of ports holds no pair";
  for (uint32_t i = 0; i < tries; ++i) {
    const uint32_t port = any ? 0 : first + 2 * ((start + i) % pairs);
    auto one = Open(loop, local.WithPort(static_cast<uint16_t>(port)));
    if (!one) {
      why = one.message();
      continue;
    }
    auto other = Open(loop, local.WithPort((*one)->port() ^ 1u));
    if (!other) {
      why = other.message();
      continue;
    }
    if ((*one)->port() % 2 != 0) std::swap(*one, *other);
    return Pair{std::move(*one), std::move(*other)};
  }
  return Fail(Code::kUnavailable,
              any ? "no pair of UDP ports is free: " + why
                  : fmt::format("no pair of UDP ports from {} to {} is free: {}", range.first,
                                range.last, why));
}

void UdpSocket::ReadOnEvents(std::function<void()> readable) {
  cell_->readable = std::move(readable);
  const auto on_event = [](uv_poll_t* handle, int, int) {
    // A copy: the callee may destroy the socket, and with it the function that runs.
    const auto call = static_cast<Cell*>(handle->data)->readable;
    call();
  };
  LB_CHECK(uv_poll_start(&cell_->handle, UV_READABLE, on_event) == 0);
}

void UdpSocket::ReadOnDemand() { uv_poll_stop(&cell_->handle); }

Result<bool> UdpSocket::Read(std::span<uint8_t> buffer,
                             const std::function<void(const Datagram&)>& take) {
  std::array<mmsghdr, kMaxBatch> messages{};
  std::array<iovec, kMaxBatch> pieces{};
  std::array<sockaddr_storage, kMaxBatch> sources;
  std::array<Control, kMaxBatch> controls;
  const size_t piece_bytes = datagram_bytes_;
  const size_t room = std::min(kMaxBatch, buffer.size() / piece_bytes);
  for (size_t i = 0; i < room; ++i) {
    pieces[i] = {buffer.data() + i * piece_bytes, piece_bytes};
    msghdr& head = messages[i].msg_hdr;
    head.msg_name = &sources[i];
    head.msg_namelen = sizeof sources[i];
    head.msg_iov = &pieces[i];
    head.msg_iovlen = 1;
    head.msg_control = &controls[i];
    head.msg_controllen = sizeof controls[i];
  }
  int count = 0;
  do {
    count = recvmmsg(fd_, messages.data(), static_cast<unsigned>(room), MSG_DONTWAIT, nullptr);
  } while (count < 0 && errno == EINTR);
  if (count < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return false;
    return Fail(Code::kUnavailable, fmt::format("UDP port {}: {}", port_, ErrnoText()));
  }
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    msghdr& head = messages[i].msg_hdr;
    for (cmsghdr* one = CMSG_FIRSTHDR(&head); one; one = CMSG_NXTHDR(&head, one)) {
      if (one->cmsg_level != SOL_SOCKET || one->cmsg_type != SO_RXQ_OVFL) continue;
      uint32_t overflow = 0;
      std::memcpy(&overflow, CMSG_DATA(one), sizeof overflow);
      kernel_drops_ += overflow - last_overflow_;  // The kernel's counter wraps.
      last_overflow_ = overflow;
    }
    if ((head.msg_flags & MSG_TRUNC) != 0) {
      datagram_bytes_ = kMaxDatagramBytes;
      continue;
    }
    take({{buffer.data() + i * piece_bytes, messages[i].msg_len},
          SocketAddress::FromNative(sources[i])});
  }
  return static_cast<size_t>(count) == room;
}

Status UdpSocket::SendTo(const SocketAddress& to, ByteSpan bytes) {
  sockaddr_storage native{};
  const auto length = static_cast<socklen_t>(to.ToNative(native));
  if (sendto(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
             reinterpret_cast<sockaddr*>(&native), length) < 0) {
    return Fail(Code::kUnavailable, "UDP: " + ErrnoText());
  }
  return Ok();
}

}  // namespace lookback::net
