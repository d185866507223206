// recorder/picture_meter.h: frame rate, GOPs and order of a stream's pictures, from its samples.
//
// Invariant: holds at most kMaxPictures.
// Threads:   values.
// Errors:    none.
#pragma once

#include <vector>

#include "media/sample.h"
#include "recorder/probe.h"

namespace lookback::recorder {

class PictureMeter {
 public:
  // Two minutes at 120 frames a second.
  static constexpr size_t kMaxPictures = 14'400;

  // In decoding order. What comes when it is full is left out.
  void Add(const media::Sample& sample);
  bool full() const { return pictures_.size() == kMaxPictures; }

  // What the pictures tell: rates, GOPs, order.
  void Fill(ProbedVideo& video) const;

 private:
  struct Picture {
    int64_t pts;
    media::Sync sync;
    size_t bytes;
  };

  void FillRates(ProbedVideo& video) const;
  void FillGops(ProbedVideo& video) const;

  std::vector<Picture> pictures_;
};

}  // namespace lookback::recorder
