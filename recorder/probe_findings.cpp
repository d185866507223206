#include <fmt/format.h>

#include <cmath>
#include <cstdlib>

#include "base/words.h"
#include "recorder/probe.h"

namespace lookback::recorder {
namespace {

constexpr int64_t kLongGopUs = 4 * kUsPerSecond;
constexpr int64_t kWrongClockUs = 2 * kUsPerSecond;
// Cameras send a report about every 5 s (RFC 3550 §6.2); less time than this tells nothing.
constexpr int64_t kReportsExpectedUs = 8 * kUsPerSecond;
constexpr double kDeclaredTolerance = 0.1;
constexpr double kUnevenShare = 0.1;
// Four times what a busy street takes at a quality where nobody sees a difference any more.
constexpr double kMaxBitsPerPixel = 0.5;

std::string Seconds(int64_t us) {
  return fmt::format("{:.1f} s", static_cast<double>(us) / kUsPerSecond);
}

void JudgeVideo(const ProbeReport& report, std::vector<ProbeFinding>& findings) {
  const ProbedVideo& video = report.video;
  if (video.sync_samples == 0 && video.longest_gop_us > kLongGopUs) {
    findings.push_back(
        {"no-sync-sample", fmt::format("no sync sample in {}: nothing can be recorded before the "
                                       "first one; set the I-frame interval to 2 s",
                                       Seconds(report.measured_us))});
  } else if (video.longest_gop_us > kLongGopUs) {
    findings.push_back(
        {"long-gop",
         fmt::format("{} from one sync sample to the next: so much is lost behind a lost packet, "
                     "and at a start; set the I-frame interval to 2 s, and no \"smart\" codec that "
                     "stretches it",
                     Seconds(video.longest_gop_us))});
  }
  if (video.leading_pictures > 0) {
    findings.push_back(
        {"open-gop",
         fmt::format("GOPs are open: {} pictures are left out where a clip begins at one; set "
                     "closed GOPs, or no B-frames",
                     video.leading_pictures)});
  }
  const double declared = video.declared_frames_per_second;
  if (declared > 0 && video.frames_per_second > 0 &&
      std::abs(video.frames_per_second - declared) > kDeclaredTolerance * declared) {
    findings.push_back(
        {"frame-rate",
         fmt::format("{:.2f} frames a second are declared and {:.2f} sent; what is recorded keeps "
                     "the true times, but a player that believes the declaration does not",
                     declared, video.frames_per_second)});
  }
  if (video.uneven > kUnevenShare && report.lost_packets == 0) {
    findings.push_back(
        {"uneven-frames",
         fmt::format("{:.0f} % of the pictures come at another interval than the usual one: a "
                     "long exposure at night, or a camera that is overloaded; set a fixed frame "
                     "rate",
                     100 * video.uneven)});
  }
  const double pixels = static_cast<double>(video.width) * video.height * video.frames_per_second;
  const bool jpeg = video.codec.starts_with("mp4v");
  if (pixels > 0 && !jpeg && video.bits_per_second > kMaxBitsPerPixel * pixels) {
    findings.push_back(
        {"bitrate", fmt::format("{:.1f} Mbit/s is far more than {}x{} at {:.0f} frames a second "
                                "needs, and shortens what the disks hold",
                                video.bits_per_second / 1e6, video.width, video.height,
                                video.frames_per_second)});
  }
}

void JudgeClock(const ProbeReport& report, std::vector<ProbeFinding>& findings) {
  if (!report.camera_offset_us) {
    if (report.measured_us < kReportsExpectedUs) return;
    findings.push_back({"no-sender-reports",
                        fmt::format("no sender report in {}: its clock is not known, and sound is "
                                    "laid under the pictures by when it arrives",
                                    Seconds(report.measured_us))});
    return;
  }
  const int64_t offset_us = *report.camera_offset_us;
  if (offset_us <= kWrongClockUs && offset_us >= -kWrongClockUs) return;
  findings.push_back(
      {"wrong-clock",
       fmt::format("its clock is {} {} this machine's, and so is the time in its "
                   "pictures; give it a time server",
                   Seconds(std::abs(offset_us)), offset_us > 0 ? "ahead of" : "behind")});
}

}  // namespace

std::vector<ProbeFinding> JudgeProbe(const ProbeReport& report) {
  std::vector<ProbeFinding> findings;
  if (!report.ended.empty()) {
    findings.push_back({"broke-off", fmt::format("after {} it ended: {}",
                                                 Seconds(report.measured_us), report.ended)});
  }
  if (report.lost_packets > 0) {
    findings.push_back(
        {"loss",
         fmt::format("lost in {1}: {0}{2}", Count(report.lost_packets, "packet"),
                     Seconds(report.measured_us),
                     report.transport == "udp" ? "; over TCP the line would carry them again"
                                               : ", by the camera itself")});
  }
  if (report.time_jumps > 0) {
    findings.push_back(
        {"time-jumps", fmt::format("the timestamps of its pictures jumped {} time{}: each begins "
                                   "a new run, with a gap before it; look for newer firmware",
                                   report.time_jumps, report.time_jumps == 1 ? "" : "s")});
  }
  JudgeVideo(report, findings);
  JudgeClock(report, findings);
  for (const LeftMedia& media : report.left) {
    if (!media.unsupported_audio) continue;
    findings.push_back(
        {"audio-codec",
         fmt::format("its sound is {}, which is not recorded; set AAC, Opus or G.711",
                     media.what)});
  }
  if (report.transport != "tls") {
    findings.push_back({"no-tls",
                        "pictures travel unencrypted: whoever is on the line can see and change "
                        "them; where the camera offers rtsps://, use it"});
  }
  return findings;
}

}  // namespace lookback::recorder
