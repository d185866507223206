#include "storage/retention_forecast.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "base/words.h"
#include "storage/purger.h"
#include "storage/retention.h"

namespace lookback::storage {
namespace {

constexpr double kUsADay = static_cast<double>(kUsPerDay);

double Sum(const std::vector<uint64_t>& bytes) {
  return static_cast<double>(std::accumulate(bytes.begin(), bytes.end(), uint64_t{0}));
}

// What a broken volume was recording goes to the others, by their sizes; its footage is gone.
void TakeAway(ForecastInput& input, size_t gone) {
  double others = 0;
  for (size_t v = 0; v < input.volumes.size(); ++v) {
    if (v != gone) others += static_cast<double>(input.volumes[v].space.total_bytes);
  }
  for (ForecastInput::Stream& stream : input.streams) {
    const uint64_t moved = std::exchange(stream.day_bytes[gone], 0);
    for (size_t v = 0; v < input.volumes.size() && others > 0; ++v) {
      if (v == gone) continue;
      const double share = static_cast<double>(input.volumes[v].space.total_bytes) / others;
      stream.day_bytes[v] += static_cast<uint64_t>(static_cast<double>(moved) * share);
    }
  }
}

// Cameras like the mean of those that record, spread over the volumes as those are.
void AddCameras(ForecastInput& input, uint32_t count) {
  std::vector<uint64_t> mean(input.volumes.size());
  std::set<CameraId> recording, known;
  for (const ForecastInput::Stream& stream : input.streams) {
    known.insert(stream.id.camera);
    if (Sum(stream.day_bytes) > 0) recording.insert(stream.id.camera);
    for (size_t v = 0; v < mean.size(); ++v) mean[v] += stream.day_bytes[v];
  }
  for (uint64_t& bytes : mean) bytes /= std::max<size_t>(recording.size(), 1);
  for (uint32_t i = 0, n = 1; i < count; ++n) {
    const auto id = CameraId::Parse(fmt::format("added-{}", n));
    if (!id || known.count(*id) != 0) continue;
    input.streams.push_back({{*id, Stream::kMain}, mean, {}});
    ++i;
  }
}

class Model {
 public:
  Model(ForecastInput input, const ForecastQuestion& question)
      : input_(std::move(input)), question_(question), rows_(0) {
    if (question.without) TakeAway(input_, *question.without);
    AddCameras(input_, question.add_cameras);
    for (size_t v = 0; v < input_.volumes.size(); ++v) {
      const Space& space = input_.volumes[v].space;
      free_.push_back(
          static_cast<int64_t>(question.without == v ? space.total_bytes : space.free_bytes));
    }
    day_bytes_.resize(input_.volumes.size());
    kept_day_bytes_.resize(input_.volumes.size());
    stops_us_.resize(input_.volumes.size());
    rows_ = MemoryRows(input_.streams.size());
    plan_.policies = input_.policies;
    plan_.holds = input_.holds;
    plan_.clock_trusted = plan_.confirmed = true;
    plan_.budget_bytes = UINT64_MAX;
    for (size_t s = 0; s < input_.streams.size(); ++s) AddStream(s);
    ChooseSteps();
  }

  RetentionForecast Run() {
    for (TimeUs now_us = input_.now_us; now_us < until_us_; now_us += step_us_) Step(now_us);
    return Result();
  }

 private:
  void AddStream(size_t s) {
    ForecastInput::Stream& stream = input_.streams[s];
    plan_.streams.push_back({stream.id, 0, stream.group});
    promised_.push_back(PromisedDays(PolicyFor(input_.policies, stream.id.camera, stream.group)));
    breaks_us_.push_back(0);
    for (const RetentionRow& row : stream.rows) {
      if (row.volume >= input_.volumes.size() || row.bytes == 0) continue;
      if (question_.without == row.volume) {
        NoteLoss(s, row, input_.now_us);
        continue;
      }
      rows_.Add(s, row);
      plan_.streams[s].bytes += row.bytes;
    }
    stream.rows.clear();
    kept_days_.push_back(DaysBack(s, input_.now_us));
    const bool thins = PolicyFor(input_.policies, stream.id.camera, stream.group).thin_days > 0;
    for (size_t v = 0; v < day_bytes_.size(); ++v) {
      const auto day_bytes = static_cast<double>(stream.day_bytes[v]);
      day_bytes_[v] += stream.day_bytes[v];
      kept_day_bytes_[v] += thins ? day_bytes * SyncShare(s) : day_bytes;
    }
  }

