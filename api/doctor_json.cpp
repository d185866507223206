#include "api/doctor_json.h"

namespace lookback::api {

Json ToJson(const doctor::Report& report) {
  Json findings = Json::array();
  for (const doctor::Finding& finding : report.findings) {
    findings.push_back({{"check", finding.check},
                        {"severity", doctor::SeverityName(finding.severity)},
                        {"about", finding.about},
                        {"sentence", finding.sentence},
                        {"cure", finding.cure}});
  }
  Json checks = Json::array();
  for (const std::string_view check : doctor::kChecks) {
    checks.push_back({{"check", check}, {"state", doctor::SeverityName(report.StateOf(check))}});
  }
  Json libraries = Json::array();
  for (const doctor::Library& library : report.libraries) {
    libraries.push_back(
        {{"name", library.name}, {"built", library.built}, {"running", library.running}});
  }
  const bool looked = report.at_us != 0;
  return {{"at", looked ? Json(FormatTime(report.at_us)) : Json()},
          {"sound", looked && report.sound()},
          {"findings", std::move(findings)},
          {"checks", looked ? std::move(checks) : Json::array()},
          {"libraries", std::move(libraries)}};
}

}  // namespace lookback::api
