#include "apps/lookback/times.h"

#include <fmt/format.h>

#include <vector>

namespace lookback::app {
namespace {

bool IsTimeOfDay(std::string_view text) {
  return text.size() <= 8 && text.find(':') < 3 && text[0] >= '0' && text[0] <= '9';
}

// "9:00" as "09:00:00", so that texts compare as times do.
std::string Padded(std::string_view time_of_day) {
  std::string text(time_of_day);
  if (text.find(':') == 1) text.insert(0, "0");
  return text.size() == 5 ? text + ":00" : text;
}

Result<std::string> NextDay(const std::string& date) {
  const Result<TimeUs> midnight = ParseTime(date + "T00:00:00Z");
  if (!midnight) {
    return Fail(Code::kInvalid, fmt::format("--date {}: a date is written 2026-05-04", date));
  }
  return FormatTime(*midnight + kUsPerDay).substr(0, 10);
}

Result<TimeUs> ResolveInstant(std::string_view option, const std::string& text, bool dated) {
  const Result<TimeUs> time = ParseTime(text);
  if (time) return *time;
  const std::string_view hint =
      dated ? "; beside --date also a time of day, 22:00 or 22:00:00"
            : "; or give --date and a time of day, to mean the store's own zone";
  return Fail(time.code(), fmt::format("{} {}", option, time.message()) + std::string(hint));
}

Result<TimeUs> ResolveLocal(std::string_view option, const std::string& date,
                            const std::string& time_of_day, const TimeZone& zone) {
  const auto instants = zone.Resolve(date, time_of_day);
  if (!instants) return Pass(instants.error(), fmt::format("--date {} {}", date, option));
  if (instants->empty()) {
    return Fail(Code::kInvalid,
                fmt::format("{} {}: clocks in {} skipped that time on {}; give another one", option,
                            time_of_day, zone.name(), date));
  }
  if (instants->size() > 1) {
    return Fail(Code::kInvalid,
                fmt::format("{} {}: clocks in {} showed that time twice on {}; give one of {} {} "
                            "and {} {}",
                            option, time_of_day, zone.name(), date, option,
                            zone.Format(instants->front()), option, zone.Format(instants->back())));
  }
  return instants->front();
}

}  // namespace

Result<TimeUs> ResolveTime(std::string_view option, const std::string& text,
                           const std::string& date, const TimeZone& zone) {
  if (!date.empty() && IsTimeOfDay(text)) return ResolveLocal(option, date, text, zone);
  return ResolveInstant(option, text, !date.empty());
}

Status CheckGiven(const WrittenRange& written) {
  const bool days = !written.from.empty() && !written.to.empty();
  if (days || (!written.start.empty() && !written.end.empty())) return Ok();
  return Fail(Code::kInvalid, "say --start and --end, or --from and --to with days");
}

Result<TimeRange> ResolveRange(const WrittenRange& written, const TimeZone& zone) {
  LB_TRY(CheckGiven(written));
  if (!written.from.empty()) {
    LB_TRY_ASSIGN(from, ResolveTime("--from", "00:00", written.from, zone));
    LB_TRY_ASSIGN(to, ResolveTime("--to", "24:00", written.to, zone));
    return TimeRange{from, to};
  }
  const bool dated = !written.date.empty();
  const bool start_local = dated && IsTimeOfDay(written.start);
  const bool end_local = dated && IsTimeOfDay(written.end);
  TimeRange range;
  LB_TRY_ASSIGN(start, ResolveTime("--start", written.start, written.date, zone));
  range.start_us = start;
  if (!end_local) {
    LB_TRY_ASSIGN(end, ResolveInstant("--end", written.end, dated));
    range.end_us = end;
    return range;
  }
  std::string date = written.date;
  // Beside a start with an offset, the start's own local time of day tells.
  const std::string start_text =
      start_local ? written.start : zone.Format(range.start_us).substr(11, 8);
  if (Padded(written.end) < Padded(start_text)) {
    LB_TRY_ASSIGN(next, NextDay(date));
    date = next;
  }
  LB_TRY_ASSIGN(end, ResolveLocal("--end", date, written.end, zone));
  range.end_us = end;
  return range;
}

}  // namespace lookback::app
