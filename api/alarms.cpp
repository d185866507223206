#include "api/alarms.h"

#include <fmt/format.h>

#include "api/context.h"

namespace lookback::api {
namespace {

// What is wrong with one camera that is to be recorded.
void AddCamera(Context& context, const CameraId& camera, CameraHealth& health,
               std::vector<Condition>& conditions) {
  const std::string& id = camera.text();
  const auto add = [&](const char* kind, std::string sentence, TimeUs since_us = 0) {
    conditions.push_back({kind, camera, id, std::move(sentence), since_us});
  };
  const auto status = context.recorder.StatusOf(camera);
  if (!status)
    return add("camera-down", fmt::format("{} is not recorded: {}", id, status.message()));
  if (status->state != recorder::CameraState::kRecording) {
    add("camera-down",
        fmt::format("{} is not recorded since {}: {}", id, FormatTime(status->down_since_us),
                    status->last_error.empty() ? "no answer" : status->last_error),
        status->down_since_us);
  }
  if (status->timed_by_arrival) {
    add("camera-standing-timestamps",
        fmt::format("the timestamps of {} stand still or run back: its pictures are timed by their "
                    "arrival, to a twentieth of a second",
                    id));
  }
  auto findings = health.Look(camera, *status, context.clock.MonotonicUs());
  if (findings.degraded) add("camera-degraded", *std::move(findings.degraded));
  if (findings.bitrate) add("camera-bitrate", *std::move(findings.bitrate));
}

void AddCameras(Context& context, CameraHealth& health, std::vector<Condition>& conditions) {
  const auto cameras = context.store.catalog().Cameras();
  if (!cameras) {
    conditions.push_back(
        {"catalog-behind", {}, "", "the catalog cannot be read: " + cameras.message()});
    return;
  }
  for (const index::Camera& camera : *cameras) {
    if (camera.removed || !camera.enabled || camera.imported) {
      health.Forget(camera.id);
    } else {
      AddCamera(context, camera.id, health, conditions);
    }
  }
}

void AddVolumes(Context& context, std::vector<Condition>& conditions) {
  for (const storage::Volume* volume : context.store.volumes()) {
    if (volume->state() == storage::VolumeState::kOnline) continue;
    const std::string name(storage::VolumeStateName(volume->state()));
    conditions.push_back({"volume-" + name,
                          {},
                          volume->root(),
                          fmt::format("volume {} is {}: its footage cannot be seen, nothing is "
                                      "recorded there",
                                      volume->root(), name)});
  }
  for (const storage::VolumeTrouble& trouble : context.store.archive().Troubles()) {
    if (trouble.why.code != Code::kDiskFull) continue;  // Its state is a condition already.
    conditions.push_back(
        {"volume-full",
         {},
         trouble.root,
         fmt::format("volume {} takes no footage: {}", trouble.root, trouble.why.message)});
  }
}

void AddStore(Context& context, std::vector<Condition>& conditions) {
  const auto add = [&](const char* kind, std::string sentence) {
    conditions.push_back({kind, {}, "", std::move(sentence)});
  };
  if (const size_t damaged = context.store.archive().damage().size(); damaged > 0) {
    add("damaged-footage", fmt::format("{} fragments were read and found damaged since the start: "
                                       "the timelines of their cameras tell where",
                                       damaged));
  }
  if (context.store.journal().catalog_behind()) {
    add("catalog-behind", "the catalog cannot be written (is its disk full?); recording goes on");
  }
  if (const auto confirmed = context.store.catalog().PoliciesConfirmed();
      confirmed && !*confirmed) {
    add("policies-unconfirmed",
        "the catalog was rebuilt, or much footage is missing: nothing is deleted until the "
        "retention policies are looked at and confirmed");
  }
  if (const uint64_t missing = context.store.recovery().missing_segments; missing > 0) {
    add("missing-segments",
        fmt::format("{} segments on record had no file at the last start", missing));
  }
  if (!context.clock.Synchronised()) {
    add("clock-unsynchronised", "the server's clock is not disciplined by a time source");
  }
  const std::lock_guard lock(context.round_mutex);
  const LastRound& round = context.last_round;
  if (round.frozen) add("retention-frozen", round.sentence);
  if (round.below_floor) add("retention-below-floor", round.sentence);
  if (round.must_stop) add("disk-nearly-full", round.sentence);
}

}  // namespace

AlarmKind AlarmKindOf(std::string_view name) {
  for (const AlarmKind& kind : kAlarmKinds) {
    if (kind.name == name) return kind;
  }
  return {name, index::Severity::kWarning, 0, 10 * kUsPerSecond};
}

std::vector<Condition> CurrentConditions(Context& context, CameraHealth& health) {
  std::vector<Condition> conditions;
  AddCameras(context, health, conditions);
  AddVolumes(context, conditions);
  AddStore(context, conditions);
  return conditions;
}

}  // namespace lookback::api
