// storage/held_ranges.h: which footage holds keep, for whoever asks it of many segments.
//
// Threads:   any, once it is made.
// Errors:    none.
#pragma once

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "index/records.h"

namespace lookback::storage {

// The ranges of one camera that holds in force keep: by start, none touching another.
class HeldRanges {
 public:
  void Add(TimeRange range) { ranges_.push_back(range); }
  void Settle() {
    std::sort(ranges_.begin(), ranges_.end(),
              [](const TimeRange& a, const TimeRange& b) { return a.start_us < b.start_us; });
    std::vector<TimeRange> merged;
    for (const TimeRange& range : ranges_) {
      if (!merged.empty() && range.start_us <= merged.back().end_us) {
        merged.back().end_us = std::max(merged.back().end_us, range.end_us);
      } else {
        merged.push_back(range);
      }
    }
    ranges_ = std::move(merged);
  }
  bool Touch(TimeRange range) const {
    const auto after =
        std::partition_point(ranges_.begin(), ranges_.end(),
                             [&](const TimeRange& r) { return r.end_us <= range.start_us; });
    return after != ranges_.end() && after->Overlaps(range);
  }

 private:
  std::vector<TimeRange> ranges_;
};

class HeldFootage {
 public:
  // By those of `holds` that are in force at `now_us`.
  HeldFootage(const std::vector<index::Marker>& holds, TimeUs now_us) {
    for (const index::Marker& hold : holds) {
      if (!index::InForce(hold, now_us)) continue;
      for (const CameraId& camera : hold.cameras) cameras_[camera].Add(hold.range);
    }
    for (auto& [camera, ranges] : cameras_) ranges.Settle();
  }

  // nullptr: nothing of the camera is held.
  const HeldRanges* Of(const CameraId& camera) const {
    const auto found = cameras_.find(camera);
    return found == cameras_.end() ? nullptr : &found->second;
  }
  bool Touches(const CameraId& camera, TimeRange range) const {
    const HeldRanges* const held = Of(camera);
    return held != nullptr && held->Touch(range);
  }

 private:
  std::map<CameraId, HeldRanges> cameras_;
};

}  // namespace lookback::storage
