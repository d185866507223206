#include "apps/lookback/coverage.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace lookback::app {
namespace {

TimeRange RangeOf(const Json& json) {
  const auto start = TimeOf(json, "start");
  const auto end = TimeOf(json, "end");
  return start && end ? TimeRange{*start, *end} : TimeRange{};
}

std::string SpanText(const Json& span) {
  std::string text = FlagOf(span, "imported") ? "imported footage, " : "footage, ";
  text += CountOf(span, "segments", "segment");
  if (FlagOf(span, "open")) text += ", being written";
  if (FlagOf(span, "thinned")) text += ", thinned";
  if (FlagOf(span, "clock_unsynchronised"))
    text += ", times by the server's own clock, which no time server sets";
  if (NumberOf(span, "lost_packets") > 0) {
    text += ", " + CountOf(span, "lost_packets", "packet") + " lost";
  }
  return text;
}

std::vector<TimeRange> RangesOf(const Json& timeline, const char* name) {
  std::vector<TimeRange> ranges;
  for (const Json& piece : ListOf(timeline, name)) ranges.push_back(RangeOf(piece));
  std::sort(ranges.begin(), ranges.end(),
            [](const TimeRange& a, const TimeRange& b) { return a.start_us < b.start_us; });
  return ranges;
}

// Spans of a wrong clock may overlap; what was counted is not counted again.
int64_t CoveredUs(const std::vector<TimeRange>& ranges, TimeRange cell) {
  int64_t covered_us = 0;
  TimeUs at = cell.start_us;
  for (const TimeRange& range : ranges) {
    const TimeRange part = range.Intersect({at, cell.end_us});
    if (part.empty()) continue;
    covered_us += part.duration_us();
    at = part.end_us;
  }
  return covered_us;
}

// What is on record and cannot be read now; empty when all can be.
std::string AwayText(const Json& timeline, int64_t covered_us) {
  const int64_t away_us = covered_us - NumberOf(timeline, "readable_us");
  if (ListOf(timeline, "away").empty() || away_us <= 0) return {};
  return fmt::format("recorded, but not to be read now, since its volume is away: {}\n",
                     ScreenDuration(away_us));
}

}  // namespace

std::string CoverageBar(const Json& timeline, TimeRange range, size_t cells) {
  const std::vector<TimeRange> spans = RangesOf(timeline, "spans");
  const std::vector<TimeRange> away = RangesOf(timeline, "away");
  const TimeUs now_us = TimeOf(timeline, "end").value_or(range.end_us);
  std::string bar;
  const double width_us = static_cast<double>(range.duration_us()) / static_cast<double>(cells);
  for (size_t i = 0; i < cells; ++i) {
    const TimeUs start_us =
        range.start_us + static_cast<int64_t>(width_us * static_cast<double>(i));
    if (start_us >= now_us) {
      bar += ' ';
      continue;
    }
    const TimeUs end_us =
        range.start_us + static_cast<int64_t>(width_us * static_cast<double>(i + 1));
    const TimeRange cell{start_us, std::min(end_us, now_us)};
    const int64_t covered_us = CoveredUs(spans, cell);
    const bool unread = CoveredUs(away, cell) > 0;
    bar += covered_us == 0 ? '.' : unread ? '?' : covered_us >= cell.duration_us() ? '#' : '+';
  }
  return bar;
}

std::string CoverageText(const Json& timeline, TimeRange range, const TimeZone& zone) {
  const int64_t covered_us = NumberOf(timeline, "covered_us");
  const int64_t missing_us = NumberOf(timeline, "missing_us");
  if (covered_us + missing_us <= 0) return "That range has not happened yet.\n";
  const TimeUs now_us = TimeOf(timeline, "end").value_or(range.end_us);
  const bool goes_on = now_us < range.end_us;
  const std::string until =
      goes_on ? fmt::format("up to now ({}): ", ScreenTime(now_us, zone)) : std::string();
  const std::string away = AwayText(timeline, covered_us);
  return until +
         fmt::format(
             "covered {} ({:.2f} %), missing {}\n", ScreenDuration(covered_us),
             100.0 * static_cast<double>(covered_us) / static_cast<double>(covered_us + missing_us),
             ScreenDuration(missing_us)) +
         away + "[" + CoverageBar(timeline, range, kCoverageBarCells) + "]\n" +
         "# covered, + in part, . missing" + (away.empty() ? "" : ", ? not to be read now") +
         (goes_on ? ", blank: yet to come\n" : "\n");
}

std::string CauseText(const Json& gap) {
  const std::string cause = TextOf(gap, "cause");
  const std::string detail = TextOf(gap, "detail");
  return detail.empty() ? cause : cause == "unknown" ? detail : cause + ": " + detail;
}

std::string ImportLines(const Json& answer, const TimeZone& zone) {
  std::string text;
  for (const Json& import : ListOf(answer, "imports")) {
    text +=
        fmt::format("imported, not recorded here, from {} to {}: {}{}\n  its SHA-256 {}\n",
                    LocalTimeOf(import, "start", zone), LocalTimeOf(import, "end", zone),
                    Printable(TextOf(import, "file")),
                    FlagOf(import, "complete") ? "" : ", not all of it", TextOf(import, "sha256"));
  }
  return text;
}

std::vector<std::string> GapRow(const Json& gap, const TimeZone& zone, const std::string& indent) {
  return {indent + LocalTimeOf(gap, "start", zone), LocalTimeOf(gap, "end", zone),
          ScreenDuration(RangeOf(gap).duration_us()), CauseText(gap)};
}

Table TimelineTable(const Json& timeline, const TimeZone& zone) {
  std::vector<std::pair<TimeUs, std::vector<std::string>>> rows;
  for (const Json& span : ListOf(timeline, "spans")) {
    rows.emplace_back(
        RangeOf(span).start_us,
        std::vector<std::string>{LocalTimeOf(span, "start", zone), LocalTimeOf(span, "end", zone),
                                 ScreenDuration(RangeOf(span).duration_us()), SpanText(span)});
  }
  const auto add = [&](const char* list, const std::string& word) {
    for (const Json& gap : ListOf(timeline, list)) {
      std::vector<std::string> row = GapRow(gap, zone, "");
      row.back() = word + row.back();
      rows.emplace_back(RangeOf(gap).start_us, std::move(row));
    }
  };
  add("away", "NOT TO BE READ NOW: ");
  add("gaps", "MISSING: ");
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  Table table({"FROM", "TO", "DURATION", "WHAT"});
  for (auto& [start_us, row] : rows) table.Add(std::move(row));
  return table;
}

}  // namespace lookback::app
