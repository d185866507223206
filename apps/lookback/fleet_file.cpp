#include "apps/lookback/fleet_file.h"

#include <fmt/format.h>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include <algorithm>
#include <cstdlib>
#include <initializer_list>

#include "apps/lookback/command.h"

namespace lookback::app {
namespace {

constexpr int kDefaultPolicy = -1;  // In place of a camera,
constexpr int kFirstGroup = -2;     // and so are groups, downwards.

enum class FleetKind : uint8_t { kText, kFlag, kDays, kNumber, kTexts, kPlace };
struct FleetSetting {
  std::string_view name;
  FleetKind kind;
};
constexpr FleetSetting kCameraSettings[] = {
    {"id", FleetKind::kText},        {"name", FleetKind::kText},  {"url", FleetKind::kText},
    {"sub_url", FleetKind::kText},   {"user", FleetKind::kText},  {"audio", FleetKind::kFlag},
    {"transport", FleetKind::kText}, {"tls", FleetKind::kText},   {"enabled", FleetKind::kFlag},
    {"group", FleetKind::kText},     {"tags", FleetKind::kTexts}, {"place", FleetKind::kPlace}};
constexpr FleetSetting kGroupSettings[] = {{"name", FleetKind::kText}};
constexpr std::string_view kPasswordSettings[] = {"password", "password_file", "password_env"};
constexpr FleetSetting kPolicySettings[] = {
    {"min_days", FleetKind::kDays}, {"target_days", FleetKind::kDays},
    {"max_days", FleetKind::kDays}, {"thin_days", FleetKind::kDays},
    {"class", FleetKind::kNumber},  {"quota_bytes", FleetKind::kNumber},
    {"at_floor", FleetKind::kText}};

FilePosition FleetPosition(const toml::source_region& source) {
  return {source.begin.line, source.begin.column};
}

class FleetReader {
 public:
  FleetReader(FileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}

  FleetFile Read(std::string_view text) {
    const toml::parse_result parsed = toml::parse(text);
    if (!parsed) {
      Fault(FleetPosition(parsed.error().source()), std::string(parsed.error().description()));
      file_.whole = false;
      return std::move(file_);
    }
    for (const auto& [key, value] : parsed.table()) {
      if (key == "policy" && value.is_table()) {
        file_.body["policy"] = Policy(*value.as_table(), kDefaultPolicy);
      } else if (key == "camera" && value.is_array_of_tables()) {
        for (const toml::node& camera : *value.as_array()) Camera(*camera.as_table());
      } else if (key == "group" && value.is_array_of_tables()) {
        for (const toml::node& group : *value.as_array()) Group(*group.as_table());
      } else {
        Fault(FleetPosition(key.source()),
              fmt::format("\"{}\" is not known here: a file has [policy], [[group]] and [[camera]]",
                          key.str()));
      }
    }
    SortFaults(file_.faults);
    return std::move(file_);
  }

 private:
  void Fault(FilePosition at, std::string text) { file_.faults.push_back({at, std::move(text)}); }

  void Camera(const toml::table& table) {
    const auto place = static_cast<int>(file_.body["cameras"].size());
    file_.positions[{place, ""}] = FleetPosition(table.source());
    Json camera = Json::object();
    const toml::node* password = nullptr;
    for (const auto& [key, value] : table) {
      file_.positions[{place, std::string(key.str())}] = FleetPosition(value.source());
      const bool secret = std::find(std::begin(kPasswordSettings), std::end(kPasswordSettings),
                                    key.str()) != std::end(kPasswordSettings);
      if (key == "policy") {
        camera["policy"] = OwnPolicy(value, place);
      } else if (!secret) {
        Take(kCameraSettings, key, value, camera);
      } else if (password != nullptr) {
        Fault(FleetPosition(key.source()),
              "one of password, password_file and password_env is enough");
      } else {
        password = &value;
        Password(std::string(key.str()), value, camera);
        file_.positions[{place, "password"}] = FleetPosition(value.source());
      }
    }
    for (const char* needed : {"id", "url"}) {
      if (table.contains(needed)) continue;
      Fault(FleetPosition(table.source()), fmt::format("the camera has no {}", needed));
    }
    file_.body["cameras"].push_back(std::move(camera));
  }

  void Group(const toml::table& table) {
    const int place = kFirstGroup - static_cast<int>(file_.body["groups"].size());
    file_.positions[{place, ""}] = FleetPosition(table.source());
    Json group = Json::object();
    for (const auto& [key, value] : table) {
      file_.positions[{place, std::string(key.str())}] = FleetPosition(value.source());
      if (key == "policy") {
        group["policy"] = OwnPolicy(value, place);
      } else {
        Take(kGroupSettings, key, value, group);
      }
    }
    if (!table.contains("name")) Fault(FleetPosition(table.source()), "the group has no name");
    file_.body["groups"].push_back(std::move(group));
  }

