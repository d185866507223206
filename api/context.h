// api/context.h: what the routes share, and one call of one.
//
// Invariant: a route runs only for a person who has the right it is listed with (service.cpp).
// Threads:   routes run on any, many at once; changes of settings hold `settings`.
// Errors:    routes throw Problem.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "api/access.h"
#include "api/access_log.h"
#include "api/alarm_watch.h"
#include "api/camera_health.h"
#include "api/clip_cache.h"
#include "api/decode_gate.h"
#include "api/events.h"
#include "api/imports.h"
#include "api/input.h"
#include "api/last_round.h"
#include "api/problem.h"
#include "api/service.h"
#include "api/webhook.h"
#include "net/tls_certificate.h"
#include "query/clip_reader.h"

namespace lookback::api {

class DoctorWatch;

struct Context {
  Context(const Service::Parts& parts, std::unique_ptr<Tokens> tokens_read,
          std::unique_ptr<CameraSecrets> secrets_read)
      : store(parts.store),
        recorder(parts.recorder),
        clock(parts.clock),
        files(parts.files),
        tokens(std::move(tokens_read)),
        secrets(std::move(secrets_read)),
        access([this](auto records) { return store.journal().Commit(std::move(records)); },
               parts.clock),
        clips(parts.clock),
        webhook(parts.webhook),
        certificate(parts.certificate),
        alarms([this](auto records) { return store.journal().Commit(std::move(records)); },
               [this](AlarmWatch::What what, const index::AlarmEvent& event) {
                 if (webhook != nullptr) webhook->Post(WebhookBody(*this, what, event));
               },
               parts.clock),
        imports(std::make_unique<Imports>(parts.store, parts.clock, parts.files,
                                          parts.max_import_bytes)),
        started_us(parts.clock.NowUs()),
        started_monotonic_us(parts.clock.MonotonicUs()) {}

  storage::Store& store;
  recorder::Recorder& recorder;
  Clock& clock;
  FileSystem& files;
  const std::unique_ptr<Tokens> tokens;
  const std::unique_ptr<CameraSecrets> secrets;
  AccessLog access;
  const std::shared_ptr<query::IdleReaders> readers = std::make_shared<query::IdleReaders>();
  ClipCache clips;
  DecodeGate decoding;
  Webhook* const webhook;                        // nullptr: nobody is told.
  const net::TlsCertificate* const certificate;  // nullptr: the server speaks without TLS.
  AlarmWatch alarms;
  std::mutex look_mutex;
  CameraHealth camera_health;  // Under `look_mutex`.
  const std::unique_ptr<Imports> imports;
  const TimeUs started_us;
  const int64_t started_monotonic_us;

  std::mutex settings;  // One change of settings at a time: look, decide, commit.

  std::mutex round_mutex;
  storage::Purger* purger = nullptr;
  storage::Scrubber* scrubber = nullptr;
  storage::Snapshotter* snapshotter = nullptr;
  storage::SelfCheck* self_check = nullptr;
  storage::HeldCopies* held_copies = nullptr;
  DoctorWatch* doctor = nullptr;  // Never while requests are answered.
  LastRound last_round;
  LastForecast last_forecast;
  uint64_t purged_segments = 0;
  uint64_t purged_bytes = 0;

  std::atomic<uint64_t> answers[6] = {};  // By the first digit of their status.
};

struct Call {
  const net::HttpRequest& http;
  index::Person person;
  std::vector<std::string> names;  // What stood for {camera}, {id} in the path.
};

// A right that a route asks for. Every person may `kSee`.
enum class Right : uint8_t { kNone, kSee, kCameras, kRetention, kHolds, kUsers, kAudit, kUpkeep };
std::string_view RightName(Right right);

// The camera of that name, removed ones too; unknown-camera else.
index::Camera FindCamera(Context& context, const CameraId& id);

// Makes a forecast for alarms, metrics and the doctor, unless there is a fresh one of the present
// cameras and policies. It asks volumes for their space, and so may hang with a disk: a round of
// retention calls it, on the purger's thread.
void Foresee(Context& context);

// An act of the caller's, for the record.
index::Act ActOf(const Call& call, index::ActKind kind, std::string what);
// The act of changing a setting, on these cameras.
index::Act SettingActOf(const Call& call, std::vector<CameraId> cameras);
// Commits a change of settings with the act that made it.
void CommitSetting(Context& context, const Call& call, std::vector<index::Record> records,
                   std::vector<CameraId> cameras = {});
[[noreturn]] void ThrowForbidden(Context& context, const Call& call, std::string_view right);

net::HttpResponse ListCameras(Context&, const Call&);
net::HttpResponse AddCamera(Context&, const Call&);
net::HttpResponse GetCamera(Context&, const Call&);
net::HttpResponse ChangeCamera(Context&, const Call&);
net::HttpResponse RemoveCamera(Context&, const Call&);
net::HttpResponse SetFleet(Context&, const Call&);
net::HttpResponse GetCameraStatus(Context&, const Call&);
// Puts a camera to the recorder, or takes it away, as its settings say.
Status ApplyCamera(Context& context, const index::Camera& camera);

net::HttpResponse GetTimeline(Context&, const Call&);
net::HttpResponse GetTimelines(Context&, const Call&);
net::HttpResponse GetClip(Context&, const Call&);
net::HttpResponse DescribeClip(Context&, const Call&);

net::HttpResponse ListMarkers(Context&, const Call&);
net::HttpResponse AddMarker(Context&, const Call&);
net::HttpResponse RemoveMarker(Context&, const Call&);
net::HttpResponse ListHolds(Context&, const Call&);
net::HttpResponse AddHold(Context&, const Call&);
net::HttpResponse ReleaseHold(Context&, const Call&);

net::HttpResponse ListPolicies(Context&, const Call&);
net::HttpResponse PutPolicy(Context&, const Call&);
net::HttpResponse RemovePolicy(Context&, const Call&);
net::HttpResponse ConfirmPolicies(Context&, const Call&);
net::HttpResponse PreviewRetention(Context&, const Call&);
net::HttpResponse GetForecast(Context&, const Call&);

net::HttpResponse ListEvents(Context&, const Call&);
net::HttpResponse AcknowledgeEvent(Context&, const Call&);

net::HttpResponse GetLedger(Context&, const Call&);
net::HttpResponse ProveInclusion(Context&, const Call&);
net::HttpResponse ProveConsistency(Context&, const Call&);

net::HttpResponse GetStatus(Context&, const Call&);
net::HttpResponse GetCustody(Context&, const Call&);
net::HttpResponse GetDocument(Context&, const Call&);
net::HttpResponse GetDoctor(Context&, const Call&);
net::HttpResponse GetHealth(Context&, const Call&);
net::HttpResponse GetReadiness(Context&, const Call&);
net::HttpResponse GetMetrics(Context&, const Call&);

net::HttpResponse AddImport(Context&, const Call&);
net::HttpResponse PutImportPart(Context&, const Call&);
net::HttpResponse GetImport(Context&, const Call&);
net::HttpResponse CancelImport(Context&, const Call&);

net::HttpResponse ListNotes(Context&, const Call&);
net::HttpResponse AddNote(Context&, const Call&);
net::HttpResponse ListClockChecks(Context&, const Call&);
net::HttpResponse AddClockCheck(Context&, const Call&);

net::HttpResponse ListUsers(Context&, const Call&);
net::HttpResponse AddUser(Context&, const Call&);
net::HttpResponse AddToken(Context&, const Call&);
net::HttpResponse RevokeTokens(Context&, const Call&);

}  // namespace lookback::api
