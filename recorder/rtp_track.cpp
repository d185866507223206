#include "recorder/rtp_track.h"

#include <algorithm>
#include <cmath>

namespace lookback::recorder {

RtpTrack::RtpTrack(RtpFormat format, SampleSink& sink)
    : format_(std::move(format)), depacketizer_(MakeDepacketizer(format_, sink)) {}

void RtpTrack::OnRtp(ByteSpan bytes, int64_t received_us) {
  const auto packet = ParseRtp(bytes);
  if (!packet) {
    ++malformed_;
    return;
  }
  const bool known = packet->payload_type == format_.payload_type;
  const bool new_source = started_ && packet->ssrc != ssrc_;
  if (!known) {
    ++unknown_;
    last_unknown_type_ = packet->payload_type;
    if (!started_ || new_source) return;  // Nothing that is followed here; else its number counts.
  }
  if (new_source) {
    received_before_ += sequence_.received();
    lost_before_ += sequence_.lost();
    sequence_ = RtpSequence();
    last_sender_report_ = 0;
    reported_received_ = reported_lost_ = 0;
  }
  started_ = true;
  ssrc_ = packet->ssrc;
  const RtpSequence::Step step = sequence_.Take(packet->sequence);
  if (!known || step.verdict == RtpSequence::Verdict::kLate) return;
  PacketContext context;
  context.time = time_.Extend(packet->timestamp);
  context.received_us = received_us;
  // After a restart something is missing, but nobody knows how much.
  const bool restarted = step.verdict == RtpSequence::Verdict::kRestart || new_source;
  context.lost = restarted ? 1 : step.lost;
  Follow(*packet, received_us);
  depacketizer_->Push(*packet, context);
}

void RtpTrack::Follow(const RtpPacket& packet, int64_t received_us) {
  const auto arrival =
      static_cast<int64_t>(static_cast<double>(received_us) * format_.clock_rate / kUsPerSecond);
  const int64_t transit = arrival - static_cast<int64_t>(packet.timestamp);
  const auto difference = static_cast<int32_t>(static_cast<uint32_t>(transit - last_transit_));
  if (last_transit_ != 0) {
    jitter_ += (std::abs(static_cast<double>(difference)) - jitter_) / 16;
  }
  last_transit_ = transit;
}

RtpTrack::Rtcp RtpTrack::OnRtcp(ByteSpan bytes, int64_t received_us) {
  const RtcpSummary summary = ParseRtcp(bytes);
  Rtcp result;
  result.goodbye = summary.goodbye;
  if (!summary.report) return result;
  last_sender_report_ = static_cast<uint32_t>(summary.report->ntp >> 16);
  sender_report_received_us_ = received_us;
  // Before the first packet, its RTP time has no place on the extended scale.
  const bool usable = started_ && time_.started() && summary.report->ssrc == ssrc_;
  if (usable && summary.report->ntp != 0) {
    result.report = {time_.Near(summary.report->rtp_time), NtpToUtc(summary.report->ntp)};
  }
  return result;
}

std::optional<Bytes> RtpTrack::WriteReport(uint32_t own_ssrc, std::string_view cname,
                                           int64_t now_us) {
  if (!started_) return std::nullopt;
  ReceptionReport report;
  report.own_ssrc = own_ssrc;
  report.source_ssrc = ssrc_;
  const uint64_t lost = sequence_.lost() - reported_lost_;
  const uint64_t expected = lost + sequence_.received() - reported_received_;
  if (expected > 0) report.fraction_lost = static_cast<uint8_t>(lost * 255 / expected);
  reported_lost_ = sequence_.lost();
  reported_received_ = sequence_.received();
  report.lost = static_cast<uint32_t>(std::min<uint64_t>(sequence_.lost(), UINT32_MAX));
  report.highest_sequence = sequence_.extended_highest();
  report.jitter = static_cast<uint32_t>(jitter_);
  report.last_sender_report = last_sender_report_;
  if (last_sender_report_ != 0) {
    report.delay_65536ths =
        static_cast<uint32_t>((now_us - sender_report_received_us_) * 65'536 / kUsPerSecond);
  }
  return WriteReceiverReport(report, cname);
}

}  // namespace lookback::recorder
