#include "doctor/finding.h"

#include <algorithm>

namespace lookback::doctor {

std::string_view SeverityName(Severity severity) {
  constexpr std::array<std::string_view, kSeverities> kNames = {"error", "warning", "unknown",
                                                                "note", "ok"};
  return kNames[static_cast<size_t>(severity)];
}

size_t Report::CountOf(Severity severity) const {
  return static_cast<size_t>(
      std::count_if(findings.begin(), findings.end(),
                    [severity](const Finding& each) { return each.severity == severity; }));
}

Severity Report::StateOf(std::string_view check) const {
  Severity worst = Severity::kOk;
  for (const Finding& finding : findings) {
    if (finding.check == check) worst = std::min(worst, finding.severity);
  }
  return worst;
}

}  // namespace lookback::doctor
