// `lookback man` and `lookback completion bash`: what the commands and the settings of the server
// say of themselves, as manual pages and as completion for a shell.

#include <fmt/format.h>

#include <array>

#include "apps/lookback/command.h"
#include "apps/lookback/settings_file.h"
#include "base/version.h"

namespace lookback::app {
namespace {

// Visits each command below `app` that does something, with the words that name it.
void VisitCommands(const CLI::App& app, const std::string& words,
                   const std::function<void(const std::string&, const CLI::App&)>& visit) {
  for (const CLI::App* command : app.get_subcommands({})) {
    visit(words + " " + command->get_name(), *command);
    VisitCommands(*command, words + " " + command->get_name(), visit);
  }
}

// A line of a manual page: nothing in it is taken for one of troff's own requests.
std::string Troff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  const bool request = !out.empty() && (out[0] == '.' || out[0] == '\'');
  return request ? "\\&" + out : out;
}

bool IsFlag(const CLI::Option& option) { return option.get_items_expected_max() == 0; }

// "-o, --output"; of a positional one "ID".
std::string NamesOf(const CLI::Option& option) {
  std::string names;
  const auto add = [&names](const std::string& name) {
    names += (names.empty() ? "" : ", ") + name;
  };
  for (const std::string& name : option.get_snames()) add("-" + name);
  for (const std::string& name : option.get_lnames()) add("--" + name);
  if (!names.empty()) return names;
  std::string positional = option.get_single_name();
  for (char& c : positional) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return positional;
}

std::string ManualOf(const std::string& words, const CLI::App& command) {
  std::string text = fmt::format(".SS {}\n{}\n", Troff(words), Troff(command.get_description()));
  for (const CLI::Option* option : command.get_options({})) {
    if (option == command.get_help_ptr()) continue;
    const bool named = !option->get_lnames().empty() || !option->get_snames().empty();
    text +=
        fmt::format(".TP\n\\fB{}\\fR{}\n{}{}\n", Troff(NamesOf(*option)),
                    named && !IsFlag(*option) ? " \\fIVALUE\\fR" : "",
                    Troff(option->get_description()), option->get_required() ? " (needed)" : "");
  }
  return text;
}

Result<int> PrintManual(const Commands& commands) {
  std::string text = fmt::format(
      ".TH LOOKBACK 1 \"\" \"lookback {}\"\n.SH NAME\nlookback \\- recording and archive of "
      "cameras\n"
      ".SH SYNOPSIS\n\\fBlookback\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR]...\n"
      ".SH DESCRIPTION\n{}\n.SH COMMANDS\n",
      Version(), Troff(commands.app.get_description()));
  VisitCommands(commands.app, "lookback", [&text](const std::string& words, const CLI::App& app) {
    if (app.get_subcommands({}).empty()) text += ManualOf(words, app);
  });
  text +=
      ".SH ENVIRONMENT\n.TP\n.B LOOKBACK_SERVER\nthe server to ask, unless \\-\\-server names it\n"
      ".TP\n.B LOOKBACK_TOKEN\nthe token to show, unless \\-\\-token\\-file names a file\n";
  text +=
      ".SH FILES\n.TP\n.I /etc/lookback/lookback.toml\nsettings of the service of the Debian "
      "package, "
      "\\fBlookback.toml\\fR(5)\n"
      ".TP\n.I /var/lib/lookback\nthe store of that service\n"
      ".TP\n.I /usr/share/doc/lookback/docs\nthe documentation; \\fIcli.md\\fR says what each "
      "command "
      "does, \\fIoperations.md\\fR how a store is run\n";
  text += fmt::format(".SH EXIT STATUS\n{}\n", Troff(kExitCodesHelp));
  PrintText(text);
  return kExitOk;
}

std::string ManualOf(const Setting& setting) {
  const Settings defaults;
  const std::string value = WrittenValue(setting, defaults);
  std::string text =
      fmt::format(".TP\n\\fB{}\\fR\n{}.\n.br\n", Troff(setting.key()), Troff(setting.meaning));
  text += fmt::format("{}; \\fB{}\\fR on the command line.\n.br\n", Troff(AllowedValues(setting)),
                      Troff(setting.option));
  text += setting.when_unset.empty() ? fmt::format("Default: {}.\n", Troff(value))
                                     : fmt::format("Without it: {}.\n", Troff(setting.when_unset));
  if (!setting.needs.empty()) text += fmt::format("Needs {} beside it.\n", Troff(setting.needs));
  if (setting.path) text += "A path, relative to where the file is.\n";
  text += setting.reloads ? "A reload is enough.\n" : "Takes effect at a start.\n";
  text += fmt::format(".br\nExample: {} = {}\n", Troff(setting.name), Troff(setting.example));
  return text;
}

constexpr std::string_view kAboutTheFile =
    R"(A file in TOML 1.0 that \fBlookback serve \-\-config\fR \fIFILE\fR reads; the service of the Debian package
has \fI/etc/lookback/lookback.toml\fR. Every setting may be left out. What the command line has too goes
before the file. What is unknown or not allowed is an error that names line and column, and nothing starts.
.PP
\fBlookback serve \-\-config\fR \fIFILE\fR \fB\-\-check\fR starts nothing, and says whether it is in order and
where each value comes from. At SIGHUP (\fBsystemctl reload lookback\fR) a running server reads the file
anew: as a whole or, if anything in it is wrong, not at all.
.PP
Cameras, policies and users are no settings: they are in the store, and changed by commands or
\fBlookback apply\fR.
)";

