#include "api/alarms.h"

#include <fmt/format.h>

namespace lookback::api {
namespace {

void AddCameraAlarms(Context& context, std::vector<Alarm>& alarms) {
  const auto cameras = context.store.catalog().Cameras();
  if (!cameras) {
    alarms.push_back({"catalog-behind", "", "the catalog cannot be read: " + cameras.message()});
    return;
  }
  const TimeUs now_us = context.clock.NowUs();
  for (const index::Camera& camera : *cameras) {
    if (camera.removed || !camera.enabled) continue;
    const auto status = context.recorder.StatusOf(camera.id);
    const std::string& id = camera.id.text();
    if (!status) {
      alarms.push_back(
          {"camera-down", id, fmt::format("{} is not recorded: {}", id, status.message())});
    } else if (status->state != recorder::CameraState::kRecording &&
               now_us - status->down_since_us > kCameraDownUs) {
      alarms.push_back(
          {"camera-down", id,
           fmt::format("{} is not recorded since {}: {}", id, FormatTime(status->down_since_us),
                       status->last_error.empty() ? "no answer" : status->last_error)});
    }
  }
}

void AddRetentionAlarms(Context& context, std::vector<Alarm>& alarms) {
  const std::lock_guard lock(context.round_mutex);
  const LastRound& round = context.last_round;
  if (round.frozen) alarms.push_back({"retention-frozen", "", round.sentence});
  if (round.below_floor) alarms.push_back({"retention-below-floor", "", round.sentence});
  if (round.must_stop) alarms.push_back({"disk-nearly-full", "", round.sentence});
}

}  // namespace

std::vector<Alarm> CurrentAlarms(Context& context) {
  std::vector<Alarm> alarms;
  AddCameraAlarms(context, alarms);
  for (const storage::Volume* volume : context.store.volumes()) {
    if (volume->state() == storage::VolumeState::kOnline) continue;
    const std::string name(storage::VolumeStateName(volume->state()));
    alarms.push_back({"volume-" + name, volume->root(),
                      fmt::format("volume {} is {}: its footage cannot be seen, nothing is "
                                  "recorded there",
                                  volume->root(), name)});
  }
  for (const storage::VolumeTrouble& trouble : context.store.archive().Troubles()) {
    if (trouble.why.code != Code::kDiskFull) continue;  // Its state is an alarm already.
    alarms.push_back(
        {"volume-full", trouble.root,
         fmt::format("volume {} takes no footage: {}", trouble.root, trouble.why.message)});
  }
  if (const size_t damaged = context.store.archive().damage().size(); damaged > 0) {
    alarms.push_back({"damaged-footage", "",
                      fmt::format("{} fragments were read and found damaged since the start: "
                                  "the timelines of their cameras tell where",
                                  damaged)});
  }
  if (context.store.journal().catalog_behind()) {
    alarms.push_back({"catalog-behind", "",
                      "the catalog cannot be written (is its disk full?); recording goes on"});
  }
  if (const auto confirmed = context.store.catalog().PoliciesConfirmed();
      confirmed && !*confirmed) {
    alarms.push_back({"policies-unconfirmed", "",
                      "the catalog was rebuilt, or much footage is missing: nothing is deleted "
                      "until the retention policies are looked at and confirmed"});
  }
  AddRetentionAlarms(context, alarms);
  if (const uint64_t missing = context.store.recovery().missing_segments; missing > 0) {
    alarms.push_back({"missing-segments", "",
                      fmt::format("{} segments on record had no file at the last start", missing)});
  }
  if (!context.clock.Synchronised()) {
    alarms.push_back(
        {"clock-unsynchronised", "", "the server's clock is not disciplined by a time source"});
  }
  return alarms;
}

}  // namespace lookback::api
