// apps/lookback/export_meta.h: what stands beside the footage of an export: what is missing, what is
// known of the clocks, what people marked, and how to check it all.
//
// Invariant: CSV of RFC 4180 in UTF-8, its first line names the columns; times are UTC.
// Threads:   the command's.
// Errors:    the server's.
#pragma once

#include <string>
#include <vector>

#include "apps/lookback/export_plan.h"

namespace lookback::app {

struct MetaFile {
  std::string file;  // "meta/gaps.csv"
  std::string text;
};

// One line of CSV (RFC 4180). A text that a spreadsheet would take for a formula begins with an apostrophe.
std::string CsvLine(const std::vector<std::string>& values);

// gaps.csv, clock.csv, markers.csv, with native segments segments.csv, and README.txt.
Result<std::vector<MetaFile>> MakeMeta(ApiClient& api, const ExportOrder& order,
                                       const ExportPlan& plan, const Json& request);

}  // namespace lookback::app
