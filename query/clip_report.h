// query/clip_report.h: what a clip lacks, and the sentences that say so.
//
// Invariant: the missing parts are the asked range less what is shown, each with a cause.
// Threads:   values.
// Errors:    none.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "query/clip.h"

namespace lookback::query {

// What is recorded, readable, and yet not in a clip.
inline constexpr std::string_view kUndecodable =
    "recorded, but the sync sample it needs is missing";
inline constexpr std::string_view kOfNoUse = "recorded, but nothing of it can be shown";
inline constexpr std::string_view kSoundAlone = "recorded as sound alone, which was not asked for";

// `shown`: ranges of the clip's pictures, by start. `unreadable`: segments that could not be used.
// `useless`: what is said of the rest that is on record.
std::vector<index::Gap> ExplainMissing(const ClipRequest& request, const Timeline& timeline,
                                       const std::vector<index::Gap>& unreadable,
                                       const std::vector<TimeRange>& shown,
                                       std::string_view useless = kUndecodable);

// "network 12 min 00 s, recorder down 3 s"
std::string DescribeMissing(const std::vector<index::Gap>& missing);

struct CodecRange {
  const media::TrackConfig* config = nullptr;
  TimeRange range;
};

// Why the ranges cannot stand in one file, and what can be asked for instead.
std::string DescribeCodecChange(const StreamId& stream, const std::vector<CodecRange>& ranges,
                                bool may_leave_out);

}  // namespace lookback::query
