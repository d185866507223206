// `lookback scrub`: how far the server's check of every byte is, and what of
// the footage is damaged.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "apps/lookback/command.h"
#include "base/words.h"

namespace lookback::app {
namespace {

constexpr const char* kScrubPath = "/api/v1/scrub";

struct ScrubAsked {
  bool now = false;
  bool wait = false;
};

bool Runs(const Json& volume) {
  const auto pass = volume.find("pass");
  return pass != volume.end() && pass->is_object();
}

// "12 of 40 segments, 240.1 MB of 800.0 MB".
std::string DoneOf(const Json& pass) {
  const auto bytes = [&](const char* name) {
    return FormatBytes(static_cast<uint64_t>(NumberOf(pass, name)));
  };
  return fmt::format("{} of {}, {} of {}", NumberOf(pass, "segments"),
                     CountOf(pass, "of_segments", "segment"), bytes("bytes"), bytes("of_bytes"));
}

// At the budget; recording and other readers come first.
std::string LeftOf(const Json& pass, int64_t bytes_per_second) {
  const int64_t left = NumberOf(pass, "of_bytes") - NumberOf(pass, "bytes");
  if (left <= 0 || bytes_per_second <= 0) return "";
  return ", at least " + FormatDuration(left / bytes_per_second * kUsPerSecond) + " more";
}

std::string LastText(const Json& volume, const TimeZone& zone) {
  const auto last = volume.find("last");
  if (last == volume.end() || !last->is_object()) return "it was never checked whole";
  return fmt::format("checked whole from {} to {}: {}, {}, {}", LocalTimeOf(*last, "began", zone),
                     LocalTimeOf(*last, "ended", zone), CountOf(*last, "segments", "segment"),
                     FormatBytes(static_cast<uint64_t>(NumberOf(*last, "bytes"))),
                     CountOf(*last, "findings", "finding"));
}

std::string VolumeText(const Json& scrub, const Json& volume, const TimeZone& zone) {
  std::string text =
      fmt::format("{}: {}\n", Printable(TextOf(volume, "root")), LastText(volume, zone));
  if (Runs(volume)) {
    const Json& pass = volume.at("pass");
    text += fmt::format("  under way since {}: {}{}\n", LocalTimeOf(pass, "began", zone),
                        DoneOf(pass), LeftOf(pass, NumberOf(scrub, "bytes_per_second")));
    if (const std::string why = TextOf(pass, "hindrance"); !why.empty()) {
      text += "  it does not go on just now: " + Printable(why) + "\n";
    }
  } else {
    text += fmt::format("  next: {}\n", LocalTimeOf(volume, "next", zone, "when it is asked for"));
  }
  return text;
}

std::string FindingText(const Json& finding, const TimeZone& zone) {
  const bool sub = TextOf(finding, "stream") == "sub";
  const bool gone = TextOf(finding, "cause") == "missing";
  return fmt::format("{}{} from {} to {} {}: {}{}\n", Printable(TextOf(finding, "camera")),
                     sub ? " (sub stream)" : "", LocalTimeOf(finding, "start", zone),
                     LocalTimeOf(finding, "end", zone), gone ? "is gone" : "is damaged",
                     Printable(TextOf(finding, "sentence")),
                     FlagOf(finding, "copy") ? "; its copy is read in its place" : "");
}

std::string ScrubText(const Json& scrub, const TimeZone& zone) {
  std::string text;
  for (const Json& volume : ListOf(scrub, "volumes")) text += VolumeText(scrub, volume, zone);
  const Json& findings = ListOf(scrub, "findings");
  const int64_t damaged = NumberOf(scrub, "damaged");
  if (damaged == 0) return text + "No damaged footage is known.\n";
  text += fmt::format("{} stretch{} of footage {} damaged, or without {} file:\n", damaged,
                      damaged == 1 ? "" : "es", damaged == 1 ? "is" : "are",
                      damaged == 1 ? "its" : "their");
  for (const Json& finding : findings) text += FindingText(finding, zone);
  const auto shown = static_cast<int64_t>(findings.size());
  if (damaged > shown) text += fmt::format("and {} more\n", damaged - shown);
  return text;
}

std::string ScrubProgressText(const Json& scrub) {
  int64_t bytes = 0, of_bytes = 0, running = 0;
  for (const Json& volume : ListOf(scrub, "volumes")) {
    if (!Runs(volume)) continue;
    ++running;
    bytes += NumberOf(volume.at("pass"), "bytes");
    of_bytes += NumberOf(volume.at("pass"), "of_bytes");
  }
  const int64_t percent = of_bytes > 0 ? std::min<int64_t>(bytes * 100 / of_bytes, 100) : 0;
  return fmt::format("scrub: {} %, {} of {} on {} volume{}; {} damaged", percent,
                     FormatBytes(static_cast<uint64_t>(bytes)),
                     FormatBytes(static_cast<uint64_t>(of_bytes)), running, running == 1 ? "" : "s",
                     NumberOf(scrub, "damaged"));
}

Result<Json> AwaitScrub(Client& client, Json scrub) {
  ProgressLine progress;
  // A pass that cannot go on, as its disk is not there, is not waited for.
  const auto goes_on = [](const Json& volume) {
    return Runs(volume) && TextOf(volume.at("pass"), "hindrance").empty();
  };
  const auto running = [&] {
    const Json& volumes = ListOf(scrub, "volumes");
    return std::any_of(volumes.begin(), volumes.end(), goes_on);
  };
  while (running()) {
    progress.Update(ScrubProgressText(scrub));
    std::this_thread::sleep_for(kPollEvery);
    LB_TRY_ASSIGN(next, client.api().Get(kScrubPath));
    scrub = std::move(next);
  }
  return scrub;
}

Result<int> Scrub(Client& client, const ScrubAsked& asked) {
  LB_TRY_ASSIGN(zone, client.Zone());
  auto scrub =
      asked.now ? client.api().Call("POST", kScrubPath, Json()) : client.api().Get(kScrubPath);
  if (scrub && asked.wait) scrub = AwaitScrub(client, *std::move(scrub));
  if (!scrub) return Pass(scrub.error());
  if (client.json()) {
    PrintJson(*scrub);
  } else {
    PrintText(ScrubText(*scrub, zone));
  }
  return NumberOf(*scrub, "damaged") == 0 ? kExitOk : kExitNegative;
}

}  // namespace

void AddScrubCommand(Commands& commands) {
  auto asked = std::make_shared<ScrubAsked>();
  CLI::App* scrub = commands.AddClient(
      &commands.app, "scrub",
      "How far the server's check of every byte is, and what footage is damaged.",
      [asked](Client& client) { return Scrub(client, *asked); });
  scrub->add_flag("--now", asked->now, "begin a pass over all volumes; takes an admin");
  scrub->add_flag("--wait", asked->wait, "wait until the passes under way end, or cannot go on");
}

}  // namespace lookback::app
