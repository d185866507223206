// The forecast of retention: asked for by a person, and made each hour for the alarms.

#include <fmt/format.h>

#include "api/alarms.h"
#include "api/context.h"
#include "base/checksum.h"
#include "base/log.h"
#include "storage/retention_forecast.h"

namespace lookback::api {
namespace {

constexpr uint64_t kMaxAddedCameras = 10'000;

Json ToJson(const storage::RetentionForecast& forecast) {
  Json volumes = Json::array();
  for (const storage::VolumeForecast& volume : forecast.volumes) {
    volumes.push_back({{"root", volume.root},
                       {"total_bytes", volume.space.total_bytes},
                       {"free_bytes", volume.space.free_bytes},
                       {"bytes_per_day", volume.day_bytes},
                       {"missing_bytes", volume.missing_bytes},
                       {"stops", TimeOrNull(volume.stops_us)}});
  }
  Json cameras = Json::array();
  for (const storage::CameraForecast& camera : forecast.cameras) {
    cameras.push_back({{"camera", camera.camera.text()},
                       {"volume", forecast.volumes[camera.volume].root},
                       {"promised_days", camera.promised_days},
                       {"kept_days", camera.kept_days},
                       {"forecast_days", camera.forecast_days},
                       {"bytes_per_day", camera.day_bytes},
                       {"missing_bytes", camera.missing_bytes},
                       {"breaks", TimeOrNull(camera.breaks_us)}});
  }
  return {{"sentence", forecast.sentence},
          {"until", FormatTime(forecast.until_us)},
          {"missing_bytes", forecast.missing_bytes},
          {"volumes", std::move(volumes)},
          {"cameras", std::move(cameras)}};
}

// The place of a volume that is online, by its id or its root.
size_t FindVolume(const storage::ForecastInput& input, const std::string& name) {
  for (size_t i = 0; i < input.volumes.size(); ++i) {
    if (input.volumes[i].id.text() == name || input.volumes[i].root == name) return i;
  }
  throw Problem{404, "unknown-volume",
                fmt::format("\"{}\" is the id or root of no volume that is online", name)};
}

}  // namespace

net::HttpResponse GetForecast(Context& context, const Call& call) {
  const Query query(call.http, {"without", "add_cameras", "days"});
  storage::ForecastQuestion question;
  question.add_cameras = static_cast<uint32_t>(query.Number("add_cameras", 0, kMaxAddedCameras, 0));
  question.days = static_cast<uint32_t>(query.Number("days", 0, storage::kMaxForecastDays));
  storage::ForecastInput input = OrThrow(storage::ReadForecast(context.store, context.clock));
  if (input.volumes.empty()) throw Problem{503, "unavailable", "no volume is online"};
  if (const auto name = query.Text("without", kMaxReasonBytes)) {
    question.without = FindVolume(input, *name);
  }
  return JsonResponse(ToJson(storage::ForecastRetention(std::move(input), question)));
}

namespace {

// Of what a person may change about a forecast.
uint64_t DigestOfSettings(Context& context) {
  std::string text;
  if (const auto cameras = context.store.catalog().Cameras()) {
    for (const index::Camera& camera : *cameras) {
      if (camera.removed || !camera.enabled) continue;
      text += fmt::format("{} {}\n", camera.id.text(), camera.group);
    }
  }
  if (const auto policies = context.store.catalog().Policies()) {
    for (const index::Policy& policy : *policies) {
      text += fmt::format("{} {}\n", policy.scope, policy.version);
    }
  }
  return Xxh3_64(AsBytes(text));
}

}  // namespace

void Foresee(Context& context) {
  const int64_t now_us = context.clock.MonotonicUs();
  const uint64_t settings = DigestOfSettings(context);
  {
    const std::lock_guard lock(context.round_mutex);
    const LastForecast& last = context.last_forecast;
    const int64_t wait_us = last.unmeasured > 0 ? kForecastAnewUs : kForecastIntervalUs;
    const bool fresh = last.at_monotonic_us != 0 && now_us - last.at_monotonic_us < wait_us;
    if (fresh && last.settings == settings) return;
  }
  auto input = storage::ReadForecast(context.store, context.clock);
  if (!input) return LogWarning("retention", "no forecast is made: " + input.message());
  const storage::RetentionForecast forecast = storage::ForecastRetention(*std::move(input), {});
  LastForecast last{now_us, 0, 0, forecast.unmeasured, settings, forecast.sentence};
  const auto keep_first = [](TimeUs& first, TimeUs time_us) {
    if (time_us > 0 && (first == 0 || time_us < first)) first = time_us;
  };
  for (const auto& camera : forecast.cameras) keep_first(last.breaks_us, camera.breaks_us);
  for (const auto& volume : forecast.volumes) keep_first(last.stops_us, volume.stops_us);
  const std::lock_guard lock(context.round_mutex);
  context.last_forecast = std::move(last);
}

}  // namespace lookback::api
