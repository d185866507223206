// Reads what a forecast begins with.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "storage/retention_forecast.h"
#include "storage/retention_rows.h"
#include "storage/segment_format.h"

namespace lookback::storage {
namespace {

constexpr int64_t kShortestRateUs = 10 * kUsPerSecond;  // Less footage tells no rate.

// Footage of one span of time, by volume.
struct Span {
  struct Part {
    uint64_t bytes = 0;
    uint64_t sync_bytes = 0;  // What thinning would leave of them.
    bool thinned = true;      // All of it is already.
  };
  std::map<uint32_t, Part> parts;
  int64_t covered_us = 0;
  size_t rows = 0;
  bool all = true;  // It has no other rows.
};

// Of one whose sync samples are not known nothing goes.
uint64_t LeftByThinning(const RetentionRow& row) {
  return row.thinned != 0 || row.sync_bytes == 0 ? row.bytes
                                                 : std::min<uint64_t>(row.sync_bytes, row.bytes);
}

uint64_t Scaled(uint64_t bytes, double scale) {
  return static_cast<uint64_t>(std::llround(static_cast<double>(bytes) * scale));
}

class Reader {
 public:
  Reader(const index::Catalog& catalog, CatalogRows& rows, TimeUs now_us, size_t volumes)
      : catalog_(catalog), rows_(rows), now_us_(now_us), volumes_(volumes) {}

  // `stream`: with its id; its place is `place`.
  Status Read(size_t place, uint64_t total_bytes, bool recorded, ForecastInput::Stream& stream) {
    stream.day_bytes.resize(volumes_);
    std::vector<RetentionRow> first;
    rows_.Read(place, kTimeMinUs, 1, first);
    LB_TRY(rows_.status());
    LB_TRY_ASSIGN(last, catalog_.LastSegment(stream.id));
    if (first.empty() || !last) return Ok();
    LB_TRY(Sample({first[0].start_us, last->end_us}, place, total_bytes, stream));
    return recorded ? ReadRate(first[0].start_us, stream) : Ok();
  }

 private:
  Status Sample(TimeRange range, size_t place, uint64_t total_bytes,
                ForecastInput::Stream& stream) {
    const int64_t span_us = std::max<int64_t>(
        range.duration_us() / static_cast<int64_t>(kSampledSpans) + 1, kUsPerMinute);
    double sampled = 0;
    std::vector<RetentionRow> read;
    for (TimeUs at_us = range.start_us; at_us < range.end_us; at_us += span_us) {
      read.clear();
      rows_.Read(place, at_us, kRowsASpan, read);
      LB_TRY(rows_.status());
      if (read.empty()) break;
      Span span;
      for (const RetentionRow& row : read) {
        if (row.start_us >= at_us + span_us) break;
        Span::Part& part = span.parts[static_cast<uint32_t>(row.volume)];
        part.bytes += row.bytes;
        part.sync_bytes += LeftByThinning(row);
        part.thinned = part.thinned && row.thinned != 0;
        span.covered_us += row.range().duration_us();
        ++span.rows;
      }
      // Nothing to see until the next row.
      if (span.rows == 0) {
        at_us += (read.front().start_us - at_us) / span_us * span_us - span_us;
        continue;
      }
      span.all = span.rows < kRowsASpan;
      sampled += AddRows(span, {at_us, std::min(at_us + span_us, range.end_us)}, stream);
    }
    // Where footage has gaps, a span has less than its first rows let expect.
    const double scale = sampled > 0 ? static_cast<double>(total_bytes) / sampled : 1;
    for (RetentionRow& row : stream.rows) {
      row.bytes = Scaled(row.bytes, scale);
      row.sync_bytes = Scaled(row.sync_bytes, scale);
    }
    return Ok();
  }

  static double AddRows(const Span& span, TimeRange range, ForecastInput::Stream& stream) {
    const double scale =
        span.all || span.covered_us == 0
            ? 1
            : static_cast<double>(range.duration_us()) / static_cast<double>(span.covered_us);
    double sum = 0;
    TimeUs start_us = range.start_us;
    for (const auto& [volume, part] : span.parts) {
      RetentionRow row;
      row.start_us = start_us++;
      row.end_us = range.end_us;
      row.bytes = Scaled(part.bytes, scale);
      row.sync_bytes = Scaled(part.sync_bytes, scale);
      row.thinned = part.thinned ? 1 : 0;
      row.volume = volume & kNoVolume;
      sum += static_cast<double>(row.bytes);
      stream.rows.push_back(row);
    }
    return sum;
  }

