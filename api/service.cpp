#include "api/service.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <condition_variable>
#include <thread>

#include "api/context.h"
#include "api/doctor_watch.h"
#include "api/page.h"
#include "api/routes_care.h"
#include "api/routes_export.h"
#include "api/routes_playback.h"
#include "api/routes_search.h"
#include "base/log.h"

namespace lookback::api {
namespace {

struct Route {
  std::string_view method;
  std::string_view path;  // "{}" stands for one segment.
  Right right;
  net::HttpResponse (*serve)(Context&, const Call&);
};

constexpr std::array kRoutes = {
    Route{"GET", "/api/v1/cameras", Right::kSee, ListCameras},
    Route{"POST", "/api/v1/cameras", Right::kCameras, AddCamera},
    Route{"GET", "/api/v1/cameras/{}", Right::kSee, GetCamera},
    Route{"PATCH", "/api/v1/cameras/{}", Right::kCameras, ChangeCamera},
    Route{"DELETE", "/api/v1/cameras/{}", Right::kCameras, RemoveCamera},
    Route{"POST", "/api/v1/fleet", Right::kCameras, SetFleet},
    Route{"GET", "/api/v1/cameras/{}/status", Right::kSee, GetCameraStatus},
    Route{"GET", "/api/v1/cameras/{}/notes", Right::kSee, ListNotes},
    Route{"POST", "/api/v1/cameras/{}/notes", Right::kSee, AddNote},
    Route{"GET", "/api/v1/cameras/{}/clock-checks", Right::kSee, ListClockChecks},
    Route{"POST", "/api/v1/cameras/{}/clock-checks", Right::kSee, AddClockCheck},
    Route{"GET", "/api/v1/cameras/{}/timeline", Right::kSee, GetTimeline},
    Route{"GET", "/api/v1/timeline", Right::kSee, GetTimelines},
    Route{"GET", "/api/v1/timeline/summary", Right::kSee, GetSummary},
    Route{"GET", "/api/v1/cameras/{}/clip.mp4", Right::kSee, GetClip},
    Route{"GET", "/api/v1/cameras/{}/clip.json", Right::kSee, DescribeClip},
    Route{"GET", "/api/v1/cameras/{}/segments", Right::kSee, ListSegments},
    Route{"GET", "/api/v1/cameras/{}/segments/{}", Right::kSee, GetSegment},
    Route{"POST", "/api/v1/exports", Right::kSee, AddExport},
    Route{"GET", "/api/v1/export.zip", Right::kSee, GetExport},
    Route{"GET", "/api/v1/footage", Right::kSee, SearchFootage},
    Route{"POST", "/api/v1/footage/route", Right::kSee, SearchRoute},
    Route{"GET", "/api/v1/cameras/{}/playlist.m3u8", Right::kSee, GetPlaylist},
    Route{"GET", "/api/v1/cameras/{}/variant.m3u8", Right::kSee, GetVariant},
    Route{"GET", "/api/v1/cameras/{}/iframes.m3u8", Right::kSee, GetIFrames},
    Route{"GET", "/api/v1/cameras/{}/live.m3u8", Right::kSee, GetLivePlaylist},
    Route{"GET", "/api/v1/cameras/{}/media/{}/{}/{}", Right::kSee, GetMedia},
    Route{"GET", "/api/v1/cameras/{}/picture", Right::kSee, GetPicture},
    Route{"GET", "/api/v1/cameras/{}/sprites.vtt", Right::kSee, GetSpriteCues},
    Route{"GET", "/api/v1/cameras/{}/sprite.jpg", Right::kSee, GetSprite},
    Route{"POST", "/api/v1/session", Right::kSee, BeginSession},
    Route{"DELETE", "/api/v1/session", Right::kSee, EndSession},
    Route{"GET", "/api/v1/markers", Right::kSee, ListMarkers},
    Route{"POST", "/api/v1/markers", Right::kSee, AddMarker},
    Route{"DELETE", "/api/v1/markers/{}", Right::kSee, RemoveMarker},
    Route{"GET", "/api/v1/holds", Right::kSee, ListHolds},
    Route{"POST", "/api/v1/holds", Right::kSee, AddHold},
    Route{"DELETE", "/api/v1/holds/{}", Right::kHolds, ReleaseHold},
    Route{"GET", "/api/v1/retention/policies", Right::kSee, ListPolicies},
    Route{"PUT", "/api/v1/retention/policies/{}", Right::kRetention, PutPolicy},
    Route{"DELETE", "/api/v1/retention/policies/{}", Right::kRetention, RemovePolicy},
    Route{"POST", "/api/v1/retention/confirm", Right::kRetention, ConfirmPolicies},
    Route{"POST", "/api/v1/retention/preview", Right::kRetention, PreviewRetention},
    Route{"GET", "/api/v1/retention/forecast", Right::kRetention, GetForecast},
    Route{"GET", "/api/v1/events", Right::kSee, ListEvents},
    Route{"POST", "/api/v1/events/{}/acknowledge", Right::kSee, AcknowledgeEvent},
    Route{"POST", "/api/v1/imports", Right::kCameras, AddImport},
    Route{"GET", "/api/v1/imports/{}", Right::kCameras, GetImport},
    Route{"PUT", "/api/v1/imports/{}/parts", Right::kCameras, PutImportPart},
    Route{"DELETE", "/api/v1/imports/{}", Right::kCameras, CancelImport},
    Route{"GET", "/api/v1/scrub", Right::kSee, GetScrub},
    Route{"POST", "/api/v1/scrub", Right::kUpkeep, BeginScrub},
    Route{"GET", "/api/v1/check", Right::kSee, GetCheck},
    Route{"POST", "/api/v1/check", Right::kUpkeep, BeginCheck},
    Route{"GET", "/api/v1/snapshot", Right::kSee, GetSnapshot},
    Route{"POST", "/api/v1/snapshot", Right::kUpkeep, BeginSnapshot},
    Route{"GET", "/api/v1/volumes", Right::kSee, ListVolumes},
    Route{"POST", "/api/v1/volumes", Right::kUpkeep, AddVolume},
    Route{"POST", "/api/v1/volumes/{}/drain", Right::kUpkeep, DrainVolume},
    Route{"POST", "/api/v1/volumes/{}/undrain", Right::kUpkeep, UndrainVolume},
    Route{"DELETE", "/api/v1/volumes/{}", Right::kUpkeep, RemoveVolume},
    Route{"GET", "/api/v1/status", Right::kSee, GetStatus},
    Route{"GET", "/api/v1/doctor", Right::kSee, GetDoctor},
    Route{"GET", "/api/v1/custody", Right::kAudit, GetCustody},
    Route{"GET", "/api/v1/ledger", Right::kAudit, GetLedger},
    Route{"GET", "/api/v1/ledger/inclusion", Right::kAudit, ProveInclusion},
    Route{"GET", "/api/v1/ledger/consistency", Right::kAudit, ProveConsistency},
    Route{"GET", "/api/v1/users", Right::kUsers, ListUsers},
    Route{"POST", "/api/v1/users", Right::kUsers, AddUser},
    Route{"POST", "/api/v1/users/{}/tokens", Right::kUsers, AddToken},
    Route{"DELETE", "/api/v1/users/{}/tokens", Right::kUsers, RevokeTokens},
    Route{"GET", "/api/v1/openapi.json", Right::kSee, GetDocument},
    Route{"GET", "/healthz", Right::kNone, GetHealth},
    Route{"GET", "/readyz", Right::kSee, GetReadiness},
    Route{"GET", "/metrics", Right::kSee, GetMetrics},
};

// What stood for each "{}", when `path` is of that form.
std::optional<std::vector<std::string>> Match(std::string_view form, std::string_view path) {
  std::vector<std::string> names;
  while (true) {
    const size_t hole = form.find("{}");
    if (hole == std::string_view::npos) {
      if (form != path) return std::nullopt;
      return names;
    }
    if (!path.starts_with(form.substr(0, hole))) return std::nullopt;
    path.remove_prefix(hole);
    form.remove_prefix(hole + 2);
    const size_t end = std::min(path.find('/'), path.size());
    if (end == 0) return std::nullopt;
    names.emplace_back(path.substr(0, end));
    path.remove_prefix(end);
  }
}

struct Found {
  const Route* route;
  std::vector<std::string> names;
};

Found FindRoute(const net::HttpRequest& request) {
  const std::string_view method =
      request.method == "HEAD" ? "GET" : std::string_view(request.method);
  std::string allowed;
  for (const Route& route : kRoutes) {
    auto names = Match(route.path, request.path);
    if (!names) continue;
    if (route.method == method) return {&route, std::move(*names)};
    allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
    if (route.method == "GET") allowed += ", HEAD";
  }
  if (allowed.empty()) {
    throw Problem{404, "unknown-route", "nothing is at this path; docs/api.md lists what there is"};
  }
  throw Problem{405, "method-not-allowed", "this path takes " + allowed, {{"allow", allowed}}};
}

bool IsLocal(const net::HttpRequest& request) {
  const std::string& client = request.client;
  const bool loopback = client.starts_with("127.") || client.starts_with("[::1]:") ||
                        client.starts_with("[::ffff:127.");
  return loopback && request.Header("forwarded").empty() &&
         request.Header("x-forwarded-for").empty();
}

}  // namespace

std::string_view RightName(Right right) {
  constexpr std::array<std::string_view, 8> kNames = {"none",  "see",   "cameras", "retention",
                                                      "holds", "users", "audit",   "upkeep"};
  return kNames[static_cast<size_t>(right)];
}

std::vector<RouteShape> Routes() {
  std::vector<RouteShape> shapes;
  for (const Route& route : kRoutes) {
    shapes.push_back({route.method, route.path, RightName(route.right)});
  }
  return shapes;
}

// Of Parts: its owner keeps it for as long as the service and whatever that left behind.
std::shared_ptr<doctor::Machine> Borrowed(doctor::Machine* machine) {
  return {machine, [](doctor::Machine*) {}};
}

struct Service::State {
  State(const Parts& parts, std::unique_ptr<Tokens> tokens, std::unique_ptr<CameraSecrets> secrets)
      : context(parts, std::move(tokens), std::move(secrets)),
        doctor(context, Borrowed(parts.machine)) {
    context.doctor = &doctor;
  }

