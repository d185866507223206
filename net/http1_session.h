// net/http1_session.h: HTTP/1.1 on one connection: reads a request, has it handled, sends the
// answer, and so on until one side closes.
//
// Invariant: at most one request is in hand and one piece of its body in memory; of the bytes that
//            follow, one read at most; the rest waits in the kernel.
// Threads:   the loop's.
// Errors:    a refused request is answered, and the connection ends after that.
#pragma once

#include "net/http_connection.h"

namespace lookback::net {

class Http1Session : public HttpSession {
 public:
  explicit Http1Session(HttpConnection& connection);
  ~Http1Session() override;

  void OnBytes(ByteSpan bytes) override;
  void OnEndOfInput() override;
  void Drain() override;
  void CheckDeadline(uint64_t now_ms) override;
  bool busy() const override { return phase_ != Phase::kReading; }

  void Refuse(const Refusal& refusal);

 private:
  enum class Phase : uint8_t { kReading, kHandling, kSending };

  void ParseOn();
  void CountBody(size_t bytes);
  void Handle();
  void Answer(std::shared_ptr<HttpResponse> response);
  void SendPiece(std::shared_ptr<HttpResponse> response);
  void OnPiece(const std::shared_ptr<HttpResponse>& response, Result<size_t> length);
  // Sends `head`, so many bytes of the piece and `tail`; `then` runs once all are with the kernel.
  void Write(std::string head, size_t piece_bytes, std::string tail, std::function<void()> then);
  void OnAnswered();
  void SetDeadline(int ms);

  HttpConnection& connection_;
  HttpShared& shared_;
  Phase phase_ = Phase::kReading;
  HttpParser parser_;
  std::string pending_;  // Bytes after the request in hand: at most a read.
  std::shared_ptr<Bytes> piece_;
  Framing framing_ = Framing::kLength;
  bool head_request_ = false;
  bool keep_ = false;
  bool input_ended_ = false;
  bool continue_sent_ = false;
  bool head_done_ = false;
  bool counted_ = false;    // As one of the requests in hand.
  size_t body_bytes_ = 0;   // Counted with the server's.
  int64_t left_bytes_ = 0;  // Of the promised length.
  uint64_t deadline_ms_ = 0;
};

}  // namespace lookback::net
