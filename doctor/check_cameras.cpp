// Settings of cameras that are bad for recording, as far as the stream shows them.

#include <fmt/format.h>

#include <cmath>

#include "doctor/checks.h"

namespace lookback::doctor {
namespace {

std::string Seconds(int64_t us) {
  return fmt::format("{:.1f} s", static_cast<double>(us) / kUsPerSecond);
}

void CheckStream(const CameraFacts& camera, const Tell& tell) {
  const auto say = [&](Severity severity, std::string sentence, std::string cure) {
    tell({"cameras", severity, camera.id, std::move(sentence), std::move(cure)});
  };
  const std::string gop_cure =
      "in its settings: I-frame interval 2 s, and no \"smart\" codec that stretches it";
  if (!camera.recording) {
    return say(Severity::kUnknown, "it is not recorded now, so its settings cannot be judged",
               "`lookback camera status " + camera.id.substr(0, camera.id.find('/')) + "`");
  }
  if (camera.timed_by_arrival) {
    say(Severity::kWarning,
        "its timestamps stand still or run back: pictures are timed by when they come",
        "restart it, or give it a newer firmware");
  }
  if (camera.gop_us > kLongGopUs) {
    say(Severity::kWarning,
        fmt::format(
            "{} from one sync sample to the next: so much is lost behind a lost packet, and "
            "so coarse is where a clip can begin",
            Seconds(camera.gop_us)),
        gop_cure);
  } else if (camera.gop_us == 0 && camera.recording_us > kSettledUs) {
    say(Severity::kWarning,
        fmt::format("no second sync sample came in {}", Seconds(camera.recording_us)), gop_cure);
  }
  if (camera.lost_share >= kLossShare) {
    say(Severity::kWarning,
        fmt::format("{:.1f} % of its packets of the last minute were lost",
                    camera.lost_share * 100),
        camera.udp ? "`lookback camera set ID --transport tcp`, and look at the network between"
                   : "look at the network between: cable, switch, radio link");
  }
  const int64_t offset_us = camera.clock_offset_us.value_or(0);
  if (offset_us > kWrongClockUs || offset_us < -kWrongClockUs) {
    say(Severity::kWarning,
        fmt::format("its clock is {} {} this machine's, and so is the time in its pictures",
                    Seconds(std::abs(offset_us)), offset_us > 0 ? "ahead of" : "behind"),
        "in its settings: NTP, with this machine or another one as the server");
  }
  const double declared = camera.declared_frames_per_second;
  const bool settled = camera.recording_us > kSettledUs;  // A start counts few at first.
  if (settled && declared > 0 && camera.frames_per_second > 0 &&
      std::abs(camera.frames_per_second - declared) > kRateTolerance * declared) {
    say(Severity::kNote,
        fmt::format("it declares {:.1f} frames a second and sends {:.1f}", declared,
                    camera.frames_per_second),
        "in its settings: a fixed frame rate; a long exposure at night lowers it");
  }
  if (camera.h265_alone) {
    say(Severity::kNote, "it sends H.265 and has no sub stream: many browsers cannot show it",
        "`lookback camera set " + camera.id + " --sub-url URL` with a light H.264 stream");
  }
}

}  // namespace

void CheckCameras(const Facts& facts, const Tell& tell) {
  for (const CameraFacts& camera : facts.cameras) CheckStream(camera, tell);
  if (facts.server) return;
  tell({"cameras", Severity::kUnknown, "", "what they send a running server alone knows",
        "once it runs: `lookback doctor`"});
}

}  // namespace lookback::doctor
