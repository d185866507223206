// recorder/rtsp_session.h: one RTSP conversation over TCP, from connecting to the end (RFC 2326).
//
//   connecting -> OPTIONS -> DESCRIBE -> SETUP (video, then audio if wanted) -> PLAY -> playing
//
// Media comes interleaved in the same connection. Until PLAY, and for kEventReadUs after, bytes are
// taken as they arrive, so that the first samples are timed closely; then at each Tick().
//
// Invariant: at most one request waits for its answer. A request that is answered 401 is sent once
//            more with fresh credentials, whenever it happens, keep-alives included.
// Threads:   the loop's.
// Errors:    failure() turns set and stays; nothing comes after it. The owner destroys the session.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "index/records.h"
#include "net/loop.h"
#include "net/tcp_stream.h"
#include "recorder/camera_url.h"
#include "recorder/rtsp_auth.h"
#include "recorder/rtsp_message.h"
#include "recorder/sdp.h"

namespace lookback::recorder {

// What the cameras of one loop share.
struct IngestContext {
  net::Loop& loop;
  Clock& clock;
  std::span<uint8_t> buffer;  // For reads.
};

struct SessionFailure {
  index::GapCause cause = index::GapCause::kNetwork;
  std::string detail;        // "401 Unauthorized: check user and password"
  bool credentials = false;  // Trying again soon might lock the account.
};

class RtspSession : private net::TcpStream::Handler, private RtspReader::Sink {
 public:
  static constexpr int64_t kEventReadUs = 3 * kUsPerSecond;
  static constexpr size_t kMaxReadPerTickBytes = 4 << 20;  // The rest waits for the next tick.
  static constexpr int64_t kDefaultTimeoutUs = 60 * kUsPerSecond;  // RFC 2326 §12.37.

  struct Options {
    CameraUrl url;
    std::string user;
    std::string password;
    bool audio = false;
    int64_t answer_timeout_us = 0;
    int64_t silence_timeout_us = 0;
  };

  class Handler {
   public:
    virtual ~Handler() = default;
    // Tracks are set up, video first; media may come from now on.
    virtual void OnReady(const std::vector<RtpFormat>& formats) = 0;
    virtual void OnRtp(size_t track, ByteSpan packet, int64_t received_us) = 0;
    virtual void OnRtcp(size_t track, ByteSpan packet, int64_t received_us) = 0;
  };

  // Begins to connect. The handler is called from within Tick() and the loop.
  RtspSession(Options options, const IngestContext& context, Handler& handler);
  ~RtspSession() override;  // Says TEARDOWN, if there is something to tear down.

  void Tick();
  void SendRtcp(size_t track, ByteSpan packet);
  // Ends the session from outside: the owner found fault with what it delivers.
  void Fail(index::GapCause cause, std::string detail);

  bool playing() const { return state_ == State::kPlaying; }
  const std::optional<SessionFailure>& failure() const { return failure_; }
  uint64_t received_bytes() const { return received_bytes_; }

 private:
  enum class State : uint8_t { kConnecting, kOptions, kDescribe, kSetup, kPlay, kPlaying };

  struct Track {
    RtpFormat format;
    std::string url;
    bool set_up = false;
    uint8_t rtp_channel = 0;
    uint8_t rtcp_channel = 0;
  };
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
  void OnRequest(std::string_view method, std::string_view cseq) override;
  void OnInterleaved(uint8_t channel, ByteSpan payload) override;

  void Send(std::string method, const std::string& url, std::vector<RtspHeader> headers);
  void SendPending();
  bool AnswerChallenge(const RtspResponse& response);
  void OnUnauthorized(const RtspResponse& response);
  void OnOptions(const RtspResponse& response);
  void OnDescribe(const RtspResponse& response);
  Status ChooseTracks(const Sdp& sdp, const std::string& base);
  void SetupNext();
  void OnSetup(const RtspResponse& response);
  bool TakeTransport(std::string_view transport, Track& track) const;
  void OnPlay();
  void OnKeepAlive(const RtspResponse& response);
  void KeepAlive(int64_t now_us);
  void ReadWaiting(int64_t now_us);
  void CheckTimeouts(int64_t now_us);
  void TakeSessionHeader(std::string_view value);
  void Refused(const RtspResponse& response);

  const Options options_;
  const IngestContext context_;
  Handler& handler_;
  RtspAuth auth_;
  RtspReader reader_;
  State state_ = State::kConnecting;
  std::optional<SessionFailure> failure_;

  std::optional<Request> pending_;
  uint32_t cseq_ = 0;
  int64_t deadline_us_;  // Of the step under way, until PLAY is answered.
  bool get_parameter_ = false;
  std::string session_id_;
  int64_t timeout_us_ = kDefaultTimeoutUs;
  int64_t next_keep_alive_us_ = 0;
  std::string aggregate_url_;
  std::vector<Track> tracks_;
  size_t next_setup_ = 0;

  int64_t received_us_ = 0;  // When the bytes being read were received.
  int64_t play_us_ = 0;
  int64_t last_media_us_ = 0;
  bool any_media_ = false;
  bool on_demand_ = false;
  uint64_t received_bytes_ = 0;
  std::unique_ptr<net::TcpStream> stream_;  // Last: it may call back while it is made.
};

}  // namespace lookback::recorder
