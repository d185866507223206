#include "apps/lookback/settings_file.h"

#include <fmt/format.h>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include <algorithm>

#include "apps/lookback/suggestion.h"
#include "base/bytes.h"

namespace lookback::app {
namespace {

constexpr size_t kMaxVolumesInFile = 1'000;

FilePosition SettingsPosition(const toml::source_region& source) {
  return {source.begin.line, source.begin.column};
}

bool IsTable(std::string_view name) {
  const auto settings = AllSettings();
  return !name.empty() && std::any_of(settings.begin(), settings.end(),
                                      [&](const Setting& s) { return s.table == name; });
}

class SettingsReader {
 public:
  explicit SettingsReader(const std::string& path)
      : directory_(path.find('/') == std::string::npos ? "" : path.substr(0, path.rfind('/') + 1)) {
  }

  SettingsFile Read(std::string_view text) {
    const toml::parse_result parsed = toml::parse(text);
    if (!parsed) {
      const FilePosition at = SettingsPosition(parsed.error().source());
      if (!TellUnquoted(text, at.line)) Fault(at, std::string(parsed.error().description()));
      return std::move(file_);
    }
    for (const auto& [key, value] : parsed.table()) {
      if (!IsTable(key.str())) {
        Take("", key, value);
      } else if (value.is_table()) {
        for (const auto& [name, below] : *value.as_table()) Take(key.str(), name, below);
      } else {
        Fault(SettingsPosition(key.source()), fmt::format("{0} is a table: [{0}]", key.str()));
      }
    }
    SortFaults(file_.faults);
    return std::move(file_);
  }

 private:
  // What stands behind "name =" and does not begin as a text or a list does,
  // where there is to be one.
  bool TellUnquoted(std::string_view text, uint32_t number) {
    for (uint32_t i = 1; i < number && !text.empty(); ++i) {
      text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
    }
    const std::string_view line = text.substr(0, text.find('\n'));
    const size_t equals = line.find('=');
    const size_t name = line.find_first_not_of(" \t");
    if (equals == std::string_view::npos || name >= equals) return false;
    const size_t value = line.find_first_not_of(" \t", equals + 1);
    const std::string_view key =
        line.substr(name, line.find_last_not_of(" \t", equals - 1) + 1 - name);
    if (value == std::string_view::npos) return false;
    for (const Setting& setting : AllSettings()) {
      if (setting.name != key || std::holds_alternative<int64_t Settings::*>(setting.value))
        continue;
      const bool list = !std::holds_alternative<std::string Settings::*>(setting.value);
      const size_t first =
          list && line[value] == '[' ? line.find_first_not_of(" \t", value + 1) : value;
      if (first == std::string_view::npos || line[first] == '"' || line[first] == '\'') continue;
      Fault({number, static_cast<uint32_t>(first) + 1},
            fmt::format("{0} is {1}: {0} = {2}", key, AllowedValues(setting), setting.example));
      return true;
    }
    return false;
  }

  void Fault(FilePosition at, std::string text) { file_.faults.push_back({at, std::move(text)}); }

  void Take(std::string_view table, const toml::key& key, const toml::node& value) {
    const auto settings = AllSettings();
    const auto found = std::find_if(settings.begin(), settings.end(), [&](const Setting& setting) {
      return setting.table == table && setting.name == key.str();
    });
    if (found == settings.end()) {
      Fault(SettingsPosition(key.source()),
            Unknown(table, std::string(key.str()), value.is_table()));
    } else if (Put(*found, value)) {
      file_.positions[found->key()] = SettingsPosition(value.source());
      if (found->name == "data" && file_.settings.data.empty()) {
        Fault(SettingsPosition(value.source()), "data names a directory, and is empty here");
      }
    } else {
      Fault(SettingsPosition(value.source()),
            fmt::format("{} is {}", found->key(), AllowedValues(*found)));
    }
  }

