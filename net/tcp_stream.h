// net/tcp_stream.h: one outgoing TCP connection: resolve, connect, read, write.
//
// Bytes come in one of two ways. On events, each arrival wakes the loop and is handed to OnBytes().
// On demand, the loop is not woken: the owner calls Read() when it likes, and many arrivals cost
// one wake-up, which is most of what receiving costs.
//
// Invariant: no method of the handler is called after the stream is destroyed, and none but from
//            the loop. OnConnected() comes at most once, OnClosed() at most once and last.
// Threads:   the loop's.
// Errors:    kUnavailable when the host does not resolve or answer, or the connection ends; Write
//            says kUnavailable when the peer has left kMaxUnsentBytes unread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "net/loop.h"

namespace lookback::net {

class TcpStream {
 public:
  static constexpr size_t kMaxUnsentBytes = 256 << 10;
  // What the kernel may hold for us between two calls of Read().
  static constexpr int kReceiveWindowBytes = 1 << 20;

  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void OnConnected() = 0;
    // On events only. The bytes stand in `buffer`, which the handler gave at Connect().
    virtual void OnBytes(ByteSpan bytes) = 0;
    // Resolving or connecting failed, or the peer ended the connection.
    virtual void OnClosed(const Error& error) = 0;
  };

  // Starts to connect to each address of `host` in turn. OnClosed() may come from within, for a
  // numeric address that cannot be reached. `buffer` takes what is read on events; it
  // may be shared by all streams of a loop, since it is used within one callback only.
  TcpStream(Loop& loop, const std::string& host, uint16_t port, std::span<uint8_t> buffer,
            Handler& handler);
  ~TcpStream();  // Closes. What was written but not sent yet may be lost.
  TcpStream(const TcpStream&) = delete;
  TcpStream& operator=(const TcpStream&) = delete;

  Status Write(std::string bytes);

  // From now on the loop is not woken by arrivals: call Read().
  void ReadOnDemand();

  // Takes what has arrived, up to the size of `buffer`; 0: nothing now. kUnavailable: closed.
  Result<size_t> Read(std::span<uint8_t> buffer);

 private:
  struct State;
  State* state_;  // Outlives the stream until libuv lets go of it.
};

}  // namespace lookback::net
