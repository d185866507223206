// recorder/rtsp_session.h: one RTSP session, from connecting to the end (RFC 2326 §10).
//
//   connecting -> OPTIONS -> DESCRIBE -> SETUP (video, then audio if wanted) -> PLAY -> playing
//
// RtspConnection asks and is answered; a MediaTransport brings the media; this decides what comes
// next. Until PLAY, and for kEventReadUs after, packets are taken as they arrive, so that the first
// samples are timed closely; then at each Tick().
//
// Invariant: the connection's end is the session's, whatever carries the media.
//            `auto` asks for TCP, and for UDP when the camera answers 461; over TLS nothing
//            falls back to the clear.
// Threads:   the loop's.
// Errors:    failure() turns set and stays; nothing comes after it. The owner destroys the session.
//            A redirect is such a failure, with the place to go to.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "recorder/media_transport.h"
#include "recorder/rtsp_connection.h"
#include "recorder/sdp.h"

namespace lookback::recorder {

class RtspSession : private RtspConnection::Handler, private MediaTransport::Sink {
 public:
  static constexpr int64_t kEventReadUs = 3 * kUsPerSecond;
  // A line that stood still delivers what waited all at once, so that a flood is judged over this.
  static constexpr int64_t kFloodUs = 2 * kUsPerSecond;

  struct Options {
    RtspConnection::Options connection;
    index::Transport transport = index::Transport::kAuto;
    bool audio = false;
    int64_t silence_timeout_us = 0;
    uint64_t max_bytes_per_second = 0;
  };

  class Handler {
   public:
    virtual ~Handler() = default;
    // All that the camera says it sends, before tracks are chosen.
    virtual void OnDescription(const Sdp&) {}
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
  void Fail(index::GapCause cause, std::string detail) {
    connection_.Fail(cause, std::move(detail));
  }

  bool playing() const { return state_ == State::kPlaying; }
  const std::optional<SessionFailure>& failure() const { return connection_.failure(); }
  uint64_t received_bytes() const;
  std::string_view transport_name() const;  // "tcp", "udp" or "tls"; empty before the first SETUP.
  TransportCounters counters() const;

 private:
  enum class State : uint8_t { kConnecting, kOptions, kDescribe, kSetup, kPlay, kPlaying };

  struct Track {
    RtpFormat format;
    std::string url;
  };

  void OnConnected() override;
  void OnAnswer(const RtspResponse& response) override;
  void OnRedirect(std::string_view location) override;
  void OnInterleaved(uint8_t channel, ByteSpan payload, int64_t received_us) override;
  void OnRtp(size_t track, ByteSpan packet, int64_t received_us) override;
  void OnRtcp(size_t track, ByteSpan packet, int64_t received_us) override;

  void OnOptions(const RtspResponse& response);
  void OnDescribe(const RtspResponse& response);
  Status ChooseTracks(const Sdp& sdp, const std::string& base);
  Status UseUdp();
  void SetupNext();
  void OnSetup(const RtspResponse& response);
  void Play();
  void OnPlay();
  void OnKeepAlive(const RtspResponse& response);
  void Refused(const RtspResponse& response);
  void KeepAlive(int64_t now_us);
  void CheckTimeouts(int64_t now_us);
  void CheckFlood(int64_t now_us);
  int64_t FloodBytes() const;

  const Options options_;
  const IngestContext context_;
  RtspSession::Handler& handler_;
  State state_ = State::kConnecting;
  bool get_parameter_ = false;
  int64_t next_keep_alive_us_ = 0;
  std::string aggregate_url_;
  std::vector<Track> tracks_;
  size_t next_setup_ = 0;

  int64_t play_us_ = 0;
  int64_t last_media_us_ = 0;
  int64_t last_rtcp_us_ = 0;
  bool any_media_ = false;
  // What may still come without being a flood: it grows with time, up to kFloodUs' worth.
  int64_t allowance_bytes_;
  int64_t allowed_us_;
  uint64_t counted_bytes_ = 0;
  bool on_demand_ = false;
  RtspConnection connection_;
  std::unique_ptr<MediaTransport> transport_;  // Uses the connection.
};

}  // namespace lookback::recorder
