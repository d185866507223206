#include "query/timeline.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

namespace lookback::query {
namespace {

using index::Gap;
using index::GapCause;
using storage::FootageSegment;

constexpr std::string_view kBeforeFirst = "before the first recording";
constexpr std::string_view kBesideImports = "nothing was recorded or imported";
constexpr std::string_view kAfterNow = "later than now";

void Widen(std::optional<Span::CameraOffset>& offset, int64_t offset_us) {
  if (!offset) offset = {offset_us, offset_us};
  offset->min_us = std::min(offset->min_us, offset_us);
  offset->max_us = std::max(offset->max_us, offset_us);
}

// Whole segments to spans; not yet cut to the range.
std::vector<Span> ChainSegments(const std::vector<FootageSegment>& segments) {
  std::vector<Span> spans;
  std::map<Uuid, size_t> last_of_run;
  for (const FootageSegment& segment : segments) {
    const index::Seal& row = segment.row;
    if (row.range().empty()) continue;
    const auto known = last_of_run.find(row.run);
    Span* span = known == last_of_run.end() ? nullptr : &spans[known->second];
    if (span == nullptr || row.start_us >= span->range.end_us + kSmallestGapUs ||
        row.thinned != span->thinned) {
      last_of_run[row.run] = spans.size();
      span = &spans.emplace_back();
      span->range = row.range();
      span->run = row.run;
      span->thinned = row.thinned;
    }
    span->range.end_us = std::max(span->range.end_us, row.end_us);
    span->segments += 1;
    span->open = segment.open != nullptr;
    span->clock_unsynchronised |= row.clock_unsynchronised;
    span->imported |= row.imported;
    span->lost_packets += row.lost_packets;
    if (row.camera_offset_us) Widen(span->camera_offset, *row.camera_offset_us);
  }
  std::stable_sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) {
    return a.range.start_us < b.range.start_us;
  });
  return spans;
}

// Prolongs the span that ends just before the next one starts.
void CloseSmallHoles(std::vector<Span>& spans) {
  Span* latest = nullptr;  // Of those so far, the one that ends last.
  for (Span& span : spans) {
    if (latest != nullptr && latest->range.end_us < span.range.start_us &&
        span.range.start_us - latest->range.end_us < kSmallestGapUs) {
      latest->range.end_us = span.range.start_us;
    }
    if (latest == nullptr || span.range.end_us >= latest->range.end_us) latest = &span;
  }
}

// Takes what was found damaged or gone out of its run's spans, and puts it among the gaps.
void CutDamage(const StreamId& stream, const std::vector<storage::Damage>& damaged,
               std::vector<Span>& spans, std::vector<Gap>& gaps) {
  for (const storage::Damage& damage : damaged) {
    gaps.push_back({stream, damage.range, damage.cause, damage.what});
    std::vector<Span> rest;
    for (const Span& span : spans) {
      if (span.run != damage.run || !span.range.Overlaps(damage.range)) {
        rest.push_back(span);
        continue;
      }
      Span before = span;
      before.range.end_us = std::min(span.range.end_us, damage.range.start_us);
      before.open = false;
      Span after = span;
      after.range.start_us = std::max(span.range.start_us, damage.range.end_us);
      if (!before.range.empty()) rest.push_back(std::move(before));
      if (!after.range.empty()) rest.push_back(std::move(after));
    }
    spans = std::move(rest);
  }
  std::stable_sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) {
    return a.range.start_us < b.range.start_us;
  });
}

// The parts of `range` that no span covers.
std::vector<TimeRange> FindHoles(const std::vector<Span>& spans, TimeRange range) {
  std::vector<TimeRange> holes;
  TimeUs covered_to = range.start_us;
  for (const Span& span : spans) {
    if (span.range.start_us >= range.end_us) break;
    if (span.range.start_us > covered_to) holes.push_back({covered_to, span.range.start_us});
    covered_to = std::max(covered_to, span.range.end_us);
  }
  if (covered_to < range.end_us) holes.push_back({covered_to, range.end_us});
  return holes;
}

