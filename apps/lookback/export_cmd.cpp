// `lookback export`: footage of several cameras into a directory that can be checked without us.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "apps/lookback/command.h"
#include "apps/lookback/coverage.h"
#include "apps/lookback/export_run.h"
#include "apps/lookback/export_view.h"
#include "base/words.h"

namespace lookback::app {
namespace {

constexpr int kMaxHoldDays = 3'650;

struct ExportOptions {
  ExportOrder order;
  WrittenRange range;
  std::string directory;
  std::string view;
  bool no_audio = false;
  bool subtitles = false;
  bool dry_run = false;
};

// What is written when the command is interrupted: a handler may only do what is safe in one.
char interrupted[512];
size_t interrupted_length = 0;

void OnInterrupt(int) {
  if (view_process != 0) (void)::kill(static_cast<pid_t>(view_process), SIGKILL);
  (void)!::write(STDERR_FILENO, interrupted, interrupted_length);
  ::_exit(kExitInterrupted);
}

// The directory can be gone on with at every instant, so there is nothing to put in order first.
void TellWhenInterrupted(const std::string& directory) {
  std::string text = fmt::format(
      "\nlookback: interrupted; what came so far is in {}, and the same command goes on with it\n",
      Printable(directory));
  if (text.size() > sizeof interrupted)
    text = "\nlookback: interrupted; the same command goes on\n";
  interrupted_length = text.copy(interrupted, sizeof interrupted);
  struct sigaction action = {};
  action.sa_handler = &OnInterrupt;
  for (const int number : {SIGINT, SIGTERM}) (void)::sigaction(number, &action, nullptr);
}

// "kept until …" by the policy that holds for the camera.
std::string KeptText(const Json& camera, const TimeZone& zone) {
  const Json kept = camera.value("retention", Json::object());
  std::string text;
  const auto add = [&](const char* name, std::string_view words) {
    if (!TextOf(kept, name).empty()) {
      text +=
          fmt::format("{}{} {}", text.empty() ? "" : ", ", words, LocalTimeOf(kept, name, zone));
    }
  };
  add("promised_until", "promised until");
  add("thinned_from", "thinned from");
  add("deleted_from", "deleted from");
  return text.empty() ? "kept until the disk needs the space" : text;
}

std::string CamerasText(const Json& report, const TimeZone& zone, bool dry_run) {
  std::string text;
  for (const Json& camera : ListOf(report, "cameras")) {
    const int64_t missing_us = NumberOf(camera, "missing_us");
    text += fmt::format("{}: {} of footage, {} missing\n", Printable(TextOf(camera, "camera")),
                        ScreenDuration(NumberOf(camera, "covered_us")),
                        missing_us == 0 ? "nothing" : ScreenDuration(missing_us));
    for (const Json& gap : ListOf(camera, "gaps")) {
      text += fmt::format("  missing {} to {}: {}\n", LocalTimeOf(gap, "start", zone),
                          LocalTimeOf(gap, "end", zone), Printable(CauseText(gap)));
    }
    text += ImportLines(camera, zone);
    if (dry_run) text += fmt::format("  the first of it is {}\n", KeptText(camera, zone));
  }
  return text;
}

std::string HoldText(const Json& report, const TimeZone& zone) {
  const Json hold = report.value("hold", Json());
  if (!hold.is_object()) return "no hold is put on it\n";
  return fmt::format("held until {}: hold {}\n", LocalTimeOf(hold, "expires", zone),
                     Printable(TextOf(hold, "id")));
}

std::string ReportText(const Json& report, const ExportOptions& options, const TimeZone& zone) {
  std::string text = CamerasText(report, zone, options.dry_run);
  const std::string amount =
      fmt::format("{}, {}", CountOf(report, "files", "file of footage", "files of footage"),
                  FormatBytes(static_cast<uint64_t>(NumberOf(report, "bytes"))));
  if (options.dry_run) {
    return text + fmt::format("{} would be written to {}\n", amount, options.directory) +
           (options.order.hold_days == 0
                ? std::string("no hold would be put on it\n")
                : fmt::format("it would be held for {}\n",
                              Count(static_cast<uint64_t>(options.order.hold_days), "day")));
  }
  return text + HoldText(report, zone) +
         fmt::format("{} in {}\nSHA-256 of {}: {}\n", amount, options.directory, kManifest,
                     TextOf(report, "manifest_sha256"));
}

Result<int> Export(Client& client, ExportOptions options, Commands& commands) {
  LB_TRY_ASSIGN(zone, client.Zone());
  ExportTask task;
  LB_TRY_ASSIGN(range, ResolveRange(options.range, zone));
  if (range.empty()) return Fail(Code::kInvalid, "--end must be later than --start");
  options.order.range = range;
  options.order.audio = !options.no_audio;
  if (options.subtitles) options.order.subtitles = zone.name();
  std::vector<std::string> once;
  for (const std::string& camera : options.order.cameras) {
    if (std::find(once.begin(), once.end(), camera) == once.end()) once.push_back(camera);
  }
  options.order.cameras = std::move(once);
  while (options.directory.size() > 1 && options.directory.back() == '/') {
    options.directory.pop_back();
  }
  task.order = options.order;
  task.directory = options.directory;
  task.view = !options.view.empty();
  task.asked = {{"start", zone.Format(range.start_us)},
                {"end", zone.Format(range.end_us)},
                {"time_zone", zone.name()}};
  if (!options.dry_run) TellWhenInterrupted(options.directory);
  LB_TRY_ASSIGN(report, options.dry_run
                            ? DryRunExport(client.api(), task)
                            : RunExport(client.api(), commands.files, commands.clock, task));
  if (client.json()) {
    PrintJson(report);
  } else {
    PrintText(ScreenRange(range, zone) + "\n" + ReportText(report, options, zone));
  }
  return kExitOk;
}

}  // namespace

void AddExportCommand(Commands& commands) {
  auto options = std::make_shared<ExportOptions>();
  ExportOrder& order = options->order;
  CLI::App* command = commands.AddClient(
      &commands.app, "export",
      "Take footage of several cameras into a directory, with what proves it.",
      [&commands, options](Client& client) { return Export(client, *options, commands); });
  command->add_option("--camera", order.cameras, "again for each")->required();
  command->add_option("--stream", order.stream, "main, or sub, the light one")
      ->check(CLI::IsMember({"main", "sub"}))
      ->capture_default_str();
  AddRangeOptions(command, options->range, /*required=*/true);
  command->add_option("-o,--output", options->directory, "the directory to make, or to go on with")
      ->required();
  command->add_flag("--native", order.native, "stored segments too, byte for byte");
  command->add_option("--view", options->view, "h264: copies too that any player opens, by ffmpeg")
      ->check(CLI::IsMember({"h264"}));
  command->add_flag("--fat32", order.fat32, "no file of 4 GiB or more");
  command->add_flag("--no-audio", options->no_audio, "leave the sound out of clips");
  command->add_flag("--subtitles", options->subtitles,
                    "the time of the pictures as subtitles, and a chapter behind each gap");
  command->add_option("--hold-days", order.hold_days, "hold what is taken so long; 0: no hold")
      ->check(CLI::Range(0, kMaxHoldDays))
      ->capture_default_str();
  command->add_option("--case", order.case_name, "what case it belongs to");
  command->add_option("--reason", order.reason, "why: it stands in the record, and on the hold");
  command->add_flag("--dry-run", options->dry_run,
                    "tell what would be taken, what is missing and how big it is; take nothing");
}

}  // namespace lookback::app
