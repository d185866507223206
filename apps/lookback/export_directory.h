// apps/lookback/export_directory.h: the directory of an export while it grows,
// and until it is whole.
//
// Invariant: MANIFEST.sha256 is there exactly when the export is whole, and names every other file.
//            Until then MANIFEST.partial names the finished ones, a line each, as they come. What
//            it names is kept only if it still has that digest.
// Threads:   the command's.
// Errors:    kConflict for a directory that holds something else, or a finished export;
//            those of the file system.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "api/export_layout.h"
#include "apps/lookback/output.h"
#include "base/file_system.h"

namespace lookback::app {

using api::kManifest;
using api::kRequestFile;
inline constexpr std::string_view kPartialManifest = "MANIFEST.partial";
inline constexpr uint64_t kMaxManifestBytes = 64 << 20;
inline constexpr uint64_t kMaxRequestBytes = 1 << 20;

class ExportDirectory {
 public:
  ExportDirectory(FileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}

  // What an interrupted export there was asked for; nothing where one may begin.
  Result<std::optional<Json>> Look();
  // Makes it, and writes down what was asked for: from then on it can be gone on with.
  Status Begin(const Json& request);
  // Reads which files are finished.
  Status Resume();

  std::string PathOf(std::string_view file) const { return JoinPath(path_, file); }
  Status MakeFolderOf(std::string_view file);
  // The digest of a finished file that is what it was; nothing when it has to be brought (again).
  std::optional<std::string> Kept(const std::string& file, uint64_t bytes);
  Status Finished(const std::string& file, const std::string& sha256);
  Status Write(const std::string& file, std::string_view text);  // Finished too.
  // Writes the manifest, last of all. Its digest.
  Result<std::string> Seal();

 private:
  FileSystem& files_;
  const std::string path_;
  std::map<std::string, std::string> before_;  // Digests by file: of an earlier try, not looked at.
  std::map<std::string, std::string> finished_;  // Of this one, or looked at.
};

// Of all bytes, in hex.
Result<std::string> DigestFile(FileSystem& files, const std::string& path);

}  // namespace lookback::app
