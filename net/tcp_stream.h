// net/tcp_stream.h: a stream over TCP: resolve, connect, read, write.
//
// Invariant: that of net/stream.h.
// Threads:   the loop's.
// Errors:    kUnavailable when the host does not resolve or answer, or the connection ends; Write
//            says kUnavailable when the peer has left kMaxUnsentBytes unread.
#pragma once

#include <memory>

#include "net/loop.h"
#include "net/stream.h"

namespace lookback::net {

class TcpStream : public Stream {
 public:
  static constexpr size_t kMaxUnsentBytes = 256 << 10;
  // What the kernel may hold for us between two calls of Read().
  static constexpr int kReceiveWindowBytes = 1 << 20;

  // Starts to connect to each address of `host` in turn. OnClosed() may come from within, for a
  // numeric address that cannot be reached. `buffer` takes what is read on events; it
  // may be shared by all streams of a loop, since it is used within one callback only.
  TcpStream(Loop& loop, const std::string& host, uint16_t port, std::span<uint8_t> buffer,
            Handler& handler);
  ~TcpStream() override;
  TcpStream(const TcpStream&) = delete;
  TcpStream& operator=(const TcpStream&) = delete;

  Status Write(std::string bytes) override;
  void ReadOnDemand() override;
  Result<size_t> Read(std::span<uint8_t> buffer) override;
  Result<Endpoints> endpoints() const override;

 private:
  struct State;
  State* state_;  // Outlives the stream until libuv lets go of it.
};

}  // namespace lookback::net
