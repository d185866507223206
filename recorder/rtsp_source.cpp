#include "recorder/rtsp_source.h"

#include <fmt/format.h>

#include "base/words.h"

namespace lookback::recorder {

SourceCounters& SourceCounters::operator+=(const SourceCounters& more) {
  bytes += more.bytes;
  received_packets += more.received_packets;
  lost_packets += more.lost_packets;
  dropped_samples += more.dropped_samples;
  transport.foreign_packets += more.transport.foreign_packets;
  transport.late_packets += more.transport.late_packets;
  transport.kernel_drops += more.transport.kernel_drops;
  return *this;
}

RtspSource::RtspSource(RtspSession::Options options, uint32_t own_ssrc,
                       const IngestContext& context, Owner& owner)
    : clock_(context.clock),
      owner_(owner),
      own_ssrc_(own_ssrc),
      next_report_us_(context.clock.MonotonicUs() + kReportIntervalUs) {
  RtspSession::Handler& handler = *this;
  session_ = std::make_unique<RtspSession>(std::move(options), context, handler);
}

RtspSource::~RtspSource() {
  for (size_t i = 0; i < tracks_.size() && session_->playing(); ++i) {
    if (tracks_[i]->started()) session_->SendRtcp(i, WriteGoodbye(own_ssrc_));
  }
}

void RtspSource::OnReady(const std::vector<RtpFormat>& formats) {
  writer_ = &owner_.OnTracks(formats);
  for (const RtpFormat& format : formats) {
    tracks_.push_back(std::make_unique<RtpTrack>(format, *writer_));
  }
}

void RtspSource::OnRtp(size_t track, ByteSpan packet, int64_t received_us) {
  tracks_[track]->OnRtp(packet, received_us);
}

void RtspSource::OnRtcp(size_t track, ByteSpan packet, int64_t received_us) {
  const RtpTrack::Rtcp rtcp = tracks_[track]->OnRtcp(packet, received_us);
  if (rtcp.report) writer_->OnReport(tracks_[track]->format().kind, *rtcp.report);
  if (rtcp.goodbye) Fail(index::GapCause::kCameraFault, "the camera ended the stream");
}

void RtspSource::Tick() {
  session_->Tick();
  SendReports(clock_.MonotonicUs());
}

void RtspSource::SendReports(int64_t now_us) {
  if (now_us < next_report_us_ || !session_->playing()) return;
  next_report_us_ = now_us + kReportIntervalUs;
  for (size_t i = 0; i < tracks_.size(); ++i) {
    if (const auto report = tracks_[i]->WriteReport(own_ssrc_, "lookback", now_us)) {
      session_->SendRtcp(i, *report);
    }
  }
}

SourceCounters RtspSource::counters() const {
  SourceCounters counters;
  counters.bytes = session_->received_bytes();
  counters.transport = session_->counters();
  for (const auto& track : tracks_) {
    counters.received_packets += track->received_packets();
    counters.lost_packets += track->lost_packets();
  }
  return counters;
}

std::string RtspSource::WhyNoPicture() const {
  std::string text;
  if (tracks_.empty()) return text;
  const RtpTrack& video = *tracks_.front();
  if (video.malformed_packets() > 0) {
    text += fmt::format("; {} {} no RTP", Count(video.malformed_packets(), "packet"),
                        video.malformed_packets() == 1 ? "was" : "were");
  }
  if (video.unknown_packets() > 0) {
    text += fmt::format("; {} packets were of payload type {}, not {}", video.unknown_packets(),
                        video.last_unknown_type(), video.format().payload_type);
  }
  return text;
}

}  // namespace lookback::recorder
