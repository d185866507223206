#include "recorder/camera_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/log.h"
#include "recorder/demux_source.h"
#include "recorder/rtsp_source.h"

namespace lookback::recorder {
namespace {

using index::GapCause;

constexpr int64_t kRateIntervalUs = 2 * kUsPerSecond;
constexpr int64_t kJitterPercent = 25;

}  // namespace

uint32_t Random32() {
  std::array<uint8_t, 4> bytes{};
  RandomBytes(bytes);
  return ByteReader(bytes).U32();
}

CameraSession::CameraSession(Stream stream, CameraSource source, CameraUrl url,
                             int64_t first_try_us, const Recorder::Options& options,
                             const IngestContext& context, DemuxThreads& demuxers,
                             storage::Archive& archive, GapKeeper& gaps,
                             std::shared_ptr<StatusBoard> board)
    : source_(std::move(source)),
      stream_{source_.id, stream},
      url_(std::move(url)),
      options_(options),
      context_(context),
      demuxers_(demuxers),
      archive_(archive),
      gaps_(gaps),
      board_(std::move(board)),
      own_ssrc_(Random32()),
      retry_us_(first_try_us),
      backoff_us_(options.backoff_min_us) {
  rated_us_ = context_.clock.MonotonicUs();
  if (retry_us_ > rated_us_) {
    SetState(CameraState::kWaiting);
  } else {
    Connect(url_);
  }
}

CameraSession::~CameraSession() {
  if (session_) session_->Tick();  // What has arrived by now is footage.
  Disconnect();
  SetState(CameraState::kStopped);
}

void CameraSession::Connect(const CameraUrl& url) {
  status_.tried = true;
  SetState(CameraState::kConnecting);
  no_footage_told_ = false;
  other_host_ = !EqualsIgnoringCase(url.host, url_.host);
  session_ = url.container ? OpenContainer(url) : OpenRtsp(url);
}

std::unique_ptr<SourceSession> CameraSession::OpenRtsp(const CameraUrl& url) {
  RtspSession::Options session;
  session.connection.url = url;
  if (!other_host_) {  // A password is for the host that a person named.
    session.connection.user = source_.user;
    session.connection.password = source_.password;
  }
  if (const auto tls = net::TlsPolicy::Parse(source_.tls)) session.connection.tls = *tls;
  session.connection.answer_timeout_us = options_.connect_timeout_us;
  session.transport = source_.transport;
  session.audio = source_.audio;
  session.silence_timeout_us = options_.silence_timeout_us;
  session.max_bytes_per_second = options_.max_bytes_per_second;
  SourceSession::Owner& owner = *this;
  return std::make_unique<RtspSource>(std::move(session), own_ssrc_, context_, owner);
}

std::unique_ptr<SourceSession> CameraSession::OpenContainer(const CameraUrl& url) {
  DemuxSource::Options session;
  session.url = url.text;
  session.demuxer.user = source_.user;
  session.demuxer.password = source_.password;
  session.demuxer.audio = source_.audio;
  session.demuxer.open_timeout_us = options_.connect_timeout_us;
  session.demuxer.read_timeout_us = options_.silence_timeout_us;
  const auto tls = net::TlsPolicy::Parse(source_.tls);
  session.demuxer.verify_tls = !tls || tls->check != net::TlsPolicy::Check::kInsecure;
  session.max_bytes_per_second = options_.max_bytes_per_second;
  session.footage_end_us = gaps_.footage_end_us();
  SourceSession::Owner& owner = *this;
  return std::make_unique<DemuxSource>(session, context_, demuxers_, owner);
}

void CameraSession::Disconnect() {
  const LossCounts losses = Losses();
  past_frames_ = losses.frames;
  past_damaged_frames_ = losses.damaged_frames;
  past_counters_ = Counters();
  status_.transport.clear();
  session_.reset();
  writer_.reset();
  recording_since_us_ = 0;
}

RunWriter& CameraSession::OnTracks(const std::vector<RtpFormat>& tracks) {
  writer_ = std::make_unique<RunWriter>(stream_, tracks, archive_, gaps_, context_.clock);
  return *writer_;
}

void CameraSession::Tick() {
  const int64_t now_us = context_.clock.MonotonicUs();
  if (session_) {
    session_->Tick();
    if (writer_) writer_->Tick();
    CheckPictures(now_us);
    if (session_->failure()) {
      SessionFailure failure = *session_->failure();
      if (!Follow(failure, now_us)) Wait(failure, now_us);
    }
  } else if (now_us >= retry_us_) {
    Connect(url_);
  }
  gaps_.Tick();
  UpdateRates(now_us);
}

void CameraSession::CheckPictures(int64_t now_us) {
  if (!writer_ || !session_->playing()) return;
  const int64_t idle_us = now_us - writer_->idle_since_us();
  if (writer_->in_run() && idle_us < options_.no_picture_us) return Recording(now_us);
  // A volume that takes nothing is not the camera's fault, and has its own gap.
  if (idle_us < options_.no_picture_us || writer_->met() == RunWriter::Met::kArchiveRefused) return;
  if (!no_footage_told_) {
    no_footage_told_ = true;
    recording_since_us_ = 0;
    status_.last_error = WhyNoFootage(options_.no_picture_us);
    writer_->InterruptRun(GapCause::kCameraFault, status_.last_error);
    SetState(CameraState::kConnecting);
  }
  if (idle_us >= options_.no_picture_reconnect_us) {
    session_->Fail(GapCause::kCameraFault, WhyNoFootage(options_.no_picture_reconnect_us));
  }
}

void CameraSession::Recording(int64_t now_us) {
  no_footage_told_ = false;
  std::string complaint;
  if (writer_->timed_by_arrival()) {
    complaint = "the camera's timestamps stand still or run back; pictures are timed by arrival";
  }
  const bool begins = recording_since_us_ == 0;
  if (!begins && status_.last_error == complaint) return;
  status_.last_error = std::move(complaint);
  if (!begins) return PostStatus();
  recording_since_us_ = now_us;
  status_.tracks = writer_->tracks();
  status_.transport = session_->transport_name();
  SetState(CameraState::kRecording);
  LogInfo("recorder", fmt::format("{}: recording {}", stream_.text(), status_.tracks));
}

std::string CameraSession::WhyNoFootage(int64_t waited_us) const {
  const auto seconds = waited_us / kUsPerSecond;
  switch (writer_->met()) {
    case RunWriter::Met::kPicture:
      return fmt::format("no sync sample for {} s", seconds);
    case RunWriter::Met::kDamagedSync:
      return fmt::format("no whole sync sample for {} s: packets are lost", seconds);
    case RunWriter::Met::kSyncWithoutSets:
      return fmt::format("no parameter sets for {} s", seconds);
    case RunWriter::Met::kNothing:
    case RunWriter::Met::kArchiveRefused:
      break;
  }
  return fmt::format("no picture for {} s", seconds) + session_->WhyNoPicture();
}

// True when the failure was a redirect, and a try at the new place is under way.
bool CameraSession::Follow(SessionFailure& failure, int64_t now_us) {
  if (failure.credentials && other_host_) {
    failure.detail =
        "the camera redirects to another host, which asks for credentials; they go only to the "
        "host of the camera's own URL, so make that host its URL if it is to have them";
  }
  if (!failure.redirect) return false;
  if (recording_since_us_ != 0 && now_us - recording_since_us_ >= kStableUs) redirects_ = 0;
  if (redirects_ == kMaxRedirects) {
    failure.detail = fmt::format("the camera redirects more than {} times", kMaxRedirects);
    return false;
  }
  ++redirects_;
  const CameraUrl url = *failure.redirect;
  LogInfo("recorder", fmt::format("{}: {}", stream_.text(), failure.detail));
  Disconnect();
  gaps_.Interrupt(failure.cause, failure.detail);
  Connect(url);
  return true;
}

void CameraSession::Wait(const SessionFailure& failure, int64_t now_us) {
  if (recording_since_us_ != 0 && now_us - recording_since_us_ >= kStableUs) {
    backoff_us_ = options_.backoff_min_us;
  }
  Disconnect();
  redirects_ = 0;
  gaps_.Interrupt(failure.cause, failure.detail);
  // The same failure again is no news.
  if (status_.last_error != failure.detail) {
    LogWarning("recorder", fmt::format("{}: {}", stream_.text(), failure.detail));
  }
  status_.last_error = failure.detail;
  ++status_.reconnects;
  retry_us_ = now_us + Backoff(failure.credentials);
  SetState(CameraState::kWaiting);
}

int64_t CameraSession::Backoff(bool credentials) {
  const int64_t wait_us =
      credentials ? std::max(options_.credential_backoff_us, options_.backoff_max_us) : backoff_us_;
  backoff_us_ = std::min(backoff_us_ * 2, options_.backoff_max_us);
  const int64_t percent = 100 - kJitterPercent + Random32() % (2 * kJitterPercent + 1);
  return wait_us * percent / 100;
}

void CameraSession::SetState(CameraState state) {
  if (status_.state != state || status_.since_us == 0) {
    status_.state = state;
    status_.since_us = context_.clock.NowUs();
    if (state == CameraState::kRecording)
      status_.down_since_us = 0;
    else if (status_.down_since_us == 0)
      status_.down_since_us = status_.since_us;
  }
  PostStatus();
}

SourceCounters CameraSession::Counters() const {
  SourceCounters sum = past_counters_;
  if (session_) sum += session_->counters();
  return sum;
}

LossCounts CameraSession::Losses() const {
  const SourceCounters counters = Counters();
  LossCounts sum;
  sum.received_packets = counters.received_packets;
  sum.lost_packets = counters.lost_packets;
  sum.frames = past_frames_ + (writer_ ? writer_->pictures() : 0);
  sum.damaged_frames = past_damaged_frames_ + (writer_ ? writer_->damaged_pictures() : 0);
  return sum;
}

void CameraSession::UpdateRates(int64_t now_us) {
  const int64_t elapsed_us = now_us - rated_us_;
  if (elapsed_us < kRateIntervalUs) return;
  const SourceCounters counters = Counters();
  const LossCounts losses = Losses();
  status_.bytes = counters.bytes;
  status_.frames = losses.frames;
  status_.damaged_frames = losses.damaged_frames;
  status_.received_packets = losses.received_packets;
  status_.lost_packets = losses.lost_packets;
  status_.dropped_samples = counters.dropped_samples;
  loss_window_.Add(now_us, losses);
  status_.lost_share = loss_window_.lost_share();
  status_.damaged_share = loss_window_.damaged_share();
  status_.foreign_packets = counters.transport.foreign_packets;
  status_.late_packets = counters.transport.late_packets;
  status_.kernel_drops = counters.transport.kernel_drops;
  const double seconds = static_cast<double>(elapsed_us) / kUsPerSecond;
  status_.bits_per_second = static_cast<double>(status_.bytes - rated_bytes_) * 8 / seconds;
  status_.frames_per_second = static_cast<double>(status_.frames - rated_frames_) / seconds;
  if (writer_) TakeStreamFigures(*writer_);
  rated_us_ = now_us;
  rated_bytes_ = status_.bytes;
  rated_frames_ = status_.frames;
  PostStatus();
}

// Of what is sent; what was last known stays while nothing is.
void CameraSession::TakeStreamFigures(const RunWriter& writer) {
  if (writer.camera_offset_us()) {
    status_.has_camera_offset = true;
    status_.camera_offset_us = *writer.camera_offset_us();
  }
  if (writer.gop().pictures > 0) {
    status_.gop_frames = writer.gop().pictures;
    status_.gop_us = writer.gop().duration_us;
  }
  if (writer.in_run()) {
    status_.declared_frames_per_second = writer.declared_frames_per_second();
    status_.timed_by_arrival = writer.timed_by_arrival();
  }
}

}  // namespace lookback::recorder
