#include "recorder/picture_meter.h"

#include <algorithm>
#include <cstdlib>

#include "recorder/clock_map.h"

namespace lookback::recorder {

using media::Sync;

void PictureMeter::Add(const media::Sample& sample) {
  if (!full()) pictures_.push_back({sample.pts, sample.sync, sample.data.size()});
}

void PictureMeter::Fill(ProbedVideo& video) const {
  video.pictures = pictures_.size();
  if (pictures_.empty()) return;
  FillRates(video);
  FillGops(video);
}

void PictureMeter::FillRates(ProbedVideo& video) const {
  std::vector<int64_t> times;
  uint64_t bytes = 0;
  for (const Picture& picture : pictures_) {
    times.push_back(picture.pts);
    bytes += picture.bytes;
  }
  std::sort(times.begin(), times.end());
  const int64_t span = times.back() - times.front();
  if (span <= 0) return;
  const double seconds = static_cast<double>(span) / media::kVideoTimescale;
  const auto intervals = static_cast<double>(times.size() - 1);
  video.frames_per_second = intervals / seconds;
  // The last picture's bytes are on screen for an interval that did not end yet.
  video.bits_per_second = static_cast<double>(bytes - pictures_.back().bytes) * 8 / seconds;

  std::vector<int64_t> steps;
  for (size_t i = 1; i < times.size(); ++i) steps.push_back(times[i] - times[i - 1]);
  const auto middle = steps.begin() + static_cast<ptrdiff_t>(steps.size() / 2);
  std::nth_element(steps.begin(), middle, steps.end());
  const int64_t usual = *middle;
  const auto uneven = std::count_if(steps.begin(), steps.end(), [usual](int64_t step) {
    return std::abs(step - usual) > usual / 2;
  });
  video.uneven = static_cast<double>(uneven) / intervals;
}

void PictureMeter::FillGops(ProbedVideo& video) const {
  int64_t gop_start = pictures_.front().pts;
  int64_t latest = gop_start;
  uint32_t pictures = 0;
  uint32_t leading = 0;
  int64_t sync_pts = 0;
  bool open = false;
  const auto end_gop = [&](int64_t end) {
    video.longest_gop_us =
        std::max(video.longest_gop_us, TicksToUs(end - gop_start, media::kVideoTimescale));
    video.longest_gop_pictures = std::max(video.longest_gop_pictures, pictures);
    video.leading_pictures = std::max(video.leading_pictures, leading);
    pictures = leading = 0;
  };
  for (const Picture& picture : pictures_) {
    if (picture.sync != Sync::kNone) {
      end_gop(picture.pts);
      ++video.sync_samples;
      gop_start = sync_pts = picture.pts;
      open = picture.sync == Sync::kOpen;
    } else if (open && picture.pts < sync_pts) {
      ++leading;
    }
    video.reordered |= picture.pts < latest;
    latest = std::max(latest, picture.pts);
    ++pictures;
  }
  end_gop(latest);
}

}  // namespace lookback::recorder
