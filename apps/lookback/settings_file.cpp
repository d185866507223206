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

FilePosition At(const toml::source_region& source) {
  return {source.begin.line, source.begin.column};
}

bool IsTable(std::string_view name) {
  const auto settings = AllSettings();
  return !name.empty() && std::any_of(settings.begin(), settings.end(),
                                      [&](const Setting& s) { return s.table == name; });
}

class Reader {
 public:
  explicit Reader(const std::string& path)
      : directory_(path.find('/') == std::string::npos ? "" : path.substr(0, path.rfind('/') + 1)) {
  }

  SettingsFile Read(std::string_view text) {
    const toml::parse_result parsed = toml::parse(text);
    if (!parsed) {
      Fault(At(parsed.error().source()), std::string(parsed.error().description()));
      return std::move(file_);
    }
    for (const auto& [key, value] : parsed.table()) {
      if (!IsTable(key.str())) {
        Take("", key, value);
      } else if (value.is_table()) {
        for (const auto& [name, below] : *value.as_table()) Take(key.str(), name, below);
      } else {
        Fault(At(key.source()), fmt::format("{0} is a table: [{0}]", key.str()));
      }
    }
    SortFaults(file_.faults);
    return std::move(file_);
  }

 private:
  void Fault(FilePosition at, std::string text) { file_.faults.push_back({at, std::move(text)}); }

  void Take(std::string_view table, const toml::key& key, const toml::node& value) {
    const auto settings = AllSettings();
    const auto found = std::find_if(settings.begin(), settings.end(), [&](const Setting& setting) {
      return setting.table == table && setting.name == key.str();
    });
    if (found == settings.end()) {
      Fault(At(key.source()), Unknown(table, std::string(key.str()), value.is_table()));
    } else if (Put(*found, value)) {
      file_.positions[found->key()] = At(value.source());
    } else {
      Fault(At(value.source()), fmt::format("{} is {}", found->key(), AllowedValues(*found)));
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
    for (const toml::node& one : *list) {
      const auto read = one.value_exact<std::string>();
      if (!read || read->empty()) return false;
      texts.push_back(setting.path ? Beside(*read) : *read);
    }
    settings.*std::get<std::vector<std::string> Settings::*>(setting.value) = std::move(texts);
    return true;
  }

  std::string Beside(const std::string& path) const {
    return path.empty() || path.starts_with("/") ? path : directory_ + path;
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
  LB_TRY_ASSIGN(bytes, ReadFile(files, path, kMaxSettingsFileBytes));
  return Reader(path).Read(AsText(bytes));
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
