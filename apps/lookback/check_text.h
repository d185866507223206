// apps/lookback/check_text.h: what a check of the store found, for a person.
//
// Threads:   pure.
// Errors:    none.
#pragma once

#include <string>

#include "apps/lookback/output.h"

namespace lookback::app {

// Of a report as docs/api.md has it: a table of the findings, and the sum.
std::string CheckText(const Json& report);

}  // namespace lookback::app