  Context context;
  DoctorWatch doctor;

  std::mutex looker_mutex;
  std::condition_variable wake;
  bool stopping = false;
  std::thread looker;

  void LookOnce() {
    context.clips.DropOld();
    api::LookAtAlarms(context);
  }
  void Look() {
    std::unique_lock lock(looker_mutex);
    while (!stopping) {
      lock.unlock();
      LookOnce();
      lock.lock();
      wake.wait_for(lock, std::chrono::microseconds(kLookIntervalUs), [this] { return stopping; });
    }
  }
  void StopLooking() {
    doctor.Stop();
    {
      const std::lock_guard lock(looker_mutex);
      stopping = true;
    }
    wake.notify_all();
    if (looker.joinable()) looker.join();
  }

  std::optional<index::Person> Identify(const net::HttpRequest& request) {
    const std::string token = TokenOf(request);
    const bool by_cookie = token.empty() && request.Header("authorization").empty();
    const auto name =
        by_cookie ? context.tokens->PersonOfSession(SessionOf(request), context.clock.MonotonicUs())
                  : context.tokens->PersonOf(token);
    if (!name) return std::nullopt;
    if (by_cookie) RefuseCrossSite(request);
    for (index::Person& person : OrThrow(context.store.catalog().Persons())) {
      if (person.name == *name && !person.disabled) return std::move(person);
    }
    return std::nullopt;
  }

