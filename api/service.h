// api/service.h: the HTTP surface of a store (docs/api.md): who asks, whether they may, what they
// get.
//
// Invariant: no recorded footage, and nothing about it, leaves before the access is on the synced
//            ledger. No answer, log line or record holds a password or a token, except the one
//            answer that issues a token.
// Threads:   Handle() on any, many at once. OnRetentionRound() on the purger's. The rest on the
//            owner's.
// Errors:    Start says what keeps the door shut (api/access.h); requests are answered with
//            problems.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "api/imports.h"
#include "base/clock.h"
#include "base/file_system.h"
#include "net/http_server.h"
#include "recorder/recorder.h"
#include "storage/held_copies.h"
#include "storage/purger.h"
#include "storage/scrubber.h"
#include "storage/self_check.h"
#include "storage/snapshotter.h"
#include "storage/store.h"

namespace lookback::net {
class TlsCertificate;
}
namespace lookback::doctor {
class Machine;
}

namespace lookback::api {

class Webhook;

// One route, as docs/openapi.json has to have it.
struct RouteShape {
  std::string_view method;
  std::string_view path;   // "/api/v1/cameras/{}/status": "{}" stands for one segment.
  std::string_view right;  // What it takes: "none", "see", "cameras", ...
};
std::vector<RouteShape> Routes();

class Service {
 public:
  static constexpr int64_t kLookIntervalUs = 5 * kUsPerSecond;

  // All must outlive the service.
  struct Parts {
    storage::Store& store;
    recorder::Recorder& recorder;
    Clock& clock;
    FileSystem& files;
    Webhook* webhook = nullptr;  // Told of alarms, if there is one.
    uint64_t max_import_bytes = kMaxImportBytes;
    const net::TlsCertificate* certificate = nullptr;  // Of the server, if it speaks TLS.
    doctor::Machine* machine = nullptr;                // nullptr: this one.
  };

  // Reads the secrets and puts every enabled camera to the recorder. EnsureAdmin (api/access.h)
  // comes before. A camera that the recorder refuses is logged, and the others go on.
  static Result<std::unique_ptr<Service>> Start(const Parts& parts);
  ~Service();

  // An HttpHandler: Post it to net::HttpServer as [&service](const auto& r) { return
  // service.Handle(r); }.
  net::HttpResponse Handle(const net::HttpRequest& request);

  // One round of the alarms (api/alarm_watch.h), and of what is kept for readers that do not come
  // back. StartLooking() does it every kLookIntervalUs on a thread of its own, until the service
  // ends; another one looks at the machine (api/doctor_watch.h).
  void LookAtAlarms();
  void StartLooking();

  // What previews are asked of. Until it is set, they are answered "unavailable".
  void SetPurger(storage::Purger* purger);
  // The same for the scrub.
  void SetScrubber(storage::Scrubber* scrubber);
  // And for the snapshots of the catalog.
  void SetSnapshotter(storage::Snapshotter* snapshotter);
  // And for the check of the store by itself.
  void SetSelfCheck(storage::SelfCheck* self_check);
  // And for the copies of what is held.
  void SetHeldCopies(storage::HeldCopies* held_copies);
  // The largest file that is taken from now on.
  void SetMaxImportBytes(uint64_t bytes);
  // What the purger's last round did: shown as alarms and metrics.
  void OnRetentionRound(const storage::RetentionRound& round);

 private:
  struct State;
  explicit Service(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace lookback::api