  // False where the value is of another kind. What is not allowed in it is Problems()' to tell.
  bool Put(const Setting& setting, const toml::node& value) {
    Settings& settings = file_.settings;
    if (const auto* number = std::get_if<int64_t Settings::*>(&setting.value)) {
      const auto read = value.value_exact<int64_t>();
      if (read) settings.** number = *read;
      return read.has_value();
    }
    if (const auto* text = std::get_if<std::string Settings::*>(&setting.value)) {
      const auto read = value.value_exact<std::string>();
      if (read) settings.** text = setting.path ? Beside(*read) : *read;
      return read.has_value();
    }
    const toml::array* const list = value.as_array();
    if (list == nullptr || list->size() > kMaxVolumesInFile) return false;
    std::vector<std::string> texts;
    std::vector<FilePosition>& elements = file_.elements[setting.key()];
    for (const toml::node& one : *list) {
      elements.push_back(SettingsPosition(one.source()));
      const auto read = one.value_exact<std::string>();
      if (!read || read->empty()) return false;
      texts.push_back(setting.path ? Beside(*read) : *read);
    }
    settings.*std::get<std::vector<std::string> Settings::*>(setting.value) = std::move(texts);
    return true;
  }

  std::string Beside(const std::string& path) const {
    const bool whole = path.empty() || path.starts_with('/') || path.starts_with('~');
    return whole ? path : directory_ + path;
  }

  static std::string Unknown(std::string_view table, const std::string& name, bool is_table) {
    std::vector<std::string> known;
    std::string elsewhere;
    for (const Setting& setting : AllSettings()) {
      if (setting.table == table) known.emplace_back(setting.name);
      if (setting.name == name) elsewhere = setting.key();
      if (table.empty() && is_table && !setting.table.empty()) known.emplace_back(setting.table);
    }
    const std::string full = table.empty() ? name : fmt::format("{}.{}", table, name);
    const std::string near = Nearest(name, known);
    const std::string hint = !elsewhere.empty() ? fmt::format("; there is {}", elsewhere)
                             : near.empty()     ? "; lookback.toml(5) lists what there is"
                                                : fmt::format("; did you mean {}?", near);
    return fmt::format("\"{}\" is no {}{}", full, is_table ? "table" : "setting", hint);
  }

  const std::string directory_;
  SettingsFile file_;
};

std::string Capital(std::string_view text) {
  std::string out(text);
  if (out[0] >= 'a' && out[0] <= 'z') out[0] = static_cast<char>(out[0] - 'a' + 'A');
  return out;
}

}  // namespace

Result<SettingsFile> ReadSettingsFile(FileSystem& files, const std::string& path) {
  auto bytes = ReadFile(files, path, kMaxSettingsFileBytes);
  if (!bytes && bytes.code() == Code::kNotFound) {
    return Fail(Code::kNotFound, fmt::format("there is no settings file {}; `lookback serve "
                                             "--print-config > FILE` writes one",
                                             path));
  }
  if (!bytes) return Pass(bytes.error());
  return SettingsReader(path).Read(AsText(*bytes));
}

std::optional<FilePosition> SettingsFile::PositionOf(const SettingProblem& problem) const {
  const auto at = positions.find(problem.setting->key());
  if (at == positions.end()) return std::nullopt;
  const auto list = elements.find(problem.setting->key());
  const bool one =
      problem.element && list != elements.end() && *problem.element < list->second.size();
  return one ? list->second[*problem.element] : at->second;
}

std::string SettingsFileText(const Settings& settings) {
  std::string text =
      "# Settings of `lookback serve --config FILE`; lookback.toml(5) has all about each. What "
      "stands as a\n"
      "# comment is as by default. `lookback serve --config FILE --check` says whether it is in "
      "order; a\n"
      "# running server reads it anew at SIGHUP (systemctl reload lookback).\n";
  std::string_view table;
  for (const Setting& setting : AllSettings()) {
    if (setting.table != table) {
      table = setting.table;
      text += fmt::format("\n[{}]\n", table);
    }
    const std::string value = WrittenValue(setting, settings);
    const bool as_by_default = value == WrittenValue(setting, Settings{});
    text += fmt::format("\n# {}.{}\n", Capital(setting.meaning),
                        setting.reloads ? "" : " Takes effect at a start.");
    if (!setting.when_unset.empty()) text += fmt::format("# Without it: {}.\n", setting.when_unset);
    text += fmt::format(
        "{}{} = {}\n", as_by_default ? "#" : "", setting.name,
        as_by_default && !setting.when_unset.empty() ? setting.example : std::string_view(value));
  }
  return text;
}

}  // namespace lookback::app
