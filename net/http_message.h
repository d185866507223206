// net/http_message.h: bytes of a connection to requests, and answers to bytes (RFC 9112).
//
// Invariant: a request is either whole and unambiguous, or refused with a status: no message is
//            framed in two ways (both Content-Length and Transfer-Encoding, or a repeated one), no
//            path has "." or ".." in it, and nothing grows beyond the limits of net/http_server.h.
// Threads:   one parser, one thread.
// Errors:    by HttpParser::refused(): what to answer before the connection is closed.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "net/http_server.h"

namespace lookback::net {

// What a server says by itself, before any handler: a problem (RFC 9457) of docs/api.md.
struct Refusal {
  int status = 400;
  std::string_view type;  // "bad-request"
  std::string detail;
};

class HttpParser {
 public:
  HttpParser();
  ~HttpParser();

  // Takes bytes up to the end of one request, and says how many; the rest belongs to the next.
  // Takes none while complete().
  size_t Feed(ByteSpan bytes);

  bool started() const;  // Some byte of a request came.
  bool head_complete() const;
  size_t body_bytes() const;    // Of the body so far.
  bool complete() const;        // TakeRequest() may be called.
  bool wants_continue() const;  // The client awaits "100 Continue" to send its body.
  std::optional<Refusal> refused() const;

  // The request; its `client` is left empty. The parser then awaits the next one.
  HttpRequest TakeRequest();
  bool keep_alive() const;  // Of the request taken last.
  bool http_1_0() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

enum class Framing : uint8_t { kLength, kChunked, kUntilClose };

// Without control characters: nothing that a client or a camera said can add a header.
std::string HeaderValue(std::string_view value);

// Answers that have no body, whatever was asked.
bool IsBodiless(int status);

// The head of an answer.
std::string FormatHead(const HttpResponse& response, Framing framing, int64_t length, bool keep);

HttpResponse ProblemResponse(const Refusal& refusal);

std::string_view StatusText(int status);

// What both versions of HTTP refuse in the same words.
Refusal TooManyRequests();
Refusal TooManyBodies();
Refusal BodyTooLarge();
Refusal HeadersTooLarge();
Refusal TooSlow(const HttpLimits& limits);

}  // namespace lookback::net