  // What the last 24 hours had, or as much of them as the stream is old.
  Status ReadRate(TimeUs first_us, ForecastInput::Stream& stream) {
    const TimeUs from_us = std::max(first_us, now_us_ - kUsPerDay);
    if (from_us >= now_us_) return Ok();
    std::vector<uint64_t> bytes(volumes_);
    uint64_t sync_bytes = 0;
    // What is being written is no row yet, and does not count as time without footage.
    TimeUs until_us = now_us_ - kMaxSegmentUs;
    LB_TRY(catalog_.VisitSegments(stream.id, {from_us, now_us_}, [&](const index::Seal& segment) {
      const RetentionRow row = rows_.RowOf(segment);
      if (row.volume == kNoVolume || segment.imported) return true;
      bytes[row.volume] += row.bytes;
      sync_bytes += LeftByThinning(row);
      until_us = std::max(until_us, row.end_us);
      return true;
    }));
    const uint64_t sum = std::accumulate(bytes.begin(), bytes.end(), uint64_t{0});
    if (sum > 0) stream.sync_share = static_cast<double>(sync_bytes) / static_cast<double>(sum);
    const double days = static_cast<double>(std::max(until_us - from_us, kShortestRateUs)) /
                        static_cast<double>(kUsPerDay);
    for (size_t v = 0; v < volumes_; ++v) {
      stream.day_bytes[v] = static_cast<uint64_t>(static_cast<double>(bytes[v]) / days);
    }
    return Ok();
  }

  const index::Catalog& catalog_;
  CatalogRows& rows_;
  const TimeUs now_us_;
  const size_t volumes_;
};

}  // namespace

Result<ForecastInput> ReadForecast(Store& store, const Clock& clock) {
  const index::Catalog& catalog = store.catalog();
  ForecastInput input;
  input.now_us = clock.NowUs();
  LB_TRY_ASSIGN(policies, catalog.Policies());
  LB_TRY_ASSIGN(markers, catalog.Markers(CameraId(), kAllTime));
  LB_TRY_ASSIGN(cameras, catalog.Cameras());
  LB_TRY_ASSIGN(totals, catalog.Totals());
  input.policies = std::move(policies);
  input.holds = std::move(markers);
  std::erase_if(input.holds,
                [&](const index::Marker& marker) { return !index::InForce(marker, input.now_us); });
  std::map<CameraId, std::string> groups;
  for (const index::Camera& camera : cameras) groups[camera.id] = camera.group;
  std::set<CameraId> idle;  // What they had of the last day tells nothing of the next.
  for (const index::Camera& camera : cameras) {
    if (camera.removed || !camera.enabled || camera.imported) idle.insert(camera.id);
  }
  std::vector<Uuid> ids;
  for (const auto& [volume, space] : VolumesWithSpace(store, "the forecast")) {
    ids.push_back(volume->id());
    input.volumes.push_back({volume->id(), volume->root(), space});
  }
  std::vector<StreamId> streams;
  for (const index::StreamTotals& stream : totals) streams.push_back(stream.stream);
  CatalogRows rows(catalog, streams, std::move(ids));
  std::set<CameraId> measured_cameras;
  Reader reader(catalog, rows, input.now_us, input.volumes.size());
  for (size_t i = 0; i < totals.size(); ++i) {
    ForecastInput::Stream stream;
    stream.id = streams[i];
    stream.group = groups[stream.id.camera];
    const bool recorded = idle.count(stream.id.camera) == 0;
    LB_TRY(reader.Read(i, totals[i].bytes, recorded, stream));
    const bool measured = std::any_of(stream.day_bytes.begin(), stream.day_bytes.end(),
                                      [](uint64_t b) { return b > 0; });
    if (measured) measured_cameras.insert(stream.id.camera);
    input.streams.push_back(std::move(stream));
  }
  input.unmeasured = static_cast<size_t>(
      std::count_if(cameras.begin(), cameras.end(), [&](const index::Camera& camera) {
        return idle.count(camera.id) == 0 && measured_cameras.count(camera.id) == 0;
      }));
  return input;
}

}  // namespace lookback::storage
