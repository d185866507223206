// apps/lookback/doctor_text.h: what is wrong with a machine, for who is in a hurry: the worst
// first, each with its cure, in 80 columns.
//
// Invariant: of one check and severity at most kFindingsAKind are shown, the others are counted.
// Threads:   any.
// Errors:    none; what the answer does not have is left out.
#pragma once

#include <string>

#include "apps/lookback/output.h"

namespace lookback::app {

inline constexpr size_t kFindingsAKind = 5;

// `report` is that of docs/api.md.
std::string DoctorText(const Json& report);

}  // namespace lookback::app