  // A browser sends the cookie along whoever made it ask; this header only our own page can add.
  static void RefuseCrossSite(const net::HttpRequest& request) {
    const bool changes = request.method != "GET" && request.method != "HEAD";
    if (!changes || request.Header("x-lookback-request") == "1") return;
    throw Problem{403, "cross-site",
                  "who comes by a session's cookie changes something only with the header "
                  "\"X-Lookback-Request: 1\""};
  }

  net::HttpResponse Serve(const net::HttpRequest& request) {
    // A browser that asks for another site's page whether it may. It carries no token, and is no
    // try to come in. Without Access-Control headers in the answer it may not.
    if (request.method == "OPTIONS") return Methods();
    if (auto page = ServePage(request)) return std::move(*page);
    if (request.path == "/healthz") {
      const Found health = FindRoute(request);
      return health.route->serve(context, Call{request, {}, {}});
    }
    Call call{request, {}, {}};
    const bool open = IsLocal(request) && (request.path == "/metrics" || request.path == "/readyz");
    if (auto person = Identify(request)) {
      call.person = std::move(*person);
    } else if (!open) {
      RefuseStranger(call);
    }
    // A stranger learns nothing, not even which paths there are.
    Found found = FindRoute(request);
    call.names = std::move(found.names);
    const Right right = found.route->right;
    if (right > Right::kSee && !call.person.admin) ThrowForbidden(context, call, RightName(right));
    return found.route->serve(context, call);
  }

  static net::HttpResponse Methods() {
    net::HttpResponse response = NoContent();
    response.headers = {{"Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"}};
    return response;
  }

  [[noreturn]] void RefuseStranger(const Call& call) {
    const bool token = !call.http.Header("authorization").empty() || !TokenOf(call.http).empty();
    const bool session = !token && !SessionOf(call.http).empty();
    context.access.Refused(ActOf(call, index::ActKind::kLogin,
                                 token     ? "a wrong token"
                                 : session ? "a session that is over"
                                           : "no token"));
    throw Problem{401, "unauthorized",
                  token     ? "the token that came is wrong, revoked, or of a person who may not "
                              "come in any more; it is sent as \"Authorization: Bearer TOKEN\""
                  : session ? "the session is over, or its token was revoked: log in anew"
                            : "a token is needed: send it as \"Authorization: Bearer TOKEN\""};
  }

