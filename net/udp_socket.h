// net/udp_socket.h: one bound UDP socket that takes datagrams in batches.
//
// As with streams, arrivals wake the loop until ReadOnDemand(); after it the owner calls Read() on
// its own tick, and one system call takes up to kMaxBatch datagrams.
//
// Invariant: the callback is not called after the socket is destroyed, and none but from the loop.
// Threads:   the loop's.
// Errors:    kUnavailable when no port is free or the kernel refuses.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"
#include "net/loop.h"
#include "net/socket_address.h"

namespace lookback::net {

// Ports that may be used, both ends included; 0-0: any that the kernel has.
struct PortRange {
  uint16_t first = 0;
  uint16_t last = 0;
};

class UdpSocket {
 public:
  static constexpr size_t kMaxBatch = 64;
  // Of one datagram, until a longer one has come.
  static constexpr size_t kUsualDatagramBytes = 2'048;
  static constexpr size_t kMaxDatagramBytes = 64 << 10;
  // What is asked of the kernel to hold between two reads. A tick of 55 ms at 20 Mbit/s is 137 KB
  // of payload; the kernel charges some 2.3 KB for a packet of 1.4, and loops are late at times.
  static constexpr int kReceiveBufferBytes = 2 << 20;
  static constexpr int kNeededBufferBytes = 256 << 10;

  struct Datagram {
    ByteSpan bytes;
    SocketAddress from;
  };

  using Pair = std::pair<std::unique_ptr<UdpSocket>, std::unique_ptr<UdpSocket>>;
  // Two neighbours, the first on an even port (RFC 3550 §11), on the host of `local`.
  static Result<Pair> OpenPair(Loop& loop, const SocketAddress& local, const PortRange& range);
  ~UdpSocket();
  UdpSocket(const UdpSocket&) = delete;
  UdpSocket& operator=(const UdpSocket&) = delete;

  uint16_t port() const { return port_; }

  // `readable` is called at each arrival, until ReadOnDemand().
  void ReadOnEvents(std::function<void()> readable);
  void ReadOnDemand();

  // Hands one batch of what has arrived to `take`, in the order of arrival; true: there may be
  // more. `buffer` must hold kMaxDatagramBytes, and `take` must not destroy the socket. A datagram
  // longer than what was usual so far is left out, and longer ones are taken from then on.
  Result<bool> Read(std::span<uint8_t> buffer, const std::function<void(const Datagram&)>& take);

  Status SendTo(const SocketAddress& to, ByteSpan bytes);

  // What the kernel dropped here since the socket was opened: its buffer was full (SO_RXQ_OVFL).
  uint64_t kernel_drops() const { return kernel_drops_; }
  // What the kernel granted, as it counts.
  int receive_buffer_bytes() const { return receive_buffer_bytes_; }

 private:
  struct Cell;
  UdpSocket(Loop& loop, int fd, uint16_t port);
  static Result<std::unique_ptr<UdpSocket>> Open(Loop& loop, const SocketAddress& local);

  Cell* cell_;  // Outlives the socket until libuv lets go of it.
  const int fd_;
  const uint16_t port_;
  int receive_buffer_bytes_ = 0;
  size_t datagram_bytes_ = kUsualDatagramBytes;
  uint64_t kernel_drops_ = 0;
  uint32_t last_overflow_ = 0;
};

}  // namespace lookback::net
