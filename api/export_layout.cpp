#include "api/export_layout.h"

#include <fmt/format.h>

#include "base/utf8.h"
#include "base/words.h"

namespace lookback::api {
namespace {

constexpr std::string_view kReadme =
    R"(This is an export of footage that Lookback keeps.

clips/     one MP4 file per camera and hour, of the camera's own pictures: nothing is
           encoded anew. Names have the camera and from when on it was asked for, in UTC;
           meta/clips.csv says when the first picture that a file shows was taken. Before
           that one it may hold, out of sight, what the picture depends on.
native/    if there: the stored segments, byte for byte, with the SHA-256 that the
           recorder's ledger has of them (meta/segments.csv). They play as they are.
view/      if there: copies in H.264 and AAC that any player opens. They are encoded
           anew, only to be looked at, and no evidence: clips/ is what was recorded.
meta/      request.json   what was asked for, by whom, and why
           clips.csv      from when to when each clip shows something
           gaps.csv       what is missing, and why
           clock.csv      what is known of the camera's clock against the recorder's
           imports.csv    which of the footage was not recorded here, but came from files
           markers.csv    what people marked or held in that time
MANIFEST.sha256  the SHA-256 of every other file here

To check that no file was changed since:

    sha256sum -c MANIFEST.sha256

On Windows `Get-FileHash FILE` in PowerShell gives the SHA-256 of a file, to be compared with its
line in the manifest.

)";

std::string Number(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_number_integer() ? std::to_string(found->get<int64_t>())
                                                           : std::string();
}

int64_t DurationUs(const Json& range) {
  const auto start = TimeOf(range, "start");
  const auto end = TimeOf(range, "end");
  return start && end ? *end - *start : 0;
}

std::string Seconds(const Json& range) {
  return fmt::format("{:.6f}", static_cast<double>(DurationUs(range)) / kUsPerSecond);
}

// What a spreadsheet would work out, and not show; a number below zero is none.
bool BeginsAFormula(const std::string& value) {
  if (value.empty() || std::string_view("=+-@\t\r").find(value.front()) == std::string_view::npos) {
    return false;
  }
  return value.find_first_not_of("-.0123456789") != std::string::npos;
}

// " (network; before the first recording)"; nothing where nothing is missing.
std::string CausesIn(const Json& missing) {
  std::set<std::string> causes;
  for (const Json& gap : missing) {
    const std::string cause = TextOf(gap, "cause");
    const std::string detail = TextOf(gap, "detail");
    causes.insert(cause == "unknown" && !detail.empty() ? detail : cause);
  }
  std::string text;
  for (const std::string& cause : causes) text += (text.empty() ? " (" : "; ") + cause;
  return text.empty() ? text : text + ")";
}

// What was asked for, by whom and why.
std::string Heading(const Json& request) {
  std::string text;
  const auto add = [&](std::string_view what, const char* name) {
    const std::string value = TextOf(request, name);
    if (!value.empty()) text += fmt::format("{}: {}\n", what, value);
  };
  add("Case", "case");
  add("Reason", "reason");
  add("Exported by", "person");
  add("Exported at", "exported");
  add("Lookback's version", "version");
  add("Subtitles are in the local time of", "subtitles");
  return text + fmt::format("Cameras {}, {} to {}. Times that end with Z are UTC.\n",
                            WordsOf(request, "cameras"), TextOf(request, "start"),
                            TextOf(request, "end"));
}

}  // namespace

std::string ExportClipName(std::string_view camera, Stream stream, TimeUs start_us) {
  std::string time = FormatSecond(start_us);
  std::erase_if(time, [](char c) { return c == '-' || c == ':'; });
  return fmt::format("clips/{}{}{}.mp4", camera, stream == Stream::kSub ? "_sub_" : "_", time);
}

std::string ManifestLine(std::string_view file, std::string_view sha256) {
  return fmt::format("{}  {}\n", sha256, file);
}

std::string ExportReason(const std::string& case_name, const std::string& reason) {
  return case_name + (case_name.empty() || reason.empty() ? "" : ": ") + reason;
}

std::string CsvLine(const std::vector<std::string>& values) {
  std::string line;
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) line += ',';
    const std::string value = ValidUtf8((BeginsAFormula(values[i]) ? "'" : "") + values[i]);
    if (value.find_first_of(",\"\r\n") == std::string::npos) {
      line += value;
      continue;
    }
    line += '"';
    for (const char c : value) line.append(c == '"' ? 2 : 1, c);
    line += '"';
  }
  return line + "\r\n";
}

void AppendMissing(const Json& missing, Json& to) {
  for (const Json& gap : missing) {
    const bool goes_on = !to.empty() && TextOf(to.back(), "end") == TextOf(gap, "start") &&
                         TextOf(to.back(), "cause") == TextOf(gap, "cause") &&
                         TextOf(to.back(), "detail") == TextOf(gap, "detail");
    if (goes_on) {
      to.back()["end"] = TextOf(gap, "end");
    } else {
      to.push_back(gap);
    }
  }
}