  // A table of its own, or "default".
  Json OwnPolicy(const toml::node& value, int place) {
    if (value.is_table()) return Policy(*value.as_table(), place);
    if (value.value<std::string_view>() != "default") {
      Fault(FleetPosition(value.source()), "policy is a table, { max_days = 30 }, or \"default\"");
    }
    return {};
  }

  Json Policy(const toml::table& table, int place) {
    if (place == kDefaultPolicy) file_.positions[{place, ""}] = FleetPosition(table.source());
    Json policy = Json::object();
    for (const auto& [key, value] : table) {
      file_.positions[{place, std::string(key.str())}] = FleetPosition(value.source());
      Take(kPolicySettings, key, value, policy);
    }
    return policy;
  }

  template <size_t size>
  void Take(const FleetSetting (&known)[size], const toml::key& key, const toml::node& value,
            Json& into) {
    const auto* found = std::find_if(std::begin(known), std::end(known),
                                     [&](const FleetSetting& s) { return s.name == key.str(); });
    const std::string name(key.str());
    if (found == std::end(known)) {
      Fault(FleetPosition(key.source()), fmt::format("\"{}\" is no setting of this", name));
    } else if (const auto text = value.value_exact<std::string>();
               text && found->kind == FleetKind::kText) {
      into[name] = *text;
    } else if (const auto flag = value.value_exact<bool>();
               flag && found->kind == FleetKind::kFlag) {
      into[name] = *flag;
    } else if (const auto number = value.value_exact<int64_t>();
               number && *number >= 0 &&
               (found->kind == FleetKind::kNumber ||
                (found->kind == FleetKind::kDays && *number <= UINT32_MAX))) {
      into[name] = static_cast<uint64_t>(*number);
    } else if (found->kind == FleetKind::kTexts && IsListOfTexts(value)) {
      into[name] = Json::array();
      for (const toml::node& one : *value.as_array()) {
        into[name].push_back(*one.value_exact<std::string>());
      }
    } else if (found->kind == FleetKind::kPlace && value.is_table()) {
      into[name] = Place(*value.as_table());
    } else {
      constexpr std::string_view kWants[] = {
          "a text in quotes", "true or false",   "a whole number of days, 0 for none",
          "a whole number",   "a list of texts", "a table, { latitude = 52.5, longitude = 13.4 }"};
      Fault(FleetPosition(value.source()),
            fmt::format("{} is {}", name, kWants[static_cast<size_t>(found->kind)]));
    }
  }

  static bool IsListOfTexts(const toml::node& value) {
    const toml::array* const list = value.as_array();
    return list != nullptr && std::all_of(list->begin(), list->end(),
                                          [](const toml::node& text) { return text.is_string(); });
  }

  // What is in it is the server's to judge.
  Json Place(const toml::table& table) {
    Json place = Json::object();
    for (const auto& [key, value] : table) {
      if (const auto number = value.value<double>(); number && !value.is_boolean()) {
        place[std::string(key.str())] = *number;
      } else {
        Fault(FleetPosition(value.source()), fmt::format("{} is a number of degrees", key.str()));
      }
    }
    return place;
  }

  void Password(const std::string& name, const toml::node& value, Json& camera) {
    const auto text = value.value_exact<std::string>();
    if (!text) return Fault(FleetPosition(value.source()), name + " is a text in quotes");
    if (name == "password") {
      camera["password"] = *text;
    } else if (name == "password_env") {
      const char* found = std::getenv(text->c_str());
      if (found == nullptr) {
        return Fault(FleetPosition(value.source()),
                     fmt::format("${} is not in the environment", *text));
      }
      camera["password"] = found;
    } else {
      // Beside the file that names it, wherever the command is run.
      const size_t slash = path_.rfind('/');
      const bool absolute = text->starts_with("/") || slash == std::string::npos;
      auto read = ReadSecret(files_, absolute ? *text : path_.substr(0, slash + 1) + *text, name);
      if (!read) return Fault(FleetPosition(value.source()), read.message());
      camera["password"] = std::move(*read);
    }
  }

  FileSystem& files_;
  const std::string path_;
  FleetFile file_;
};

}  // namespace

int FleetFile::PlaceOfGroup(int64_t group) { return kFirstGroup - static_cast<int>(group); }

FilePosition FleetFile::PositionOf(int place, const std::string& field) const {
  const auto found = positions.find({place, field});
  if (found != positions.end()) return found->second;
  const auto table = positions.find({place, ""});
  return table == positions.end() ? FilePosition{} : table->second;
}

Result<FleetFile> ReadFleetFile(FileSystem& files, const std::string& path) {
  LB_TRY_ASSIGN(bytes, ReadFile(files, path, kMaxFleetFileBytes));
  return FleetReader(files, path).Read(AsText(bytes));
}

}  // namespace lookback::app
