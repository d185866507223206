#include "base/version.h"

namespace lookback {

std::string_view Version() { return LOOKBACK_VERSION; }

}  // namespace lookback
