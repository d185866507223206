#include "apps/lookback/calendar.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/words.h"

namespace lookback::app {
namespace {

int64_t At(const Json& list, size_t place) {
  return place < list.size() && list[place].is_number() ? list[place].get<int64_t>() : 0;
}

// Where in its line a step stands, and what the line is called.
struct Cell {
  std::string line;  // "2026-05", or "2026-05-04"
  size_t place = 0;
};

std::vector<Cell> CellsOf(const Json& summary, const TimeZone& zone) {
  const bool hours = TextOf(summary, "step") == "hour";
  std::vector<Cell> cells;
  for (const Json& step : ListOf(summary, "steps")) {
    const auto time = ParseTime(step.is_string() ? step.get<std::string>() : "");
    const std::string shown = zone.Format(time ? *time : 0);
    Cell cell{shown.substr(0, hours ? 10 : 7), 0};
    const auto number = static_cast<size_t>(std::stoi(shown.substr(hours ? 11 : 8, 2)));
    cell.place = hours ? number : number - 1;
    // Of an hour that is shown twice the second one is a cell more.
    if (!cells.empty() && cells.back().line == cell.line) {
      cell.place = std::max(cell.place, cells.back().place + 1);
    }
    cells.push_back(std::move(cell));
  }
  return cells;
}

char SignOf(int64_t covered_s, int64_t thinned_s, int64_t whole_s) {
  if (covered_s == 0) return '.';
  if (covered_s < whole_s) return '+';
  return thinned_s > 0 ? '~' : '#';
}

// What a line amounts to.
struct Line {
  std::string bar;
  int64_t covered_s = 0;
  int64_t whole_s = 0;
  uint64_t bytes = 0;
  size_t held = 0;

  std::vector<std::string> Row(const std::string& camera, const std::string& name) const {
    const double share =
        whole_s == 0 ? 0 : 100.0 * static_cast<double>(covered_s) / static_cast<double>(whole_s);
    // Rounded down: what is called 100 % is all of it.
    return {camera,
            name,
            "|" + bar + "|",
            covered_s < whole_s ? fmt::format("{:.1f} %", std::min(share, 99.9)) : "100 %",
            FormatBytes(bytes),
            held == 0 ? "-" : std::to_string(held)};
  }
};

}  // namespace

std::string CalendarText(const Json& summary, const TimeZone& zone) {
  const std::vector<Cell> cells = CellsOf(summary, zone);
  const Json& cameras = ListOf(summary, "cameras");
  if (cameras.empty()) return "No camera is meant by that.\n";
  if (cells.empty()) return "That range has not happened yet.\n";
  const bool hours = TextOf(summary, "step") == "hour";
  const Json& lengths = ListOf(summary, "step_s");
  Table table({"CAMERA", hours ? "DAY" : "MONTH", hours ? "HOURS" : "DAYS", "COVERED", "SIZE",
               hours ? "HELD HOURS" : "HELD DAYS"});
  for (const Json& camera : cameras) {
    const std::string id = TextOf(camera, "camera");
    const Json& covered = ListOf(camera, "covered_s");
    for (size_t i = 0; i < cells.size();) {
      Line line;
      const std::string name = cells[i].line;
      for (; i < cells.size() && cells[i].line == name; ++i) {
        line.bar.resize(cells[i].place, ' ');
        line.bar += SignOf(At(covered, i), At(ListOf(camera, "thinned_s"), i), At(lengths, i));
        line.covered_s += At(covered, i);
        line.whole_s += At(lengths, i);
        line.bytes += static_cast<uint64_t>(At(ListOf(camera, "bytes"), i));
        line.held += At(ListOf(camera, "held"), i) != 0 ? 1 : 0;
      }
      line.bar.resize(std::max<size_t>(line.bar.size(), hours ? 24 : 31), ' ');
      table.Add(line.Row(id, name));
    }
  }
  return table.Text() +
         "# covered, ~ covered but thinned, + in part, . missing, blank: not asked for, or yet to "
         "come\n";
}

}  // namespace lookback::app
