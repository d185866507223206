#include "apps/lookback/check_text.h"

#include <gmock/gmock.h>

namespace lookback::app {
namespace {

using testing::HasSubstr;
using testing::Not;

Json Finding(const std::string& kind, bool fault, const std::string& path) {
  return {{"kind", kind}, {"fault", fault}, {"sentence", "it is so"}, {"path", path}};
}

TEST(CheckText, NamesEachFaultAndOfWhatIsNoneAFew) {
  Json findings = Json::array();
  for (uint64_t i = 0; i < kShownOfNoFault + 7; ++i) {
    findings.push_back(Finding("missing-file", false, "/a/" + std::to_string(i)));
    findings.push_back(Finding("missing-file", true, "/b/" + std::to_string(i)));
  }
  const std::string text =
      CheckText({{"findings", findings}, {"segments", 90}, {"ledger_records", 100}});
  for (uint64_t i = 0; i < kShownOfNoFault + 7; ++i) {
    EXPECT_THAT(text, HasSubstr("(/b/" + std::to_string(i) + ")"));
  }
  EXPECT_THAT(text, HasSubstr("(/a/19)"));
  EXPECT_THAT(text, Not(HasSubstr("(/a/20)")));
  EXPECT_THAT(text, HasSubstr("and 7 more: --json names each"));
  EXPECT_THAT(text, HasSubstr("90 segments and 100 ledger records checked: 27 faults"));
}

}  // namespace
}  // namespace lookback::app
