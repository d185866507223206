// api/export_layout.h: how an export is laid out, whoever puts it together: `lookback export` in a
// directory, the server in a ZIP.
//
// Invariant: file names are legal on Windows and FAT too. CSV is RFC 4180's in UTF-8, its first
//            line names the columns; times are UTC. The manifest is as sha256sum writes it.
// Threads:   values.
// Errors:    none: what an answer of the server lacks is empty.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/json_members.h"
#include "base/ids.h"

namespace lookback::api {

inline constexpr int64_t kExportPartUs = kUsPerHour;  // Of a camera in one clip.
inline constexpr size_t kMaxExportParts = 10'000;
inline constexpr std::string_view kManifest = "MANIFEST.sha256";
inline constexpr std::string_view kRequestFile = "meta/request.json";

// "clips/gate_20260504T220000Z.mp4", or "clips/gate_sub_…"
std::string ExportClipName(std::string_view camera, Stream stream, TimeUs start_us);

std::string ManifestLine(std::string_view file, std::string_view sha256);

// "case: reason", as far as they are said: what the record of an export has for its reason.
std::string ExportReason(const std::string& case_name, const std::string& reason);

// One line of CSV. A text that a spreadsheet would take for a formula begins with an apostrophe.
std::string CsvLine(const std::vector<std::string>& values);

// Appends what another clip lacks, as clip.json has it, to the list of those before it in time; a
// gap over the border is one.
void AppendMissing(const Json& missing, Json& to);
int64_t MissingUs(const Json& missing);

struct ExportFile {
  std::string file;  // "meta/gaps.csv"
  std::string text;
};

// What stands beside the footage: what is missing, what is known of the clocks, what people marked,
// and how to check it all. It is made of answers of the API, as docs/api.md has them.
class ExportTables {
 public:
  ExportTables();

  // A clip of the export: `file`, `camera`, `stream`, `start` and `end` as asked, and of its
  // clip.json `shown` and `missing`. Without a file nothing of that range could be shown.
  void AddClip(const Json& clip);
  // Of one camera, behind its clips: its timeline over the exported range with the camera's `name`,
  // and its clock checks.
  void AddCamera(const Json& timeline, const Json& clock_checks);
  // A list of markers, or of holds. One that was added before, as of another camera, is left out.
  void AddMarkers(const Json& markers, bool holds);
  // README.txt and the tables in meta/; `request` is what request.json says.
  std::vector<ExportFile> Finish(const Json& request) &&;

 private:
  std::string clips_, gaps_, clock_, imports_, markers_, summary_;
  std::map<std::string, Json> missing_;  // From the clips of each camera.
  bool clock_unsynchronised_ = false;
  std::set<std::string> marked_;
};

}  // namespace lookback::api