bool MoreSpecific(const Gap& a, const Gap& b) {
  const bool a_known = a.cause != GapCause::kUnknown;
  const bool b_known = b.cause != GapCause::kUnknown;
  if (a_known != b_known) return a_known;
  if (a.range.duration_us() != b.range.duration_us()) {
    return a.range.duration_us() < b.range.duration_us();
  }
  return a.range.start_us > b.range.start_us;
}

// Recorded gaps without overlap: at each instant the most specific of those that claim it.
std::vector<Gap> Flatten(const std::vector<Gap>& recorded) {
  struct Edge {
    TimeUs at;
    bool opens;
    size_t gap;
  };
  std::vector<Edge> edges;
  for (size_t i = 0; i < recorded.size(); ++i) {
    if (recorded[i].range.empty()) continue;
    edges.push_back({recorded[i].range.start_us, true, i});
    edges.push_back({recorded[i].range.end_us, false, i});
  }
  std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) { return a.at < b.at; });

  const auto before = [&recorded](size_t a, size_t b) {
    if (MoreSpecific(recorded[a], recorded[b])) return true;
    if (MoreSpecific(recorded[b], recorded[a])) return false;
    return a > b;
  };
  std::set<size_t, decltype(before)> claims(before);
  std::vector<Gap> flat;
  TimeUs from = 0;
  for (const Edge& edge : edges) {
    if (!claims.empty() && from < edge.at) {
      Gap gap = recorded[*claims.begin()];
      gap.range = {from, edge.at};
      flat.push_back(std::move(gap));
    }
    from = edge.at;
    if (edge.opens) {
      claims.insert(edge.gap);
    } else {
      claims.erase(edge.gap);
    }
  }
  return flat;
}

void AppendGap(std::vector<Gap>& gaps, Gap gap) {
  if (gap.range.empty()) return;
  if (!gaps.empty() && gaps.back().range.end_us == gap.range.start_us &&
      gaps.back().cause == gap.cause && gaps.back().detail == gap.detail) {
    gaps.back().range.end_us = gap.range.end_us;
    return;
  }
  gaps.push_back(std::move(gap));
}

bool WasFootage(const Gap& gap) {
  return gap.cause == GapCause::kRetention || gap.cause == GapCause::kMissing ||
         gap.cause == GapCause::kCorrupt;
}

// Answers, at most once and only when somebody asks, whether anything of the stream was recorded
// before `at`, and if not whether files were imported.
class Past {
 public:
  Past(storage::Footage& footage, const StreamId& stream, TimeUs at)
      : footage_(footage), stream_(stream), at_(at) {}

  bool has_imports() const { return has_imports_; }

  Result<bool> HasFootage() {
    if (known_) return had_;
    // The nearest past first: as a rule the answer is there, and all of it would be many rows.
    constexpr std::array<int64_t, 3> kSteps = {kUsPerHour, kUsPerDay, 30 * kUsPerDay};
    for (const int64_t step : kSteps) {
      LB_TRY(Look({std::max(kTimeMinUs, at_ - step), at_}));
      if (had_) break;
    }
    if (!had_) LB_TRY(Look({kTimeMinUs, at_}));
    known_ = true;
    return had_;
  }

 private:
  Status Look(TimeRange range) {
    if (range.empty()) return Ok();
    LB_TRY_ASSIGN(segments, footage_.Segments(stream_, range));
    for (const FootageSegment& segment : segments) {
      had_ |= !segment.row.imported;
      has_imports_ |= segment.row.imported;
    }
    if (had_) return Ok();
    LB_TRY_ASSIGN(gaps, footage_.Gaps(stream_, range));
    had_ = std::any_of(gaps.begin(), gaps.end(), WasFootage);
    return Ok();
  }

  storage::Footage& footage_;
  const StreamId& stream_;
  const TimeUs at_;
  bool has_imports_ = false;
  bool known_ = false;
  bool had_ = false;
};

