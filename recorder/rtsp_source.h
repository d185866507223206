// recorder/rtsp_source.h: an RTSP session and the tracks in it, as a source of samples.
//
// Invariant: each track is reported on every kReportIntervalUs, and said goodbye to at the end.
// Threads:   the camera's loop.
// Errors:    the session's.
#pragma once

#include "recorder/rtp_track.h"
#include "recorder/rtsp_session.h"
#include "recorder/source_session.h"

namespace lookback::recorder {

class RtspSource : public SourceSession, private RtspSession::Handler {
 public:
  static constexpr int64_t kReportIntervalUs = 5 * kUsPerSecond;  // RFC 3550 §6.2.

  // `own_ssrc` names us in reports. `owner` must outlive the source.
  RtspSource(RtspSession::Options options, uint32_t own_ssrc, const IngestContext& context,
             Owner& owner);
  ~RtspSource() override;

  void Tick() override;
  void Fail(index::GapCause cause, std::string detail) override {
    session_->Fail(cause, std::move(detail));
  }
  bool playing() const override { return session_->playing(); }
  const std::optional<SessionFailure>& failure() const override { return session_->failure(); }
  std::string_view transport_name() const override { return session_->transport_name(); }
  SourceCounters counters() const override;
  std::string WhyNoPicture() const override;

 private:
  void OnReady(const std::vector<RtpFormat>& formats) override;
  void OnRtp(size_t track, ByteSpan packet, int64_t received_us) override;
  void OnRtcp(size_t track, ByteSpan packet, int64_t received_us) override;
  void SendReports(int64_t now_us);

  Clock& clock_;
  Owner& owner_;
  const uint32_t own_ssrc_;
  int64_t next_report_us_;
  RunWriter* writer_ = nullptr;
  // The session calls into the tracks, these into the writer.
  std::vector<std::unique_ptr<RtpTrack>> tracks_;
  std::unique_ptr<RtspSession> session_;
};

}  // namespace lookback::recorder
