#include "api/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

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

std::string ReadUrl(const Body& body, const char* member) {
  std::string url = body.Text(member, recorder::kMaxUrlBytes);
  const Status status = recorder::CheckCameraUrl(url);
  if (!status) throw FieldProblem("bad-camera-url", member, status.message());
  return url;
}

// Empty: no sub stream.
std::string ReadSubUrl(const Body& body) {
  if (body.Text("sub_url", recorder::kMaxUrlBytes).empty()) return {};
  return ReadUrl(body, "sub_url");
}

// A setting that is at fault with the others, each for itself being well.
void CheckTogether(const index::Camera& camera, Faults& faults) {
  const auto url = recorder::ParseCameraUrl(camera.url);
  const auto sub_url = recorder::ParseCameraUrl(camera.sub_url);
  if (url && sub_url && recorder::SameStream(*url, *sub_url)) {
    faults.push_back(
        FieldProblem("bad-camera-url", "sub_url",
                     "the sub stream's URL is the main stream's, which would be recorded twice"));
    return;
  }
  const Status fits = recorder::CheckCameraSource(SourceOf(camera, ""));
  if (!fits) faults.push_back(FieldProblem("bad-transport", "transport", fits.message()));
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

// Null: it is not known (any more).
std::optional<index::Place> ReadPlace(const Body& body) {
  if (body.IsNull("place")) return std::nullopt;
  const Body place = body.Object("place", {"latitude", "longitude", "bearing"});
  const auto microdegrees = [&place](const char* member, double most) {
    return static_cast<int64_t>(
        std::llround(place.Real(member, -most, most) * index::kMicrodegrees));
  };
  index::Place read{microdegrees("latitude", 90), microdegrees("longitude", 180)};
  if (!place.IsNull("bearing")) {
    read.bearing_degrees = std::llround(place.Real("bearing", 0, 360)) % 360;
  }
  return read;
}

std::vector<std::string> ReadTags(const Body& body) {
  std::vector<std::string> tags = body.Texts("tags", index::kMaxTags, index::kMaxTagBytes);
  for (const std::string& tag : tags) CheckTag(tag, "tags");
  std::sort(tags.begin(), tags.end());
  tags.erase(std::unique(tags.begin(), tags.end()), tags.end());
  return tags;
}

}  // namespace

Json PlaceToJson(const std::optional<index::Place>& place) {
  if (!place) return {};
  const auto degrees = [](int64_t microdegrees) {
    return static_cast<double>(microdegrees) / index::kMicrodegrees;
  };
  return {{"latitude", degrees(place->latitude_microdegrees)},
          {"longitude", degrees(place->longitude_microdegrees)},
          {"bearing", place->bearing_degrees ? Json(*place->bearing_degrees) : Json()}};
}

void CheckTag(std::string_view tag, std::string_view field, std::string_view type) {
  if (!tag.empty() && tag.size() <= index::kMaxTagBytes && tag.find(',') == tag.npos) return;
  throw FieldProblem(std::string(type), std::string(field),
                     fmt::format("a tag has 1 to {} bytes and no comma, which stands between tags",
                                 index::kMaxTagBytes));
}

std::string ReadGroup(const Body& body) {
  if (body.IsNull("group")) return {};
  std::string group = body.Text("group", kMaxLineBytes);
  if (group.empty()) return group;
  if (const Status status = storage::CheckGroupName(group); !status) {
    throw FieldProblem("bad-field", "group", status.message());
  }
  return group;
}

CameraId ReadNewCameraId(const Body& body) {
  CameraId id = ReadCameraId(body.Text("id", kMaxLineBytes), "id");
  if (id.text() != storage::kDefaultScope) return id;
  throw FieldProblem("bad-camera-id", "id",
                     "\"default\" is the scope of the policy that every camera falls back to, so "
                     "no camera has that id");
}

void ReadCameraSettings(const Body& body, index::Camera& camera, Faults& faults) {
  const size_t before = faults.size();
  for (const char* member : {"url", "sub_url", "user", "password", "transport", "tls"}) {
    if (!camera.imported || !body.Has(member)) continue;
    faults.push_back(FieldProblem("bad-field", member,
                                  "a camera that only takes imports is connected to by nobody"));
  }
  Collect(faults, [&] {
    if (body.Has("url")) camera.url = ReadUrl(body, "url");
  });
  Collect(faults, [&] {
    if (body.Has("sub_url")) camera.sub_url = ReadSubUrl(body);
  });
  Collect(faults, [&] {
    if (body.Has("transport")) camera.transport = ReadTransport(body);
  });
  Collect(faults, [&] {
    if (body.Has("tls")) camera.tls = ReadTls(body);
  });
  Collect(faults, [&] { camera.name = body.TextOr("name", kMaxLineBytes, camera.name); });
  Collect(faults, [&] {
    if (body.Has("group")) camera.group = ReadGroup(body);
  });
  Collect(faults, [&] {
    if (body.Has("place")) camera.place = ReadPlace(body);
  });
  Collect(faults, [&] {
    if (body.Has("tags")) camera.tags = ReadTags(body);
  });
  Collect(faults, [&] { camera.user = body.TextOr("user", kMaxLineBytes, camera.user); });
  Collect(faults, [&] { camera.audio = body.FlagOr("audio", camera.audio); });
  Collect(faults, [&] { camera.enabled = body.FlagOr("enabled", camera.enabled); });
  if (faults.size() > before || camera.url.empty()) return;
  CheckTogether(camera, faults);
}

void ReadCameraSettings(const Body& body, index::Camera& camera) {
  Faults faults;
  ReadCameraSettings(body, camera, faults);
  if (!faults.empty()) throw std::move(faults.front());
}

recorder::CameraSource SourceOf(const index::Camera& camera, const std::string& password) {
  return {camera.id,    camera.url,       camera.user, password,
          camera.audio, camera.transport, camera.tls,  camera.sub_url};
}

void ReadPolicySettings(const Body& body, index::Policy& policy) {
  policy.min_days = body.DaysOr("min_days", policy.min_days);
  policy.target_days = body.DaysOr("target_days", policy.target_days);
  policy.max_days = body.DaysOr("max_days", policy.max_days);
  policy.thin_days = body.DaysOr("thin_days", policy.thin_days);
  if (body.Has("class")) {
    const uint64_t keep_class = body.Number("class");
    if (keep_class > storage::kMaxKeepClass) {
      throw FieldProblem("bad-field", "class", "class is from 0, which gives first, to 3");
    }
    policy.keep_class = static_cast<uint8_t>(keep_class);
  }
  if (body.Has("quota_bytes")) policy.quota_bytes = body.Number("quota_bytes");
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
