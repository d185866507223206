// net/accepted_stream.h: the bytes of one client's connection, plain or under TLS.
//
// Invariant: no method of the handler is called after the stream is destroyed. Input is read into
//            buffers that all streams of a server share, so an idle one has none of its own.
// Threads:   the loop's.
// Errors:    by Handler::OnBroken(), and broken() where a write failed at once: nothing is called
//            back from within Write().
#pragma once

#include <uv.h>

#include <array>
#include <functional>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "net/loop.h"
#include "net/tls_certificate.h"

namespace lookback::net {

inline constexpr size_t kReadBytes = 16 << 10;
// Of what waits in the kernel for a client, so much is not on the wire yet: by itself it would take
// megabytes for one that reads a kilobyte a second.
inline constexpr int kMaxUnsentBytes = 64 << 10;
inline constexpr int kLittleUnsentBytes = 16 << 10;  // Of a client that keeps up.

class AcceptedStream {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void OnReady() = 0;          // Once, before any bytes: TLS has shaken hands.
    virtual void OnBytes(ByteSpan) = 0;  // At most kReadBytes, which are gone afterwards.
    virtual void OnEndOfInput() = 0;     // The client closed its half.
    virtual void OnBroken() = 0;
  };
  struct Buffers {
    std::array<char, kReadBytes> input;
    std::array<uint8_t, kReadBytes> plain;
  };
  // What goes out together.
  struct Parts {
    std::string head;
    std::shared_ptr<Bytes> piece;
    size_t piece_bytes = 0;
    std::string tail;
  };

  // Takes what `listener` offers; nullptr when it is gone already. `tls` is null for plain.
  static std::unique_ptr<AcceptedStream> Accept(Loop& loop, uv_stream_t* listener,
                                                const std::shared_ptr<SSL_CTX>& tls,
                                                Buffers& buffers, Handler& handler);
  ~AcceptedStream();  // Closes.
  AcceptedStream(const AcceptedStream&) = delete;
  AcceptedStream& operator=(const AcceptedStream&) = delete;

  void ReadOn();
  void ReadStop();
  // `then` runs once all is with the kernel.
  void Write(Parts parts, std::function<void()> then);
  // Ends our half once what was written is out.
  void ShutDown();

  bool broken() const { return broken_; }
  bool secure() const;
  bool chose_http2() const;    // By ALPN.
  std::string client() const;  // "192.0.2.7:50512", "[2001:db8::7]:50512"
  // Bytes that the peer's kernel has taken.
  uint64_t acknowledged_bytes() const;
  // What was sent last is on the wire, or nearly.
  bool keeps_up() const;

 private:
  struct Cell;     // The libuv handle, which outlives the stream until its close callback.
  struct Session;  // OpenSSL's side of it.
  struct WriteRequest;

  AcceptedStream(Loop& loop, Buffers& buffers, Handler& handler);
  void OnInput(ByteSpan bytes);
  bool Shake();
  void SayThatThisIsTls();
  void Send(Parts parts, std::function<void()> then);

  Buffers& buffers_;
  Handler& handler_;
  Cell* cell_;
  std::unique_ptr<Session> session_;
  bool ready_ = false;
  bool broken_ = false;
  uint64_t sent_bytes_ = 0;  // Handed to libuv.
};

}  // namespace lookback::net
