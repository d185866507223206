// net/http2_session.h: HTTP/2 on one connection (RFC 9113), by libnghttp2: many requests at once,
// each handled as those of HTTP/1.1 are.
//
// Invariant: a stream has at most one piece of its body in memory, and none that flow control holds
//            back has a worker. At most kMaxStreams handlers run for a connection, those of streams
//            that were reset included: asking and taking back costs the client its turn.
// Threads:   the loop's.
// Errors:    a refused request is answered and its stream ends. Who breaks the protocol, or floods
//            it with resets, pings and settings (kMaxChatter), is sent away with GOAWAY.
#pragma once

#include <map>

#include "net/http_connection.h"

struct nghttp2_session;

namespace lookback::net {

inline constexpr size_t kMaxStreams = 100;    // At once, of one connection.
inline constexpr int kMaxChatter = 200;       // Frames that ask for nothing, in a burst,
inline constexpr int kChatterPerSecond = 20;  // and for ever.

class Http2Session : public HttpSession {
 public:
  explicit Http2Session(HttpConnection& connection);
  ~Http2Session() override;

  void OnBytes(ByteSpan bytes) override;
  void OnEndOfInput() override;
  void Drain() override;
  void CheckDeadline(uint64_t now_ms) override;
  bool busy() const override;

 private:
  struct Exchange;   // One stream's request and answer.
  struct Callbacks;  // What libnghttp2 calls.

  Exchange* Find(int32_t id);
  void OnHeader(Exchange& exchange, std::string_view name, std::string_view value);
  void OnHeadDone(Exchange& exchange, bool whole);
  void OnBody(Exchange& exchange, std::string_view bytes);
  void Handle(Exchange& exchange);
  void Refuse(Exchange& exchange, const Refusal& refusal);
  void Answer(Exchange& exchange, std::shared_ptr<HttpResponse> response);
  // Puts what there is of the body into `into`: a count, or what libnghttp2 does instead.
  ssize_t Take(Exchange& exchange, std::span<uint8_t> into, uint32_t& flags);
  bool ReadPiece(Exchange& exchange);
  void OnPiece(int32_t id, Result<size_t> length);
  void Reset(int32_t id, uint32_t code);
  void OnChatter();
  // Sends what libnghttp2 has to say, as far as the client takes it.
  void Pump();
  // Says GOAWAY, and ends once that is out.
  void Leave(uint32_t code);
  void End();

  HttpConnection& connection_;
  HttpShared& shared_;
  nghttp2_session* session_ = nullptr;
  std::map<int32_t, std::unique_ptr<Exchange>> exchanges_;
  size_t running_ = 0;  // Handlers that have not come back.
  bool writing_ = false;
  bool leaving_ = false;
  bool draining_ = false;
  bool gone_ = false;  // All is said.
  double chatter_ = 0;
  uint64_t chatter_ms_ = 0;   // When it was counted last.
  uint64_t progress_ms_ = 0;  // When the client took something, or had nothing to take.
  uint64_t idle_since_ms_ = 0;
};

}  // namespace lookback::net
