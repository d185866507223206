// net/http_server.h: HTTP/1.1 and HTTP/2 on our loop, plain or under TLS, handlers on a pool.
//
// Invariant: a handler never runs on the loop, and a slow client never holds a worker: a streamed
//            body is read piece by piece (at most kBodyPieceBytes), the next only when the last is
//            sent. Every answer has the headers of net/http_finish.h.
// Threads:   Start on any; Stop and destruction on the loop's thread, or while it does not run;
//            handlers and HttpBody::Read on the server's workers, one at a time for one request.
// Errors:    what a client does wrong is answered (4xx) and bounded by the limits below; a failing
//            body cuts the connection, so that the client sees a short transfer. SIGPIPE is ignored
//            in the whole process.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "net/loop.h"

namespace lookback::net {

inline constexpr size_t kMaxRequestBody = 1 << 20;
inline constexpr size_t kMaxRequestHeaders = 16 << 10;
inline constexpr size_t kBodyPieceBytes = 96 << 10;
inline constexpr size_t kSlowPieceBytes = 32 << 10;  // The first, and while much is unsent.

// What all clients together, and each one, may cost. Tests shorten them.
struct HttpLimits {
  // At the limit the connection that has had no whole request for longest is closed; where each
  // has one in hand, the newcomer is answered 503.
  size_t connections = 2'048;
  size_t requests = 2'048;       // In hand at once; beyond it 503.
  size_t body_bytes = 64 << 20;  // Of request bodies on their way, of all; beyond it 503.
  int idle_ms = 60'000;          // Between requests.
  int head_ms = 15'000;          // From the first byte of a request's head to the last.
  int body_ms = 60'000;          // From there to the last byte of its body.
  int stall_ms = 120'000;        // Without taking a byte of an answer that waits for it.
};

struct HttpRequest {
  std::string method;  // "GET"
  std::string path;    // Decoded, starts with "/"; "." and ".." segments are refused before.
  std::vector<std::pair<std::string, std::string>> query;    // Decoded, in order.
  std::vector<std::pair<std::string, std::string>> headers;  // Names in lower case.
  std::string body;
  std::string client;   // Address and port.
  bool secure = false;  // It came over TLS.

  std::string_view Header(std::string_view lower_name) const;  // Empty when absent.
  // The values of all fields of that name as the one list that they are (RFC 9110 §5.3).
  std::string List(std::string_view lower_name) const;
  const std::string* Query(std::string_view name) const;  // The first of that name, or nullptr.
};

// A body that is made while it is sent.
class HttpBody {
 public:
  virtual ~HttpBody() = default;
  // Fills `into` with the next bytes; 0 only at the end.
  virtual Result<size_t> Read(std::span<uint8_t> into) = 0;
};

struct HttpResponse {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;  // Used when `stream` is not set.
  std::unique_ptr<HttpBody> stream;
  int64_t stream_bytes = -1;  // Content-Length of `stream`; -1: unknown (chunked).
};

using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

class TlsCertificate;

class HttpServer {
 public:
  struct Options {
    std::string host = "127.0.0.1";
    uint16_t port = 8686;  // 0: any free one.
    size_t workers = 4;
    HttpLimits limits = {};
    std::shared_ptr<TlsCertificate> certificate;  // Null: plain.
    const Clock* clock = nullptr;                 // For the header Date, which is absent without.
  };

  // Listens; requests are served while `loop` runs. kUnavailable when the address is taken.
  static Result<std::unique_ptr<HttpServer>> Start(Loop& loop, const Options& options,
                                                   HttpHandler handler);
  virtual ~HttpServer() = default;

  virtual uint16_t port() const = 0;

  // Refuses new connections, lets running transfers finish for at most `grace_us`, closes. Call on
  // the loop's thread or before Run; `done` is called on the loop's thread.
  virtual void Stop(int64_t grace_us, std::function<void()> done) = 0;
};

}  // namespace lookback::net
