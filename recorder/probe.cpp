#include "recorder/probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>

#include "media/audio.h"
#include "media/h264.h"
#include "media/h265.h"
#include "recorder/clock_map.h"
#include "recorder/picture_meter.h"
#include "recorder/rtp_track.h"
#include "recorder/rtsp_session.h"
#include "recorder/video_config.h"

namespace lookback::recorder {
namespace {

using media::Codec;
using media::TrackKind;

constexpr size_t kProbeBufferBytes = 256 << 10;
constexpr int64_t kReportIntervalUs = 5 * kUsPerSecond;
constexpr int kMaxRedirects = 3;

uint32_t Random32() {
  std::array<uint8_t, 4> bytes{};
  RandomBytes(bytes);
  return ByteReader(bytes).U32();
}

// ITU-T H.264 annex A, H.265 annex A; the ones that cameras have.
std::string ProfileName(const media::TrackConfig& track) {
  if (track.sps.empty()) return {};
  if (track.codec == Codec::kH264) {
    const auto sps = media::ParseH264Sps(track.sps[0]);
    if (!sps) return {};
    switch (sps->profile_idc) {
      case 66:
        return (sps->constraint_flags & 0x40) != 0 ? "Constrained Baseline" : "Baseline";
      case 77:
        return "Main";
      case 88:
        return "Extended";
      case 100:
        return "High";
      case 110:
        return "High 10";
      default:
        return {};
    }
  }
  if (track.codec == Codec::kH265) {
    const auto sps = media::ParseH265Sps(track.sps[0]);
    constexpr std::array<const char*, 4> kNames = {"", "Main", "Main 10", "Main Still Picture"};
    const size_t profile = sps ? sps->profile_tier_level[0] & 31U : 0;
    return profile < kNames.size() ? kNames[profile] : "";
  }
  return {};
}

// One session, or several where the camera redirects, and what was seen of them.
class Probe final : private RtspSession::Handler, private SampleSink {
 public:
  Probe(const ProbeOptions& options, CameraUrl url, Clock& clock)
      : options_(options),
        url_(std::move(url)),
        clock_(clock),
        buffer_(kProbeBufferBytes),
        context_{loop_, clock, buffer_, {}},
        own_ssrc_(Random32()) {}

  Result<ProbeReport> Run() {
    begun_us_ = clock_.MonotonicUs();
    Connect(url_);
    timer_ = std::make_unique<net::Timer>(loop_);
    timer_->Every(options_.tick_us, [this] { Tick(); });
    loop_.Run();
    if (failure_) return tl::unexpected(*failure_);
    report_.findings = JudgeProbe(report_);
    return std::move(report_);
  }

 private:
  void Connect(const CameraUrl& url) {
    const bool same_host = url.host == url_.host;
    RtspSession::Options session;
    session.connection.url = url;
    if (same_host) {  // A password is for the host that a person named.
      session.connection.user = options_.source.user;
      session.connection.password = options_.source.password;
    }
    if (const auto tls = net::TlsPolicy::Parse(options_.source.tls)) session.connection.tls = *tls;
    const Recorder::Options usual;
    session.connection.answer_timeout_us = usual.connect_timeout_us;
    session.silence_timeout_us = usual.silence_timeout_us;
    session.max_bytes_per_second = usual.max_bytes_per_second;
    session.transport = options_.source.transport;
    session.audio = true;
    report_.url = url.text;
    report_.left.clear();
    RtspSession::Handler& handler = *this;
    session_ = std::make_unique<RtspSession>(std::move(session), context_, handler);
  }

  void OnDescription(const Sdp& sdp) override {
    bool video = false;
    bool audio = false;
    for (const SdpMedia& media : sdp.media) {
      const auto format = ChooseFormat(media);
      bool& taken = media.kind == "audio" ? audio : video;
      const bool other = media.kind != "audio" && media.kind != "video";
      if (format && !taken && !other) {
        taken = true;
        continue;
      }
      LeftMedia left{media.kind, {}, media.kind == "audio" && !format};
      for (const SdpFormat& offered : media.formats) {
        left.what += (left.what.empty() ? "" : ", ") +
                     fmt::format("{}/{}", offered.encoding, offered.clock_rate);
      }
      report_.left.push_back(std::move(left));
    }
  }

  void OnReady(const std::vector<RtpFormat>& formats) override {
    SampleSink& sink = *this;
    for (const RtpFormat& format : formats) {
      tracks_.push_back(std::make_unique<RtpTrack>(format, sink));
      if (format.kind == TrackKind::kVideo) {
        config_.emplace(format.codec);
        config_->AddFrom(format.config);
      } else {
        report_.audio = ProbedAudio{media::CodecString(format.config), format.config.timescale,
                                    format.config.channels, 0};
      }
    }
  }

  void OnRtp(size_t track, ByteSpan packet, int64_t received_us) override {
    tracks_[track]->OnRtp(packet, received_us);
  }

