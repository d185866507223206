// `lookback camera probe`: what a camera offers, and what is bad for recording. Needs no server.

#include <fmt/format.h>

#include "apps/lookback/camera_clock.h"
#include "apps/lookback/command.h"
#include "base/words.h"
#include "recorder/probe.h"

namespace lookback::app {
namespace {

using recorder::ProbeReport;

struct ProbeSaid {
  std::string url, user, password_file, tls;
  std::string transport = "auto";
  double seconds = 10;
  bool json = false;
};

Json ToJson(const ProbeReport& report) {
  const recorder::ProbedVideo& video = report.video;
  Json left = Json::array();
  for (const auto& media : report.left) {
    left.push_back({{"kind", media.kind}, {"what", media.what}});
  }
  Json findings = Json::array();
  for (const auto& finding : report.findings) {
    findings.push_back({{"kind", finding.kind}, {"sentence", finding.sentence}});
  }
  Json audio;
  if (report.audio) {
    audio = {{"codec", report.audio->codec},
             {"sample_rate", report.audio->sample_rate},
             {"channels", report.audio->channels},
             {"bits_per_second", report.audio->bits_per_second}};
  }
  const auto offset = report.camera_offset_us;
  const double declared = video.declared_frames_per_second;
  return {{"url", report.url},
          {"transport", report.transport},
          {"measured_us", report.measured_us},
          {"lost_packets", report.lost_packets},
          {"time_jumps", report.time_jumps},
          {"video",
           {{"codec", video.codec},
            {"profile", video.profile},
            {"width", video.width},
            {"height", video.height},
            {"pictures", video.pictures},
            {"frames_per_second", video.frames_per_second},
            {"declared_frames_per_second", declared > 0 ? Json(declared) : Json()},
            {"bits_per_second", video.bits_per_second},
            {"sync_samples", video.sync_samples},
            {"longest_gop_us", video.longest_gop_us},
            {"longest_gop_pictures", video.longest_gop_pictures},
            {"reordered", video.reordered}}},
          {"audio", std::move(audio)},
          {"not_recorded", std::move(left)},
          {"camera_offset_us", offset ? Json(*offset) : Json()},
          {"findings", std::move(findings)}};
}

std::string VideoText(const recorder::ProbedVideo& video) {
  std::string text = video.codec;
  if (!video.profile.empty()) text += " (" + video.profile + ")";
  text += fmt::format(" {}x{}, {:.2f} frames/s, {:.2f} Mbit/s", video.width, video.height,
                      video.frames_per_second, video.bits_per_second / 1e6);
  return text + (video.reordered ? ", B-frames" : "");
}

std::string ReportText(const ProbeReport& report) {
  const recorder::ProbedVideo& video = report.video;
  Table table({"camera", report.url + " over " + report.transport});
  table.Add({"video", VideoText(video)});
  table.Add({"GOP", fmt::format("up to {:.2f} s, {}",
                                static_cast<double>(video.longest_gop_us) / kUsPerSecond,
                                Count(video.longest_gop_pictures, "picture"))});
  table.Add({"sound", report.audio ? fmt::format("{} {} Hz, {} channel{}, {:.0f} kbit/s",
                                                 report.audio->codec, report.audio->sample_rate,
                                                 report.audio->channels,
                                                 report.audio->channels == 1 ? "" : "s",
                                                 report.audio->bits_per_second / 1e3)
                                   : std::string("none that is recorded")});
  for (const auto& media : report.left) table.Add({"left out", media.kind + ": " + media.what});
  table.Add({"clock", report.camera_offset_us ? OffsetWords(*report.camera_offset_us)
                                              : std::string("not told")});
  std::string text = table.Text();
  text += fmt::format("measured for {:.1f} s\n",
                      static_cast<double>(report.measured_us) / kUsPerSecond);
  if (report.findings.empty()) return text + "nothing found that is bad for recording\n";
  for (const auto& finding : report.findings) text += "- " + Printable(finding.sentence) + "\n";
  return text;
}

Result<int> RunProbe(const ProbeSaid& said, Clock& clock, FileSystem& files) {
  recorder::ProbeOptions options;
  options.source.url = said.url;
  options.source.user = said.user;
  options.source.tls = said.tls;
  options.source.transport = said.transport == "tcp"   ? index::Transport::kTcp
                             : said.transport == "udp" ? index::Transport::kUdp
                                                       : index::Transport::kAuto;
  options.measure_us = static_cast<int64_t>(said.seconds * kUsPerSecond);
  if (!said.password_file.empty()) {
    LB_TRY_ASSIGN(password, ReadPassword(files, said.password_file));
    options.source.password = password;
  }
  Result<ProbeReport> report = [&] {
    ProgressLine line;
    line.Update(fmt::format("looking at the camera for {:g} s", said.seconds));
    return recorder::ProbeCamera(options, clock);
  }();
  if (!report) return Pass(report.error());
  if (said.json) {
    PrintJson(ToJson(*report));
  } else {
    PrintText(ReportText(*report));
  }
  return kExitOk;
}

}  // namespace

void AddProbeCommand(Commands& commands, CLI::App* camera_group) {
  auto said = std::make_shared<ProbeSaid>();
  CLI::App* probe = commands.Add(
      camera_group, "probe", "What a camera offers, and which settings are bad for recording.",
      [&commands, said] { return RunProbe(*said, commands.clock, commands.files); });
  probe->add_option("url", said->url, "rtsp[s]://HOST[:PORT]/PATH, without a password")->required();
  CLI::Option* user = probe->add_option("--user", said->user, "who the camera lets in");
  probe
      ->add_option("--password-file", said->password_file,
                   "a file whose first line is the password")
      ->needs(user);
  probe->add_option("--transport", said->transport, "how its media travels")
      ->check(CLI::IsMember({"auto", "tcp", "udp"}))
      ->capture_default_str();
  probe->add_option("--tls", said->tls, "rtsps:// only: verify, pin:SHA256 or insecure");
  probe->add_option("--seconds", said->seconds, "how long to look")
      ->check(CLI::Range(1.0,
                         static_cast<double>(recorder::ProbeOptions::kMaxMeasureUs) / kUsPerSecond))
      ->capture_default_str();
  probe->add_flag("--json", said->json, "one JSON document on standard output");
}

}  // namespace lookback::app
