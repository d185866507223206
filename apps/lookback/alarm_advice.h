// apps/lookback/alarm_advice.h: what to do about an alarm, in a sentence for who has to do it.
//
// Invariant: docs/alarms.md has the same sentences, of every kind there is.
// Threads:   any.
// Errors:    none; of a kind that is not known, as a newer server may have it, nothing.
#pragma once

#include <string_view>

namespace lookback::app {

std::string_view AdviceOn(std::string_view alarm_kind);

}  // namespace lookback::app
