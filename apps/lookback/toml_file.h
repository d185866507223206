// apps/lookback/toml_file.h: where in a file a setting stands, and how its faults are told.
//
// Threads:   values.
// Errors:    none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lookback::app {

struct FilePosition {
  uint32_t line = 0;
  uint32_t column = 0;

  friend auto operator<=>(const FilePosition&, const FilePosition&) = default;
};

struct FileFault {
  FilePosition at;
  std::string text;
};

// By their place in the file.
void SortFaults(std::vector<FileFault>& faults);

// "fleet.toml:3:7: ..."
std::string FaultLine(const std::string& path, const FileFault& fault);
// Complains of each so.
void TellFaults(const std::string& path, const std::vector<FileFault>& faults);

}  // namespace lookback::app
