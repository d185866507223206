#include "api/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "api/alarms.h"
#include "api/context.h"
#include "api/doctor_watch.h"
#include "api/held_copies.h"
#include "base/version.h"

namespace lookback::api {
namespace {

std::string Escaped(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

using Label = std::pair<std::string_view, std::string_view>;

// Series by name, so that those of one name stand together as the format asks.
class Page {
 public:
  void Add(std::string_view name, std::string_view type, std::string_view help, double value,
           std::initializer_list<Label> labels = {}) {
    std::string& text = families_[std::string(name)];
    if (text.empty()) text = fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
    text += name;
    const char* before = "{";
    for (const auto& [label, content] : labels) {
      text += fmt::format("{}{}=\"{}\"", before, label, Escaped(content));
      before = ",";
    }
    if (labels.size() > 0) text += "}";
    text += fmt::format(" {}\n", value);
  }
  void Gauge(std::string_view name, std::string_view help, double value,
             std::initializer_list<Label> labels = {}) {
    Add(name, "gauge", help, value, labels);
  }
  void Counter(std::string_view name, std::string_view help, uint64_t value,
               std::initializer_list<Label> labels = {}) {
    Add(name, "counter", help, static_cast<double>(value), labels);
  }
  std::string text() const {
    std::string all;
    for (const auto& [name, text] : families_) all += text;
    return all;
  }

 private:
  std::map<std::string, std::string> families_;
};

double Seconds(int64_t us) { return static_cast<double>(us) / kUsPerSecond; }

void AddStream(Context& context, const StreamId& id, bool enabled, Page& page) {
  const std::initializer_list<Label> labels = {{"camera", id.camera.text()},
                                               {"stream", StreamName(id.stream)}};
  const auto stream = context.store.archive().StatusOf(id);
  const auto status = context.recorder.StatusOf(id);
  const bool recording = status && status->state == recorder::CameraState::kRecording;
  page.Gauge("lookback_camera_enabled", "1 while it is to be recorded.", enabled, labels);
  page.Gauge("lookback_camera_recording", "1 while footage of it is recorded.", recording, labels);
  if (stream.durable_until_us > 0) {
    page.Gauge("lookback_camera_durable_lag_seconds",
               "Age of the newest footage that survives a power cut.",
               Seconds(context.clock.NowUs() - stream.durable_until_us), labels);
  }
  page.Counter("lookback_camera_dropped_fragments_total", "Fragments dropped: disk too slow.",
               stream.dropped_fragments, labels);
  if (!status) return;
  page.Gauge("lookback_camera_bytes_per_second", "Received over the last seconds.",
             status->bits_per_second / 8, labels);
  page.Counter("lookback_camera_received_bytes_total", "Received since the start.", status->bytes,
               labels);
  page.Counter("lookback_camera_frames_total", "Frames since the start.", status->frames, labels);
  page.Counter("lookback_camera_received_packets_total", "RTP packets that came.",
               status->received_packets, labels);
  page.Counter("lookback_camera_lost_packets_total", "RTP packets that never came.",
               status->lost_packets, labels);
  page.Counter("lookback_camera_damaged_frames_total", "Frames with packets missing.",
               status->damaged_frames, labels);
  page.Gauge("lookback_camera_lost_packets_ratio", "Share of packets lost in the last minute.",
             status->lost_share, labels);
  page.Gauge("lookback_camera_frames_per_second", "Over the last seconds.",
             status->frames_per_second, labels);
  if (status->declared_frames_per_second > 0) {
    page.Gauge("lookback_camera_declared_frames_per_second", "As SDP or SPS declare.",
               status->declared_frames_per_second, labels);
  }
  if (status->gop_frames > 0) {
    page.Gauge("lookback_camera_gop_seconds", "From one sync sample to the next.",
               Seconds(status->gop_us), labels);
  }
  if (status->has_camera_offset) {
    page.Gauge("lookback_camera_clock_offset_seconds", "The camera's clock less the server's.",
               Seconds(status->camera_offset_us), labels);
  }
  page.Gauge("lookback_camera_timed_by_arrival", "1 while its timestamps are of no use.",
             status->timed_by_arrival, labels);
  page.Counter("lookback_camera_reconnects_total", "Times it was connected to anew.",
               status->reconnects, labels);
}

void AddVolumes(Context& context, Page& page) {
  for (storage::Volume* volume : context.store.volumes()) {
    page.Gauge("lookback_volume_online", "1 while the volume takes recordings.",
               volume->state() == storage::VolumeState::kOnline, {{"volume", volume->root()}});
    page.Gauge("lookback_volume_draining", "1 while no new segment goes there.", volume->draining(),
               {{"volume", volume->root()}});
    const auto space = volume->FreeSpace();
    if (!space) continue;
    page.Gauge("lookback_volume_size_bytes", "Size of the file system.",
               static_cast<double>(space->total_bytes), {{"volume", volume->root()}});
    page.Gauge("lookback_volume_free_bytes", "Free space of the file system.",
               static_cast<double>(space->free_bytes), {{"volume", volume->root()}});
  }
}

void AddLoads(Context& context, Page& page) {
  for (const storage::VolumeLoad& load : context.store.archive().Loads()) {
    const std::initializer_list<Label> labels = {{"volume", load.root}};
    page.Gauge("lookback_volume_queue_ratio", "How full its queue of footage to write is.",
               load.queue_share, labels);
    page.Counter("lookback_volume_writes_total", "Writes of footage that came back.",
                 load.writes.calls, labels);
    page.Add("lookback_volume_write_seconds_total", "counter", "What these took.",
             Seconds(load.writes.lasted_us), labels);
    page.Counter("lookback_volume_syncs_total", "Syncs of a group of segments that came back.",
                 load.syncs.calls, labels);
    page.Add("lookback_volume_sync_seconds_total", "counter", "What these took.",
             Seconds(load.syncs.lasted_us), labels);
  }
}

void AddScrub(Context& context, Page& page) {
  for (const storage::DamageTotal& total : context.store.archive().damage().Totals()) {
    page.Gauge(
        "lookback_damaged_fragments",
        "Stretches whose file is damaged or gone; a copy may have them.",
        static_cast<double>(total.count),
        {{"camera", total.stream.camera.text()}, {"stream", StreamName(total.stream.stream)}});
  }
  const std::lock_guard lock(context.round_mutex);
  if (context.scrubber == nullptr) return;
  page.Counter("lookback_scrub_checked_bytes_total", "Bytes held against their checksums.",
               context.scrubber->checked_bytes());
  for (const auto& volume : context.scrubber->Report()) {
    const storage::VolumeScrub& scrub = volume.scrub;
    const bool runs = scrub.pass.began_us != 0;
    page.Gauge("lookback_scrub_running", "1 while a pass is under way.", runs,
               {{"volume", volume.root}});
    const double done = static_cast<double>(scrub.pass.bytes);
    page.Gauge("lookback_scrub_pass_ratio", "How much of its bytes the pass has checked.",
               runs && scrub.bytes > 0 ? std::min(1.0, done / static_cast<double>(scrub.bytes)) : 0,
               {{"volume", volume.root}});
    if (scrub.last.ended_us != 0) {
      page.Gauge("lookback_scrub_last_pass_age_seconds", "Since the last whole pass ended.",
                 Seconds(context.clock.NowUs() - scrub.last.ended_us), {{"volume", volume.root}});
    }
  }
}

void AddHeldCopies(Context& context, Page& page) {
  const auto state = HeldState(context);
  if (!state) return;
  page.Gauge("lookback_held_segments", "Segments that a hold touches.",
             static_cast<double>(state->all.segments));
  const std::pair<std::string_view, uint64_t> why[] = {{"waiting", state->all.waiting},
                                                       {"one volume", state->all.one_volume},
                                                       {"no space", state->all.no_space},
                                                       {"unreadable", state->all.unreadable}};
  for (const auto& [reason, count] : why) {
    page.Gauge("lookback_held_segments_without_copy", "Those without a copy on a second volume.",
               static_cast<double>(count), {{"why", reason}});
  }
  page.Counter("lookback_held_copied_bytes_total", "Bytes copied to second volumes.",
               state->copied_bytes);
}

void AddLedger(Context& context, Page& page) {
  page.Gauge("lookback_ledger_records", "Records on the ledger.",
             static_cast<double>(context.store.ledger().size()));
  for (const storage::LedgerCopyState& copy : context.store.ledger_copies()) {
    const std::initializer_list<Label> labels = {{"volume", copy.root}};
    page.Gauge("lookback_ledger_copy_current", "1 while the copy on the volume follows.",
               storage::LedgerCopyStateName(copy) == "current", labels);
    page.Gauge("lookback_ledger_copy_records", "Records that the copy has synced.",
               static_cast<double>(copy.records), labels);
    page.Gauge("lookback_ledger_copy_lag_seconds", "Since it last had all of them.",
               Seconds(copy.lag_us), labels);
  }
}

void AddAlarms(Context& context, Page& page) {
  std::map<std::pair<std::string, bool>, int> counts;
  // All kinds that there are, so that a series does not vanish when its last alarm ends.
  for (const AlarmKind& kind : kAlarmKinds) {
    counts[{std::string(kind.name), false}] = counts[{std::string(kind.name), true}] = 0;
  }
  for (const index::AlarmEvent& event : context.alarms.Standing()) {
    ++counts[{event.alarm.kind, event.acknowledged.has_value()}];
  }
  for (const auto& [key, count] : counts) {
    page.Gauge("lookback_alarms", "Alarms that stand, by kind.", count,
               {{"kind", key.first}, {"acknowledged", key.second ? "yes" : "no"}});
  }
  for (const index::AlarmEvent& event : context.alarms.Standing()) {
    page.Gauge("lookback_alarm_standing", "1 for each alarm that stands.", 1,
               {{"kind", event.alarm.kind},
                {"subject", event.alarm.subject},
                {"severity", index::SeverityName(event.alarm.severity)},
                {"acknowledged", event.acknowledged ? "yes" : "no"}});
  }
  page.Counter("lookback_alarm_changes_unrecorded_total",
               "Beginnings and ends of alarms that never came on record.",
               context.alarms.unrecorded_dropped());
  if (context.webhook == nullptr || !context.webhook->on()) return;
  const Webhook::Counters webhook = context.webhook->counters();
  page.Counter("lookback_webhook_delivered_total", "Deliveries that the webhook received.",
               webhook.delivered);
  page.Counter("lookback_webhook_failed_tries_total", "Tries that are made again.",
               webhook.failed_tries);
  page.Counter("lookback_webhook_dropped_total", "Deliveries given up, refused or too many.",
               webhook.dropped);
  page.Gauge("lookback_webhook_waiting", "Deliveries that wait.",
             static_cast<double>(webhook.waiting));
}

void AddDoctor(Context& context, Page& page) {
  const doctor::Report report = context.doctor->Last();
  if (report.at_us == 0) return;
  page.Gauge("lookback_doctor_age_seconds", "Since the machine was looked at.",
             Seconds(context.clock.NowUs() - report.at_us));
  for (const auto severity : {doctor::Severity::kError, doctor::Severity::kWarning,
                              doctor::Severity::kUnknown, doctor::Severity::kNote}) {
    page.Gauge("lookback_doctor_findings", "What the checks of the machine found.",
               static_cast<double>(report.CountOf(severity)),
               {{"severity", doctor::SeverityName(severity)}});
  }
  for (const std::string_view check : doctor::kChecks) {
    page.Gauge("lookback_doctor_check_sound", "1 while a check finds neither error nor warning.",
               report.StateOf(check) > doctor::Severity::kWarning, {{"check", check}});
  }
}

void AddStore(Context& context, Page& page) {
  page.Gauge("lookback_build_info", "The version that runs.", 1,
             {{"version", std::string(Version())}});
  page.Gauge("lookback_uptime_seconds", "Since the start.",
             Seconds(context.clock.MonotonicUs() - context.started_monotonic_us));
  page.Gauge("lookback_clock_synchronised", "1 while the clock is disciplined.",
             context.clock.Synchronised());
  if (context.certificate != nullptr) {
    page.Gauge("lookback_certificate_remaining_seconds",
               "Until the certificate of this server expires.",
               Seconds(context.certificate->ExpiresUs() - context.clock.NowUs()));
  }
  page.Gauge("lookback_catalog_behind", "1 while the catalog cannot be written.",
             context.store.journal().catalog_behind());
  if (const auto totals = context.store.catalog().Totals()) {
    for (const index::StreamTotals& total : *totals) {
      page.Gauge(
          "lookback_stored_segments", "Sealed segments in the archive.",
          static_cast<double>(total.segments),
          {{"camera", total.stream.camera.text()}, {"stream", StreamName(total.stream.stream)}});
      page.Gauge(
          "lookback_stored_bytes", "Their bytes.", static_cast<double>(total.bytes),
          {{"camera", total.stream.camera.text()}, {"stream", StreamName(total.stream.stream)}});
    }
  }
  AddAlarms(context, page);
  for (size_t digit = 1; digit < std::size(context.answers); ++digit) {
    page.Counter("lookback_http_answers_total", "Answers by class of status.",
                 context.answers[digit], {{"status", fmt::format("{}xx", digit)}});
  }
  page.Counter("lookback_refused_unrecorded_total", "Refused tries beyond what goes on record.",
               context.access.refused_unrecorded());
  const std::lock_guard lock(context.round_mutex);
  page.Counter("lookback_purged_segments_total", "Segments that retention deleted since the start.",
               context.purged_segments);
  page.Counter("lookback_purged_bytes_total", "Their bytes.", context.purged_bytes);
  const storage::ThinTotals thinned =
      context.purger == nullptr ? storage::ThinTotals() : context.purger->Thinned();
  page.Counter("lookback_thinned_segments_total",
               "Segments of which retention kept the sync samples alone, since the start.",
               thinned.segments);
  page.Counter("lookback_thinned_bytes_total", "Bytes that got free so.", thinned.bytes);
  if (const TimeUs breaks_us = context.last_forecast.breaks_us; breaks_us > 0) {
    page.Gauge("lookback_promise_remaining_seconds",
               "Until the first promise of a policy breaks, by the hourly forecast.",
               Seconds(breaks_us - context.clock.NowUs()));
  }
}

}  // namespace

std::string FormatMetrics(Context& context) {
  Page page;
  AddStore(context, page);
  AddVolumes(context, page);
  AddLoads(context, page);
  AddScrub(context, page);
  AddHeldCopies(context, page);
  AddDoctor(context, page);
  AddLedger(context, page);
  if (const auto cameras = context.store.catalog().Cameras()) {
    for (const index::Camera& camera : *cameras) {
      if (camera.removed) continue;
      const bool enabled = camera.enabled && !camera.imported;
      AddStream(context, {camera.id, Stream::kMain}, enabled, page);
      if (!camera.sub_url.empty()) AddStream(context, {camera.id, Stream::kSub}, enabled, page);
    }
  }
  return page.text();
}

}  // namespace lookback::api
