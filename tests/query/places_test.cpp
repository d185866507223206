#include "query/places.h"

#include <gtest/gtest.h>

namespace lookback::query {
namespace {

constexpr TimeUs kNoon = 1'777'896'000 * kUsPerSecond;  // 2026-05-04T12:00:00Z
constexpr double kDegreeM = 111'195.080'2;  // Of a great circle: pi * 6,371,008.8 / 180.

// Distances by the angle between vectors from the earth's centre, which is another way than ours.
TEST(Places, DistancesAreThoseOfTheGreatCircle) {
  EXPECT_NEAR(DistanceM({0, 0}, {0, 1}), kDegreeM, 0.01);
  EXPECT_NEAR(DistanceM({52.516275, 13.377704}, {52.520815, 13.409419}), 2'204.503, 0.01);
  EXPECT_NEAR(DistanceM({39.904211, 116.407395}, {31.230416, 121.473701}), 1'067'311.342, 0.1);
  EXPECT_NEAR(DistanceM({-16.5, 179.9}, {-16.5, -179.9}), 21'323.207, 0.01) << "over the date line";
  EXPECT_NEAR(DistanceM({90, 0}, {-90, 123}), 20'015'114.442, 1);
  EXPECT_EQ(DistanceM({52.5, 13.4}, {52.5, 13.4}), 0);
}

TEST(Places, ABoxAcrossTheDateLineHasBothItsSides) {
  const Box plain{10, 20, 30, 40};
  EXPECT_TRUE(plain.Contains({10, 20}));
  EXPECT_TRUE(plain.Contains({30, 40}));
  EXPECT_FALSE(plain.Contains({20, 41}));
  EXPECT_FALSE(plain.Contains({9, 30}));
  const Box across{-20, 170, -10, -170};
  EXPECT_TRUE(across.Contains({-15, 175}));
  EXPECT_TRUE(across.Contains({-15, -175}));
  EXPECT_FALSE(across.Contains({-15, 0}));
}

TEST(Places, TheDateLineHasTwoLongitudesAndIsInABoxByEither) {
  for (const double camera : {-180.0, 180.0}) {
    const Point point{0, camera};
    EXPECT_TRUE((Box{0, -180, 0, -180}.Contains(point))) << camera;
    EXPECT_TRUE((Box{0, 180, 0, 180}.Contains(point))) << camera;
    EXPECT_TRUE((Box{-1, -180, 1, -170}.Contains(point))) << camera;
    EXPECT_TRUE((Box{-1, 170, 1, 180}.Contains(point))) << camera;
    EXPECT_TRUE((Box{-1, 180, 1, -170}.Contains(point))) << camera;
    EXPECT_TRUE((Box{-1, 170, 1, -180}.Contains(point))) << camera;
    EXPECT_TRUE((Box{-1, 170, 1, -170}.Contains(point))) << camera;
    EXPECT_FALSE((Box{-1, -170, 1, 170}.Contains(point))) << camera;
  }
  EXPECT_FALSE((Box{-1, 180, 1, -180}.Contains({0, 0})));
}

// Along the equator eastwards, left at noon, at 10 to 20 m/s.
Journey Eastwards(std::vector<Point> route, double buffer_m) {
  return {std::move(route), buffer_m, {kNoon, kNoon + 60 * kUsPerSecond}, 10, 20};
}

TEST(Places, ACameraAtTheRoadIsPassedBetweenTheFastestAndTheSlowest) {
  // Half a degree along, and 300 m aside of the road: with a buffer of 500 m the road is within
  // reach for 400 m to either side.
  const Journey journey = Eastwards({{0, 0}, {0, 0.2}, {0, 0.7}}, 500);
  const auto passes = FindPasses(journey, {300 / kDegreeM, 0.5});
  ASSERT_EQ(passes.size(), 1U);
  const double along_m = kDegreeM / 2;
  EXPECT_NEAR(static_cast<double>(passes[0].start_us - kNoon), (along_m - 400) / 20 * 1e6, 20'000);
  EXPECT_NEAR(static_cast<double>(passes[0].end_us - kNoon), 60e6 + (along_m + 400) / 10 * 1e6,
              20'000);
}

TEST(Places, ACameraFartherThanTheBufferIsNotPassed) {
  const Journey journey = Eastwards({{0, 0}, {0, 0.1}}, 500);
  EXPECT_TRUE(FindPasses(journey, {501 / kDegreeM, 0.05}).empty());
  EXPECT_FALSE(FindPasses(journey, {499 / kDegreeM, 0.05}).empty());
  EXPECT_TRUE(FindPasses(journey, {0, 0.1 + 501 / kDegreeM}).empty()) << "behind the end";
  EXPECT_FALSE(FindPasses(journey, {0, 0.1 + 499 / kDegreeM}).empty());
  EXPECT_TRUE(FindPasses(journey, {0, 180}).empty());
}

TEST(Places, OneAtTheStartIsPassedFromTheFirstInstantOn) {
  const auto passes = FindPasses(Eastwards({{0, 0}, {0, 0.1}}, 100), {0, 0});
  ASSERT_EQ(passes.size(), 1U);
  EXPECT_EQ(passes[0].start_us, kNoon);
  EXPECT_NEAR(static_cast<double>(passes[0].end_us - kNoon), 60e6 + 10e6, 1'000);
}

TEST(Places, ARoadThatComesByAgainHasTwoPasses) {
  // 22 km out and back again; by 20 km the fastest is back no sooner than the slowest has gone.
  const auto passes = FindPasses(
      {{{0, 0}, {0, 0.2}, {0, 0}}, 100, {kNoon, kNoon + kUsPerSecond}, 19, 20}, {0, 0.01});
  ASSERT_EQ(passes.size(), 2U);
  EXPECT_NEAR(static_cast<double>(passes[1].start_us - kNoon), (0.39 * kDegreeM - 100) / 20 * 1e6,
              20'000);
}

TEST(Places, ARoadOverTheDateLineIsNotOneAroundTheWorld) {
  const Journey journey = Eastwards({{0, 179.95}, {0, -179.95}}, 100);
  EXPECT_NEAR(LengthM(journey.route), 0.1 * kDegreeM, 0.1);
  EXPECT_EQ(FindPasses(journey, {0, 180}).size(), 1U);
  EXPECT_EQ(FindPasses(journey, {0, -180}).size(), 1U);
  EXPECT_TRUE(FindPasses(journey, {0, 0}).empty());
}

// Against a vehicle that is driven, step by step.
TEST(Places, WhoeverDrivesTheRoadPassesWithinTheMinutesThatAreSaid) {
  const std::vector<Point> route = {{52.50, 13.30}, {52.51, 13.35}, {52.49, 13.40}, {52.52, 13.42}};
  const Journey journey{route, 150, {kNoon, kNoon + 10 * kUsPerSecond}, 5, 15};
  for (const Point camera : {Point{52.506, 13.33}, {52.5005, 13.3748}, {52.489, 13.4}}) {
    const auto passes = FindPasses(journey, camera);
    ASSERT_EQ(passes.size(), 1U);
    for (const double speed : {5.0, 9.0, 15.0}) {
      for (const double wait_s : {0.0, 9.9}) {
        double before_m = 0;
        bool near = false;
        for (size_t i = 1; i < route.size(); ++i) {
          const double leg_m = DistanceM(route[i - 1], route[i]);
          for (double part = 0; part <= 1; part += 1e-4) {
            const Point at{
                route[i - 1].latitude + part * (route[i].latitude - route[i - 1].latitude),
                route[i - 1].longitude + part * (route[i].longitude - route[i - 1].longitude)};
            if (DistanceM(at, camera) > 149) continue;  // A metre for the flat earth.
            near = true;
            const double seconds = wait_s + (before_m + part * leg_m) / speed;
            EXPECT_TRUE(passes[0].Contains(kNoon + static_cast<TimeUs>(seconds * 1e6)));
          }
          before_m += leg_m;
        }
        EXPECT_TRUE(near);
      }
    }
  }
}

}  // namespace
}  // namespace lookback::query
