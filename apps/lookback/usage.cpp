#include "apps/lookback/usage.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <functional>
#include <string_view>

#include "apps/lookback/suggestion.h"

namespace lookback::app {
namespace {

std::vector<const CLI::App*> CommandsOf(const CLI::App& group) {
  return group.get_subcommands(std::function<bool(const CLI::App*)>());
}

// The command that was understood, down to its last word.
const CLI::App* Chosen(const CLI::App& app) {
  const CLI::App* command = &app;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().back();
  return command;
}

std::string NameOf(const CLI::App* command) {
  std::string name = command->get_name();
  while ((command = command->get_parent()) != nullptr) name = command->get_name() + " " + name;
  return name;
}

std::string ListOfCommands(const CLI::App& group) {
  std::string list;
  for (const CLI::App* command : CommandsOf(group)) {
    list += (list.empty() ? "" : ", ") + command->get_name();
  }
  return list;
}

// For the first word that is no command or option where it stands: what it may
// have been meant to be.
std::string Suggestion(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* group = &app;
  for (const std::string& word : words) {
    const std::vector<const CLI::App*> below = CommandsOf(*group);
    const auto chosen = std::find_if(below.begin(), below.end(), [&](const CLI::App* command) {
      return command->get_name() == word;
    });
    if (chosen != below.end()) {
      group = *chosen;
      continue;
    }
    std::vector<std::string> known;
    if (word.rfind("--", 0) == 0) {
      for (const CLI::Option* option : group->get_options()) {
        for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
      }
    } else {
      for (const CLI::App* command : below) known.push_back(command->get_name());
    }
    const std::string typed = word.substr(0, word.find('='));
    const std::string nearest = Nearest(typed, known);
    if (!nearest.empty() && nearest != typed) return "; did you mean " + nearest + "?";
  }
  return {};
}

bool TakesWord(std::string_view text, std::string_view word, std::string& before,
               std::string& after) {
  const size_t at = text.find(word);
  if (at == std::string_view::npos) return false;
  before = text.substr(0, at);
  after = text.substr(at + word.size());
  return true;
}

// What has no dashes is shown as manuals show it: ID.
std::string Shown(std::string name) {
  if (name.rfind('-', 0) == 0) return name;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return name;
}

// Of words that the command has no place for, the first.
std::string NotTaken(const CLI::App& app, const CLI::App& command,
                     const std::vector<std::string>& words) {
  const std::vector<std::string> rest = app.remaining(/*recurse=*/true);
  const std::string word = rest.empty() ? "" : rest.front();
  const std::string name = NameOf(&command);
  if (word.rfind('-', 0) == 0) {
    // An option that is known and yet was not taken stands at the end, without its value, or before
    // its command.
    const CLI::Option* option = command.get_option_no_throw(word);
    if (option != nullptr && word == words.back()) return word + " needs a value";
    if (option != nullptr) return fmt::format("{} stands behind `{}`", word, name);
    return fmt::format("`{}` has no option {}", name, word);
  }
  if (CommandsOf(command).empty()) return fmt::format("`{}` does not take \"{}\"", name, word);
  return fmt::format("`{}` has no command \"{}\"", name, word);
}

// "--min-days = abc"
std::string NotConverted(const CLI::App& command, const std::string& what) {
  std::string name, value;
  if (!TakesWord(what, " = ", name, value)) return what;
  const CLI::Option* option = command.get_option_no_throw(name);
  if (option != nullptr && option->get_expected_max() == 0) return name + " takes no value";
  const bool counts = option != nullptr && option->get_type_name().rfind("UINT", 0) == 0;
  return fmt::format("{} is a {}number, and \"{}\" is none", name, counts ? "whole " : "", value);
}

// "--class: Value 9 not in range 0 to 3", "--gaps: foo not in {keep,close}"
std::string NotValid(const std::string& what) {
  std::string name, rest, value, known;
  if (!TakesWord(what, ": ", name, rest)) return what;
  if (TakesWord(rest, " not in range ", value, known)) {
    if (value.rfind("Value ", 0) == 0) value.erase(0, 6);
    return fmt::format("{} is a number from {}, and not \"{}\"", name, known, value);
  }
  if (TakesWord(rest, " not in {", value, known)) {
    known.pop_back();
    for (size_t at = 0; (at = known.find(',', at)) != std::string::npos; at += 2) {
      known.insert(at + 1, " ");
    }
    return fmt::format("{} is one of {}, and not \"{}\"", name, known, value);
  }
  if (TakesWord(rest, " unit not recognized", value, known)) {
    return fmt::format("{} takes bytes, as 500GB or 2TB: \"{}\" is no unit", name, value);
  }
  return what;
}

std::string Sentence(const CLI::App& app, const CLI::ParseError& error,
                     const std::vector<std::string>& words) {
  const CLI::App& command = *Chosen(app);
  const std::string what = error.what();
  std::string before, after;
  switch (static_cast<CLI::ExitCodes>(error.get_exit_code())) {
    case CLI::ExitCodes::ExtrasError:
      return NotTaken(app, command, words);
    case CLI::ExitCodes::RequiredError:
      if (!TakesWord(what, " is required", before, after)) return what;
      return fmt::format("`{}` needs {}", NameOf(&command), Shown(before));
    case CLI::ExitCodes::ArgumentMismatch:
      if (!TakesWord(what, ": ", before, after) || after.find(" missing") == std::string::npos) {
        return what;
      }
      return before + " needs a value";
    case CLI::ExitCodes::ConversionError:
      if (!TakesWord(what, "Could not convert: ", before, after)) return what;
      return NotConverted(command, after);
    case CLI::ExitCodes::ValidationError:
      return NotValid(what);
    case CLI::ExitCodes::ExcludesError:
      if (!TakesWord(what, " excludes ", before, after)) return what;
      return fmt::format("{} and {} do not go together", before, after);
    case CLI::ExitCodes::RequiresError:
      if (!TakesWord(what, " requires ", before, after)) return what;
      return fmt::format("{} goes only with {}", before, after);
    default:
      return what;
  }
}

}  // namespace

std::string UsageSentence(const CLI::App& app, const CLI::ParseError& error,
                          const std::vector<std::string>& words) {
  const CLI::App& command = *Chosen(app);
  const std::string suggestion = Suggestion(app, words);
  const std::string sentence = Sentence(app, error, words) + suggestion;
  const bool no_command = sentence.find(" has no command ") != std::string::npos;
  if (suggestion.empty() && no_command && command.get_parent() != nullptr) {
    return sentence + "; it has " + ListOfCommands(command);
  }
  return fmt::format("{}{} `{} --help` says what it takes", sentence, suggestion.empty() ? ";" : "",
                     NameOf(&command));
}

bool NamesCommand(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* group = &app;
  for (const std::string& word : words) {
    const std::vector<const CLI::App*> below = CommandsOf(*group);
    const auto chosen = std::find_if(below.begin(), below.end(), [&](const CLI::App* command) {
      return command->get_name() == word;
    });
    if (chosen == below.end()) return false;
    group = *chosen;
  }
  return true;
}

std::string WhichCommand(const CLI::App& app) {
  const CLI::App& group = *Chosen(app);
  if (&group == &app) return "`lookback` needs a command; `lookback --help` lists them";
  return fmt::format("`{}` needs a command: {}", NameOf(&group), ListOfCommands(group));
}

}  // namespace lookback::app
