#include "api/chosen_cameras.h"

#include <fmt/format.h>

#include <algorithm>

namespace lookback::api {
namespace {

template <typename T>
bool IsAmong(const T& one, const std::vector<T>& all) {
  return all.empty() || std::find(all.begin(), all.end(), one) != all.end();
}

bool HasTag(const index::Camera& camera, const std::vector<std::string>& tags) {
  return tags.empty() || std::any_of(tags.begin(), tags.end(), [&camera](const std::string& tag) {
           return std::find(camera.tags.begin(), camera.tags.end(), tag) != camera.tags.end();
         });
}

}  // namespace

std::vector<CameraId> Chosen::ids() const {
  std::vector<CameraId> ids;
  for (const index::Camera& camera : cameras) ids.push_back(camera.id);
  return ids;
}

query::Point PointOf(const index::Place& place) {
  const auto degrees = [](int64_t microdegrees) {
    return static_cast<double>(microdegrees) / index::kMicrodegrees;
  };
  return {degrees(place.latitude_microdegrees), degrees(place.longitude_microdegrees)};
}

Chosen ChooseCameras(Context& context, const CameraChoice& choice) {
  for (const CameraId& camera : choice.cameras) (void)FindCamera(context, camera);
  Chosen chosen;
  for (index::Camera& camera : OrThrow(context.store.catalog().Cameras())) {
    if (!IsAmong(camera.id, choice.cameras) || !IsAmong(camera.group, choice.groups) ||
        !HasTag(camera, choice.tags)) {
      continue;
    }
    if (choice.by_place()) {
      if (!camera.place) {
        ++chosen.without_place;
        continue;
      }
      const query::Point point = PointOf(*camera.place);
      if (choice.near && DistanceM(choice.near->centre, point) > choice.near->radius_m) continue;
      if (choice.box && !choice.box->Contains(point)) continue;
    }
    chosen.cameras.push_back(std::move(camera));
  }
  if (chosen.cameras.size() > index::kMaxRecordCameras) {
    throw FieldProblem("bad-parameter", "camera",
                       fmt::format("that are {} cameras; at most {} are searched at once",
                                   chosen.cameras.size(), index::kMaxRecordCameras));
  }
  return chosen;
}

}  // namespace lookback::api