int64_t MissingUs(const Json& missing) {
  int64_t total_us = 0;
  for (const Json& gap : missing) total_us += DurationUs(gap);
  return total_us;
}

ExportTables::ExportTables()
    : clips_(CsvLine(
          {"file", "camera", "stream", "asked_start", "asked_end", "shown_start", "shown_end"})),
      gaps_(CsvLine({"camera", "stream", "start", "end", "seconds", "cause", "detail"})),
      clock_(CsvLine({"camera", "source", "start", "end", "camera_offset_min_us",
                      "camera_offset_max_us", "recorder_clock_synchronised", "person", "note"})),
      imports_(
          CsvLine({"camera", "stream", "start", "end", "file", "sha256", "complete", "import"})),
      markers_(CsvLine({"id", "kind", "cameras", "start", "end", "label", "note", "case", "person",
                        "created", "expires"})) {}

void ExportTables::AddClip(const Json& clip) {
  const std::string camera = TextOf(clip, "camera");
  AppendMissing(ListOf(clip, "missing"), missing_.try_emplace(camera, Json::array()).first->second);
  if (TextOf(clip, "file").empty()) return;
  const Json shown = clip.value("shown", Json::object());
  clips_ += CsvLine({TextOf(clip, "file"), camera, TextOf(clip, "stream"), TextOf(clip, "start"),
                     TextOf(clip, "end"), TextOf(shown, "start"), TextOf(shown, "end")});
}

void ExportTables::AddCamera(const Json& timeline, const Json& clock_checks) {
  const std::string camera = TextOf(timeline, "camera");
  const std::string name = TextOf(timeline, "name");
  const Json& missing = missing_.try_emplace(camera, Json::array()).first->second;
  for (const Json& gap : missing) {
    gaps_ += CsvLine({camera, TextOf(timeline, "stream"), TextOf(gap, "start"), TextOf(gap, "end"),
                      Seconds(gap), TextOf(gap, "cause"), TextOf(gap, "detail")});
  }
  bool imported = false;
  // What sender reports said while it was recorded, and what officers saw: above 0 the camera is
  // ahead.
  for (const Json& span : ListOf(timeline, "spans")) {
    clock_unsynchronised_ |= FlagOf(span, "clock_unsynchronised");
    if (FlagOf(span, "imported")) {
      imported = true;
      continue;
    }
    clock_ += CsvLine({camera, "sender reports", TextOf(span, "start"), TextOf(span, "end"),
                       Number(span, "camera_offset_min_us"), Number(span, "camera_offset_max_us"),
                       FlagOf(span, "clock_unsynchronised") ? "no" : "yes", "", ""});
  }
  for (const Json& check : clock_checks) {
    clock_ += CsvLine({camera, "clock check", TextOf(check, "true"), TextOf(check, "true"),
                       Number(check, "offset_us"), Number(check, "offset_us"), "",
                       TextOf(check, "person"), TextOf(check, "note")});
  }
  for (const Json& import : ListOf(timeline, "imports")) {
    imports_ += CsvLine({camera, TextOf(timeline, "stream"), TextOf(import, "start"),
                         TextOf(import, "end"), TextOf(import, "file"), TextOf(import, "sha256"),
                         FlagOf(import, "complete") ? "yes" : "no", TextOf(import, "import")});
  }
  const int64_t missing_us = MissingUs(missing);
  summary_ += fmt::format(
      "{}{}: {} of footage, {} missing{}{}\n", camera, name.empty() ? "" : " (" + name + ")",
      FormatDuration(DurationUs(timeline) - missing_us),
      missing_us == 0 ? "nothing" : FormatDuration(missing_us), CausesIn(missing),
      imported ? "; imported from files, see meta/imports.csv" : "");
}

void ExportTables::AddMarkers(const Json& markers, bool holds) {
  for (const Json& marker : markers) {
    if (!marked_.insert(TextOf(marker, "id")).second) continue;
    markers_ +=
        CsvLine({TextOf(marker, "id"), holds ? "hold" : "marker", WordsOf(marker, "cameras"),
                 TextOf(marker, "start"), TextOf(marker, "end"), TextOf(marker, "label"),
                 TextOf(marker, holds ? "reason" : "note"), TextOf(marker, "case"),
                 TextOf(marker, "person"), TextOf(marker, "created"), TextOf(marker, "expires")});
  }
}

std::vector<ExportFile> ExportTables::Finish(const Json& request) && {
  std::string readme = std::string(kReadme) + Heading(request) + summary_;
  if (clock_unsynchronised_) {
    readme +=
        "Some times are by the recorder's own clock, which no time server set: see clock.csv\n";
  }
  return {{"README.txt", ValidUtf8(readme)},         {"meta/clips.csv", std::move(clips_)},
          {"meta/clock.csv", std::move(clock_)},     {"meta/gaps.csv", std::move(gaps_)},
          {"meta/imports.csv", std::move(imports_)}, {"meta/markers.csv", std::move(markers_)}};
}

}  // namespace lookback::api
