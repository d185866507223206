#include "query/places.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>

#include "query/ranges.h"

namespace lookback::query {
namespace {

constexpr double kDateLine = 180;  // And -180: one meridian.

double Radians(double degrees) { return degrees * std::numbers::pi / 180; }

// The short way round.
double LongitudeFrom(double from, double to) { return std::remainder(to - from, 360.0); }

struct Metres {
  double east = 0;
  double north = 0;
};

// Which part of a leg, from 0 at its start to 1 at its end, is within the buffer.
struct Crossing {
  double from = 0;
  double to = 0;
};

// The leg from `a` to `a` + `way` against a circle around the origin.
std::optional<Crossing> FindCrossing(Metres a, Metres way, double radius_m) {
  // |a + t * way|² = radius², solved for t.
  const double square = way.east * way.east + way.north * way.north;
  const double toward = a.east * way.east + a.north * way.north;
  const double beyond = a.east * a.east + a.north * a.north - radius_m * radius_m;
  if (square == 0) return beyond <= 0 ? std::optional(Crossing{0, 0}) : std::nullopt;
  const double discriminant = toward * toward - square * beyond;
  if (discriminant < 0) return std::nullopt;
  const double root = std::sqrt(discriminant);
  const Crossing crossing{std::max(0.0, (-toward - root) / square),
                          std::min(1.0, (-toward + root) / square)};
  return crossing.from <= crossing.to ? std::optional(crossing) : std::nullopt;
}

int64_t RoundedUs(double seconds, double (*round)(double)) {
  return static_cast<int64_t>(round(seconds * static_cast<double>(kUsPerSecond)));
}

}  // namespace

double DistanceM(Point a, Point b) {
  const double north = std::sin(Radians(b.latitude - a.latitude) / 2);
  const double east = std::sin(Radians(b.longitude - a.longitude) / 2);
  const double h =
      north * north + std::cos(Radians(a.latitude)) * std::cos(Radians(b.latitude)) * east * east;
  return 2 * kEarthRadiusM * std::asin(std::min(1.0, std::sqrt(h)));
}

bool Box::Contains(Point point) const {
  if (point.latitude < south || point.latitude > north) return false;
  const auto is_between = [this](double longitude) {
    if (west <= east) return west <= longitude && longitude <= east;
    return longitude >= west || longitude <= east;
  };
  return is_between(point.longitude) ||
         (std::abs(point.longitude) == kDateLine && is_between(-point.longitude));
}

double LengthM(const std::vector<Point>& route) {
  double length_m = 0;
  for (size_t i = 1; i < route.size(); ++i) length_m += DistanceM(route[i - 1], route[i]);
  return length_m;
}

std::vector<TimeRange> FindPasses(const Journey& journey, Point camera) {
  const double north_m = kEarthRadiusM * Radians(1);  // A degree, where the camera is.
  const double east_m = north_m * std::cos(Radians(camera.latitude));
  std::vector<TimeRange> passes;
  double before_m = 0;  // Along the route, to the start of this leg.
  for (size_t i = 1; i < journey.route.size(); ++i) {
    const Point from = journey.route[i - 1];
    const Point to = journey.route[i];
    const Metres start{LongitudeFrom(camera.longitude, from.longitude) * east_m,
                       (from.latitude - camera.latitude) * north_m};
    const Metres way{LongitudeFrom(from.longitude, to.longitude) * east_m,
                     (to.latitude - from.latitude) * north_m};
    const double leg_m = DistanceM(from, to);
    if (const auto near = FindCrossing(start, way, journey.buffer_m)) {
      const double first_s = (before_m + near->from * leg_m) / journey.fastest_m_per_s;
      const double last_s = (before_m + near->to * leg_m) / journey.slowest_m_per_s;
      passes.push_back({journey.departure.start_us + RoundedUs(first_s, std::floor),
                        journey.departure.end_us + RoundedUs(last_s, std::ceil)});
    }
    before_m += leg_m;
  }
  return Merged(std::move(passes));
}

}  // namespace lookback::query
