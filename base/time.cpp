#include "base/time.h"

#include <date/date.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace lookback {
namespace {

std::string FormatCivil(TimeUs local_us) {
  using namespace date;
  const sys_time<std::chrono::microseconds> t{std::chrono::microseconds(local_us)};
  const auto day = floor<days>(t);
  const year_month_day ymd{day};
  const hh_mm_ss<std::chrono::microseconds> tod{t - day};
  char text[48];
  int n = std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d", int{ymd.year()},
                        unsigned{ymd.month()}, unsigned{ymd.day()}, int(tod.hours().count()),
                        int(tod.minutes().count()), int(tod.seconds().count()));
  const int64_t us = tod.subseconds().count();
  if (us == 0) return std::string(text, size_t(n));
  n += std::snprintf(text + n, sizeof text - size_t(n), ".%06d", int(us));
  while (text[n - 1] == '0') --n;
  return std::string(text, size_t(n));
}

// Reads exactly `digits` decimal digits at the front of `text`.
bool TakeNumber(std::string_view& text, size_t digits, int& value) {
  if (text.size() < digits) return false;
  value = 0;
  for (size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return true;
}

bool TakeChar(std::string_view& text, char a, char b = 0) {
  if (text.empty() || (text[0] != a && (b == 0 || text[0] != b))) return false;
  text.remove_prefix(1);
  return true;
}

bool TakeFraction(std::string_view& text, int64_t& us) {
  us = 0;
  if (!TakeChar(text, '.')) return true;
  size_t n = 0;
  int64_t scale = kUsPerSecond / 10;
  while (n < text.size() && text[n] >= '0' && text[n] <= '9') {
    us += scale * (text[n] - '0');
    scale /= 10;
    ++n;
  }
  if (n == 0 || n > 9) return false;
  text.remove_prefix(n);
  return true;
}

bool TakeOffset(std::string_view& text, int& offset_seconds) {
  offset_seconds = 0;
  if (TakeChar(text, 'Z', 'z')) return true;
  if (text.empty() || (text[0] != '+' && text[0] != '-')) return false;
  const int sign = text[0] == '-' ? -1 : 1;
  text.remove_prefix(1);
  int h = 0, m = 0;
  if (!TakeNumber(text, 2, h) || !TakeChar(text, ':') || !TakeNumber(text, 2, m)) return false;
  if (h > 23 || m > 59) return false;
  offset_seconds = sign * (h * 3600 + m * 60);
  return true;
}

tl::unexpected<Error> BadTime(std::string_view text, std::string_view why) {
  return Fail(Code::kInvalid, "time \"" + std::string(text.substr(0, 64)) + "\" " +
                                  std::string(why) +
                                  "; expected RFC 3339 with an offset, such as "
                                  "2026-05-04T22:00:00+08:00 or 2026-05-04T14:00:00Z");
}

}  // namespace

TimeRange TimeRange::Intersect(const TimeRange& other) const {
  return {std::max(start_us, other.start_us), std::min(end_us, other.end_us)};
}

std::string FormatTime(TimeUs time_us) { return FormatCivil(time_us) + "Z"; }

std::string FormatTimeWithOffset(TimeUs time_us, int offset_seconds) {
  char offset[24];
  const int m = std::abs(offset_seconds) / 60;
  std::snprintf(offset, sizeof offset, "%c%02d:%02d", offset_seconds < 0 ? '-' : '+', m / 60,
                m % 60);
  return FormatCivil(time_us + offset_seconds * kUsPerSecond) + offset;
}

Result<TimeUs> ParseTime(std::string_view text) {
  std::string_view rest = text;
  int y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0, offset_seconds = 0;
  int64_t us = 0;
  const bool date_time = TakeNumber(rest, 4, y) && TakeChar(rest, '-') && TakeNumber(rest, 2, mo) &&
                         TakeChar(rest, '-') && TakeNumber(rest, 2, d) &&
                         TakeChar(rest, 'T', 't') && TakeNumber(rest, 2, h) &&
                         TakeChar(rest, ':') && TakeNumber(rest, 2, mi) && TakeChar(rest, ':') &&
                         TakeNumber(rest, 2, s) && TakeFraction(rest, us);
  if (!date_time) return BadTime(text, "is not a date and time");
  if (rest.empty()) return BadTime(text, "has no offset, and may mean several instants");
  if (!TakeOffset(rest, offset_seconds) || !rest.empty()) return BadTime(text, "has a bad offset");
  const date::year_month_day ymd{date::year{y}, date::month{unsigned(mo)}, date::day{unsigned(d)}};
  if (!ymd.ok() || h > 23 || mi > 59 || s > 59) return BadTime(text, "is not in the calendar");
  const int64_t day = date::sys_days(ymd).time_since_epoch().count();
  const TimeUs time_us =
      day * kUsPerDay + (h * 3600LL + mi * 60LL + s - offset_seconds) * kUsPerSecond + us;
  if (time_us < kTimeMinUs || time_us >= kTimeMaxUs) {
    return BadTime(text, "is outside of 1970 to 2199");
  }
  return time_us;
}

std::string FormatDuration(int64_t duration_us) {
  const long long h = duration_us / kUsPerHour;
  const long long m = duration_us % kUsPerHour / kUsPerMinute;
  const long long tenths = duration_us % kUsPerMinute / (kUsPerSecond / 10);
  char text[80];
  if (h > 0) {
    std::snprintf(text, sizeof text, "%lld h %02lld min %02lld s", h, m, tenths / 10);
  } else if (m > 0) {
    std::snprintf(text, sizeof text, "%lld min %02lld s", m, tenths / 10);
  } else {
    std::snprintf(text, sizeof text, "%lld.%lld s", tenths / 10, tenths % 10);
  }
  return text;
}

std::string FormatDay(TimeUs time_us) {
  const std::string t = FormatCivil(time_us);
  return t.substr(0, 4) + t.substr(5, 2) + t.substr(8, 2);
}

}  // namespace lookback
