#include "apps/lookback/export_meta.h"

#include <fmt/format.h>

#include <set>

namespace lookback::app {
namespace {

constexpr std::string_view kReadme =
    R"(This directory was written by "lookback export".

clips/     one MP4 file per camera and hour, of the camera's own pictures: nothing is
           encoded anew. Names have the camera and the start, in UTC. Before the first
           picture that is shown a file may hold, out of sight, what that one depends on.
native/    if there: the stored segments, byte for byte, with the SHA-256 that the
           recorder's ledger has of them (meta/segments.csv). They play as they are.
view/      if there: copies in H.264 and AAC that any player opens. They are encoded
           anew, only to be looked at, and no evidence: clips/ is what was recorded.
meta/      request.json   what was asked for, by whom, and why
           gaps.csv       what is missing, and why
           clock.csv      what is known of the camera's clock against the recorder's
           markers.csv    what people marked or held in that time
MANIFEST.sha256  the SHA-256 of every other file here

To check that no file was changed since:

    sha256sum -c MANIFEST.sha256

Times are UTC.

)";

std::string Number(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_number_integer() ? std::to_string(found->get<int64_t>())
                                                           : std::string();
}

std::string Seconds(const Json& range) {
  const auto start = TimeOf(range, "start");
  const auto end = TimeOf(range, "end");
  if (!start || !end) return {};
  return fmt::format("{:.6f}", static_cast<double>(*end - *start) / kUsPerSecond);
}

std::string GapsCsv(const ExportPlan& plan) {
  std::string text = CsvLine({"camera", "stream", "start", "end", "seconds", "cause", "detail"});
  for (const Json& timeline : plan.timelines) {
    for (const char* list : {"gaps", "away"}) {
      for (const Json& gap : ListOf(timeline, list)) {
        text += CsvLine({TextOf(timeline, "camera"), TextOf(timeline, "stream"),
                         TextOf(gap, "start"), TextOf(gap, "end"), Seconds(gap),
                         TextOf(gap, "cause"), TextOf(gap, "detail")});
      }
    }
  }
  return text;
}

// What sender reports said while it was recorded, and what officers saw: above 0 the camera is ahead.
Result<std::string> ClockCsv(ApiClient& api, const ExportPlan& plan) {
  std::string text =
      CsvLine({"camera", "source", "start", "end", "camera_offset_min_us", "camera_offset_max_us",
               "recorder_clock_synchronised", "person", "note"});
  for (const Json& timeline : plan.timelines) {
    const std::string camera = TextOf(timeline, "camera");
    for (const Json& span : ListOf(timeline, "spans")) {
      text += CsvLine({camera, "sender reports", TextOf(span, "start"), TextOf(span, "end"),
                       Number(span, "camera_offset_min_us"), Number(span, "camera_offset_max_us"),
                       FlagOf(span, "clock_unsynchronised") ? "no" : "yes", "", ""});
    }
    LB_TRY_ASSIGN(checks,
                  api.Get("/api/v1/cameras/" + PercentEncode(camera) + "/clock-checks?limit=1000"));
    for (const Json& check : ListOf(checks, "checks")) {
      text += CsvLine({camera, "clock check", TextOf(check, "true"), TextOf(check, "true"),
                       Number(check, "offset_us"), Number(check, "offset_us"), "",
                       TextOf(check, "person"), TextOf(check, "note")});
    }
  }
  return text;
}

Result<std::string> MarkersCsv(ApiClient& api, const ExportOrder& order) {
  std::string text = CsvLine({"id", "kind", "cameras", "start", "end", "label", "note", "case",
                              "person", "created", "expires"});
  std::set<std::string> seen;  // One marker may be of several cameras.
  for (const char* kind : {"marker", "hold"}) {
    const std::string list = std::string(kind) + "s";
    for (const std::string& camera : order.cameras) {
      std::string after;
      do {
        LB_TRY_ASSIGN(
            page, api.Get(WithQuery("/api/v1/" + list, {{"camera", camera},
                                                        {"start", FormatTime(order.range.start_us)},
                                                        {"end", FormatTime(order.range.end_us)},
                                                        {"after", after}})));
        for (const Json& marker : ListOf(page, list.c_str())) {
          if (!seen.insert(TextOf(marker, "id")).second) continue;
          const bool hold = std::string_view(kind) == "hold";
          text += CsvLine({TextOf(marker, "id"), kind, WordsOf(marker, "cameras"),
                           TextOf(marker, "start"), TextOf(marker, "end"), TextOf(marker, "label"),
                           TextOf(marker, hold ? "reason" : "note"), TextOf(marker, "case"),
                           TextOf(marker, "person"), TextOf(marker, "created"),
                           TextOf(marker, "expires")});
        }
        after = TextOf(page, "next");
      } while (!after.empty());
    }
  }
  return text;
}

std::string SegmentsCsv(const ExportPlan& plan) {
  std::string text = CsvLine({"file", "camera", "stream", "start", "end", "bytes", "sha256"});
  for (const ExportSegment& segment : plan.segments) {
    text += CsvLine({segment.file, segment.camera, segment.stream, segment.start, segment.end,
                     std::to_string(segment.bytes), segment.sha256});
  }
  return text;
}

std::string Readme(const ExportPlan& plan, const Json& request) {
  std::string text(kReadme);
  text += fmt::format("Cameras {}, {} to {}\n", WordsOf(request, "cameras"),
                      TextOf(request, "start"), TextOf(request, "end"));
  for (const Json& timeline : plan.timelines) {
    const int64_t missing_us = NumberOf(timeline, "missing_us");
    text += fmt::format("{}: {} of footage, {} missing\n", TextOf(timeline, "camera"),
                        ScreenDuration(NumberOf(timeline, "covered_us")),
                        missing_us == 0 ? "nothing" : ScreenDuration(missing_us));
  }
  return text;
}

// What a spreadsheet would work out, and not show; a number below zero is none.
bool BeginsAFormula(const std::string& value) {
  if (value.empty() || std::string_view("=+-@\t\r").find(value.front()) == std::string_view::npos) {
    return false;
  }
  return value.find_first_not_of("-.0123456789") != std::string::npos;
}

}  // namespace

std::string CsvLine(const std::vector<std::string>& values) {
  std::string line;
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) line += ',';
    const std::string value = (BeginsAFormula(values[i]) ? "'" : "") + values[i];
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

Result<std::vector<MetaFile>> MakeMeta(ApiClient& api, const ExportOrder& order,
                                       const ExportPlan& plan, const Json& request) {
  LB_TRY_ASSIGN(clock, ClockCsv(api, plan));
  LB_TRY_ASSIGN(markers, MarkersCsv(api, order));
  std::vector<MetaFile> files = {{"README.txt", Readme(plan, request)},
                                 {"meta/clock.csv", std::move(clock)},
                                 {"meta/gaps.csv", GapsCsv(plan)},
                                 {"meta/markers.csv", std::move(markers)}};
  if (order.native) files.push_back({"meta/segments.csv", SegmentsCsv(plan)});
  return files;
}

}  // namespace lookback::app
