// api/chosen_cameras.h: the cameras that a question means, of those that the store knows.
//
// Invariant: at most index::kMaxRecordCameras, so that the access stands in one record.
// Threads:   any.
// Errors:    throws Problem.
#pragma once

#include <vector>

#include "api/context.h"
#include "api/search_input.h"

namespace lookback::api {

// Settings, and so no footage: who looks for cameras needs no record of it yet.
struct Chosen {
  std::vector<index::Camera> cameras;  // By id; removed ones too: their footage stays.
  size_t without_place = 0;            // Left out since nobody said where they stand.

  std::vector<CameraId> ids() const;
};
Chosen ChooseCameras(Context& context, const CameraChoice& choice);

query::Point PointOf(const index::Place& place);

}  // namespace lookback::api
