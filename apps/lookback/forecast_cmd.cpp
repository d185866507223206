// `lookback retention forecast`: how far back each camera will reach,
// and which promise breaks when.

#include <fmt/format.h>

#include "apps/lookback/command.h"
#include "base/words.h"

namespace lookback::app {
namespace {

struct ForecastAsked {
  std::string without;
  uint32_t add_cameras = 0;
  uint32_t days = 0;
};

std::string DaysText(const Json& camera, const char* name) {
  const auto found = camera.find(name);
  if (found == camera.end() || !found->is_number()) return "-";
  return fmt::format("{:.1f} days", found->get<double>());
}

std::string Bytes(const Json& json, const char* name) {
  return FormatBytes(static_cast<uint64_t>(NumberOf(json, name)));
}

// "2026-12-24"; "-" when it does not come.
std::string Day(const Json& json, const char* name, const TimeZone& zone) {
  return LocalTimeOf(json, name, zone).substr(0, 10);
}

std::string ForecastText(const Json& forecast, const TimeZone& zone) {
  std::string text = Printable(TextOf(forecast, "sentence")) + "\n\n";
  Table volumes({"VOLUME", "SIZE", "FREE", "A DAY", "MISSING", "RECORDING STOPS"});
  for (const Json& volume : ListOf(forecast, "volumes")) {
    volumes.Add({TextOf(volume, "root"), Bytes(volume, "total_bytes"), Bytes(volume, "free_bytes"),
                 Bytes(volume, "bytes_per_day"), Bytes(volume, "missing_bytes"),
                 LocalTimeOf(volume, "stops", zone).substr(0, 16)});
  }
  Table cameras({"CAMERA", "VOLUME", "PROMISED", "KEPT", "FORECAST", "A DAY", "BREAKS"});
  for (const Json& camera : ListOf(forecast, "cameras")) {
    const int64_t promised = NumberOf(camera, "promised_days");
    cameras.Add({TextOf(camera, "camera"), TextOf(camera, "volume"),
                 promised == 0 ? "-" : CountOf(camera, "promised_days", "day"),
                 DaysText(camera, "kept_days"), DaysText(camera, "forecast_days"),
                 Bytes(camera, "bytes_per_day"), Day(camera, "breaks", zone)});
  }
  return text + volumes.TextFor(ScreenColumns()) + "\n" +
         (cameras.empty() ? "" : cameras.TextFor(ScreenColumns()));
}

Result<int> Forecast(Client& client, const ForecastAsked& asked) {
  std::string path = fmt::format("/api/v1/retention/forecast?add_cameras={}", asked.add_cameras);
  if (asked.days > 0) path += fmt::format("&days={}", asked.days);
  if (!asked.without.empty()) path += "&without=" + PercentEncode(asked.without);
  LB_TRY_ASSIGN(forecast, client.api().Get(path));
  if (client.json()) {
    PrintJson(forecast);
    return kExitOk;
  }
  LB_TRY_ASSIGN(zone, client.Zone());
  PrintText(ForecastText(forecast, zone));
  return kExitOk;
}

}  // namespace

void AddForecastCommand(Commands& commands, CLI::App* retention_group) {
  auto asked = std::make_shared<ForecastAsked>();
  CLI::App* forecast =
      commands.AddClient(retention_group, "forecast",
                         "How far back each camera will reach, and which promise breaks first.",
                         [asked](Client& client) { return Forecast(client, *asked); });
  forecast->add_option("--without", asked->without, "as if this volume (id or root) broke now");
  forecast->add_option("--add-cameras", asked->add_cameras,
                       "as if so many more cameras came, like the mean of those that record");
  forecast->add_option("--days", asked->days, "look so far ahead")->check(CLI::Range(1, 400));
}

}  // namespace lookback::app