Result<int> PrintManualOfFile() {
  std::string text = fmt::format(
      ".TH LOOKBACK.TOML 5 \"\" \"lookback {}\"\n.SH NAME\nlookback.toml \\- settings of lookback "
      "serve\n.SH DESCRIPTION\n{}",
      Version(), kAboutTheFile);
  std::string_view table = "-";
  for (const Setting& setting : AllSettings()) {
    if (setting.table != table) {
      table = setting.table;
      text += table.empty() ? ".SH SETTINGS\n.SS Above every table\n"
                            : fmt::format(".SS [{}]\n", Troff(table));
    }
    text += ManualOf(setting);
  }
  text += ".SH SEE ALSO\n\\fBlookback\\fR(1)\n";
  PrintText(text);
  return kExitOk;
}

bool NamesAFile(const std::string& option) {
  constexpr std::array<std::string_view, 6> kOptions = {"config",     "data",          "volume",
                                                        "token-file", "password-file", "output"};
  return std::find(kOptions.begin(), kOptions.end(), option) != kOptions.end();
}

// What may follow a command: those below it, or its options.
std::string WordsAfter(const CLI::App& command, std::string& file_options) {
  std::string words;
  for (const CLI::App* below : command.get_subcommands({})) words += below->get_name() + " ";
  for (const CLI::Option* option : command.get_options({})) {
    for (const std::string& name : option->get_lnames()) {
      words += "--" + name + " ";
      if (NamesAFile(name) && file_options.find("--" + name + "|") == std::string::npos) {
        file_options += "--" + name + "|";
      }
    }
  }
  return words;
}

constexpr std::string_view kCompletion =
    R"(# Completion of lookback for bash: source it, or put it into
# /usr/share/bash-completion/completions/lookback.
_lookback() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}}
  local command='' word words=''
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "$command $word" in
{commands}
        command="$command $word" ;;
    esac
  done
  case $before in
    {files}-o)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return ;;
  esac
  case $command in
{words}  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}}
complete -F _lookback lookback
)";

Result<int> PrintCompletion(const Commands& commands) {
  std::string known, words, files;
  const auto line = [](const std::string& command, const std::string& after) {
    return fmt::format("    '{}') words='{}' ;;\n", command, after);
  };
  words += line("", WordsAfter(commands.app, files));
  VisitCommands(commands.app, "", [&](const std::string& command, const CLI::App& app) {
    known += fmt::format("{}      '{}'", known.empty() ? "" : " | \\\n", command);
    words += line(command, WordsAfter(app, files));
  });
  PrintText(fmt::format(kCompletion, fmt::arg("commands", known + ")"), fmt::arg("files", files),
                        fmt::arg("words", words)));
  return kExitOk;
}

}  // namespace

void AddManualCommands(Commands& commands) {
  auto of_file = std::make_shared<bool>(false);
  commands
      .Add(&commands.app, "man", "Print the manual page; `lookback man | man -l -` shows it.",
           [&commands, of_file] { return *of_file ? PrintManualOfFile() : PrintManual(commands); })
      ->add_flag("--config", *of_file, "that of the server's file, lookback.toml(5)");
  CLI::App* completion = commands.Group("completion", "Completion for a shell.");
  commands.Add(completion, "bash", "Print it for bash: source <(lookback completion bash).",
               [&commands] { return PrintCompletion(commands); });
}

}  // namespace lookback::app
