// recorder/rtsp_connection.h: RTSP requests and their answers over one connection, plain or TLS
// (RFC 2326 §6, §7, §10.10, §14).
//
// It knows how to ask, and nothing of what is asked: numbering, authentication, the Session header,
// the camera's own requests, and when bytes are read. What the answers mean is RtspSession's.
//
// Invariant: at most one request waits for its answer. A request that is answered 401 is sent once
//            more with fresh credentials, whenever it happens, keep-alives included; only another
//            401 is handed on. Credentials go to the host of the connection alone.
// Threads:   the loop's.
// Errors:    failure() turns set and stays; the handler is not called after it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/stream.h"
#include "net/tls_policy.h"
#include "recorder/camera_url.h"
#include "recorder/ingest.h"
#include "recorder/rtsp_auth.h"
#include "recorder/rtsp_message.h"

namespace lookback::recorder {

class RtspConnection : private net::Stream::Handler, private RtspReader::Sink {
 public:
  static constexpr size_t kMaxReadPerTickBytes = 4 << 20;          // The rest waits for the next.
  static constexpr int64_t kDefaultTimeoutUs = 60 * kUsPerSecond;  // RFC 2326 §12.37.

  struct Options {
    CameraUrl url;
    std::string user;
    std::string password;
    net::TlsPolicy tls;
    int64_t answer_timeout_us = 0;
  };

  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void OnConnected() = 0;
    // To the request under way; never one below 200.
    virtual void OnAnswer(const RtspResponse& response) = 0;
    // The camera asks to go elsewhere. Its request is answered already.
    virtual void OnRedirect(std::string_view location) = 0;
    virtual void OnInterleaved(uint8_t channel, ByteSpan payload, int64_t received_us) = 0;
  };

  // Begins to connect.
  RtspConnection(Options options, const IngestContext& context, Handler& handler);
  ~RtspConnection() override;

  // Replaces a request that was not answered yet.
  void Ask(std::string method, const std::string& url, std::vector<RtspHeader> headers);
  void SendInterleaved(uint8_t channel, ByteSpan packet);

  // From now on bytes are taken at each Tick() only.
  void ReadOnDemand();
  void Tick(int64_t now_us);

  void Fail(SessionFailure failure);
  void Fail(index::GapCause cause, std::string detail) {
    Fail(SessionFailure{cause, std::move(detail), false, std::nullopt});
  }
  const std::optional<SessionFailure>& failure() const { return failure_; }
  // What is to be said of a 401 that was handed on.
  SessionFailure Unauthorized(const RtspResponse& response);

  // Of the step under way: connecting, or an answer.
  int64_t deadline_us() const { return deadline_us_; }
  // The method that waits for its answer; empty: none.
  std::string_view waiting_for() const { return pending_ ? pending_->method : std::string_view(); }
  Result<net::Stream::Endpoints> endpoints() const { return stream_->endpoints(); }
  const std::string& session_id() const { return session_id_; }
  int64_t session_timeout_us() const { return timeout_us_; }
  uint64_t received_bytes() const { return received_bytes_; }
  int64_t last_received_us() const { return received_us_; }  // 0: nothing yet.

 private:
  struct Request {
    std::string method;
    std::string url;
    std::vector<RtspHeader> headers;
    uint32_t cseq = 0;
    bool authorized_again = false;
  };

  void OnConnected() override;
  void OnBytes(ByteSpan bytes) override;
  void OnClosed(const Error& error) override;
  void OnResponse(RtspResponse response) override;
  void OnRequest(RtspRequest request) override;
  void OnInterleaved(uint8_t channel, ByteSpan payload) override;

  void Take(ByteSpan bytes, int64_t received_us);
  void SendPending();
  void Send(std::string bytes);
  bool AnswerChallenge(const RtspResponse& response);
  void TakeSessionHeader(std::string_view value);

  const Options options_;
  const IngestContext context_;
  RtspConnection::Handler& handler_;
  RtspAuth auth_;
  RtspReader reader_;
  std::optional<SessionFailure> failure_;
  bool on_demand_ = false;
  int64_t deadline_us_;

  std::optional<Request> pending_;
  uint32_t cseq_ = 0;
  std::string session_id_;
  int64_t timeout_us_ = kDefaultTimeoutUs;
  int64_t received_us_ = 0;  // When the bytes being read were received.
  uint64_t received_bytes_ = 0;
  std::unique_ptr<net::Stream> stream_;  // Last: it may call back while it is made.
};

}  // namespace lookback::recorder
