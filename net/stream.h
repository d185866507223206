// net/stream.h: one outgoing connection that carries bytes both ways, plain or encrypted.
//
// Bytes come in one of two ways. On events, each arrival wakes the loop and is handed to OnBytes().
// On demand, the loop is not woken: the owner calls Read() when it likes, and many arrivals cost
// one wake-up, which is most of what receiving costs.
//
// Invariant: no method of the handler is called after the stream is destroyed, and none but from
//            the loop. OnConnected() comes at most once, OnClosed() at most once and last.
// Threads:   the loop's.
// Errors:    kUnavailable when the host does not resolve or answer, or the connection ends; Write
//            says kUnavailable when the peer has left too much unread. kDenied when the peer is
//            not who it should be.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "net/socket_address.h"

namespace lookback::net {

class Stream {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void OnConnected() = 0;
    // On events only. The bytes stand in the buffer that was given at connecting.
    virtual void OnBytes(ByteSpan bytes) = 0;
    // Connecting failed, or the peer ended the connection.
    virtual void OnClosed(const Error& error) = 0;
  };
  struct Endpoints {
    SocketAddress local;
    SocketAddress peer;
  };

  virtual ~Stream() = default;  // Closes. What was written but not sent yet may be lost.

  virtual Status Write(std::string bytes) = 0;

  // From now on the loop is not woken by arrivals: call Read().
  virtual void ReadOnDemand() = 0;

  // Takes what has arrived. Fewer bytes than `buffer` holds: that was all. kUnavailable: closed.
  virtual Result<size_t> Read(std::span<uint8_t> buffer) = 0;

  // Once connected.
  virtual Result<Endpoints> endpoints() const = 0;
};

}  // namespace lookback::net
