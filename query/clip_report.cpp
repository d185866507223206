#include "query/clip_report.h"

#include <algorithm>
#include <map>

namespace lookback::query {
namespace {

using index::Gap;
using index::GapCause;

constexpr std::string_view kNotYet = "not recorded yet";

// Lays the part of `gap` that lies in [at, end) into `missing`; gives where it ends.
TimeUs Take(const Gap& gap, TimeUs at, TimeUs end, std::vector<Gap>& missing) {
  const TimeRange part = gap.range.Intersect({at, end});
  if (part.empty()) return at;
  // Segments that cannot be read come one by one.
  if (!missing.empty() && missing.back().range.end_us == part.start_us &&
      missing.back().cause == gap.cause && missing.back().detail == gap.detail) {
    missing.back().range.end_us = part.end_us;
    return part.end_us;
  }
  Gap taken = gap;
  taken.range = part;
  missing.push_back(std::move(taken));
  return part.end_us;
}

}  // namespace

std::vector<Gap> ExplainMissing(const ClipRequest& request, const Timeline& timeline,
                                const std::vector<Gap>& unreadable,
                                const std::vector<TimeRange>& shown, std::string_view useless) {
  std::vector<Gap> causes = timeline.gaps;
  causes.insert(causes.end(), unreadable.begin(), unreadable.end());
  std::sort(causes.begin(), causes.end(),
            [](const Gap& a, const Gap& b) { return a.range.start_us < b.range.start_us; });
  std::vector<Gap> missing;
  const auto explain = [&](TimeRange hole) {
    if (hole.duration_us() < kSmallestGapUs) return;
    TimeUs at = hole.start_us;
    const auto leave_unknown = [&](TimeUs end) {
      const TimeUs known_to = std::max(at, std::min(end, timeline.range.end_us));
      const Gap undecodable{
          request.stream, {at, known_to}, GapCause::kUnknown, std::string(useless)};
      const Gap later{request.stream, {known_to, end}, GapCause::kUnknown, std::string(kNotYet)};
      at = Take(undecodable, at, end, missing);
      at = Take(later, at, end, missing);
    };
    for (const Gap& cause : causes) {
      const TimeRange part = cause.range.Intersect({at, hole.end_us});
      if (part.empty()) continue;
      leave_unknown(part.start_us);
      at = Take(cause, at, hole.end_us, missing);
    }
    leave_unknown(hole.end_us);
  };

  TimeUs at = request.range.start_us;
  for (const TimeRange& range : shown) {
    explain({at, std::min(range.start_us, request.range.end_us)});
    at = std::max(at, range.end_us);
  }
  explain({at, request.range.end_us});
  return missing;
}

std::string DescribeMissing(const std::vector<Gap>& missing) {
  std::vector<std::pair<std::string, int64_t>> totals;  // In order of appearance.
  for (const Gap& gap : missing) {
    std::string cause(gap.cause == GapCause::kUnknown && !gap.detail.empty()
                          ? std::string_view(gap.detail)
                          : index::GapCauseName(gap.cause));
    const auto known = std::find_if(totals.begin(), totals.end(),
                                    [&cause](const auto& total) { return total.first == cause; });
    if (known != totals.end()) {
      known->second += gap.range.duration_us();
    } else {
      totals.emplace_back(std::move(cause), gap.range.duration_us());
    }
  }
  std::string text;
  for (const auto& [cause, total_us] : totals) {
    if (!text.empty()) text += ", ";
    text += cause + " " + FormatDuration(total_us);
  }
  return text;
}

std::string DescribeCodecChange(const StreamId& stream, const std::vector<CodecRange>& ranges,
                                bool may_leave_out) {
  std::string text = stream.text() + " changed its " + (may_leave_out ? "sound" : "video") +
                     " codec in this range, and one clip holds one; ask for these one by one";
  if (may_leave_out) text += ", or leave the sound out";
  char separator = ':';
  for (const CodecRange& part : ranges) {
    text += separator;
    text += " " + FormatTime(part.range.start_us) + " to " + FormatTime(part.range.end_us) + " (" +
            media::CodecString(*part.config) + ")";
    separator = ',';
  }
  return text;
}

}  // namespace lookback::query
