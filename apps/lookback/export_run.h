// apps/lookback/export_run.h: carries an export out, and goes on with one that was interrupted.
//
// Invariant: the act is on record, and what is taken is held, before the first byte comes.
//            The directory can be gone on with at every instant, whatever ends the command; its
//            manifest is the last thing written.
// Threads:   the command's.
// Errors:    the server's and those of the file system; what came so far stays.
#pragma once

#include <string>

#include "apps/lookback/export_directory.h"
#include "apps/lookback/export_plan.h"
#include "base/clock.h"

namespace lookback::app {

struct ExportTask {
  ExportOrder order;
  std::string directory;
  bool view = false;
  // As it was asked, with the zone; in request.json and in the report.
  Json asked;
};

// What is wanted, as request.json has it: two exports are the same when these are.
Json RequestOf(const ExportTask& task);

// The report: what came, what is missing, the hold.
Result<Json> RunExport(ApiClient& api, FileSystem& files, Clock& clock, const ExportTask& task);
// The same report of what would come; nothing is written or held.
Result<Json> DryRunExport(ApiClient& api, const ExportTask& task);

}  // namespace lookback::app
