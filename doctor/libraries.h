// doctor/libraries.h: which libraries this program was built with, and which it runs with.
//
// Threads:   any.
// Errors:    none.
#pragma once

#include <vector>

#include "doctor/finding.h"

namespace lookback::doctor {

std::vector<Library> Libraries();

}  // namespace lookback::doctor
