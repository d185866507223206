#include "api/settings.h"

#include <fmt/format.h>

#include "net/tls_policy.h"
#include "recorder/camera_url.h"
#include "storage/retention.h"

namespace lookback::api {
namespace {

// Runs `read`; the fault that it throws is kept.
template <typename Read>
void Collect(Faults& faults, Read read) {
  try {
    read();
  } catch (Problem& fault) {
    faults.push_back(std::move(fault));
  }
}

std::string ReadUrl(const Body& body) {
  std::string url = body.Text("url", recorder::kMaxUrlBytes);
  const Status status = recorder::CheckCameraUrl(url);
  if (!status) throw FieldProblem("bad-camera-url", "url", status.message());
  return url;
}

index::Transport ReadTransport(const Body& body) {
  const auto transport = index::TransportOf(body.Text("transport", kMaxLineBytes));
  if (transport) return *transport;
  throw FieldProblem("bad-transport", "transport", "transport is one of auto, tcp, udp");
}

// Empty: the default.
std::string ReadTls(const Body& body) {
  const auto tls = net::TlsPolicy::Parse(body.Text("tls", kMaxLineBytes));
  if (!tls) throw FieldProblem("bad-tls-policy", "tls", tls.message());
  return tls->check == net::TlsPolicy::Check::kVerify ? "" : tls->text();
}

}  // namespace

CameraId ReadNewCameraId(const Body& body) {
  CameraId id = ReadCameraId(body.Text("id", kMaxLineBytes), "id");
  if (id.text() != storage::kDefaultScope) return id;
  throw FieldProblem("bad-camera-id", "id",
                     "\"default\" is the scope of the policy that every camera falls back to, so "
                     "no camera has that id");
}

void ReadCameraSettings(const Body& body, index::Camera& camera, Faults& faults) {
  const size_t before = faults.size();
  for (const char* member : {"url", "user", "password", "transport", "tls"}) {
    if (!camera.imported || !body.Has(member)) continue;
    faults.push_back(FieldProblem("bad-field", member,
                                  "a camera that only takes imports is connected to by nobody"));
  }
  Collect(faults, [&] {
    if (body.Has("url")) camera.url = ReadUrl(body);
  });
  Collect(faults, [&] {
    if (body.Has("transport")) camera.transport = ReadTransport(body);
  });
  Collect(faults, [&] {
    if (body.Has("tls")) camera.tls = ReadTls(body);
  });
  Collect(faults, [&] { camera.name = body.TextOr("name", kMaxLineBytes, camera.name); });
  Collect(faults, [&] { camera.user = body.TextOr("user", kMaxLineBytes, camera.user); });
  Collect(faults, [&] { camera.audio = body.FlagOr("audio", camera.audio); });
  Collect(faults, [&] { camera.enabled = body.FlagOr("enabled", camera.enabled); });
  if (faults.size() > before || camera.url.empty()) return;
  const Status fits = recorder::CheckCameraSource(SourceOf(camera, ""));
  if (!fits) faults.push_back(FieldProblem("bad-transport", "transport", fits.message()));
}

void ReadCameraSettings(const Body& body, index::Camera& camera) {
  Faults faults;
  ReadCameraSettings(body, camera, faults);
  if (!faults.empty()) throw std::move(faults.front());
}

recorder::CameraSource SourceOf(const index::Camera& camera, const std::string& password) {
  return {camera.id, camera.url, camera.user, password, camera.audio, camera.transport, camera.tls};
}

void ReadPolicySettings(const Body& body, index::Policy& policy) {
  policy.min_days = body.DaysOr("min_days", policy.min_days);
  policy.max_days = body.DaysOr("max_days", policy.max_days);
  if (body.Has("at_floor")) policy.at_floor = index::AtFloor::kUnset;
  if (!body.IsNull("at_floor")) {
    const std::string at_floor = body.Text("at_floor", kMaxLineBytes);
    if (at_floor != "shorten" && at_floor != "stop") {
      throw FieldProblem("bad-field", "at_floor", "at_floor is \"shorten\", \"stop\" or null");
    }
    policy.at_floor = at_floor == "shorten" ? index::AtFloor::kShorten : index::AtFloor::kStop;
  }
  if (const Status status = storage::CheckPolicy(policy); !status) {
    throw Problem{400, "bad-policy", status.message()};
  }
}

Json AtFloorToJson(index::AtFloor at_floor) {
  if (at_floor == index::AtFloor::kShorten) return "shorten";
  if (at_floor == index::AtFloor::kStop) return "stop";
  return {};
}

}  // namespace lookback::api