// Lays recorded gaps into the holes and names what is left over.
class GapFiller {
 public:
  GapFiller(const StreamId& stream, const std::vector<Span>& spans, TimeRange range, TimeUs now_us,
            Past& past)
      : stream_(stream), first_us_(range.end_us), now_us_(now_us), past_(past) {
    for (const Span& span : spans) {
      imports_ |= span.imported;
      if (!span.imported) first_us_ = std::min(first_us_, span.range.start_us);
    }
    recorded_ = first_us_ < range.end_us;
  }

  Result<std::vector<Gap>> Fill(const std::vector<TimeRange>& holes,
                                const std::vector<Gap>& recorded) {
    size_t next = 0;  // The first recorded gap that may reach into this hole or a later one.
    for (const TimeRange& hole : holes) {
      TimeUs at = hole.start_us;
      while (next < recorded.size() && recorded[next].range.end_us <= hole.start_us) ++next;
      for (size_t i = next; i < recorded.size(); ++i) {
        Gap gap = recorded[i];
        if (gap.range.start_us >= hole.end_us) break;
        gap.range = gap.range.Intersect(hole);
        LB_TRY(FillUnknown({at, gap.range.start_us}));
        at = gap.range.end_us;
        lost_footage_ |= WasFootage(gap);
        AppendGap(gaps_, std::move(gap));
      }
      LB_TRY(FillUnknown({at, hole.end_us}));
    }
    return std::move(gaps_);
  }

 private:
  Status FillUnknown(TimeRange hole) {
    if (hole.empty()) return Ok();
    if (hole.start_us < now_us_ && now_us_ < hole.end_us) {
      LB_TRY(FillUnknown({hole.start_us, now_us_}));
      return FillUnknown({now_us_, hole.end_us});
    }
    Gap gap{stream_, hole, GapCause::kUnknown, {}};
    if (hole.start_us >= now_us_) {
      gap.detail = kAfterNow;
    } else if (hole.start_us < first_us_ && !lost_footage_) {
      LB_TRY_ASSIGN(had_footage, past_.HasFootage());
      const bool imports = imports_ || past_.has_imports();
      if (!had_footage) gap.detail = imports && !recorded_ ? kBesideImports : kBeforeFirst;
    }
    AppendGap(gaps_, std::move(gap));
    return Ok();
  }

  const StreamId& stream_;
  TimeUs first_us_;        // Where the first recorded footage in sight starts,
  bool recorded_ = false;  // if there is any.
  bool imports_ = false;
  const TimeUs now_us_;
  Past& past_;
  std::vector<Gap> gaps_;
  bool lost_footage_ = false;  // Some gap so far was footage once.
};

// Cuts out of `gap` what lies in one of `holes`, which are by start;
// the rest is appended to `gaps`.
void AppendOutside(const Gap& gap, const std::vector<TimeRange>& holes, std::vector<Gap>& gaps) {
  auto hole = std::partition_point(holes.begin(), holes.end(), [&gap](const TimeRange& range) {
    return range.end_us <= gap.range.start_us;
  });
  TimeUs at = gap.range.start_us;
  for (; hole != holes.end() && hole->start_us < gap.range.end_us; ++hole) {
    AppendGap(gaps, {gap.stream, {at, hole->start_us}, gap.cause, gap.detail});
    at = hole->end_us;
  }
  AppendGap(gaps, {gap.stream, {at, gap.range.end_us}, gap.cause, gap.detail});
}

