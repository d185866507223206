// api/json_members.h: members of an answer's JSON, whose shape another program decides, or another
// version of this one.
//
// Invariant: what is absent, or of another kind, is empty, 0 or false.
// Threads:   values.
// Errors:    none.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/time.h"

namespace lookback::api {

using Json = nlohmann::ordered_json;  // Fields stand in the order of docs/api.md.

std::string TextOf(const Json& json, const char* name);
int64_t NumberOf(const Json& json, const char* name);
bool FlagOf(const Json& json, const char* name);
const Json& ListOf(const Json& json, const char* name);
std::string WordsOf(const Json& json, const char* name);  // Of a list of texts: "gate,yard".
std::optional<TimeUs> TimeOf(const Json& json, const char* name);

// What an answer of ours has for a time: null where it is 0.
Json TimeOrNull(TimeUs time_us);

}  // namespace lookback::api
