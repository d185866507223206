// api/search_input.h: what a footage search is asked for, as clients write it.
//
// Invariant: what comes out is within its limits: coordinates on earth, rules that can be met.
// Threads:   values.
// Errors:    throws Problem, of the parameter or member at fault.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/input.h"
#include "base/time_zone.h"
#include "query/places.h"
#include "query/wall_clock.h"

namespace lookback::api {

inline constexpr int64_t kMaxSearchUs = 366 * kUsPerDay;
inline constexpr size_t kMaxChosen = 64;  // Groups, or tags, of one search.
inline constexpr double kMaxRadiusM = 1'000'000;
inline constexpr size_t kMaxRoutePoints = 500;
inline constexpr double kMaxLegM = 100'000;
inline constexpr double kMaxBufferM = 10'000;
inline constexpr double kMinSpeedKmh = 1;
inline constexpr double kMaxSpeedKmh = 400;
inline constexpr int64_t kMaxJourneyUs = 31 * kUsPerDay;

struct Circle {
  query::Point centre;
  double radius_m = 0;
};

// Which cameras: each kind that is given narrows, and of one kind any will do.
struct CameraChoice {
  std::vector<CameraId> cameras;
  std::vector<std::string> groups;
  std::vector<std::string> tags;
  std::optional<Circle> near;
  std::optional<query::Box> box;

  bool by_place() const { return near || box; }
};
CameraChoice ReadCameraChoice(const Query& query);

// `tz`, an IANA name; the store's own zone without it.
TimeZone ReadZone(const Query& query);
// The zone of the subtitles that are asked for by subtitles=1, if they are.
std::optional<TimeZone> ReadSubtitles(const Query& query);

struct WhenAsked {
  query::WallClockRule rule;
  TimeZone zone;
};
// `daily`, `weekdays` and `tz`, each by itself optional.
WhenAsked ReadWhen(const Query& query);

query::Journey ReadJourney(const Body& body);

}  // namespace lookback::api
