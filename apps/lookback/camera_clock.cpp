#include "apps/lookback/camera_clock.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

namespace lookback::app {
namespace {

constexpr int64_t kSmallestUs = 50 * kUsPerMs;  // What is less is shown as 0.0 s.

std::optional<int64_t> OffsetOf(const Json& json, const char* name) {
  const auto found = json.find(name);
  if (found == json.end() || !found->is_number_integer()) return std::nullopt;
  return found->get<int64_t>();
}

bool WorthTelling(int64_t offset_us) {
  return offset_us > kWorthTellingUs || offset_us < -kWorthTellingUs;
}

std::string CheckLine(const Json& check, const TimeZone& zone) {
  const auto offset_us = OffsetOf(check, "offset_us");
  if (!offset_us) return {};
  return fmt::format("camera's clock {} by {}'s look at {}\n", OffsetWords(*offset_us),
                     Printable(TextOf(check, "person")), LocalTimeOf(check, "true", zone));
}

}  // namespace

std::string OffsetWords(int64_t offset_us) {
  // An answer may hold any number, the smallest one of all included.
  const int64_t size_us = std::abs(std::clamp(offset_us, -kTimeMaxUs, kTimeMaxUs));
  if (size_us < kSmallestUs) return "right";
  const std::string size =
      size_us < kUsPerMinute ? fmt::format("{:.1f} s", static_cast<double>(size_us) / kUsPerSecond)
                             : FormatDuration(size_us / kUsPerSecond * kUsPerSecond);
  return size + (offset_us > 0 ? " ahead" : " behind");
}

std::string TimelineClockLine(const Json& timeline) {
  std::optional<int64_t> min_us;
  std::optional<int64_t> max_us;
  for (const Json& span : ListOf(timeline, "spans")) {
    const auto low_us = OffsetOf(span, "camera_offset_min_us");
    const auto high_us = OffsetOf(span, "camera_offset_max_us");
    if (!low_us || !high_us) continue;
    min_us = std::min(min_us.value_or(*low_us), *low_us);
    max_us = std::max(max_us.value_or(*high_us), *high_us);
  }
  if (!min_us || (!WorthTelling(*min_us) && !WorthTelling(*max_us))) return {};
  const std::string low = OffsetWords(*min_us);
  const std::string high = OffsetWords(*max_us);
  return "camera's clock " + (low == high ? low : "from " + low + " to " + high) +
         ", by its sender reports\n";
}

std::string ClipClockLines(const Json& description, const TimeZone& zone) {
  const auto clock = description.find("camera_clock");
  if (clock == description.end() || !clock->is_object()) return {};
  std::string text;
  const auto offset_us = OffsetOf(*clock, "offset_us");
  if (offset_us && WorthTelling(*offset_us)) {
    text = "camera's clock " + OffsetWords(*offset_us) + ", by its sender reports\n";
  }
  for (const char* name : {"check_before", "check_after"}) {
    const auto check = clock->find(name);
    if (check != clock->end() && check->is_object()) text += CheckLine(*check, zone);
  }
  return text;
}

}  // namespace lookback::app
