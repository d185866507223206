// `lookback timeline` and `lookback clip`: what footage there is, why some is missing, and the
// footage itself.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "apps/lookback/calendar.h"
#include "apps/lookback/camera_clock.h"
#include "apps/lookback/clip_fetch.h"
#include "apps/lookback/command.h"
#include "apps/lookback/coverage.h"
#include "base/words.h"

namespace lookback::app {
namespace {

constexpr std::string_view kStandardOutput = "-";

struct FootageOptions {
  std::string camera;
  // Of a timeline by steps alone.
  std::string step;
  std::vector<std::string> cameras;
  std::string group, tag;
  std::string stream = "main";
  WrittenRange range;
  std::string reason;
  std::string file;
  std::string gaps = "keep";
  bool no_audio = false;
  bool subtitles = false;
  bool require_complete = false;
  bool force = false;
};

std::string ShownFile(const FootageOptions& options) {
  return options.file == kStandardOutput ? "standard output" : options.file;
}

// "gate", "the sub stream of gate"
std::string StreamText(const FootageOptions& options) {
  return (options.stream == "sub" ? "the sub stream of " : "") + Printable(options.camera);
}

Json AskedJson(TimeRange range, const TimeZone& zone) {
  return {{"start", zone.Format(range.start_us)},
          {"end", zone.Format(range.end_us)},
          {"time_zone", zone.name()}};
}

// Day by day or hour by hour, of as many cameras as are named, or all.
Result<int> ShowSteps(Client& client, const FootageOptions& options, TimeRange range,
                      const TimeZone& zone) {
  std::vector<std::pair<std::string, std::string>> query;
  for (const std::string& camera : options.cameras) query.emplace_back("camera", camera);
  query.insert(query.end(), {{"group", options.group},
                             {"tag", options.tag},
                             {"start", FormatTime(range.start_us)},
                             {"end", FormatTime(range.end_us)},
                             {"step", options.step},
                             {"tz", zone.name()},
                             {"stream", options.stream},
                             {"reason", options.reason}});
  LB_TRY_ASSIGN(summary, client.api().Get(WithQuery("/api/v1/timeline/summary", query)));
  if (client.json()) {
    summary["asked"] = AskedJson(range, zone);
    PrintJson(summary);
    return kExitOk;
  }
  PrintText(fmt::format("{}, times of {}\n", ScreenRange(range, zone), zone.name()) +
            CalendarText(summary, zone));
  return kExitOk;
}

Result<int> ShowTimeline(Client& client, FootageOptions options) {
  LB_TRY(CheckGiven(options.range));
  LB_TRY_ASSIGN(zone, client.Zone());
  LB_TRY_ASSIGN(range, ResolveRange(options.range, zone));
  if (!options.step.empty()) return ShowSteps(client, options, range, zone);
  if (options.cameras.size() != 1) {
    return Fail(
        Code::kInvalid,
        "the timeline of one camera is shown; with --step day or --step hour those of many");
  }
  options.camera = options.cameras.front();
  const std::string path =
      WithQuery("/api/v1/cameras/" + PercentEncode(options.camera) + "/timeline",
                {{"start", FormatTime(range.start_us)},
                 {"end", FormatTime(range.end_us)},
                 {"stream", options.stream},
                 {"reason", options.reason}});
  LB_TRY_ASSIGN(timeline, client.api().Get(path));
  if (client.json()) {
    timeline["asked"] = AskedJson(range, zone);
    PrintJson(timeline);
    return kExitOk;
  }
  std::string text = fmt::format("{}, {}\n", StreamText(options), ScreenRange(range, zone)) +
                     CoverageText(timeline, range, zone);
  const bool happened = NumberOf(timeline, "covered_us") + NumberOf(timeline, "missing_us") > 0;
  if (happened)
    text += TimelineClockLine(timeline) + TimelineTable(timeline, zone).TextFor(ScreenColumns());
  text += ImportLines(timeline, zone);
  PrintText(text);
  return kExitOk;
}

// Bytes so far, and how fast, at most so often that printing costs nothing.
class TransferLine {
 public:
  TransferLine(std::string file, Clock& clock)
      : file_(std::move(file)), clock_(clock), begun_us_(clock.MonotonicUs()) {}

