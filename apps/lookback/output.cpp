#include "apps/lookback/output.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "base/journal_stream.h"
#include "base/utf8.h"
#include "base/words.h"

namespace lookback::app {
namespace {

constexpr size_t kBetweenColumns = 2;

bool IsWide(char32_t c) {
  // The blocks of East Asian Width W and F in which camera names are written.
  constexpr std::pair<char32_t, char32_t> kWide[] = {
      {0x1100, 0x115F}, {0x2E80, 0x303E}, {0x3041, 0xA4CF}, {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},
      {0xFE30, 0xFE6F}, {0xFF00, 0xFF60}, {0xFFE0, 0xFFE6}, {0x1F300, 0x1F64F}, {0x20000, 0x3FFFD}};
  return std::any_of(std::begin(kWide), std::end(kWide),
                     [c](const auto& block) { return block.first <= c && c <= block.second; });
}

bool IsControl(char32_t c) {
  const bool bidi = (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || bidi;
}

int64_t RoundedToMs(int64_t us) { return (us + kUsPerMs / 2) / kUsPerMs * kUsPerMs; }

}  // namespace

int ExitCodeOf(Code code) {
  switch (code) {
    case Code::kInvalid:
      return kExitUsage;
    case Code::kNotFound:
      return kExitNotFound;
    case Code::kConflict:
    case Code::kDenied:
      return kExitDenied;
    case Code::kUnavailable:
      return kExitUnavailable;
    case Code::kDiskFull:
    case Code::kDiskFailed:
    case Code::kCorrupt:
      return kExitDisk;
    case Code::kUnsupported:
      return kExitNewerFormat;
  }
  return kExitUnavailable;
}

int ExitCodeOf(const Error& error) {
  const bool permission = error.system_error == EACCES || error.system_error == EPERM;
  return permission ? int{kExitDenied} : ExitCodeOf(error.code);
}

void Complain(std::string_view sentence) {
  std::string line(JournalPrefix(LogLevel::kError));
  line += "lookback: " + Printable(sentence) + "\n";
  std::fputs(line.c_str(), stderr);
}

int Failed(const Error& error) {
  Complain(error.message);
  return ExitCodeOf(error);
}

void PrintJson(const Json& json) {
  PrintText(json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

void PrintText(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

Status WriteOut(ByteSpan bytes) {
  const bool whole = std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size();
  if (whole && std::fflush(stdout) == 0) return Ok();
  return tl::unexpected<Error>(SystemError(errno, "write", "standard output"));
}

std::string Printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::string_view before = text;
    const char32_t point = TakeCodePoint(text);
    if (point == kReplacement) {
      out += "\xEF\xBF\xBD";
    } else if (IsControl(point)) {
      out += ' ';
    } else {
      out += before.substr(0, before.size() - text.size());
    }
  }
  return out;
}

size_t DisplayWidth(std::string_view text) {
  size_t width = 0;
  while (!text.empty()) width += IsWide(TakeCodePoint(text)) ? 2 : 1;
  return width;
}

void Table::Add(std::vector<std::string> row) {
  for (std::string& cell : row) cell = Printable(cell);
  rows_.push_back(std::move(row));
}

size_t ScreenColumns() {
  winsize size{};
  const bool screen = ::isatty(STDOUT_FILENO) == 1 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
  return screen ? size.ws_col : 0;
}

std::vector<size_t> Table::Widths() const {
  std::vector<size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], DisplayWidth(row[i]));
  }
  return widths;
}

std::string Table::Text() const {
  const std::vector<size_t> widths = Widths();
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i] + std::string(widths[i] - DisplayWidth(row[i]) + kBetweenColumns, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string Table::TextFor(size_t columns) const {
  const std::vector<size_t> widths = Widths();
  size_t last_at = 0;
  for (size_t i = 0; i + 1 < widths.size(); ++i) last_at += widths[i] + kBetweenColumns;
  const bool fits = columns == 0 || last_at + DisplayWidth(rows_.front().back()) <= columns;
  return fits ? Text() : Paragraphs();
}

std::string Table::Paragraphs() const {
  const auto& head = rows_.front();
  size_t widest = 0;
  for (const std::string& name : head) widest = std::max(widest, DisplayWidth(name));
  std::string text;
  for (size_t n = 1; n < rows_.size(); ++n) {
    text += rows_[n].front() + "\n";
    for (size_t i = 1; i < rows_[n].size() && i < head.size(); ++i) {
      if (rows_[n][i].empty()) continue;
      const size_t fill = widest - DisplayWidth(head[i]) + kBetweenColumns;
      text += "  " + head[i] + std::string(fill, ' ') + rows_[n][i] + "\n";
    }
  }
  return text;
}

std::string ScreenDuration(int64_t duration_us) {
  const int64_t us = RoundedToMs(std::max<int64_t>(0, duration_us));
  const int64_t hours = us / kUsPerHour;
  const int64_t minutes = us % kUsPerHour / kUsPerMinute;
  const int64_t seconds = us % kUsPerMinute / kUsPerSecond;
  const int64_t ms = us % kUsPerSecond / kUsPerMs;
  if (hours > 0) return fmt::format("{} h {:02} min {:02}.{:03} s", hours, minutes, seconds, ms);
  if (minutes > 0) return fmt::format("{} min {:02}.{:03} s", minutes, seconds, ms);
  return fmt::format("{}.{:03} s", seconds, ms);
}

std::string ScreenTime(TimeUs time_us, const TimeZone& zone) {
  constexpr size_t kDateTimeBytes = 19;  // "2026-05-04T22:00:00", which the offset follows.
  const TimeUs rounded_us = RoundedToMs(time_us);
  const int64_t ms = rounded_us % kUsPerSecond / kUsPerMs;
  std::string text = zone.Format(rounded_us - rounded_us % kUsPerSecond);
  return text.insert(kDateTimeBytes, fmt::format(".{:03}", ms));
}

std::string ScreenRange(TimeRange range, const TimeZone& zone) {
  return ScreenTime(range.start_us, zone) + " to " + ScreenTime(range.end_us, zone);
}

std::string BytesText(const Json& json, const char* name) {
  const auto found = json.find(name);
  const bool known = found != json.end() && found->is_number_unsigned();
  return known ? FormatBytes(found->get<uint64_t>()) : "-";
}

std::string CountOf(const Json& json, const char* name, std::string_view noun,
                    std::string_view plural) {
  return Count(static_cast<uint64_t>(std::max<int64_t>(0, NumberOf(json, name))), noun, plural);
}

std::string LocalTimeOf(const Json& json, const char* name, const TimeZone& zone,
                        std::string_view otherwise) {
  const auto time = TimeOf(json, name);
  return time ? ScreenTime(*time, zone) : std::string(otherwise);
}

ProgressLine::ProgressLine() : shown_(::isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() { Update(""); }

void ProgressLine::Update(std::string_view text) {
  if (!shown_ || (text.empty() && width_ == 0)) return;
  const std::string clean = Printable(text);
  const size_t width = DisplayWidth(clean);
  const size_t padding = width_ > width ? width_ - width : 0;
  const std::string line = "\r" + clean + std::string(padding, ' ') + (width == 0 ? "\r" : "");
  std::fputs(line.c_str(), stderr);
  width_ = width;
}

}  // namespace lookback::app
