// apps/lookback/usage.h: what is wrong with a command line, in one sentence that says what to type.
//
// Threads:   one.
// Errors:    none; of what it does not know the parser's own words are given.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace lookback::app {

// Why `app` could not parse `words`, which are those behind the program's name.
std::string UsageSentence(const CLI::App& app, const CLI::ParseError& error,
                          const std::vector<std::string>& words);

// Where a group was named and none of its commands.
std::string WhichCommand(const CLI::App& app);

// Whether these words, one behind the other, name a command or a group of them.
bool NamesCommand(const CLI::App& app, const std::vector<std::string>& words);

}  // namespace lookback::app
