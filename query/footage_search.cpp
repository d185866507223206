#include "query/footage_search.h"

#include <algorithm>

#include "query/ranges.h"

namespace lookback::query {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool Contains(std::string_view text, std::string_view part) {
  const auto same = [](char a, char b) { return Lower(a) == Lower(b); };
  return std::search(text.begin(), text.end(), part.begin(), part.end(), same) != text.end();
}

}  // namespace

bool HasText(const index::Marker& marker, std::string_view text) {
  return Contains(marker.label, text) || Contains(marker.note, text) ||
         Contains(marker.case_name, text);
}

FootageSearch::FootageSearch(storage::Footage& footage, FindMarkers find_markers, SearchPlan plan,
                             TimeUs now_us)
    : footage_(footage),
      find_markers_(std::move(find_markers)),
      plan_(std::move(plan)),
      now_us_(now_us) {
  if (!plan_.after) return;
  const auto from = std::lower_bound(
      plan_.targets.begin(), plan_.targets.end(), plan_.after->camera,
      [](const SearchTarget& t, const CameraId& camera) { return t.stream.camera < camera; });
  target_ = static_cast<size_t>(from - plan_.targets.begin());
}

Status FootageSearch::EnterTarget() {
  const SearchTarget& target = plan_.targets[target_];
  entered_ = true;
  window_ = 0;
  windows_ = *target.windows;
  markers_.clear();
  if (!plan_.marker_text.empty() && !windows_.empty()) {
    LB_TRY_ASSIGN(markers, find_markers_(target.stream.camera,
                                         {windows_.front().start_us, windows_.back().end_us}));
    std::erase_if(markers, [this](const index::Marker& marker) {
      return !HasText(marker, plan_.marker_text);
    });
    std::vector<TimeRange> marked;
    for (const index::Marker& marker : markers) marked.push_back(marker.range);
    windows_ = Common(windows_, Merged(std::move(marked)));
    markers_ = std::move(markers);
  }
  while (window_ < windows_.size() && plan_.after &&
         SearchPlace{target.stream.camera, windows_[window_].start_us} <= *plan_.after) {
    ++window_;
  }
  return Ok();
}

Result<std::optional<FoundWindow>> FootageSearch::Next() {
  while (target_ < plan_.targets.size()) {
    if (!entered_) LB_TRY(EnterTarget());
    if (window_ == windows_.size() || windows_[window_].start_us >= now_us_) {
      entered_ = false;
      ++target_;
      continue;
    }
    const TimeRange window = windows_[window_];
    const bool full = found_ == plan_.limit || examined_ == kMaxWindowsExamined ||
                      (examined_ > 0 && examined_us_ + window.duration_us() > kMaxExaminedUs);
    if (full) {
      next_ = last_;
      return std::optional<FoundWindow>();
    }
    const StreamId& stream = plan_.targets[target_].stream;
    ++window_;
    ++examined_;
    examined_us_ += window.duration_us();
    last_ = SearchPlace{stream.camera, window.start_us};
    LB_TRY_ASSIGN(found, LookAt(stream, window));
    if (plan_.with_footage && found.covered_us == 0) continue;
    ++found_;
    return std::optional(std::move(found));
  }
  return std::optional<FoundWindow>();
}

Result<FoundWindow> FootageSearch::LookAt(const StreamId& stream, TimeRange window) {
  LB_TRY_ASSIGN(timeline, BuildTimeline(footage_, stream, window, now_us_));
  FoundWindow found;
  found.stream = stream;
  found.range = window;
  std::vector<TimeRange> spans;
  for (const Span& span : timeline.spans) {
    spans.push_back(span.range);
    found.imported |= span.imported;
  }
  found.covered = Merged(std::move(spans));
  found.covered_us = timeline.covered_us;
  found.missing_us = std::max<int64_t>(0, timeline.range.duration_us()) - timeline.covered_us;
  for (const std::vector<index::Gap>* gaps : {&timeline.gaps, &timeline.away}) {
    for (const index::Gap& gap : *gaps) {
      const bool unknown = gap.cause == index::GapCause::kUnknown;
      FoundWindow::Missing& missing = found.missing[{gap.cause, unknown ? gap.detail : ""}];
      ++missing.gaps;
      missing.duration_us += gap.range.duration_us();
    }
  }
  for (const index::Marker& marker : markers_) {
    if (marker.range.Overlaps(window)) found.markers.push_back(marker);
  }
  return found;
}

}  // namespace lookback::query
