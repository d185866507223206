#include "base/time_zone.h"

#include <date/tz.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>

namespace lookback {
namespace {

const date::time_zone& Zone(const void* zone) { return *static_cast<const date::time_zone*>(zone); }

using LocalUs = date::local_time<std::chrono::microseconds>;

Result<LocalUs> ParseLocal(std::string_view date_text, std::string_view time_text) {
  int y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0, used = 0;
  const std::string day(date_text.substr(0, 32)), tod(time_text.substr(0, 32));
  if (std::sscanf(day.c_str(), "%4d-%2d-%2d%n", &y, &mo, &d, &used) != 3 ||
      size_t(used) != date_text.size()) {
    return Fail(Code::kInvalid, "date \"" + day + "\" is not of the form 2026-05-04");
  }
  used = 0;
  const bool with_seconds = std::sscanf(tod.c_str(), "%2d:%2d:%2d%n", &h, &mi, &s, &used) == 3;
  if (!with_seconds) {
    s = 0;
    used = 0;
    if (std::sscanf(tod.c_str(), "%2d:%2d%n", &h, &mi, &used) != 2) used = -1;
  }
  const bool end_of_day = h == 24 && mi == 0 && s == 0;
  if (used < 0 || size_t(used) != time_text.size() || h < 0 || mi < 0 || s < 0 ||
      (!end_of_day && (h > 23 || mi > 59 || s > 59))) {
    return Fail(Code::kInvalid, "time of day \"" + tod + "\" is not of the form 22:00 or 22:00:00");
  }
  const date::year_month_day ymd{date::year{y}, date::month{unsigned(mo)}, date::day{unsigned(d)}};
  if (!ymd.ok() || y < 1970 || y > 2199) {
    return Fail(Code::kInvalid, "date \"" + day + "\" is not in the calendar of 1970 to 2199");
  }
  return LocalUs(date::local_days(ymd)) + std::chrono::hours(h) + std::chrono::minutes(mi) +
         std::chrono::seconds(s);
}

}  // namespace

Result<TimeZone> TimeZone::Find(std::string_view name) {
  try {
    return TimeZone(std::string(name), date::locate_zone(std::string(name.substr(0, 64))));
  } catch (const std::exception&) {
    return Fail(Code::kInvalid, "time zone \"" + std::string(name.substr(0, 64)) +
                                    "\" is not known; use an IANA name such as Asia/Shanghai");
  }
}

TimeZone TimeZone::Local() {
  // As the C library has it; the tz database's own look-up knows /etc/localtime alone.
  if (const char* name = std::getenv("TZ"); name != nullptr && *name != '\0') {
    if (auto zone = Find(*name == ':' ? name + 1 : name)) return *std::move(zone);
  }
  try {
    const date::time_zone* zone = date::current_zone();
    return TimeZone(zone->name(), zone);
  } catch (const std::exception&) {
    return *Find("UTC");
  }
}

int TimeZone::OffsetSeconds(TimeUs time_us) const {
  const date::sys_time<std::chrono::microseconds> t{std::chrono::microseconds(time_us)};
  return static_cast<int>(
      Zone(zone_).get_info(date::floor<std::chrono::seconds>(t)).offset.count());
}

TimeZone::Period TimeZone::PeriodAt(TimeUs time_us) const {
  const date::sys_time<std::chrono::microseconds> t{std::chrono::microseconds(time_us)};
  const date::sys_info info = Zone(zone_).get_info(date::floor<std::chrono::seconds>(t));
  // Where a zone never changes, its period begins and ends outside of what microseconds can say.
  const auto clamped = [](date::sys_seconds at) {
    return std::clamp<int64_t>(at.time_since_epoch().count(), kTimeMinUs / kUsPerSecond,
                               kTimeMaxUs / kUsPerSecond) *
           kUsPerSecond;
  };
  return {static_cast<int>(info.offset.count()), {clamped(info.begin), clamped(info.end)}};
}

std::string TimeZone::Format(TimeUs time_us) const {
  return FormatTimeWithOffset(time_us, OffsetSeconds(time_us));
}

Result<std::vector<TimeUs>> TimeZone::Resolve(std::string_view date_text,
                                              std::string_view time_of_day) const {
  LB_TRY_ASSIGN(local, ParseLocal(date_text, time_of_day));
  const date::local_info info = Zone(zone_).get_info(local);
  const TimeUs naive_us = local.time_since_epoch().count();
  const auto at = [&](const date::sys_info& side) {
    return naive_us - std::chrono::microseconds(side.offset).count();
  };
  switch (info.result) {
    case date::local_info::unique:
      return std::vector<TimeUs>{at(info.first)};
    case date::local_info::ambiguous:
      return std::vector<TimeUs>{at(info.first), at(info.second)};
    default:
      return std::vector<TimeUs>{};
  }
}

}  // namespace lookback
