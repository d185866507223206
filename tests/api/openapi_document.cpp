#include "tests/api/openapi_document.h"

#include <fmt/format.h>

#include <algorithm>
#include <regex>

#include "api/embedded_files.h"
#include "base/ids.h"
#include "base/time.h"

namespace lookback::api {
namespace {

std::vector<std::string> SplitAtSlashes(const std::string& path) {
  std::vector<std::string> parts;
  for (size_t at = 0; at <= path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    parts.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

bool IsOfForm(const std::string& path, const std::string& form) {
  const auto parts = SplitAtSlashes(path), named = SplitAtSlashes(form);
  return std::equal(parts.begin(), parts.end(), named.begin(), named.end(),
                    [](const std::string& part, const std::string& name) {
                      return part == name || (name.starts_with('{') && !part.empty());
                    });
}

void Add(Members& members, const Json& schema) {
  const Json& resolved = Resolve(schema);
  if (!resolved.is_object()) return;
  for (const Json& part : resolved.value("allOf", Json::array())) Add(members, part);
  const Json properties = resolved.value("properties", Json::object());
  for (const auto& item : properties.items()) {
    members.all.emplace(item.key(), item.value());
  }
  for (const Json& name : resolved.value("required", Json::array())) {
    members.needed.insert(name.get<std::string>());
  }
}

bool IsOfType(const Json& value, const std::string& type) {
  if (type == "string") return value.is_string();
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  if (type == "boolean") return value.is_boolean();
  if (type == "array") return value.is_array();
  return type == "object" && value.is_object();
}

class Checker {
 public:
  void Check(const Json& value, const Json& given, const std::string& where) {
    const Json& schema = Resolve(given);
    if (schema.empty()) return;  // Anything.
    if (value.is_null()) {
      if (!schema.value("nullable", false)) Fault(where, "is null");
      return;
    }
    const Members members = MembersOf(schema);
    if (!members.all.empty()) return CheckObject(value, members, where);
    for (const Json& part : schema.value("allOf", Json::array())) Check(value, part, where);
    CheckPlain(value, schema, where);
  }

  std::vector<std::string> faults;

 private:
  void Fault(const std::string& where, const std::string& what) {
    faults.push_back(where + " " + what);
  }

  void CheckObject(const Json& value, const Members& members, const std::string& where) {
    if (!value.is_object()) return Fault(where, "is no object: " + value.dump());
    for (const std::string& name : members.needed) {
      if (!value.contains(name)) Fault(where, "lacks " + name);
    }
    for (const auto& item : value.items()) {
      const auto named = members.all.find(item.key());
      if (named == members.all.end()) {
        Fault(where, "has " + item.key() + ", which its schema does not name");
      } else {
        Check(item.value(), named->second, where + "." + item.key());
      }
    }
  }

  void CheckPlain(const Json& value, const Json& schema, const std::string& where) {
    const std::string type = schema.value("type", "");
    if (!type.empty() && !IsOfType(value, type)) {
      return Fault(where, fmt::format("is no {}: {}", type, value.dump()));
    }
    if (schema.contains("enum")) {
      const Json& words = schema["enum"];
      if (std::find(words.begin(), words.end(), value) == words.end()) {
        Fault(where, fmt::format("is none of {}: {}", words.dump(), value.dump()));
      }
    }
    if (schema.contains("minimum") && value < schema["minimum"]) {
      Fault(where, "is below its minimum: " + value.dump());
    }
    if (value.is_string()) CheckText(value.get<std::string>(), schema, where);
    for (size_t i = 0; value.is_array() && i < value.size(); ++i) {
      Check(value[i], schema.at("items"), fmt::format("{}[{}]", where, i));
    }
  }

  void CheckText(const std::string& text, const Json& schema, const std::string& where) {
    const std::string format = schema.value("format", "");
    if (format == "date-time" && !ParseTime(text)) Fault(where, "is no time: " + text);
    if (format == "uuid" && !Uuid::Parse(text)) Fault(where, "is no UUID: " + text);
    if (schema.contains("pattern") &&
        !std::regex_match(text, std::regex(schema["pattern"].get<std::string>()))) {
      Fault(where, "is not of its pattern: " + text);
    }
  }
};

}  // namespace

const Json& Document() {
  static const Json document = Json::parse(Documents().front().text);
  return document;
}

const Json& Resolve(const Json& json) {
  if (!json.is_object() || !json.contains("$ref")) return json;
  const std::string target = json["$ref"].get<std::string>();
  return Resolve(Document().at(Json::json_pointer(target.substr(1))));
}

std::map<std::string, Json> Operation::Parameters(const std::string& where) const {
  std::map<std::string, Json> found;
  for (const Json* side : {shared, said}) {
    for (const Json& listed : side->value("parameters", Json::array())) {
      const Json& parameter = Resolve(listed);
      if (parameter["in"] == where) found.emplace(parameter["name"], parameter);
    }
  }
  return found;
}

Json Operation::Body() const {
  const Json::json_pointer schema("/requestBody/content/application~1json/schema");
  return said->contains(schema) ? said->at(schema) : Json();
}

std::vector<Operation> Operations() {
  std::vector<Operation> all;
  for (const auto& path : Document()["paths"].items()) {
    for (const auto& member : path.value().items()) {
      if (member.key() == "parameters") continue;
      std::string method = member.key();
      std::transform(method.begin(), method.end(), method.begin(),
                     [](char c) { return static_cast<char>(c - 'a' + 'A'); });
      all.push_back({std::move(method), path.key(), &member.value(), &path.value()});
    }
  }
  return all;
}

const Operation* FindOperation(const std::string& method, const std::string& path) {
  static const std::vector<Operation> all = Operations();
  for (const Operation& operation : all) {
    if (operation.method == method && IsOfForm(path, operation.path)) return &operation;
  }
  return nullptr;
}

Members MembersOf(const Json& schema) {
  Members members;
  Add(members, schema);
  return members;
}

Names NamesOf(const std::map<std::string, Json>& named) {
  Names names;
  for (const auto& [name, what] : named) names.insert(name);
  return names;
}

std::vector<std::string> FaultsOf(const Json& value, const Json& schema, const std::string& where) {
  Checker checker;
  checker.Check(value, schema, where);
  return checker.faults;
}

}  // namespace lookback::api
