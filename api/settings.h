// api/settings.h: reads a camera's and a policy's settings from what a client sent, for the routes
// that set one and for the one that sets a fleet.
//
// Invariant: a setting that is at fault leaves the value as it was.
// Threads:   values.
// Errors:    each fault is a Problem with its field; none is left out for another's sake.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/input.h"
#include "index/records.h"
#include "recorder/recorder.h"

namespace lookback::api {

using Faults = std::vector<Problem>;

// Whether `id` may be a new camera's.
CameraId ReadNewCameraId(const Body& body);
void ReadCameraSettings(const Body& body, index::Camera& camera, Faults& faults);
// The same where one fault is enough: throws the first.
void ReadCameraSettings(const Body& body, index::Camera& camera);
recorder::CameraSource SourceOf(const index::Camera& camera, const std::string& password);

// A camera's `group`; empty, or null, for none.
std::string ReadGroup(const Body& body);

// "place" and "tags", as the API has them: null where it stands is not known.
Json PlaceToJson(const std::optional<index::Place>& place);
// A tag as it may be: 1 to kMaxTagBytes bytes, without a comma. Throws bad-field else.
void CheckTag(std::string_view tag, std::string_view field, std::string_view type = "bad-field");

// A policy's settings; what is left out stays. Throws bad-policy for what makes no sense together.
inline const std::initializer_list<std::string_view> kPolicySettings = {
    "min_days", "target_days", "max_days", "thin_days", "class", "quota_bytes", "at_floor"};
void ReadPolicySettings(const Body& body, index::Policy& policy);
Json AtFloorToJson(index::AtFloor at_floor);

}  // namespace lookback::api
