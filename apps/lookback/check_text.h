// apps/lookback/check_text.h: what a check of the store found, for a person.
//
// Threads:   pure.
// Errors:    none.
#pragma once

#include <cstdint>
#include <string>

#include "apps/lookback/output.h"

namespace lookback::app {

// Of each kind of finding that is no fault, so many are named: after a volume was let go,
// each of its files is one.
inline constexpr uint64_t kShownOfNoFault = 20;

// Of a report as docs/api.md has it: a table of the findings, and the sum.
std::string CheckText(const Json& report);

}  // namespace lookback::app
