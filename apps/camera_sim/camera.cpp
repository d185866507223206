#include "apps/camera_sim/camera.h"

#include <algorithm>

#include "base/checksum.h"

namespace lookback::camera_sim {
namespace {

// 90 kHz ticks to microseconds and nanoseconds, rounded down.
constexpr int64_t UsOf90k(int64_t ticks) { return ticks * 100 / 9; }
constexpr int64_t NsOf90k(int64_t ticks) { return ticks * 100'000 / 9; }

}  // namespace

Camera::Camera(CameraOptions options, std::shared_ptr<const Footage> footage,
               std::shared_ptr<const AudioTrack> audio, FrameLog& log)
    : options_(std::move(options)),
      footage_(std::move(footage)),
      audio_(std::move(audio)),
      log_(log),
      first_unit_(footage_->SyncUnitAt(options_.start_fraction)),
      unit_(first_unit_) {}

int64_t Camera::VideoTime90k() const {
  const auto& units = footage_->units;
  return loops_ * footage_->duration_90k + units[unit_].dts_90k - units[first_unit_].dts_90k;
}

int64_t Camera::VideoDueUs() const { return options_.start_mono_us + UsOf90k(VideoTime90k()); }

int64_t Camera::AudioDueUs() const {
  return options_.start_mono_us + audio_->TimeNs(audio_frame_) / 1000;
}

int64_t Camera::NextDueUs() const {
  return audio_ ? std::min(VideoDueUs(), AudioDueUs()) : VideoDueUs();
}

void Camera::Deliver(const Clock& clock) {
  if (audio_ && AudioDueUs() < VideoDueUs()) {
    DeliverAudio();
  } else {
    DeliverVideo(clock);
  }
}

void Camera::DeliverVideo(const Clock& clock) {
  const AccessUnit& unit = footage_->units[unit_];
  const int64_t dts_90k = VideoTime90k();
  const int64_t pts_90k = dts_90k + unit.pts_90k - unit.dts_90k - footage_->reorder_90k;
  ++frame_;
  {
    const std::lock_guard lock(mutex_);
    const TimeUs capture_us = clock.NowUs();
    const Bytes bytes = Assemble(unit, dts_90k, {options_.id, frame_, capture_us});
    const int sent = Send(
        {bytes, kFirstFrameNs + NsOf90k(pts_90k), kFirstFrameNs + NsOf90k(dts_90k), unit.sync});
    std::string hash;
    if (options_.log_hashes) {
      const bool whole = footage_->codec != VideoCodec::kMjpeg;
      hash = HexEncode(Sha256(ByteSpan(bytes).subspan(whole ? 0 : unit.vcl_offset)));
    }
    log_.Append({options_.id, frame_, capture_us, unit.sync, bytes.size(), sent, hash});
  }
  if (++unit_ == footage_->units.size()) {
    unit_ = 0;
    ++loops_;
  }
}

Bytes Camera::Assemble(const AccessUnit& unit, int64_t dts_90k, const Mark& mark) {
  if (footage_->codec == VideoCodec::kMjpeg) return AssemblePicture(unit, BuildMarkComment(mark));
  const ByteSpan sets =
      ParameterSetsDue(unit, dts_90k) ? ByteSpan(footage_->parameter_sets) : ByteSpan();
  return AssembleAccessUnit(unit, sets, BuildMarkNal(mark, footage_->codec), footage_->codec);
}

int Camera::Send(const TimedBytes& unit) {
  int sent = 0;
  for (Outlet& outlet : outlets_) {
    if (outlet.viewers == 0 || !(outlet.started || unit.sync)) continue;
    outlet.started = outlet.feed->PushVideo(unit);
    if (outlet.started) sent += outlet.viewers;
  }
  return sent;
}

void Camera::DeliverAudio() {
  const int64_t time_ns = kFirstFrameNs + audio_->TimeNs(audio_frame_);
  const Bytes& frame = audio_->frames[audio_frame_ % audio_->frames.size()];
  ++audio_frame_;
  const std::lock_guard lock(mutex_);
  int sent = 0;
  for (Outlet& outlet : outlets_) {
    // A piece of audio that is refused is lost, as on a camera.
    if (!outlet.started || !outlet.feed->PushAudio({frame, time_ns, time_ns, true})) continue;
    sent += outlet.viewers;
  }
  if (options_.log_hashes) {
    const std::string hash = HexEncode(Sha256(frame));
    log_.AppendSound({options_.id, audio_frame_, frame.size(), sent, hash});
  }
}

bool Camera::ParameterSetsDue(const AccessUnit& unit, int64_t time_90k) {
  if (!unit.sync || options_.config_interval_s == kConfigNever) return false;
  const int64_t interval_90k = std::max(options_.config_interval_s, 0) * kVideoClockRate;
  if (parameter_sets_sent_90k_ && time_90k - *parameter_sets_sent_90k_ < interval_90k) return false;
  parameter_sets_sent_90k_ = time_90k;
  return true;
}

void Camera::Attach(std::shared_ptr<Feed> feed) {
  const std::lock_guard lock(mutex_);
  outlets_.push_back({std::move(feed)});
}

void Camera::Detach(const Feed* feed) {
  const std::lock_guard lock(mutex_);
  std::erase_if(outlets_, [feed](const Outlet& outlet) { return outlet.feed.get() == feed; });
}

void Camera::AddViewer(const Feed* feed) {
  const std::lock_guard lock(mutex_);
  if (Outlet* outlet = Find(feed)) ++outlet->viewers;
}

void Camera::RemoveViewer(const Feed* feed) {
  const std::lock_guard lock(mutex_);
  Outlet* outlet = Find(feed);
  if (outlet == nullptr || outlet->viewers == 0) return;
  if (--outlet->viewers == 0) outlet->started = false;
}

Camera::Outlet* Camera::Find(const Feed* feed) {
  const auto found = std::find_if(outlets_.begin(), outlets_.end(), [feed](const Outlet& outlet) {
    return outlet.feed.get() == feed;
  });
  return found == outlets_.end() ? nullptr : &*found;
}

}  // namespace lookback::camera_sim