  void Show(uint64_t done, uint64_t total) {
    const int64_t now_us = clock_.MonotonicUs();
    if (!first_) first_ = done;
    if (now_us - shown_us_ < kProgressEveryUs) return;
    shown_us_ = now_us;
    const double seconds = static_cast<double>(std::max<int64_t>(1, now_us - begun_us_)) / 1e6;
    const auto rate = static_cast<uint64_t>(static_cast<double>(done - *first_) / seconds);
    line_.Update(fmt::format("{}: {} of {} ({} %), {}/s", file_, FormatBytes(done),
                             FormatBytes(total), done * 100 / total, FormatBytes(rate)));
  }

 private:
  const std::string file_;
  Clock& clock_;
  const int64_t begun_us_;
  ProgressLine line_;
  int64_t shown_us_ = 0;
  std::optional<uint64_t> first_;  // What an earlier try had brought counts in no rate.
};

std::string MissingText(const Json& description, const TimeZone& zone) {
  Table table({"  MISSING FROM", "TO", "DURATION", "CAUSE"});
  for (const Json& gap : ListOf(description, "missing")) table.Add(GapRow(gap, zone, "  "));
  return table.TextFor(ScreenColumns());
}

// Missing it is not, but it is not all that was recorded.
std::string ThinnedText(const Json& description, const TimeZone& zone) {
  std::string text;
  for (const Json& range : ListOf(description, "thinned")) {
    text += fmt::format("thinned from {} to {}: each sync sample is shown until the next\n",
                        LocalTimeOf(range, "start", zone), LocalTimeOf(range, "end", zone));
  }
  return text;
}

int TellIncomplete(const Json& description, TimeRange range, const TimeZone& zone,
                   int64_t missing_us) {
  Complain(fmt::format("{} of {} are missing, so nothing is written (--require-complete)",
                       ScreenDuration(missing_us), ScreenDuration(range.duration_us())));
  const std::string text = MissingText(description, zone);
  std::fwrite(text.data(), 1, text.size(), stderr);
  return kExitNegative;
}

std::string ClipText(const FootageOptions& options, const ClipReceipt& receipt, TimeRange range,
                     const TimeZone& zone, int64_t missing_us) {
  const Json& description = receipt.description;
  const std::string asked = ScreenRange(range, zone);
  const Json shown = description.value("shown", Json());
  const std::string covers =
      LocalTimeOf(shown, "start", zone) + " to " + LocalTimeOf(shown, "end", zone);
  std::string text =
      fmt::format("{}: {} of {}, {}\n", ShownFile(options),
                  ScreenDuration(NumberOf(description, "duration_us")), StreamText(options),
                  FormatBytes(static_cast<uint64_t>(NumberOf(description, "size_bytes"))));
  text += covers == asked ? asked + "\n"
                          : fmt::format("asked  {}\nshows  {}, in whole pictures\n", asked, covers);
  text += fmt::format("SHA-256 {}\n", receipt.sha256);
  text += ClipClockLines(description, zone);
  text += ThinnedText(description, zone) + ImportLines(description, zone);
  if (missing_us == 0) return text + "nothing is missing\n";
  return text +
         fmt::format("{} of {} are missing:\n", ScreenDuration(missing_us),
                     ScreenDuration(range.duration_us())) +
         MissingText(description, zone);
}

Json ClipJson(const FootageOptions& options, const ClipReceipt& receipt, TimeRange range,
              const TimeZone& zone, int64_t missing_us) {
  const Json& description = receipt.description;
  return {{"file", receipt.fetched ? Json(options.file) : Json()},
          {"camera", options.camera},
          {"stream", options.stream},
          {"start", zone.Format(range.start_us)},
          {"end", zone.Format(range.end_us)},
          {"time_zone", zone.name()},
          {"gaps", options.gaps},
          {"bytes", receipt.fetched ? NumberOf(description, "size_bytes") : 0},
          {"sha256", receipt.fetched ? Json(receipt.sha256) : Json()},
          {"duration_us", NumberOf(description, "duration_us")},
          {"shown", description.value("shown", Json())},
          {"complete", missing_us == 0},
          {"missing_us", missing_us},
          {"missing", ListOf(description, "missing")},
          {"thinned", ListOf(description, "thinned")},
          {"imports", ListOf(description, "imports")},
          {"camera_clock", description.value("camera_clock", Json())}};
}

// Before anybody is asked: a clip that cannot be written is no access to footage either.
Status CheckOutput(const Client& client, const FootageOptions& options, FileSystem& files) {
  if (options.file != kStandardOutput) return CheckClipFile(files, options.file, options.force);
  if (client.json()) {
    return Fail(Code::kInvalid, "-o - and --json both want standard output; name a file");
  }
  if (::isatty(STDOUT_FILENO) == 1) {
    return Fail(Code::kInvalid, "-o - writes video to standard output, which is a terminal here");
  }
  return Ok();
}

Result<ClipReceipt> Take(Client& client, const FootageOptions& options, TimeRange range,
                         const TimeZone& zone, Commands& commands) {
  ClipOrder order;
  order.camera = options.camera;
  order.query = {{"start", FormatTime(range.start_us)},
                 {"end", FormatTime(range.end_us)},
                 {"stream", options.stream},
                 {"gaps", options.gaps},
                 {"audio", options.no_audio ? "0" : "1"},
                 {"subtitles", options.subtitles ? "1" : ""},
                 {"tz", options.subtitles ? zone.name() : ""},
                 {"reason", options.reason}};
  order.file = options.file;
  order.require_complete = options.require_complete;
  TransferLine line(ShownFile(options), commands.clock);
  const auto show = [&line](uint64_t done, uint64_t total) { line.Show(done, total); };
  return options.file == kStandardOutput ? StreamClip(client.api(), order, &WriteOut, show)
                                         : FetchClip(client.api(), commands.files, order, show);
}

Result<int> TakeClip(Client& client, const FootageOptions& options, Commands& commands) {
  LB_TRY(CheckOutput(client, options, commands.files));
  LB_TRY_ASSIGN(zone, client.Zone());
  LB_TRY_ASSIGN(range, ResolveRange(options.range, zone));
  LB_TRY_ASSIGN(receipt, Take(client, options, range, zone, commands));
  const Json& description = receipt.description;
  // A range with no footage at all has no count: all of it is missing.
  const int64_t missing_us = description.contains("missing_us")
                                 ? NumberOf(description, "missing_us")
                                 : range.duration_us();
  if (client.json()) PrintJson(ClipJson(options, receipt, range, zone, missing_us));
  if (!receipt.fetched) return TellIncomplete(description, range, zone, missing_us);
  if (client.json()) return kExitOk;
  const std::string text = ClipText(options, receipt, range, zone, missing_us);
  std::FILE* const to = options.file == kStandardOutput ? stderr : stdout;
  std::fwrite(text.data(), 1, text.size(), to);
  return kExitOk;
}

}  // namespace

void AddFootageCommands(Commands& commands) {
  auto options = std::make_shared<FootageOptions>();
  CLI::App* timeline =
      commands.AddClient(&commands.app, "timeline", "What footage there is, and why some is not.",
                         [options](Client& client) { return ShowTimeline(client, *options); });
  CLI::App* clip = commands.AddClient(
      &commands.app, "clip", "Take a range of footage, as one MP4 file.",
      [&commands, options](Client& client) { return TakeClip(client, *options, commands); });
  timeline->add_option("camera", options->cameras, "one; with --step as many, or none for all");
  clip->add_option("camera", options->camera)->required();
  for (CLI::App* command : {timeline, clip}) {
    command->add_option("--stream", options->stream, "main, or sub, the light one")
        ->check(CLI::IsMember({"main", "sub"}))
        ->capture_default_str();
    AddRangeOptions(command, options->range, /*required=*/command == clip);
    command->add_option("--reason", options->reason, "why: it stands in the record of the access");
  }
  AddDayOptions(timeline, options->range);
  CLI::Option* const step =
      timeline
          ->add_option("--step", options->step,
                       "day, or hour: how much there is, in a cell each, in place of runs and gaps")
          ->check(CLI::IsMember({"day", "hour"}));
  timeline->add_option("--group", options->group, "cameras of these groups: NAME,NAME")
      ->needs(step);
  timeline->add_option("--tag", options->tag, "cameras with any of these: TAG,TAG")->needs(step);
  clip->add_option("-o,--output", options->file, "the file to write; - is standard output")
      ->required();
  clip->add_option("--gaps", options->gaps,
                   "`keep`: the last picture stands until footage goes on; `close`: left out")
      ->check(CLI::IsMember({"keep", "close"}))
      ->capture_default_str();
  clip->add_flag("--require-complete", options->require_complete,
                 "fail, and write nothing, when any second is missing");
  clip->add_flag("--no-audio", options->no_audio, "leave the sound out");
  clip->add_flag(
      "--subtitles", options->subtitles,
      "the time of the pictures as subtitles, and a chapter behind each gap; up to two hours");
  clip->add_flag("--force", options->force, "replace the file if it exists");
}

}  // namespace lookback::app
