// net/http_connection.h: one client's connection: reads a request, has it handled, sends the
// answer, and so on until one side closes.
//
// Invariant: at most one request is in hand and one piece of its body in memory; bytes that follow
//            wait in the kernel. Whatever the client does or leaves undone, the connection ends by
//            a deadline.
// Threads:   the loop's; the handler and HttpBody::Read run on the pool and come back by Post.
// Errors:    a refused request is answered, then the connection lingers (kLingerS) so that the
//            answer is not lost to a reset, and closes.
#pragma once

#include <uv.h>

#include <memory>
#include <string>
#include <vector>

#include "base/worker_pool.h"
#include "net/http_message.h"

namespace lookback::net {

inline constexpr int kRequestTimeoutS = 30;  // From a request's first byte to its last.
inline constexpr int kLingerS = 2;
inline constexpr size_t kReadBytes = 16 << 10;

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  // What the connections of one server share. Outlives the workers' tasks.
  struct Shared {
    Loop& loop;
    HttpHandler handler;
    WorkerPool pool;
    std::function<void(HttpConnection*)> on_closed;  // Forgets the connection.
    bool stopping = false;                           // No request after the one in hand.
  };

  // Takes what `listener` offers; nullptr when it is gone already.
  static std::shared_ptr<HttpConnection> Accept(std::shared_ptr<Shared> shared,
                                                uv_stream_t* listener);
  ~HttpConnection();

  void Start();
  // Answers `refusal` at once, whatever the client has to say.
  void Refuse(const Refusal& refusal);
  // Closes now, unless a request is in hand.
  void CloseIfIdle();
  void Close();
  // Closes when the deadline of what is awaited is over.
  void CheckDeadline(uint64_t now_ms);

 private:
  struct Cell;  // The libuv handle, which outlives the connection until its close callback.
  enum class Phase : uint8_t { kReading, kHandling, kSending, kLingering, kClosed };

  explicit HttpConnection(std::shared_ptr<Shared> shared);

  void ReadOn();
  void OnBytes(ByteSpan bytes);
  void OnEndOfInput();
  void ParseOn();
  void Handle();
  void Answer(std::shared_ptr<HttpResponse> response);
  void SendPiece(std::shared_ptr<HttpResponse> response);
  void OnPiece(const std::shared_ptr<HttpResponse>& response, Result<size_t> length);
  // Sends `head`, so many bytes of the piece and `tail`; `then` runs once all are with the kernel.
  void Write(std::string head, size_t piece_bytes, std::string tail, std::function<void()> then);
  void OnAnswered();
  void Linger();
  void SetDeadline(int seconds);

  std::shared_ptr<Shared> shared_;
  Cell* cell_;
  Phase phase_ = Phase::kReading;
  std::string client_;
  HttpParser parser_;
  std::string pending_;  // Bytes after the request in hand: at most kReadBytes.
  std::shared_ptr<Bytes> piece_;
  Framing framing_ = Framing::kLength;
  bool head_request_ = false;
  bool keep_ = false;
  bool input_ended_ = false;
  bool continue_sent_ = false;
  int64_t left_bytes_ = 0;  // Of the promised length.
  uint64_t deadline_ms_ = 0;
};

}  // namespace lookback::net
