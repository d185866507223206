#include "api/alarms.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/context.h"
#include "base/words.h"
#include "storage/data_directory.h"
#include "storage/snapshotter.h"
#include "storage/volume_health.h"

namespace lookback::api {
namespace {

// What is wrong with one stream of a camera that is to be recorded.
void AddStream(Context& context, const StreamId& stream, CameraHealth& health,
               std::vector<Condition>& conditions) {
  const bool sub = stream.stream == Stream::kSub;
  // The sub stream is a light copy of what is evidence: without it none is lost.
  const char* const down = sub ? "camera-sub-down" : "camera-down";
  const std::string name = NameOf(stream);
  const auto add = [&](const char* kind, std::string sentence, TimeUs since_us = 0) {
    const std::string subject = sub ? stream.text() : stream.camera.text();
    conditions.push_back({kind, stream.camera, subject, std::move(sentence), since_us});
  };
  const auto status = context.recorder.StatusOf(stream);
  if (!status) return add(down, fmt::format("{} is not recorded: {}", name, status.message()));
  if (status->state != recorder::CameraState::kRecording) {
    add(down,
        fmt::format("{} is not recorded: {}", name,
                    status->last_error.empty() ? "no answer" : status->last_error),
        status->down_since_us);
  }
  if (status->timed_by_arrival) {
    add("camera-standing-timestamps",
        fmt::format("the timestamps of {} stand still or run back: its pictures are timed by their "
                    "arrival, to a twentieth of a second",
                    name));
  }
  auto findings = health.Look(stream, *status, context.clock.MonotonicUs());
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
    const bool recorded = !camera.removed && camera.enabled && !camera.imported;
    for (const Stream stream : {Stream::kMain, Stream::kSub}) {
      if (recorded && (stream == Stream::kMain || !camera.sub_url.empty())) {
        AddStream(context, {camera.id, stream}, health, conditions);
      } else {
        health.Forget({camera.id, stream});
      }
    }
  }
}

void AddVolumes(Context& context, std::vector<Condition>& conditions) {
  for (const storage::Volume* volume : context.store.volumes()) {
    const storage::VolumeState state = volume->state();
    if (state == storage::VolumeState::kOnline) continue;
    const std::string why = volume->why();  // Empty: it came back just now.
    const std::string name(storage::VolumeStateName(state));
    conditions.push_back({"volume-" + name,
                          {},
                          volume->root(),
                          fmt::format("volume {} is {}, its footage cannot be seen, and nothing is "
                                      "recorded there{}{}",
                                      volume->root(), name, why.empty() ? "" : ": ", why)});
  }
  for (const storage::VolumeTrouble& trouble : context.store.archive().Troubles()) {
    if (trouble.why.code == Code::kDiskFailed) continue;  // Its state is a condition already.
    const bool full = trouble.why.code == Code::kDiskFull;
    conditions.push_back(
        {full ? "volume-full" : "volume-slow",
         {},
         trouble.root,
         fmt::format("volume {} {}: {}", trouble.root, full ? "takes no footage" : "hardly answers",
                     trouble.why.message)});
  }
}

void AddDamage(Context& context, std::vector<Condition>& conditions) {
  for (const storage::DamageTotal& total : context.store.archive().damage().Totals()) {
    const StreamId& stream = total.stream;
    const bool sub = stream.stream == Stream::kSub;
    conditions.push_back(
        {"damaged-footage", stream.camera, sub ? stream.text() : stream.camera.text(),
         fmt::format(
             "{} stretch{} of {} between {} and {} {} damaged, or without {} file: `lookback "
             "scrub` names {}",
             total.count, total.count == 1 ? "" : "es", NameOf(stream),
             FormatSecond(total.span.start_us), FormatSecond(total.span.end_us + kUsPerSecond - 1),
             total.count == 1 ? "is" : "are", total.count == 1 ? "its" : "their",
             total.count == 1 ? "it" : "them")});
  }
}

void AddLedgerCopies(Context& context, std::vector<Condition>& conditions) {
  for (const storage::LedgerCopyState& copy : context.store.ledger_copies()) {
    const std::string_view state = storage::LedgerCopyStateName(copy);
    if (state == "failing" || state == "behind") {
      conditions.push_back(
          {"ledger-copy-behind",
           {},
           copy.root,
           fmt::format("the copy of the ledger on {} has {} of {}{}: nothing is deleted "
                       "there while it lacks a hold",
                       copy.root, copy.records, Count(context.store.ledger().size(), "record"),
                       copy.trouble.empty() ? "" : " (" + copy.trouble + ")")});
    }
    if (copy.set_apart) {
      conditions.push_back({"ledger-copies-disagree",
                            {},
                            copy.root,
                            fmt::format("the copy of the ledger that was on {} disagreed with the "
                                        "ledger, and is kept in a folder apart-… in {}: somebody "
                                        "put one of them back, or altered it",
                                        copy.root, copy.directory)});
    }
  }
}

// What keeps new things from going on record, or soon will; empty: nothing does.
std::string DataTrouble(Context& context) {
  const std::string& data = context.store.data();
  const auto file = context.files.Stat(JoinPath(data, storage::kStoreFile));
  if (!file && file.code() == Code::kNotFound) {
    return fmt::format(
        "{} is gone from under the server ({}): nothing goes on record, neither holds nor what was "
        "recorded, until it is back",
        data, file.message());
  }
  if (!file) return fmt::format("{} cannot be read: {}", data, file.message());
  if (const std::string trouble = context.store.journal().trouble(); !trouble.empty()) {
    return fmt::format("nothing goes on record, neither holds nor what was recorded: {}", trouble);
  }
  const auto space = context.files.FreeSpace(data);
  if (!space) return fmt::format("{} cannot be read: {}", data, space.message());
  const uint64_t left_by_footage =
      std::min(storage::kKeepFreeBytes, space->total_bytes / storage::kKeepFreeShare);
  if (space->free_bytes >= left_by_footage / kDataKeepShare) return {};
  return fmt::format("the file system of {} has {} free: soon nothing can go on record", data,
                     FormatBytes(space->free_bytes));
}

void AddStore(Context& context, std::vector<Condition>& conditions) {
  const auto add = [&](const char* kind, std::string sentence) {
    conditions.push_back({kind, {}, "", std::move(sentence)});
  };
  if (std::string trouble = DataTrouble(context); !trouble.empty()) {
    conditions.push_back({"data-directory", {}, context.store.data(), std::move(trouble)});
  }
  if (context.store.journal().catalog_behind()) {
    add("catalog-behind", "the catalog cannot be written (is its disk full?); recording goes on");
  }
  if (const auto confirmed = context.store.catalog().PoliciesConfirmed();
      confirmed.has_value() && !*confirmed) {
    add("policies-unconfirmed",
        "the catalog was rebuilt, or much footage is missing: nothing is deleted until the "
        "retention policies are looked at and confirmed");
  }
  if (const uint64_t missing = context.store.recovery().missing_segments; missing > 0) {
    add("missing-segments", Count(missing, "segment") + " on record had no file at the last start");
  }
  if (!context.clock.Synchronised()) {
    add("clock-unsynchronised", "the server's clock is not disciplined by a time source");
  }
  const std::lock_guard lock(context.round_mutex);
  const LastRound& round = context.last_round;
  if (round.frozen) add("retention-frozen", round.sentence);
  if (round.below_floor) add("retention-below-floor", round.sentence);
  const LastForecast& forecast = context.last_forecast;
  if (forecast.breaks_us > 0 && forecast.breaks_us - context.clock.NowUs() < kForewarningUs) {
    add("promise-breaks", forecast.sentence);
  }
  if (forecast.stops_us > 0 && forecast.stops_us - context.clock.NowUs() < kStopForewarningUs) {
    add("recording-stops", forecast.sentence);
  }
  if (round.overdue_us > kUsPerDay) {
    add("retention-overdue",
        fmt::format("footage that no hold keeps is {} past its policy's max_days and still "
                    "there",
                    Count(static_cast<uint64_t>(round.overdue_us / kUsPerDay), "day")));
  }
  if (round.must_stop) add("disk-nearly-full", round.sentence);
  if (context.snapshotter == nullptr) return;
  const storage::Snapshotter::State snapshots = context.snapshotter->Report();
  if (snapshots.trouble.empty()) return;
  add("snapshot-failing",
      fmt::format("the catalog's daily snapshot fails ({}); {}: a rebuild would take longer, "
                  "nothing else is the worse for it",
                  snapshots.trouble,
                  snapshots.newest ? "the last is of " + FormatSecond(snapshots.newest->time_us)
                                   : "there is none yet"));
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
  AddDamage(context, conditions);
  AddLedgerCopies(context, conditions);
  AddStore(context, conditions);
  return conditions;
}

}  // namespace lookback::api
