// api/settings.h: reads a camera's and a policy's settings from what a client sent, for the routes
// that set one and for the one that sets a fleet.
//
// Invariant: a setting that is at fault leaves the value as it was.
// Threads:   values.
// Errors:    each fault is a Problem with its field; none is left out for another's sake.
#pragma once

#include <string>
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

// min_days, max_days and at_floor; what is left out stays. Throws bad-policy for what makes no sense
// together.
void ReadPolicySettings(const Body& body, index::Policy& policy);
Json AtFloorToJson(index::AtFloor at_floor);

}  // namespace lookback::api