  net::HttpResponse Answer(const net::HttpRequest& request) {
    try {
      return Serve(request);
    } catch (const Problem& problem) {
      net::HttpResponse response = ToResponse(problem);
      if (problem.status == 405) {
        response.headers.emplace_back("Allow", problem.more["allow"].get<std::string>());
      }
      return response;
    } catch (const std::exception& error) {
      // A library's; what it says may quote the request, so it goes to the log alone, which is
      // for whoever runs the store.
      LogError("api", fmt::format("{} {} failed: {}", request.method, request.path, error.what()));
      return ToResponse({500, "internal", "this request could not be served; the log says why"});
    }
  }
};

Service::Service(std::unique_ptr<State> state) : state_(std::move(state)) {}
Service::~Service() { state_->StopLooking(); }

void Service::LookAtAlarms() { state_->LookOnce(); }

void Service::StartLooking() {
  state_->looker = std::thread([state = state_.get()] { state->Look(); });
  state_->doctor.StartThread();
}

Result<std::unique_ptr<Service>> Service::Start(const Parts& parts) {
  LB_TRY_ASSIGN(persons, parts.store.catalog().Persons());
  LB_TRY_ASSIGN(tokens, Tokens::Open(parts.store.data(), parts.files, persons.empty()));
  LB_TRY_ASSIGN(secrets, CameraSecrets::Open(parts.store.data(), parts.files));
  LB_TRY_ASSIGN(cameras, parts.store.catalog().Cameras());
  LB_TRY_ASSIGN(standing, parts.store.catalog().StandingAlarms());
  std::unique_ptr<State> state(new State(parts, std::move(tokens), std::move(secrets)));
  state->context.alarms.Restore(std::move(standing));
  for (const index::Camera& camera : cameras) {
    if (const Status status = ApplyCamera(state->context, camera); !status) {
      LogError("api",
               fmt::format("camera {} is not recorded: {}", camera.id.text(), status.message()));
    }
  }
  return std::unique_ptr<Service>(new Service(std::move(state)));
}

net::HttpResponse Service::Handle(const net::HttpRequest& request) {
  net::HttpResponse response = state_->Answer(request);
  ++state_->context.answers[static_cast<size_t>(response.status / 100) % 6];
  return response;
}

void Service::SetPurger(storage::Purger* purger) {
  const std::lock_guard lock(state_->context.round_mutex);
  state_->context.purger = purger;
}

void Service::SetScrubber(storage::Scrubber* scrubber) {
  const std::lock_guard lock(state_->context.round_mutex);
  state_->context.scrubber = scrubber;
}

void Service::SetSnapshotter(storage::Snapshotter* snapshotter) {
  const std::lock_guard lock(state_->context.round_mutex);
  state_->context.snapshotter = snapshotter;
}

void Service::SetSelfCheck(storage::SelfCheck* self_check) {
  const std::lock_guard lock(state_->context.round_mutex);
  state_->context.self_check = self_check;
}

void Service::SetHeldCopies(storage::HeldCopies* held_copies) {
  const std::lock_guard lock(state_->context.round_mutex);
  state_->context.held_copies = held_copies;
}

void Service::SetMaxImportBytes(uint64_t bytes) { state_->context.imports->SetMaxBytes(bytes); }

void Service::OnRetentionRound(const storage::RetentionRound& round) {
  const storage::RetentionPlan& plan = round.plan;
  Context& context = state_->context;
  Foresee(context);
  const std::lock_guard lock(context.round_mutex);
  context.last_round = {plan.frozen, plan.below_floor, plan.must_stop, plan.overdue_us,
                        plan.sentence};
  context.purged_segments += round.deleted_segments;
  context.purged_bytes += round.deleted_bytes;
}

index::Act ActOf(const Call& call, index::ActKind kind, std::string what) {
  index::Act act;
  act.kind = kind;
  act.person = call.person.name;
  act.client = call.http.client;
  act.what = std::move(what);
  return act;
}

index::Act SettingActOf(const Call& call, std::vector<CameraId> cameras) {
  index::Act act = ActOf(call, index::ActKind::kSetting, call.http.method + " " + call.http.path);
  act.cameras = std::move(cameras);
  if (const std::string* reason = call.http.Query("reason")) act.reason = *reason;
  return act;
}

void CommitSetting(Context& context, const Call& call, std::vector<index::Record> records,
                   std::vector<CameraId> cameras) {
  records.emplace_back(SettingActOf(call, std::move(cameras)));
  const Status status = context.store.journal().Commit(std::move(records));
  if (!status) throw NotOnRecord(status.error(), "this change");
}

void ThrowForbidden(Context& context, const Call& call, std::string_view right) {
  context.access.Refused(
      ActOf(call, index::ActKind::kSetting, call.http.method + " " + call.http.path));
  throw Problem{403,
                "forbidden",
                fmt::format("{} may not do this: it takes the right \"{}\", which admins have",
                            call.person.name, right),
                {{"right", right}}};
}

}  // namespace lookback::api
