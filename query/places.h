// query/places.h: which cameras stand where, and when a vehicle can have passed them.
//
// Invariant: the earth is a sphere of kEarthRadiusM here, which is off by 0.5 % at most. A leg of a
//            route is straight in latitude and longitude, as it is drawn on a map.
// Threads:   values.
// Errors:    none: whoever takes coordinates from outside checks them.
#pragma once

#include <vector>

#include "base/time.h"

namespace lookback::query {

inline constexpr double kEarthRadiusM = 6'371'008.8;  // The mean one.

struct Point {
  double latitude = 0;  // Degrees.
  double longitude = 0;
};

// Along the great circle, by the haversine formula.
double DistanceM(Point a, Point b);

// From west to east: where `west` is above `east` it lies across the date line.
struct Box {
  double south = 0;
  double west = 0;
  double north = 0;
  double east = 0;

  bool Contains(Point point) const;
};

// A vehicle that left the first point of a route within `departure`, and went on at a speed between
// the two, which may change at any time.
struct Journey {
  std::vector<Point> route;
  double buffer_m = 0;  // How near a camera has to be.
  TimeRange departure;
  double slowest_m_per_s = 0;
  double fastest_m_per_s = 0;
};

double LengthM(const std::vector<Point>& route);

// When the vehicle can have been within `buffer_m` of `camera`: earliest at the fastest, latest at
// the slowest. By start, none touches another; several where the route comes by again.
std::vector<TimeRange> FindPasses(const Journey& journey, Point camera);

}  // namespace lookback::query
