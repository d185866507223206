#include "query/sample_tables.h"

#include <algorithm>

namespace lookback::query {
namespace {

void AppendCounted(std::vector<CountedDelta>& table, uint32_t delta) {
  if (table.empty() || table.back().delta != delta) table.push_back({0, delta});
  table.back().count += 1;
}

}  // namespace

void TrackBuilder::EndLastSample(int64_t decode_time) {
  // 2^32 ticks are over twelve hours of pictures: longer than any clip, so the limit is never met
  // by footage, only by a file that lies about its times.
  const int64_t lasted = std::clamp<int64_t>(decode_time - last_decode_time_, 0, UINT32_MAX);
  AppendCounted(track_.durations, static_cast<uint32_t>(lasted));
  track_.duration += lasted;
}

void TrackBuilder::Add(const PlacedSample& sample) {
  int64_t decode_time = sample.decode_time;
  if (!empty()) {
    decode_time = std::max(decode_time, last_decode_time_ + 1);
    EndLastSample(decode_time);
  }
  last_decode_time_ = decode_time;
  AppendCounted(track_.offsets, static_cast<uint32_t>(sample.composition_offset));
  track_.sizes.push_back(sample.size);
  if (sample.sync) track_.sync_samples.push_back(static_cast<uint32_t>(track_.sizes.size()));

  PayloadPiece* piece = payload_.pieces.empty() ? nullptr : &payload_.pieces.back();
  const bool contiguous =
      piece != nullptr && !track_.chunks.empty() && track_.chunks.back().at == piece->at &&
      piece->fragment == sample.fragment && piece->skip + piece->length == sample.skip;
  if (!contiguous) {
    piece = &payload_.pieces.emplace_back();
    *piece = {payload_.bytes, sample.fragment, sample.skip, 0};
    track_.chunks.push_back({payload_.bytes, 0, sample.entry});
  }
  piece->length += sample.size;
  payload_.bytes += sample.size;
  track_.chunks.back().samples += 1;
}

void TrackBuilder::Finish(int64_t decode_time) {
  if (!empty()) EndLastSample(std::max(decode_time, last_decode_time_ + 1));
}

}  // namespace lookback::query