// Of what is outside of `holes`, that which only segments on volumes that are away cover.
std::vector<Gap> FindAway(storage::Footage& footage, const std::vector<FootageSegment>& segments,
                          const std::vector<TimeRange>& holes, TimeRange range) {
  std::vector<FootageSegment> readable;
  std::vector<Gap> away;  // One a segment at first.
  for (const FootageSegment& segment : segments) {
    const index::Seal& row = segment.row;
    if (auto volume = footage.AwayOn(segment)) {
      away.push_back({row.stream, row.range(), GapCause::kVolumeAway, std::move(*volume)});
    } else {
      readable.push_back(segment);
    }
  }
  if (away.empty()) return away;
  std::vector<Span> spans = ChainSegments(readable);
  CloseSmallHoles(spans);
  std::vector<Gap> merged, found;
  for (Gap& gap : Flatten(away)) {
    // As spans do, it reaches over what is rounding of clocks.
    if (!merged.empty() && merged.back().range.end_us < gap.range.start_us &&
        gap.range.start_us - merged.back().range.end_us < kSmallestGapUs) {
      merged.back().range.end_us = gap.range.start_us;
    }
    AppendGap(merged, std::move(gap));
  }
  size_t next = 0;  // The first that may reach into this part or a later one.
  for (const TimeRange& unread : FindHoles(spans, range)) {
    while (next < merged.size() && merged[next].range.end_us <= unread.start_us) ++next;
    for (size_t i = next; i < merged.size() && merged[i].range.start_us < unread.end_us; ++i) {
      Gap part = merged[i];
      part.range = part.range.Intersect(unread);
      AppendOutside(part, holes, found);
    }
  }
  return found;
}

// Where the timeline ends: Timeline::range tells the rule.
TimeUs FindEnd(const std::vector<Span>& spans, const std::vector<Gap>& recorded, TimeRange asked,
               TimeUs now_us) {
  TimeUs end_us = std::min(asked.end_us, now_us);
  TimeUs known_to = kTimeMinUs;
  for (const Span& span : spans) {
    end_us = std::max(end_us, std::min(asked.end_us, span.range.end_us));
    known_to = std::max(known_to, span.range.end_us);
  }
  for (const Gap& gap : recorded) known_to = std::max(known_to, gap.range.end_us);
  if (known_to < now_us && now_us - known_to <= kAssemblyUs) end_us = std::min(end_us, known_to);
  return std::max(end_us, asked.start_us);
}

}  // namespace

Result<Timeline> BuildTimeline(storage::Footage& footage, const StreamId& stream, TimeRange range,
                               TimeUs now_us) {
  if (range.empty()) {
    return Fail(Code::kInvalid, "a range must start before it ends: " + FormatTime(range.start_us) +
                                    " is not before " + FormatTime(range.end_us));
  }
  // A little more than asked for, so that what ended just before the range is in sight.
  const TimeRange sight{std::max(kTimeMinUs, range.start_us - kAssemblyUs), range.end_us};
  LB_TRY_ASSIGN(segments, footage.Segments(stream, sight));
  LB_TRY_ASSIGN(recorded, footage.Gaps(stream, sight));

  Timeline timeline;
  timeline.stream = stream;
  std::vector<Span> spans = ChainSegments(segments);
  CloseSmallHoles(spans);
  CutDamage(stream, footage.Lost(stream, sight), spans, recorded);
  timeline.range = {range.start_us, FindEnd(spans, recorded, range, now_us)};
  if (timeline.range.empty()) return timeline;

  const std::vector<TimeRange> holes = FindHoles(spans, timeline.range);
  timeline.covered_us = timeline.range.duration_us();
  for (const TimeRange& hole : holes) timeline.covered_us -= hole.duration_us();
  timeline.away = FindAway(footage, segments, holes, timeline.range);
  timeline.readable_us = timeline.covered_us;
  for (const Gap& away : timeline.away) timeline.readable_us -= away.range.duration_us();
  Past past(footage, stream, range.start_us);
  LB_TRY_ASSIGN(gaps, GapFiller(stream, spans, range, now_us, past).Fill(holes, Flatten(recorded)));
  timeline.gaps = std::move(gaps);

  for (Span& span : spans) {
    span.range = span.range.Intersect(timeline.range);
    if (!span.range.empty()) timeline.spans.push_back(span);
  }
  return timeline;
}

}  // namespace lookback::query
