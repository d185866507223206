#include "apps/lookback/toml_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "apps/lookback/output.h"

namespace lookback::app {

void SortFaults(std::vector<FileFault>& faults) {
  std::stable_sort(faults.begin(), faults.end(),
                   [](const FileFault& a, const FileFault& b) { return a.at < b.at; });
}

std::string FaultLine(const std::string& path, const FileFault& fault) {
  return fmt::format("{}:{}:{}: {}", path, fault.at.line, fault.at.column, Printable(fault.text));
}

void TellFaults(const std::string& path, const std::vector<FileFault>& faults) {
  for (const FileFault& fault : faults) Complain(FaultLine(path, fault));
}

}  // namespace lookback::app
