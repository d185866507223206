// storage/retention_forecast.h: how far back each camera will reach, and when the first promise
// breaks: the planner of the purge, run forward on a model of the archive.
//
// Invariant: what a forecast deletes and thins is what PlanRetention() says;
//            nothing here decides it anew.
// Threads:   ForecastRetention is pure; ReadForecast on any thread.
// Errors:    of the catalog. A volume that does not tell its free space is left out, and logged.
//
// The model: each camera goes on as in the last 24 hours, on the volumes that it records on now;
// the clock is right and holds stay. Footage is taken together to spans of hours, so that 500
// cameras over 90 days are a second's work. Of a stream at most kSampledSpans places are read, and
// what they show is scaled to the stream's bytes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "storage/retention_plan.h"
#include "storage/store.h"

namespace lookback::storage {

inline constexpr size_t kSampledSpans = 128;
inline constexpr size_t kRowsASpan = 8;
inline constexpr size_t kForecastSteps = 400;
inline constexpr uint32_t kMaxForecastDays = 400;

struct ForecastInput {
  struct Volume {
    Uuid id;
    std::string root;
    Space space;
  };
  struct Stream {
    StreamId id;
    std::vector<uint64_t> day_bytes;  // Recorded a day, by volume.
    std::vector<RetentionRow> rows;   // By start; those on volumes that are not there are left out.
    std::string group = {};           // Of its camera; empty: none.
    double sync_share = 1;            // Of what it records: what thinning would leave.
  };
  std::vector<Volume> volumes;
  std::vector<Stream> streams;
  std::vector<index::Policy> policies;
  std::vector<index::Marker> holds;
  TimeUs now_us = 0;
  size_t unmeasured = 0;  // Cameras that are to be recorded and whose rate is not known yet.
};

struct ForecastQuestion {
  std::optional<size_t> without;  // As if that volume (its place) broke now.
  uint32_t add_cameras = 0;       // As if so many mean cameras came, under the default policy.
  uint32_t days = 0;              // To look ahead; 0: until every promise has been tried.
};

struct CameraForecast {
  CameraId camera;
  size_t volume = 0;           // Its place: the one that takes most of its footage.
  uint32_t promised_days = 0;  // 0: nothing.
  double kept_days = 0;        // How far it reaches back now,
  double forecast_days = 0;    // and at the end of the forecast, unheld footage alone.
  uint64_t day_bytes = 0;
  TimeUs breaks_us = 0;        // When footage that is promised is first deleted; 0: not foreseen.
  uint64_t missing_bytes = 0;  // What the promise needs beyond what it gets.
};

struct VolumeForecast {
  std::string root;
  Space space;
  uint64_t day_bytes = 0;
  TimeUs stops_us = 0;  // When it is full of what must not be deleted; 0: not foreseen.
  uint64_t missing_bytes = 0;
};

struct RetentionForecast {
  std::string sentence;  // The worst camera, what it gets, its promise, when that breaks.
  std::vector<VolumeForecast> volumes;
  std::vector<CameraForecast> cameras;  // The worst first.
  uint64_t missing_bytes = 0;
  TimeUs until_us = 0;
  size_t unmeasured = 0;  // Cameras whose rate is not known yet: what they record is not foreseen.
};

RetentionForecast ForecastRetention(ForecastInput input, const ForecastQuestion& question);

// What a store's catalog and volumes say now.
Result<ForecastInput> ReadForecast(Store& store, const Clock& clock);

}  // namespace lookback::storage
