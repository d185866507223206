// net/http_connection.h: one client's connection: finds out which HTTP it speaks, and ends it by a
// deadline whatever the client does or leaves undone.
//
// Invariant: a session (net/http1_session.h, net/http2_session.h) lives as long as its connection.
//            What workers hand back reaches a session only while its connection is open.
// Threads:   the loop's; handlers and HttpBody::Read run on the pool and come back by Post.
// Errors:    a refused connection is answered, then lingers (kLingerS) so that the answer is not
//            lost to a reset, and closes.
#pragma once

#include <memory>
#include <string>

#include "base/worker_pool.h"
#include "net/accepted_stream.h"
#include "net/http_message.h"

namespace lookback::net {

inline constexpr int kLingerS = 2;

// What the connections of one server share. Outlives the workers' tasks.
struct HttpShared {
  Loop& loop;
  const HttpServer::Options options;
  const HttpHandler handler;
  WorkerPool pool;
  std::function<void(class HttpConnection*)> on_closed = nullptr;  // Forgets the connection.
  bool stopping = false;  // No request after those in hand.
  size_t requests = 0;    // In hand, of all connections.
  size_t body_bytes = 0;  // Of requests that are not whole yet.
  uint64_t turns = 0;     // How often a connection has begun to wait for a request.
  AcceptedStream::Buffers buffers = {};

  // On a worker: the handler's answer, made ready for the wire.
  HttpResponse Respond(const HttpRequest& request) const;
  // What the server says by itself.
  HttpResponse Refusal(const net::Refusal& refusal, bool secure) const;
};

// What of a connection depends on the version of HTTP.
class HttpSession {
 public:
  virtual ~HttpSession() = default;
  virtual void OnBytes(ByteSpan bytes) = 0;
  virtual void OnEndOfInput() = 0;
  // Takes no request after those in hand, and ends once they are answered.
  virtual void Drain() = 0;
  virtual void CheckDeadline(uint64_t now_ms) = 0;
  // A whole request is in hand.
  virtual bool busy() const = 0;
};

class HttpConnection : public std::enable_shared_from_this<HttpConnection>,
                       private AcceptedStream::Handler {
 public:
  // nullptr when the client is gone already.
  static std::shared_ptr<HttpConnection> Accept(std::shared_ptr<HttpShared> shared,
                                                uv_stream_t* listener);

  void Start();
  // Answers `refusal` at once, whatever the client has to say. Under TLS, which would take its
  // time, it just closes.
  void Refuse(const Refusal& refusal);
  void Drain();
  void Close();
  void CheckDeadline(uint64_t now_ms);
  // Of two that have no whole request in hand, the lower has waited longer; UINT64_MAX with one.
  uint64_t waiting_turn() const { return busy() ? UINT64_MAX : waiting_turn_; }

  // For sessions.
  bool closed() const { return stream_ == nullptr; }
  AcceptedStream& stream() { return *stream_; }
  HttpShared& shared() { return *shared_; }
  const std::string& client() const { return client_; }
  bool secure() const { return secure_; }
  void Write(AcceptedStream::Parts parts, std::function<void()> then);
  // Runs `work` on a worker and then `back` on the loop, unless the connection is closed by then.
  // False when the pool takes nothing more.
  template <typename Made>
  bool Run(std::function<Made()> work, std::function<void(Made)> back) {
    return shared_->pool.Post([weak = weak_from_this(), shared = shared_, work = std::move(work),
                               back = std::move(back)] {
      auto made = std::make_shared<Made>(work());
      shared->loop.Post([weak, made, back] {
        const auto self = weak.lock();
        if (self && !self->closed()) back(std::move(*made));
      });
    });
  }
  void OnRequestAnswered() { waiting_turn_ = ++shared_->turns; }
  uint64_t now_ms() const { return uv_now(shared_->loop.uv()); }
  // Whether the client has taken a byte since the last call.
  bool Moved();
  // Ends our half, and awaits the end of the other for a moment.
  void Linger();

 private:
  explicit HttpConnection(std::shared_ptr<HttpShared> shared) : shared_(std::move(shared)) {}

  void OnReady() override;
  void OnBytes(ByteSpan bytes) override;
  void OnEndOfInput() override;
  void OnBroken() override { Close(); }
  bool busy() const { return session_ && session_->busy(); }

  const std::shared_ptr<HttpShared> shared_;
  std::unique_ptr<AcceptedStream> stream_;  // Null once closed.
  std::unique_ptr<HttpSession> session_;    // Null until it is clear which.
  std::string client_;
  std::string early_;  // Less than a preface of HTTP/2, which it may become.
  bool secure_ = false;
  bool lingering_ = false;
  bool input_ended_ = false;
  uint64_t waiting_turn_ = 0;
  uint64_t deadline_ms_ = 0;  // While there is no session, or it lingers.
  uint64_t acknowledged_ = 0;
};

}  // namespace lookback::net
