// apps/lookback/export_plan.h: what an export takes, asked of the server before a byte of it comes.
//
// Invariant: a plan names each file once, by a name that is legal on Windows and FAT file systems
//            too; parts of a camera follow one another without a hole, from the start to the end.
// Threads:   the command's.
// Errors:    the server's; kUnsupported for names that no such server gives; kInvalid for more than
//            kMaxExportParts.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "api/export_layout.h"
#include "apps/lookback/api_client.h"
#include "base/time.h"

namespace lookback::app {

inline constexpr int64_t kShortestPartUs = kUsPerMinute;
inline constexpr uint64_t kMaxFatFileBytes = (uint64_t{4} << 30) - 1;

struct ExportOrder {
  std::vector<std::string> cameras;  // In order, each once.
  std::string stream = "main";
  TimeRange range;
  bool native = false;  // Stored segments too.
  bool fat32 = false;   // No file of 4 GiB or more.
  bool audio = true;
  std::string subtitles;  // The zone of their times; empty: none.
  std::string case_name;
  std::string reason;
  int hold_days = 30;

  std::string why() const;  // Case and reason, for the record of each access.
};

struct ExportPart {
  std::string camera;
  TimeRange range;
  std::string file;    // "clips/gate_20260504T220000Z.mp4"
  uint64_t bytes = 0;  // 0: there is no footage, and so no file.
  Json missing;        // As clip.json has it; of what has no footage all of it.
  Json shown;          // The same; null where there is no file.
  std::vector<std::pair<std::string, std::string>> query;  // Of the clip.
};

struct ExportSegment {
  std::string camera;
  std::string stream;
  std::string file;  // "native/gate_main/1777932000000_7_12.mp4"
  std::string name;
  std::string sha256;
  uint64_t bytes = 0;
  std::string start, end;
};

struct ExportPlan {
  std::vector<Json> timelines;  // One a camera, in order; with its `name`.
  std::vector<Json> kept;       // Of each what becomes of its footage: see docs/api.md of policies.
  std::vector<ExportPart> parts;
  std::vector<ExportSegment> segments;

  uint64_t bytes() const;
  Json MissingOf(const std::string& camera) const;  // From its clips, by time.
  size_t files() const;
};

Result<ExportPlan> PlanExport(ApiClient& api, const ExportOrder& order,
                              const std::function<void(std::string_view)>& on_progress);

}  // namespace lookback::app
