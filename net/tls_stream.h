// net/tls_stream.h: a stream encrypted by TLS 1.2 or later, over TCP (RFC 8446, RFC 5246).
//
// Invariant: that of net/stream.h. OnConnected() comes after the handshake and the check of the
//            peer's certificate: nothing of ours is sent to a peer that the policy refuses.
// Threads:   the loop's.
// Errors:    as TcpStream's; kDenied when the policy refuses the certificate, with its fingerprint
//            in the sentence; kUnavailable when the handshake fails otherwise.
#pragma once

#include <memory>

#include "net/loop.h"
#include "net/stream.h"
#include "net/tls_policy.h"

namespace lookback::net {

class TlsStream : public Stream {
 public:
  // As TcpStream's. `buffer` takes encrypted bytes first, and then the plain ones.
  TlsStream(Loop& loop, const std::string& host, uint16_t port, const TlsPolicy& policy,
            std::span<uint8_t> buffer, Handler& handler);
  ~TlsStream() override;
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  Status Write(std::string bytes) override;
  void ReadOnDemand() override;
  Result<size_t> Read(std::span<uint8_t> buffer) override;
  Result<Endpoints> endpoints() const override;

 private:
  class Session;
  std::shared_ptr<Session> session_;  // Shared with its own callbacks while they run.
};

}  // namespace lookback::net