  void OnRtcp(size_t track, ByteSpan packet, int64_t received_us) override {
    const RtpTrack::Rtcp rtcp = tracks_[track]->OnRtcp(packet, received_us);
    if (rtcp.goodbye) session_->Fail(index::GapCause::kCameraFault, "the camera ended the stream");
    if (!rtcp.report || tracks_[track]->format().kind != TrackKind::kVideo) return;
    if (map_.envelope().empty()) return;
    map_.SetWallOffset(clock_.NowUs() - clock_.MonotonicUs());
    report_.camera_offset_us = rtcp.report->camera_utc_us - map_.Peek(rtcp.report->time);
  }

  void OnSample(media::Sample sample) override {
    if (sample.track == TrackKind::kAudio) {
      if (first_picture_us_ != 0) audio_bytes_ += sample.data.size();
      return;
    }
    if (first_picture_us_ == 0) first_picture_us_ = clock_.MonotonicUs();
    config_->AddFrom(sample.data);
    if (!map_.Observe(sample.pts, sample.received_us)) {
      // What was measured so far is of another time.
      map_ = ClockMap(media::kVideoTimescale);
      meter_ = PictureMeter();
      ++report_.time_jumps;
    }
    meter_.Add(sample);
  }

  void Tick() {
    const int64_t now_us = clock_.MonotonicUs();
    session_->Tick();
    SendReports(now_us);
    const bool measuring = first_picture_us_ != 0;
    if (session_->failure()) {
      SessionFailure failure = *session_->failure();
      if (measuring) return Finish(now_us, std::move(failure.detail));
      if (failure.redirect && redirects_++ < kMaxRedirects) {
        tracks_.clear();
        return Connect(*failure.redirect);
      }
      return Give(failure.credentials ? Code::kDenied : Code::kUnavailable, failure.detail);
    }
    if (measuring && (now_us - first_picture_us_ >= options_.measure_us || meter_.full())) {
      return Finish(now_us, {});
    }
    if (!measuring && now_us - begun_us_ >= ProbeOptions::kMaxSetupUs) {
      Give(Code::kUnavailable,
           fmt::format("no picture within {}", FormatDuration(ProbeOptions::kMaxSetupUs)));
    }
  }

  void SendReports(int64_t now_us) {
    if (!session_->playing() || now_us < next_report_us_) return;
    next_report_us_ = now_us + kReportIntervalUs;
    for (size_t i = 0; i < tracks_.size(); ++i) {
      if (const auto report = tracks_[i]->WriteReport(own_ssrc_, "lookback", now_us)) {
        session_->SendRtcp(i, *report);
      }
    }
  }

  void Finish(int64_t now_us, std::string ended) {
    report_.transport = session_->transport_name();
    report_.ended = std::move(ended);
    report_.measured_us = now_us - first_picture_us_;
    for (const auto& track : tracks_) report_.lost_packets += track->lost_packets();
    meter_.Fill(report_.video);
    if (report_.audio && report_.measured_us > 0) {
      report_.audio->bits_per_second = static_cast<double>(audio_bytes_) * 8 * kUsPerSecond /
                                       static_cast<double>(report_.measured_us);
    }
    if (const auto track = config_->Config()) {
      report_.video.codec = media::CodecString(*track);
      report_.video.profile = ProfileName(*track);
      report_.video.width = track->width;
      report_.video.height = track->height;
      if (track->codec == Codec::kH264) {
        const auto sps = media::ParseH264Sps(track->sps[0]);
        if (sps) report_.video.declared_frames_per_second = sps->frame_rate_hint;
      }
    }
    Leave();
  }

  void Give(Code code, std::string message) {
    failure_ = Error{code, std::move(message)};
    Leave();
  }

  void Leave() {
    session_.reset();
    timer_.reset();
    loop_.Stop();
  }

  const ProbeOptions& options_;
  const CameraUrl url_;
  Clock& clock_;
  net::Loop loop_;
  Bytes buffer_;
  const IngestContext context_;
  const uint32_t own_ssrc_;

  ProbeReport report_;
  std::optional<Error> failure_;
  std::optional<VideoConfig> config_;
  ClockMap map_{media::kVideoTimescale};
  PictureMeter meter_;
  uint64_t audio_bytes_ = 0;
  int64_t begun_us_ = 0;
  int64_t first_picture_us_ = 0;  // Monotonic; 0: none yet.
  int64_t next_report_us_ = 0;
  int redirects_ = 0;
  std::vector<std::unique_ptr<RtpTrack>> tracks_;
  std::unique_ptr<RtspSession> session_;  // Calls into the tracks.
  std::unique_ptr<net::Timer> timer_;
};

}  // namespace

Result<ProbeReport> ProbeCamera(const ProbeOptions& options, Clock& clock) {
  LB_TRY_ASSIGN(url, ParseCameraUrl(options.source.url));
  if (url.container) {
    return Fail(Code::kInvalid, "a probe measures rtsp:// and rtsps:// cameras alone");
  }
  LB_TRY(CheckCameraSource(options.source));
  if (options.measure_us <= 0 || options.measure_us > ProbeOptions::kMaxMeasureUs) {
    return Fail(Code::kInvalid, "a camera is measured for more than 0 and at most " +
                                    FormatDuration(ProbeOptions::kMaxMeasureUs));
  }
  return Probe(options, std::move(url), clock).Run();
}

}  // namespace lookback::recorder
