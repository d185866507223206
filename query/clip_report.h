// query/clip_report.h: what a clip lacks, and the sentences that say so.
//
// Invariant: the missing parts are the asked range less what is shown, each with a cause.
// Threads:   values.
// Errors:    none.
#pragma once

#include <string>
#include <vector>

#include "query/clip.h"

namespace lookback::query {

// `shown`: ranges of the clip's pictures, by start. `unreadable`: segments that could not be used.
std::vector<index::Gap> ExplainMissing(const ClipRequest& request, const Timeline& timeline,
                                       const std::vector<index::Gap>& unreadable,
                                       const std::vector<TimeRange>& shown);

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
