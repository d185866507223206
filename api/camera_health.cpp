#include "api/camera_health.h"

#include <fmt/format.h>

#include <algorithm>

namespace lookback::api {
namespace {

std::optional<std::string> Degraded(const StreamId& stream, const recorder::CameraStatus& status) {
  if (status.lost_share >= CameraHealth::kLossShare) {
    return fmt::format("{} lost {:.1f} % of its packets in the last minute", NameOf(stream),
                       status.lost_share * 100);
  }
  if (status.damaged_share >= CameraHealth::kDamageShare) {
    return fmt::format("{:.1f} % of the frames of {} in the last minute are damaged",
                       status.damaged_share * 100, NameOf(stream));
  }
  return std::nullopt;
}

}  // namespace

std::string NameOf(const StreamId& stream) {
  const std::string& camera = stream.camera.text();
  return stream.stream == Stream::kSub ? "the sub stream of " + camera : camera;
}

void FadingMean::Add(double value, int64_t lasted_us) {
  if (lasted_us <= 0) return;
  learnt_us_ = std::min(learnt_us_ + lasted_us, memory_us_);
  const double weight = static_cast<double>(lasted_us) / static_cast<double>(learnt_us_);
  value_ += (value - value_) * std::min(weight, 1.0);
}

CameraHealth::Findings CameraHealth::Look(const StreamId& stream,
                                          const recorder::CameraStatus& status, int64_t now_us) {
  Findings findings;
  if (status.state != recorder::CameraState::kRecording) {
    // What it then begins with, after a reconnect, is no rate of a running stream.
    if (const auto found = streams_.find(stream); found != streams_.end()) {
      found->second.looked_us = 0;
    }
    return findings;
  }
  findings.degraded = Degraded(stream, status);
  Past& past = streams_[stream];
  const int64_t lasted_us = now_us - past.looked_us;
  const bool follows =
      past.looked_us != 0 && lasted_us > 0 && lasted_us <= kMaxStepUs && status.bytes >= past.bytes;
  if (follows) {
    const double rate = static_cast<double>(status.bytes - past.bytes) * 8 * kUsPerSecond /
                        static_cast<double>(lasted_us);
    past.mean.Add(rate, lasted_us);
    past.now.Add(rate, lasted_us);
  }
  past.looked_us = now_us;
  past.bytes = status.bytes;
  if (past.mean.learnt_us() < kBitrateLearnUs) return findings;
  const double mean = past.mean.value();
  const double now = past.now.value();
  if (now >= mean * kBitrateFactor || now * kBitrateFactor <= mean) {
    findings.bitrate = fmt::format(
        "{} sends {:.2f} Mbit/s, and {:.2f} in the mean of the last day: its settings, the network "
        "or "
        "the camera itself changed",
        NameOf(stream), now / 1e6, mean / 1e6);
  }
  return findings;
}

}  // namespace lookback::api
