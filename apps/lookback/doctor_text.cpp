#include "apps/lookback/doctor_text.h"

#include <fmt/format.h>

#include "apps/lookback/status_text.h"
#include "base/words.h"

namespace lookback::app {
namespace {

// Findings of one check and severity.
struct Kind {
  std::string check;
  std::string severity;
  std::vector<const Json*> findings;
};

std::vector<Kind> Kinds(const Json& report) {
  std::vector<Kind> kinds;
  for (const Json& finding : ListOf(report, "findings")) {
    const std::string check = TextOf(finding, "check");
    const std::string severity = TextOf(finding, "severity");
    auto kind = std::find_if(kinds.begin(), kinds.end(), [&](const Kind& each) {
      return each.check == check && each.severity == severity;
    });
    if (kind == kinds.end()) kind = kinds.insert(kind, Kind{check, severity, {}});
    kind->findings.push_back(&finding);
  }
  return kinds;
}

std::string KindText(const Kind& kind) {
  const std::string word = kind.severity == "error" ? "ERROR" : Printable(kind.severity);
  std::string text = word + " " + Printable(kind.check) + "\n";
  const size_t all = kind.findings.size();
  const size_t shown = all <= kFindingsAKind + 1 ? all : kFindingsAKind;
  for (size_t i = 0; i < shown; ++i) {
    const Json& finding = *kind.findings[i];
    const std::string about = TextOf(finding, "about");
    text +=
        Wrapped("  ", Printable((about.empty() ? "" : about + ": ") + TextOf(finding, "sentence")));
    const std::string cure = TextOf(finding, "cure");
    const bool again = i + 1 < shown && TextOf(*kind.findings[i + 1], "cure") == cure;
    if (!again && !cure.empty()) text += Wrapped("  -> ", Printable(cure));
  }
  if (shown < all) text += fmt::format("  and {} more: --json has them\n", all - shown);
  return text;
}

std::string Summary(const Json& report) {
  uint64_t errors = 0;
  uint64_t warnings = 0;
  uint64_t unknown = 0;
  for (const Json& finding : ListOf(report, "findings")) {
    const std::string severity = TextOf(finding, "severity");
    errors += severity == "error" ? 1 : 0;
    warnings += severity == "warning" ? 1 : 0;
    unknown += severity == "unknown" ? 1 : 0;
  }
  std::string text = errors + warnings == 0
                         ? "Nothing is wrong"
                         : Count(errors, "error") + ", " + Count(warnings, "warning");
  if (unknown > 0) text += ", " + Count(unknown, "thing") + " could not be looked at";
  std::string well;
  for (const Json& check : ListOf(report, "checks")) {
    const std::string state = TextOf(check, "state");
    if (state != "ok") continue;  // What has a note stands above.
    well += (well.empty() ? "" : ", ") + Printable(TextOf(check, "check"));
  }
  return Wrapped("", text + "." + (well.empty() ? "" : " Well: " + well + "."));
}

}  // namespace

std::string DoctorText(const Json& report) {
  if (ListOf(report, "checks").empty()) {
    return "The server has not looked yet: a disk may keep it waiting. Ask again, or look by\n"
           "`lookback doctor --data DIR`.\n";
  }
  std::string text;
  for (const Kind& kind : Kinds(report)) text += KindText(kind);
  return text + (text.empty() ? "" : "\n") + Summary(report);
}

}  // namespace lookback::app
