// recorder/rtp_track.h: one track of a session: packets in, samples and reports out.
//
// Invariant: samples carry extended RTP time; packets that come twice or late are left out; what is
//            missing is counted once.
// Threads:   the camera's loop.
// Errors:    none: packets that are none, or of another payload type, are left out and counted.
#pragma once

#include <memory>
#include <optional>

#include "recorder/depacketizer.h"
#include "recorder/rtcp.h"
#include "recorder/rtp.h"
#include "recorder/sdp.h"

namespace lookback::recorder {

// A sender report, its RTP time on the track's own extended scale.
struct TrackReport {
  int64_t time = 0;
  TimeUs camera_utc_us = 0;
};

class RtpTrack {
 public:
  // `sink` must outlive the track.
  RtpTrack(RtpFormat format, SampleSink& sink);

  const RtpFormat& format() const { return format_; }

  bool started() const { return started_; }  // A packet has come.

  void OnRtp(ByteSpan bytes, int64_t received_us);

  struct Rtcp {
    std::optional<TrackReport> report;
    bool goodbye = false;
  };
  Rtcp OnRtcp(ByteSpan bytes, int64_t received_us);

  // The receiver report that is due; nothing before the first packet.
  std::optional<Bytes> WriteReport(uint32_t own_ssrc, std::string_view cname, int64_t now_us);

  uint64_t received_packets() const { return received_before_ + sequence_.received(); }
  uint64_t lost_packets() const { return lost_before_ + sequence_.lost(); }

  // What came and was left out: no RTP at all, or of a payload type that was not announced.
  uint64_t malformed_packets() const { return malformed_; }
  uint64_t unknown_packets() const { return unknown_; }
  uint8_t last_unknown_type() const { return last_unknown_type_; }

 private:
  void Follow(const RtpPacket& packet, int64_t received_us);

  const RtpFormat format_;
  const std::unique_ptr<Depacketizer> depacketizer_;
  bool started_ = false;
  uint32_t ssrc_ = 0;
  RtpSequence sequence_;
  RtpTime time_;
  uint64_t received_before_ = 0;  // Of sources before this one.
  uint64_t lost_before_ = 0;
  uint64_t malformed_ = 0;
  uint64_t unknown_ = 0;
  uint8_t last_unknown_type_ = 0;

  // For receiver reports, RFC 3550 §A.8 and §6.4.1.
  int64_t last_transit_ = 0;
  double jitter_ = 0;
  uint64_t reported_received_ = 0;
  uint64_t reported_lost_ = 0;
  uint32_t last_sender_report_ = 0;
  int64_t sender_report_received_us_ = 0;
};

}  // namespace lookback::recorder