  double SyncShare(size_t stream) const {
    return std::clamp(input_.streams[stream].sync_share, 0.0, 1.0);
  }

  // Far enough that every promise is tried and every disk has turned over, in steps that are short
  // beside what the disks hold.
  void ChooseSteps() {
    double days = 1;
    for (size_t v = 0; v < day_bytes_.size(); ++v) {
      if (kept_day_bytes_[v] < 1) continue;
      days = std::max(
          days, 2 * static_cast<double>(input_.volumes[v].space.total_bytes) / kept_day_bytes_[v]);
    }
    uint32_t promised = kDefaultPromiseDays;
    for (const uint32_t one : promised_) promised = std::max(promised, one);
    days = std::min({days, promised + 7.0, static_cast<double>(kMaxForecastDays)});
    if (question_.days > 0) days = std::min(question_.days, kMaxForecastDays);
    step_us_ = std::max<int64_t>(static_cast<int64_t>(days * kUsADay) / kForecastSteps, 1);
    until_us_ = input_.now_us + step_us_ * static_cast<int64_t>(kForecastSteps);
  }

  uint64_t InStep(uint64_t day_bytes) const {
    return static_cast<uint64_t>(static_cast<double>(day_bytes) * static_cast<double>(step_us_) /
                                 kUsADay);
  }

  void Step(TimeUs now_us) {
    Record(now_us);
    plan_.now_us = now_us + step_us_;
    plan_.volumes.clear();
    for (size_t v = 0; v < free_.size(); ++v) {
      RetentionVolume limits =
          VolumeLimits(input_.volumes[v].root, input_.volumes[v].space, day_bytes_[v] / 24);
      // A step may need more than is free, which minutes would not: the lack is asked for besides.
      const auto lack = static_cast<uint64_t>(std::max<int64_t>(-free_[v], 0));
      limits.free_bytes = static_cast<uint64_t>(std::max<int64_t>(free_[v], 0));
      limits.pressure_bytes += lack;
      limits.relief_bytes += lack;
      plan_.volumes.push_back(std::move(limits));
    }
    const RetentionPlan plan = PlanRetention(plan_, rows_);
    for (const Victim& victim : plan.victims) {
      Remove(victim.stream, victim.row);
      if (victim.cause != DeleteCause::kCeiling) NoteLoss(victim.stream, victim.row, now_us);
    }
    for (const Thinning& thinning : plan.thinnings) Thin(thinning);
    for (size_t s = 0; s < plan_.streams.size(); ++s) {
      plan_.streams[s].thin_from_us = plan.streams[s].thin_from_us;
    }
    for (size_t v = 0; v < free_.size(); ++v) {
      if (free_[v] >= 0) continue;
      if (stops_us_[v] == 0) stops_us_[v] = now_us;
      TakeBack(static_cast<uint32_t>(v), now_us);
    }
  }

  // A row of each stream and volume; starts differ by a microsecond, since they name rows.
  void Record(TimeUs now_us) {
    for (size_t s = 0; s < input_.streams.size(); ++s) {
      for (size_t v = 0; v < free_.size(); ++v) {
        RetentionRow row;
        row.start_us = now_us + static_cast<int64_t>(v);
        row.end_us = now_us + step_us_;
        row.bytes = InStep(input_.streams[s].day_bytes[v]);
        row.volume = static_cast<uint32_t>(v) & kNoVolume;
        row.sync_bytes = static_cast<uint64_t>(static_cast<double>(row.bytes) * SyncShare(s));
        if (row.bytes == 0) continue;
        rows_.Add(s, row);
        plan_.streams[s].bytes += row.bytes;
        free_[v] -= static_cast<int64_t>(row.bytes);
      }
    }
  }

