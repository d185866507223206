// query/footage_search.h: walks through the windows of a search, camera by camera, and tells what
// there is of each.
//
// Invariant: windows come by camera, then by start, each once. Who goes on, with the same targets,
//            at `next()` of an earlier walk meets exactly those windows that come after, whatever
//            was recorded or deleted between.
// Threads:   one at a time.
// Errors:    of query/timeline.h, and of the look-up of markers.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "index/records.h"
#include "query/timeline.h"

namespace lookback::query {

// A walk looks at so much at most, of which it may leave out what has no footage.
inline constexpr size_t kMaxWindowsExamined = 2'000;
inline constexpr int64_t kMaxExaminedUs = 400 * kUsPerDay;

struct SearchTarget {
  StreamId stream;
  // By start; none touches another. Many cameras may share them.
  std::shared_ptr<const std::vector<TimeRange>> windows;
};

struct SearchPlace {
  CameraId camera;
  TimeUs start_us = 0;

  friend auto operator<=>(const SearchPlace&, const SearchPlace&) = default;
};

struct SearchPlan {
  std::vector<SearchTarget> targets;  // By camera, each once.
  bool with_footage = false;          // Windows without any are left out.
  // Windows are cut to the markers, and holds, that have this text; empty: they are not.
  std::string marker_text;
  std::optional<SearchPlace> after;  // What comes after this window.
  size_t limit = 0;                  // Of answers.
};

struct FoundWindow {
  StreamId stream;
  TimeRange range;
  std::vector<TimeRange> covered;  // Whatever runs it is of.
  int64_t covered_us = 0;
  bool imported = false;   // Some of it came from a file.
  int64_t missing_us = 0;  // What has not happened yet is neither.
  struct Missing {
    size_t gaps = 0;
    int64_t duration_us = 0;
  };
  // By cause, and for kUnknown by what is known; what is on a volume that is away counts, too.
  std::map<std::pair<index::GapCause, std::string>, Missing> missing;
  std::vector<index::Marker> markers;  // That have the text and touch it.
};

class FootageSearch {
 public:
  // Markers and holds of a camera that overlap a range.
  using FindMarkers = std::function<Result<std::vector<index::Marker>>(const CameraId&, TimeRange)>;

  // `footage` must outlive it. Windows that begin later than `now_us` are left out.
  FootageSearch(storage::Footage& footage, FindMarkers find_markers, SearchPlan plan,
                TimeUs now_us);

  // The next one; nothing when the walk is over.
  Result<std::optional<FoundWindow>> Next();

  // When it is over: the last window that it looked at, where there are more; nothing at the end.
  const std::optional<SearchPlace>& next() const { return next_; }

 private:
  Status EnterTarget();
  Result<FoundWindow> LookAt(const StreamId& stream, TimeRange window);

  storage::Footage& footage_;
  const FindMarkers find_markers_;
  const SearchPlan plan_;
  const TimeUs now_us_;
  size_t target_ = 0;
  bool entered_ = false;
  std::vector<TimeRange> windows_;      // Of the target, what is left of them.
  std::vector<index::Marker> markers_;  // Of the target, those that have the text.
  size_t window_ = 0;
  size_t found_ = 0;
  size_t examined_ = 0;
  int64_t examined_us_ = 0;
  std::optional<SearchPlace> last_;
  std::optional<SearchPlace> next_;
};

// Whether the marker's label, note or case has `text` in it; ASCII letters in either case.
bool HasText(const index::Marker& marker, std::string_view text);

}  // namespace lookback::query
