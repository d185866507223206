#include "api/json_members.h"

namespace lookback::api {

std::string TextOf(const Json& json, const char* name) {
  const auto found = json.is_object() ? json.find(name) : json.end();
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

int64_t NumberOf(const Json& json, const char* name) {
  const auto found = json.is_object() ? json.find(name) : json.end();
  return found != json.end() && found->is_number() ? found->get<int64_t>() : 0;
}

bool FlagOf(const Json& json, const char* name) {
  const auto found = json.is_object() ? json.find(name) : json.end();
  return found != json.end() && found->is_boolean() && found->get<bool>();
}

const Json& ListOf(const Json& json, const char* name) {
  static const Json none = Json::array();
  const auto found = json.is_object() ? json.find(name) : json.end();
  return found != json.end() && found->is_array() ? *found : none;
}

std::string WordsOf(const Json& json, const char* name) {
  std::string text;
  for (const Json& word : ListOf(json, name)) {
    if (word.is_string()) text += (text.empty() ? "" : ",") + word.get<std::string>();
  }
  return text;
}

std::optional<TimeUs> TimeOf(const Json& json, const char* name) {
  const Result<TimeUs> time = ParseTime(TextOf(json, name));
  return time ? std::optional(*time) : std::nullopt;
}

Json TimeOrNull(TimeUs time_us) { return time_us == 0 ? Json() : Json(FormatTime(time_us)); }

}  // namespace lookback::api