  // What a full disk did not take.
  void TakeBack(uint32_t volume, TimeUs now_us) {
    std::vector<RetentionRow> rows;
    for (size_t s = 0; s < input_.streams.size(); ++s) {
      rows.clear();
      rows_.Read(s, now_us, SIZE_MAX, rows);
      for (const RetentionRow& row : rows) {
        if (row.volume == volume) Remove(s, row);
      }
    }
  }

  void Remove(size_t stream, const RetentionRow& row) {
    rows_.Remove(stream, row.start_us);
    plan_.streams[stream].bytes -= row.bytes;
    free_[row.volume] += static_cast<int64_t>(row.bytes);
  }

  void Thin(const Thinning& thinning) {
    rows_.Thin(thinning.stream, thinning.row.start_us);
    plan_.streams[thinning.stream].bytes -= thinning.gain();
    free_[thinning.row.volume] += static_cast<int64_t>(thinning.gain());
  }

  void NoteLoss(size_t stream, const RetentionRow& row, TimeUs now_us) {
    const bool promised =
        promised_[stream] > 0 && now_us - row.end_us < promised_[stream] * kUsPerDay;
    if (promised && breaks_us_[stream] == 0) breaks_us_[stream] = now_us;
  }

  // To the oldest row that no hold keeps; 0 when there is none.
  double DaysBack(size_t stream, TimeUs now_us) const {
    std::vector<RetentionRow> rows;
    for (TimeUs from_us = kTimeMinUs;; from_us = rows.back().start_us + 1) {
      rows.clear();
      rows_.Read(stream, from_us, 1, rows);
      if (rows.empty()) return 0;
      const bool held =
          std::any_of(input_.holds.begin(), input_.holds.end(), [&](const index::Marker& hold) {
            return hold.hold && hold.range.Overlaps(rows[0].range()) &&
                   std::find(hold.cameras.begin(), hold.cameras.end(),
                             input_.streams[stream].id.camera) != hold.cameras.end();
          });
      if (!held) return static_cast<double>(now_us - rows[0].start_us) / kUsADay;
    }
  }

  RetentionForecast Result() const;

  ForecastInput input_;
  const ForecastQuestion question_;
  RetentionInput plan_;
  MemoryRows rows_;
  std::vector<int64_t> free_;           // By volume; below 0 within a step.
  std::vector<uint64_t> day_bytes_;     // By volume.
  std::vector<double> kept_day_bytes_;  // The same, once it is thinned.
  std::vector<TimeUs> stops_us_;        // By volume.
  std::vector<uint32_t> promised_;      // By stream, as the rest.
  std::vector<TimeUs> breaks_us_;
  std::vector<double> kept_days_;
  int64_t step_us_ = 0;
  TimeUs until_us_ = 0;
};

// Of the streams of a camera the one that fares worst tells.
RetentionForecast Model::Result() const {
  RetentionForecast forecast;
  forecast.until_us = until_us_;
  for (size_t v = 0; v < input_.volumes.size(); ++v) {
    forecast.volumes.push_back(
        {input_.volumes[v].root, input_.volumes[v].space, day_bytes_[v], stops_us_[v], 0});
  }
  std::map<CameraId, CameraForecast> cameras;
  for (size_t s = 0; s < input_.streams.size(); ++s) {
    const ForecastInput::Stream& stream = input_.streams[s];
    const double day_bytes = Sum(stream.day_bytes);
    const auto [found, first] = cameras.try_emplace(stream.id.camera);
    CameraForecast& camera = found->second;
    const double days = DaysBack(s, until_us_);
    if (day_bytes == 0 && !first) continue;
    const bool worse = camera.day_bytes == 0 || days < camera.forecast_days;
    camera.camera = stream.id.camera;
    camera.promised_days = promised_[s];
    if (worse) camera.forecast_days = days;
    if (worse) camera.kept_days = kept_days_[s];
    if (breaks_us_[s] > 0 && (camera.breaks_us == 0 || breaks_us_[s] < camera.breaks_us)) {
      camera.breaks_us = breaks_us_[s];
    }
    camera.day_bytes += static_cast<uint64_t>(day_bytes);
    camera.volume =
        static_cast<size_t>(std::max_element(stream.day_bytes.begin(), stream.day_bytes.end()) -
                            stream.day_bytes.begin());
    // A camera that is younger than its promise lacks nothing, unless it loses footage, or what it
    // brings is not taken any more.
    for (size_t v = 0; v < forecast.volumes.size(); ++v) {
      double reached = days;
      if (stops_us_[v] > 0) {
        reached = kept_days_[s] + static_cast<double>(stops_us_[v] - input_.now_us) / kUsADay;
      } else if (breaks_us_[s] == 0) {
        continue;
      }
      const double lack = std::max(promised_[s] - reached, 0.0);
      const auto missing = static_cast<uint64_t>(lack * static_cast<double>(stream.day_bytes[v]));
      camera.missing_bytes += missing;
      if (stream.day_bytes[v] > 0) camera.forecast_days = std::min(camera.forecast_days, reached);
      forecast.volumes[v].missing_bytes += missing;
      forecast.missing_bytes += missing;
    }
  }
  for (auto& [id, camera] : cameras) forecast.cameras.push_back(std::move(camera));
  const auto share = [](const CameraForecast& c) {
    return c.promised_days == 0 ? 1e9 : c.forecast_days / c.promised_days;
  };
  std::stable_sort(forecast.cameras.begin(), forecast.cameras.end(),
                   [&](const CameraForecast& a, const CameraForecast& b) {
                     if ((a.breaks_us > 0) != (b.breaks_us > 0)) return a.breaks_us > 0;
                     return share(a) < share(b);
                   });
  return forecast;
}

std::string Day(TimeUs time_us) { return FormatTime(time_us).substr(0, 10); }

// "2026-11-28 14:05 UTC".
std::string Minute(TimeUs time_us) {
  return Day(time_us) + " " + FormatTime(time_us).substr(11, 5) + " UTC";
}

std::string Sentence(const RetentionForecast& forecast) {
  std::string text;
  for (const VolumeForecast& volume : forecast.volumes) {
    if (volume.stops_us == 0) continue;
    text += fmt::format(
        "recording on {} stops on {}, full of what must not be deleted: {} are missing "
        "there; ",
        volume.root, Minute(volume.stops_us), FormatBytes(volume.missing_bytes));
  }
  uint64_t day_bytes = 0;
  for (const CameraForecast& camera : forecast.cameras) day_bytes += camera.day_bytes;
  if (forecast.unmeasured > 0 && day_bytes == 0) {
    return "nothing can be foreseen yet: of no camera it is known how much it records; ask again "
           "when some minutes are recorded";
  }
  const CameraForecast* worst = forecast.cameras.empty() ? nullptr : &forecast.cameras.front();
  if (worst == nullptr || worst->promised_days == 0) {
    text += "nothing is promised: no policy that governs a camera has a floor or a target";
  } else if (worst->breaks_us > 0) {
    text += fmt::format(
        "{} will reach back {:.1f} days of the {} that are promised: the promise breaks on {}, and "
        "{} are missing to keep all promises",
        worst->camera.text(), worst->forecast_days, worst->promised_days, Minute(worst->breaks_us),
        FormatBytes(forecast.missing_bytes));
  } else {
    text += fmt::format(
        "{} {} at least; {} is nearest to its limit, with {:.1f} days then, of {} that are "
        "promised",
        text.empty() ? "every promise is kept until" : "what is there and promised is kept until",
        Day(forecast.until_us), worst->camera.text(), worst->forecast_days, worst->promised_days);
  }
  if (forecast.unmeasured > 0) {
    text += fmt::format("; without {} camera{} of which it is not known yet how much {}",
                        forecast.unmeasured, forecast.unmeasured == 1 ? "" : "s",
                        forecast.unmeasured == 1 ? "it records" : "they record");
  }
  return text;
}

}  // namespace

RetentionForecast ForecastRetention(ForecastInput input, const ForecastQuestion& question) {
  const size_t unmeasured = input.unmeasured;
  RetentionForecast forecast = Model(std::move(input), question).Run();
  forecast.unmeasured = unmeasured;
  forecast.sentence = Sentence(forecast);
  return forecast;
}

}  // namespace lookback::storage
